"""What time it is, and waiting: the one place that asks the machine, so that tests own time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
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

# Names that `use` binds anew, not functions that look a clock up: every event and every call asks for the time a few
# times, and the machine's own functions are ten times as fast as a way to them.
now: Callable[[], float] = time.time
"""Return seconds since the epoch."""
monotonic: Callable[[], float] = time.monotonic
"""Return seconds that never go back."""


async def sleep(seconds: float) -> None:
    """Wait `seconds` on the running event loop."""
    await _current.sleep(seconds)


def use(clock: Clock) -> Clock:
    """Put another clock in place and return the one before."""
    global _current, now, monotonic  # noqa: PLW0603 - this is the one place that owns time
    before, _current = _current, clock
    usual = type(clock) is SystemClock
    now = time.time if usual else clock.now
    monotonic = time.monotonic if usual else clock.monotonic
    return before
