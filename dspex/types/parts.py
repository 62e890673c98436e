"""Values with images, files and the like inside -> the parts of a message.

A value is written as JSON once. Each special value that is more than text leaves a random mark there, which nobody
can have written before, and the text is then cut at the marks: text that a user or a model wrote never becomes a part.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from typing import Any, Literal

from dspex.errors import ContentError, SettingsError
from dspex.lm.forms import part_of
from dspex.lm.messages import Part, TextPart
from dspex.types.base import Special

SAVED_START = "<<CUSTOM-TYPE-START-IDENTIFIER>>"
SAVED_END = "<<CUSTOM-TYPE-END-IDENTIFIER>>"
"""How programs saved by DSPy hold a value with parts: its parts as JSON between these; read and written, never sent."""


class Collector:
    """Takes the parts of special values while the value around them is written as JSON."""

    def __init__(self) -> None:
        self.mark = secrets.token_hex(16)
        self.taken: list[tuple[Part, ...]] = []

    def take(self, parts: list[dict[str, Any]]) -> str:
        """Keep the parts and return the mark that stands for them."""
        self.taken.append(tuple(as_part(p) for p in parts))
        return f"{self.mark}{len(self.taken) - 1}."

    def cut(self, text: str) -> tuple[Part, ...]:
        """Return the text with the parts at their marks."""
        found: list[Part] = []
        marks = re.compile(rf'"{self.mark}(\d+)\."|{self.mark}(\d+)\.')  # in JSON a mark is a string
        end = 0
        for mark in marks.finditer(text):
            found += [TextPart(text[end : mark.start()]), *self.taken[int(mark[1] or mark[2])]]
            end = mark.end()
        found.append(TextPart(text[end:]))
        return joined(found)


Writing = Collector | Literal["plain"] | None
"""How special values are written: into a collector, as plain fields, or (None) as DSPy saves them."""
_HOW = "dspex_writing"


def writing(context: Any) -> Writing:
    """Return how special values are written, as `written` told pydantic's serializers in their context."""
    return context.get(_HOW) if isinstance(context, dict) else None


def to_parts(value: object) -> str | tuple[Part, ...]:
    """Return a value as it stands in a prompt: text where it is nothing else, or parts in their order.

    Example:
        >>> from dspex.types.image import Image
        >>> to_parts([Image("https://example.org/cat.png"), "a cat"])
        (TextPart(text='['), ImagePart(url='https://example.org/cat.png', detail=None), TextPart(text=',"a cat"]'))
    """
    if isinstance(value, Special):
        form = value.prompt_form()
        return form if isinstance(form, str) else joined([as_part(p) for p in form])
    collector = Collector()
    text = written(value, collector)
    return collector.cut(text) if collector.taken else text


def to_text(value: object) -> str:
    """Return a value as the text a model would answer: its own form, or JSON of its plain fields."""
    return value.completion_form() if isinstance(value, Special) else written(value, "plain")


def written(value: object, how: Writing, fallback: Callable[[Any], Any] = str) -> str:
    """Return a value as compact JSON, with its special values written in this way.

    Args:
        value: what is written.
        how: the way of its special values.
        fallback: makes a JSON value of what has no form of its own.

    Raises:
        ContentError: the value has no JSON form.
    """
    from pydantic_core import PydanticSerializationError, to_json

    try:
        text = to_json(value, inf_nan_mode="constants", fallback=fallback, context={_HOW: how})
    except (PydanticSerializationError, ValueError) as exc:
        kind = type(value).__name__
        raise ContentError(f"A `{kind}` cannot be written as JSON: {exc}; give plain values.") from exc
    return text.decode()


def as_part(part: Any) -> Part:
    """Return a content part in OpenAI's words as a part of a message; an unknown one is passed on as it is.

    Raises:
        ContentError: it is no object with a `type`.

    Example:
        >>> as_part({"type": "text", "text": "hello"})
        TextPart(text='hello')
    """
    try:
        if isinstance(part, dict) and isinstance(part.get("type"), str):
            return part_of(part)
    except SettingsError:
        pass  # said below, in the words of whoever wrote `format`
    raise ContentError(
        f"`format()` gave `{part!r:.60}`, which is no content part; return a str, or a list of objects such as "
        "`{'type': 'text', 'text': '...'}`."
    )


def joined(parts: list[Part]) -> tuple[Part, ...]:
    """Return the parts without empty texts, neighbouring texts made one."""
    found: list[Part] = []
    for part in parts:
        if isinstance(part, TextPart) and found and isinstance(before := found[-1], TextPart):
            found[-1] = TextPart(before.text + part.text)
        elif not isinstance(part, TextPart) or part.text:
            found.append(part)
    return tuple(found)


def saved(parts: list[dict[str, Any]]) -> str:
    """Return parts as DSPy's saved programs hold them."""
    return f"{SAVED_START}{json.dumps(parts, ensure_ascii=False)}{SAVED_END}"


def unsaved(value: object) -> dict[str, Any] | None:
    """Return the one part that a text in a saved program stands for; None for any other value."""
    if not isinstance(value, str) or not value.startswith(SAVED_START) or not value.endswith(SAVED_END):
        return None
    try:
        parts = json.loads(value[len(SAVED_START) : -len(SAVED_END)])
    except (ValueError, RecursionError):
        return None
    alone = isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], dict)
    return parts[0] if alone else None
