"""Event -> JSON, also where a model sent half a character: an event is never lost for the text in it."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from dspex import _canon
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
    """Return the event with lone surrogates written as escapes."""
    return msgspec.convert(_canon.legible(msgspec.to_builtins(event)), type(event))
