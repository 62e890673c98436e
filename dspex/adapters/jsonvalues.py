"""Value <-> JSON text of one output field: what the members of a JSON answer are filled with.

Apart from the plain texts of the other layouts: inside JSON a string wears quotes, so `1` and `"1"` differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import NoneType
from typing import Any

from dspex.adapters.outputs import absent
from dspex.adapters.reading import Reader, Unreadable, checked, read_value, refused
from dspex.adapters.rendering import SCALARS, json_text, plain_value, render_value
from dspex.signatures.annotations import allows_none, options, union_members, without_metadata
from dspex.signatures.field import Field
from dspex.types.base import special_type


def write_json(value: object, field: Field) -> str:
    """Return the JSON text of an output's value, such that `read_json` gives the value back.

    Example:
        >>> from dspex.signatures.field import OutputField
        >>> write_json("no", OutputField().named("answer", str))
        '"no"'
    """
    if type(value) is str and field.annotation is str:
        return json.dumps(value, ensure_ascii=False)
    write: Callable[[object], str] | None = field.memo.get("write_json")
    if write is None:
        write = field.memo["write_json"] = _writer(field)
    return write(value)


def read_json(text: str, field: Field) -> Any:
    """Return the value that the JSON text of a member stands for.

    Raises:
        Unreadable: it stands for none.
    """
    if field.annotation is str and not field.constraints and text[:1] == '"':
        return _string(text)
    if text == "null" and not allows_none(field.annotation) and field.annotation not in (Any, object):
        return absent(field)
    read: Reader | None = field.memo.get("read_json")
    if read is None:
        read = field.memo["read_json"] = _reader(field)
    try:
        return read(text)
    except Unreadable as exc:
        raise refused(text, field, exc) from None


def _writer(field: Field) -> Callable[[object], str]:
    kind = without_metadata(field.annotation)
    choices = options(kind)
    if choices is not None:
        texts = {(type(choice), choice): text for text, choice in _choice_texts(choices).items()}
        return lambda value: _choice_text(value, texts)
    if kind in SCALARS:
        return _scalar
    if special_type(kind) is kind and not _is_json(kind):
        return lambda value: json.dumps(render_value(value, field), ensure_ascii=False)
    return json_text


def _is_json(kind: Any) -> bool:
    """Tell whether a special type is written as JSON, and not as a text of its own."""
    return str(kind.type_phrase()).startswith("JSON")


def _scalar(value: object) -> str:
    value = plain_value(value)
    if value is None or isinstance(value, (str, int, float)):
        return json.dumps(value, ensure_ascii=False)
    return json_text(value)


def _choice_text(value: object, texts: dict[tuple[type, object], str]) -> str:
    try:
        return texts.get((type(value), value)) or _scalar(value)
    except TypeError:
        return _scalar(value)  # unhashable, so none of the options


def _choice_texts(choices: tuple[object, ...]) -> dict[str, object]:
    """Map a distinct JSON text to each option."""
    texts: dict[str, object] = {}
    for choice in choices:
        text = _scalar(choice)
        while text in texts:
            text = json.dumps(text)
        texts[text] = choice
    return texts


def _reader(field: Field) -> Reader:
    kind = without_metadata(field.annotation)
    read = _plain_reader(kind, field)
    if read is None:
        return _any_reader(field)
    if not field.constraints and kind is field.annotation:
        return read
    check = field.type_adapter.validate_python
    return lambda text: checked(check, read(text))


def _plain_reader(kind: object, field: Field) -> Reader | None:
    """Return the reader of a type whose values are no JSON containers, or None."""
    choices = options(kind)
    if choices is not None:
        return _choice_reader(choices, field)
    if kind is str:
        return lambda text: _string(text) if text[:1] == '"' else text
    if kind in SCALARS:
        return lambda text: read_value(_string(text) if text[:1] == '"' else text, field)
    special = special_type(kind)
    if special is not None and special is kind:
        read = special.from_completion if _is_json(kind) else field.type_adapter.validate_json
        return lambda text: (
            checked(special.from_completion, _string(text)) if text[:1] == '"' else checked(read, text)
        )
    inner = [m for m in union_members(kind) if m is not None and m is not NoneType]
    one = _plain_reader(inner[0], field) if len(inner) == 1 and allows_none(kind) else None
    return None if one is None else _optional(one)


def _optional(inner: Reader) -> Reader:
    return lambda text: None if text == "null" else inner(text)


def _choice_reader(choices: tuple[object, ...], field: Field) -> Reader:
    exact = {_canonical(text): choice for text, choice in _choice_texts(choices).items()}

    def read(text: str) -> object:
        same = _canonical(text)
        if same in exact:
            return exact[same]
        return read_value(_string(text) if text[:1] == '"' else text, field)

    return read


def _any_reader(field: Field) -> Reader:
    adapter = field.type_adapter

    def read(text: str) -> Any:
        try:
            return checked(adapter.validate_json, text)
        except Unreadable:
            if text[:1] != '"':
                raise
        # A model that wraps the value's own JSON, or a plain text of it, in a string.
        return read_value(_string(text), field)

    return read


def _string(text: str) -> str:
    try:
        return str(json.loads(text, strict=False))
    except ValueError as exc:
        raise Unreadable(str(exc)) from None


def _canonical(text: str) -> str:
    try:
        return json.dumps(json.loads(text, strict=False), sort_keys=True)
    except (ValueError, RecursionError):
        return text
