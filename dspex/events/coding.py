"""Event -> JSON, also where a model sent half a character: an event is never lost for the text in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from dspex import _canon
from dspex.events.event import AnyEvent, Event

E = TypeVar("E", bound=Event)
_encoder = msgspec.json.Encoder()
_encode = _encoder.encode


def encode(event: AnyEvent) -> tuple[AnyEvent, bytes]:
    """Return the event as JSON can hold it, and that JSON."""
    try:
        return event, _encode(event)
    except UnicodeEncodeError:
        plain = legible(event)
        return plain, _encode(plain)


def encode_lines(events: Sequence[AnyEvent]) -> tuple[Sequence[AnyEvent], bytes]:
    """Return the events as JSON can hold them, and that JSON, a line for each: cheaper than one by one."""
    try:
        return events, _encoder.encode_lines(events)
    except UnicodeEncodeError:
        plain = [encode(event)[0] for event in events]
        return plain, _encoder.encode_lines(plain)


def legible(event: E) -> E:
    """Return the event with lone surrogates written as escapes."""
    return msgspec.convert(_canon.legible(msgspec.to_builtins(event)), type(event))
