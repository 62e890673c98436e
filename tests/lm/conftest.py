"""What the LM's tests share: the events that happened, and an own clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from dspex import _clock
from dspex.events.event import AnyEvent
from dspex.events.listeners import drain, subscribe


@pytest.fixture
def happened() -> Iterator[Callable[[], list[AnyEvent]]]:
    """Return a function that gives all events so far."""
    events: list[AnyEvent] = []

    def so_far() -> list[AnyEvent]:
        assert drain()
        return list(events)

    with subscribe("*", events.append, lossless=True):
        yield so_far


class Waits:
    """A clock that never waits and writes down for how long it was asked to."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def now(self) -> float:
        return 1_000_000.0 + sum(self.seconds)

    def monotonic(self) -> float:
        return sum(self.seconds)

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def waits() -> Iterator[list[float]]:
    """Have nothing wait; gives the waits asked for."""
    clock = Waits()
    before = _clock.use(clock)
    yield clock.seconds
    _clock.use(before)
