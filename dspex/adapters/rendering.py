"""Value -> prompt text: plain text where it can be, JSON where it must be.

Apart from reading, because the texts of a closed set of options are written here and recognized there.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from typing import Any

from dspex.errors import ContentError
from dspex.signatures.annotations import json_schema, options, type_name, without_metadata
from dspex.signatures.field import Field
from dspex.types.base import Special, is_special, special_type, special_types
from dspex.types.parts import Writing, written

_CONSTRAINTS = {
    "ge": "at least {}",
    "gt": "more than {}",
    "le": "at most {}",
    "lt": "less than {}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} long",
    "max_length": "at most {} long",
    "pattern": "matches `{}`",
    "max_digits": "at most {} digits",
    "decimal_places": "at most {} decimal places",
}
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
        return f"one of {', '.join(json.dumps(plain_value(c), ensure_ascii=False, default=str) for c in choices)}"
    if kind in (Any, object):
        return "JSON: any value"
    special = special_type(kind)
    if special is not None:
        return special.type_phrase()
    from pydantic.errors import PydanticUserError

    try:
        return f"JSON: {json.dumps(json_schema(annotation), ensure_ascii=False, separators=(',', ':'))}"
    except PydanticUserError:
        return type_name(annotation)  # only an input may have such a type: it is rendered, never read


def described(field: Field) -> str:
    """Return the line that tells the model what a field is."""
    words = [field.desc] if field.desc and field.desc != f"${{{field.name}}}" else []
    words += [_CONSTRAINTS[key].format(value) for key, value in field.constraints if key in _CONSTRAINTS]
    kinds = special_types(field.annotation)
    told = (k.description() for k in kinds if field.role == "output" or k.__dspex_type__ == "custom")
    tail = "; ".join([*words, *(text for text in told if text)]).replace("\n", "\n  ")
    phrase = type_phrase(field.annotation) if field.role == "output" else input_phrase(field.annotation)
    return f"- `{field.name}` ({phrase})" + (f": {tail}" if tail else "")


def input_phrase(annotation: Any) -> str:
    """Return an input's type in the words the model reads; special values are only named, as it writes none.

    Example:
        >>> from dspex.types.reasoning import Reasoning
        >>> input_phrase(str), input_phrase(list[Reasoning])
        ('text', 'list[Reasoning]')
    """
    if not is_special(annotation):
        return type_phrase(annotation)
    special = special_type(annotation)
    return special.input_phrase() if special is not None else type_name(annotation)


def render_value(value: object, field: Field | None = None, how: Writing = "plain") -> str:
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
        return _text(value, how)
    return _writer(field)(value)


def plain_value(value: object) -> object:
    """Return the value of an enum's member; any other as it is."""
    return value.value if isinstance(value, enum.Enum) else value


def _text(value: object, how: Writing = "plain") -> str:
    """Return a value as plain text: JSON, but a lone string without quotes."""
    value = plain_value(value)
    if isinstance(value, str):
        return str(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    text = json_text(value, how)
    return str(json.loads(text)) if text.startswith('"') else text


def json_text(value: object, how: Writing = "plain") -> str:
    """Return a value as JSON on one line, its special values written in this way; what JSON cannot hold is shown."""
    try:
        return written(value, how, _dumped)
    except ContentError:
        return json.dumps(str(value))  # a value that holds itself or broken text


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
        elif special_type(kind) is kind:
            write = _own_text
        else:
            write = _text if kind in SCALARS else json_text
        field.memo["write"] = write
    return write


def _own_text(value: object) -> str:
    """Return the text with which a model would answer a special value, or what stands for one in a demonstration."""
    if isinstance(value, Special):
        return value.completion_form()
    return value if isinstance(value, str) else json_text(value)


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
    for choice in sorted(choices, key=lambda c: isinstance(plain_value(c), str)):
        text = _text(choice)
        while text in texts:
            text = json.dumps(text)
        texts[text] = choice
    return texts
