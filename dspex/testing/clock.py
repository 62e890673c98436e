"""A clock that tests own: time passes when the test says so, or as soon as everybody sleeps.

Nothing in dspex asks the machine for time or waits on it but through one place; this clock takes that place.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from dspex import _clock, _host

TURNS = 25
"""Turns of a loop in which nobody falls asleep or wakes, after which all are taken to be asleep."""


@dataclass(eq=False)
class _Sleeper:
    until: float
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]


class FakeClock:
    """Stands in for the machine's time inside a `with` block.

    By hand, `advance(seconds)` lets time pass and wakes whoever is due. With `auto=True` time jumps to the next
    one who is due as soon as a loop has nothing left to do but sleep, so that an hour of retries takes no time.
    Work in other threads and on sockets does not hold an automatic clock back: it is taken to be instant.

    Args:
        start: seconds since the epoch at the beginning.
        auto: whether time passes by itself when everybody sleeps.

    Example:
        >>> import asyncio
        >>> async def nap():
        ...     await _clock.sleep(3600)
        ...     return _clock.monotonic()
        >>> with FakeClock(auto=True) as clock:
        ...     asyncio.run(nap())
        3600.0
    """

    def __init__(self, start: float = 1_700_000_000.0, *, auto: bool = False) -> None:
        self._start = start
        self._auto = auto
        self._passed = 0.0
        self._changes = 0
        self._changed = threading.Condition()
        self._sleepers: list[_Sleeper] = []
        self._watched: set[asyncio.AbstractEventLoop] = set()
        self._before: _clock.Clock | None = None

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._start + self._passed

    def monotonic(self) -> float:
        """Seconds since this clock was made."""
        return self._passed

    async def sleep(self, seconds: float) -> None:
        """Wait until that much time was let pass."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        sleeper = _Sleeper(self._passed + seconds, loop, loop.create_future())
        with self._changed:
            self._sleepers.append(sleeper)
            self._note()
        self._watch(loop)
        try:
            await sleeper.future
        finally:
            with self._changed:
                if sleeper in self._sleepers:
                    self._sleepers.remove(sleeper)
                self._note()

    def advance(self, seconds: float) -> None:
        """Let time pass in one jump and wake whoever is due, earliest first; from any thread."""
        with self._changed:
            self._passed += seconds
            due = sorted((s for s in self._sleepers if s.until <= self._passed), key=lambda s: s.until)
            self._sleepers = [s for s in self._sleepers if s not in due]
            self._note()
        for sleeper in due:
            if not sleeper.loop.is_closed():
                sleeper.loop.call_soon_threadsafe(_host.release, sleeper.future)

    @property
    def sleeping(self) -> int:
        """How many sleep right now."""
        return len(self._sleepers)

    def wait_for_sleepers(self, count: int = 1, timeout: float = 5.0) -> bool:
        """Hold this thread until that many sleep on loops of other threads; False if that took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._sleepers) >= count, timeout)

    def __enter__(self) -> Self:
        self._before = _clock.use(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._before is not None:
            _clock.use(self._before)
            self._before = None

    def __repr__(self) -> str:
        return f"FakeClock(passed={self._passed:g}, sleeping={self.sleeping})"

    def _note(self) -> None:
        self._changes += 1
        self._changed.notify_all()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._auto and loop not in self._watched:
            self._watched.add(loop)
            loop.call_soon(self._look, loop, 0, self._changes)

    def _look(self, loop: asyncio.AbstractEventLoop, quiet: int, seen: int) -> None:
        if not any(s.loop is loop for s in self._sleepers):
            self._watched.discard(loop)
            return
        if seen != self._changes:
            quiet = 0
        if quiet >= TURNS:
            quiet = 0
            with self._changed:
                next_due = min((s.until for s in self._sleepers), default=self._passed)
            self.advance(max(0.0, next_due - self._passed))
        loop.call_soon(self._look, loop, quiet + 1, self._changes)
