"""What time it is, and waiting: the one place that asks the machine, so that tests own time."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Tells time and waits."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the running event loop."""
        await asyncio.sleep(seconds)


_current: Clock = SystemClock()


def now() -> float:
    """Return seconds since the epoch."""
    return _current.now()


def monotonic() -> float:
    """Return seconds that never go back."""
    return _current.monotonic()


async def sleep(seconds: float) -> None:
    """Wait `seconds` on the running event loop."""
    await _current.sleep(seconds)


def use(clock: Clock) -> Clock:
    """Put another clock in place and return the one before."""
    global _current
    before, _current = _current, clock
    return before
