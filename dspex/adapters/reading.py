"""Text from a model -> value: one reader for each kind of type, built once for each field.

Text that could stand for two values is never guessed at: it is refused. What is tolerated (quotes, case, code
fences, thousands separators) is what models add around a value they mean.
"""

from __future__ import annotations

import ast
import enum
import json
import re
from collections.abc import Callable
from types import NoneType
from typing import Any

from dspex.adapters.rendering import choice_texts, type_phrase
from dspex.signatures.annotations import allows_none, options, type_name, union_members, without_metadata
from dspex.signatures.field import Field, one_line
from dspex.types.base import special_type

Reader = Callable[[str], Any]

_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_WRAPPING = "`\"'* \t\r\n"
_FENCE = "```"
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_SHOWN = 60


class Unreadable(ValueError):
    """The text is no value of the type; the message says why, as part of a sentence."""

    def __init__(self, reason: str = "", field: Field | None = None) -> None:
        super().__init__(reason)
        self.field = field
        """The field that the message names already."""


def read_value(text: str, field: Field) -> Any:
    """Return the value that a text stands for.

    Raises:
        Unreadable: it stands for none, or for several.
    """
    if field.annotation is str and not field.constraints:
        return text
    try:
        return reader(field)(text)
    except Unreadable as exc:
        raise refused(text, field, exc) from None


def refused(text: str, field: Field, reason: Unreadable) -> Unreadable:
    """Return why a text is no value of a field, as part of a sentence."""
    if reason.field is field:
        return reason
    phrase = type_phrase(field.annotation)
    wanted = f"`{type_name(field.annotation)}`" if phrase.startswith("JSON") else phrase
    shown = one_line(text.strip())
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    why = f" ({reason})" if str(reason) else ""
    return Unreadable(f"`{field.name}` should be {wanted}, the model wrote `{shown}`{why}", field)


def reader(field: Field) -> Reader:
    """Return what reads this field's values.

    Raises:
        SignatureError: values of the field's type cannot be read from text.
    """
    read: Reader | None = field.memo.get("read")
    if read is None:
        read = field.memo["read"] = _built(field)
    return read


def _built(field: Field) -> Reader:
    kind = without_metadata(field.annotation)
    read = _plain_reader(kind)
    if read is None:
        return _json_reader(field.type_adapter)
    if not field.constraints and kind is field.annotation:
        return read
    check = field.type_adapter.validate_python
    return lambda text: checked(check, read(text))


def _plain_reader(kind: object) -> Reader | None:
    """Return the reader of a type that is written without JSON, or None."""
    choices = options(kind)
    if choices is not None:
        return _choice_reader(choices)
    if kind in _PLAIN:
        return _PLAIN[kind]
    special = special_type(kind)
    if special is not None and special is kind:
        return lambda text: checked(special.from_completion, text)
    inner = [m for m in union_members(kind) if m is not None and m is not NoneType]
    one = _plain_reader(inner[0]) if len(inner) == 1 and allows_none(kind) else None
    return None if one is None else _optional_reader(one)


def _tidy(text: str) -> str:
    return text.strip(_WRAPPING).rstrip(".").strip(_WRAPPING)


def _read_bool(text: str) -> bool:
    try:
        return _BOOLS[_tidy(text).casefold()]
    except KeyError:
        raise Unreadable from None


def _read_int(text: str) -> int:
    number = _number(text)
    try:
        return int(number)
    except ValueError:
        whole = _read_float(number)
        if not whole.is_integer():
            raise Unreadable from None
        return int(whole)


def _read_float(text: str) -> float:
    try:
        return float(_number(text))
    except ValueError:
        raise Unreadable from None


def _number(text: str) -> str:
    number = _tidy(text)
    return number.replace(",", "") if _THOUSANDS.fullmatch(number) else number


def _choice_reader(choices: tuple[object, ...]) -> Reader:
    exact = choice_texts(choices)
    loose: dict[str, list[object]] = {}
    for text, choice in exact.items():
        loose.setdefault(_tidy(text).casefold(), []).append(choice)
    for choice in choices:
        if isinstance(choice, enum.Enum):
            for name in (choice.name, f"{type(choice).__name__}.{choice.name}"):
                loose.setdefault(name.casefold(), [choice])  # a value of that text goes first
        elif choice is None:
            loose.setdefault("none", [choice])

    def read(text: str) -> object:
        for form in (text, text.strip()):
            if form in exact:
                return exact[form]
        found = loose.get(_tidy(text).casefold(), [])
        if len(found) != 1:
            raise Unreadable("it fits more than one of them" if found else "")
        return found[0]

    return read


def _optional_reader(inner: Reader) -> Reader:
    def read(text: str) -> Any:
        body = text.strip()
        if body in ("null", "None"):
            return None
        if body[:1] == '"':
            try:
                return inner(str(json.loads(body)))
            except (ValueError, RecursionError):
                pass  # only a text that begins with a quote; an Unreadable is one of these too
        return inner(text)

    return read


def _json_reader(adapter: Any) -> Reader:
    def read(text: str) -> Any:
        body = _unfenced(text.strip())
        try:
            return checked(adapter.validate_json, body)
        except Unreadable as exc:
            reason = exc
        for attempt in (_bare, _embedded, _python):
            try:
                return checked(attempt, body, adapter)
            except Unreadable:
                continue
        raise reason

    return read


def _unfenced(body: str) -> str:
    """Return what stands between the lines of a code fence."""
    head, line_end, rest = body.partition("\n")
    if line_end and head.startswith(_FENCE) and rest.endswith(_FENCE):
        return rest.removesuffix(_FENCE).strip()
    return body


def _bare(body: str, adapter: Any) -> Any:
    """Read a date, path or other value that models write without the quotes of JSON."""
    return adapter.validate_python(body)


def _embedded(body: str, adapter: Any) -> Any:
    """Read the first object or array in a sentence."""
    start = min((body.find(c) for c in "{[" if c in body), default=-1)
    if start < 0:
        raise Unreadable
    _, length = json.JSONDecoder().raw_decode(body[start:])
    return adapter.validate_json(body[start : start + length])


def _python(body: str, adapter: Any) -> Any:
    """Read a list or dict with Python's quotes and words; nothing is evaluated."""
    if body[:1] not in "[{(" or "\\" in body:
        raise Unreadable  # a strange escape would be a warning to the user
    return adapter.validate_python(ast.literal_eval(body))


def checked(read: Callable[..., Any], *args: Any) -> Any:
    """Call one of pydantic's readers; what it raises for bad text becomes Unreadable."""
    from pydantic import ValidationError

    try:
        return read(*args)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Unreadable(one_line(f"{place}: {first['msg']}" if place else first["msg"])) from None
    except Unreadable:
        raise
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as exc:
        raise Unreadable(one_line(str(exc))) from None


_PLAIN: dict[object, Reader] = {str: str, bool: _read_bool, int: _read_int, float: _read_float}
