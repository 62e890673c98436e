"""Value -> prompt text: plain text where it can be, JSON where it must be.

Apart from reading, because the texts of a closed set of options are written here and recognized there.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from typing import Any

from dspex.signatures.annotations import json_schema, options, type_name, without_metadata
from dspex.signatures.field import Field

SCALARS: dict[object, str] = {str: "text", int: "integer", float: "number", bool: "true or false"}
"""Types that are written without JSON, and what the model is told they are."""


def type_phrase(annotation: Any) -> str:
    """Return a type in the words the model reads.

    Example:
        >>> from typing import Literal
        >>> type_phrase(int), type_phrase(Literal["a", "b"])
        ('integer', 'one of "a", "b"')
        >>> type_phrase(list[str])
        'JSON: {"items":{"type":"string"},"type":"array"}'
    """
    kind = without_metadata(annotation)
    if kind in SCALARS:
        return SCALARS[kind]
    choices = options(kind)
    if choices is not None:
        return f"one of {', '.join(json.dumps(_plain(c), ensure_ascii=False, default=str) for c in choices)}"
    if kind in (Any, object):
        return "JSON: any value"
    from pydantic.errors import PydanticUserError

    try:
        return f"JSON: {json.dumps(json_schema(annotation), ensure_ascii=False, separators=(',', ':'))}"
    except PydanticUserError:
        return type_name(annotation)  # only an input may have such a type: it is rendered, never read


def render_value(value: object, field: Field | None = None) -> str:
    """Return a value as the text that stands in a prompt.

    Text stays as it is. An output whose type is read as JSON is written as JSON, strings with their quotes, so
    that `parse_value` gives the same value back.

    Example:
        >>> render_value("as it is"), render_value(["a", 1]), render_value(None)
        ('as it is', '["a",1]', 'null')
    """
    if type(value) is str and (field is None or field.annotation is str or field.role == "input"):
        return value
    if field is None or field.role == "input":
        return _text(value)
    return _writer(field)(value)


def _plain(value: object) -> object:
    return value.value if isinstance(value, enum.Enum) else value


def _text(value: object) -> str:
    """Return a value as plain text: JSON, but a lone string without quotes."""
    value = _plain(value)
    if isinstance(value, str):
        return str(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    text = _json(value)
    return str(json.loads(text)) if text.startswith('"') else text


def _json(value: object) -> str:
    from pydantic_core import PydanticSerializationError, to_json

    try:
        return to_json(value, inf_nan_mode="constants", fallback=_dumped).decode()
    except (PydanticSerializationError, ValueError):
        return json.dumps(str(value))  # a value that holds itself or broken text is shown, not refused


def _dumped(value: Any) -> object:
    dump = getattr(value, "toDict", None)
    return dump() if callable(dump) else str(value)


def _writer(field: Field) -> Callable[[object], str]:
    write: Callable[[object], str] | None = field.memo.get("write")
    if write is None:
        kind = without_metadata(field.annotation)
        choices = options(kind)
        if choices is not None:
            write = _choice_writer({(type(c), c): text for text, c in choice_texts(choices).items()})
        else:
            write = _text if kind in SCALARS else _json
        field.memo["write"] = write
    return write


def _choice_writer(texts: dict[tuple[type, object], str]) -> Callable[[object], str]:
    def write(value: object) -> str:
        try:
            return texts.get((type(value), value)) or _text(value)
        except TypeError:
            return _text(value)  # unhashable, so none of the options

    return write


def choice_texts(choices: tuple[object, ...]) -> dict[str, object]:
    """Map a distinct text to each option; a string that looks like another option wears quotes."""
    texts: dict[str, object] = {}
    for choice in sorted(choices, key=lambda c: isinstance(_plain(c), str)):
        text = _text(choice)
        while text in texts:
            text = json.dumps(text)
        texts[text] = choice
    return texts
