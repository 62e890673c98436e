"""Event -> JSON, also where a model sent half a character: an event is never lost for the text in it."""

from __future__ import annotations

from typing import TypeVar, cast

import msgspec

from dspex.events.event import AnyEvent, Event

E = TypeVar("E", bound=Event)
_encode = msgspec.json.Encoder().encode


def encode(event: AnyEvent) -> tuple[AnyEvent, bytes]:
    """Return the event as JSON can hold it, and that JSON."""
    try:
        return event, _encode(event)
    except UnicodeEncodeError:
        plain = legible(event)
        return plain, _encode(plain)


def legible(event: E) -> E:
    """Return the event with lone surrogates written as escapes.

    Example:
        >>> from dspex.events.event import Log
        >>> legible(Log(level="info", text="half \\ud83d of it")).text
        'half \\\\ud83d of it'
    """
    return msgspec.convert(_escaped(msgspec.to_builtins(event)), type(event))


def _escaped(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_escaped(part) for part in value]
    if isinstance(value, dict):
        return {cast(str, _escaped(name)): _escaped(part) for name, part in value.items()}
    return value
