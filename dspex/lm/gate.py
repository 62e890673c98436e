"""The door of one endpoint: who may start now, and who waits in which order, for a place or for time to pass.

It joins what bounds an endpoint (the limit on calls at once, a provider's Retry-After, requests and tokens per
minute, and from the first 429 on the pace it is found to take) into one queue, first come, first served. Lives on one
event loop, so no lock is needed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from dspex import _clock
from dspex.lm.buckets import Bucket
from dspex.lm.limit import Limit
from dspex.lm.pace import Pace

MARGIN = 0.001
"""Seconds added to a wait, so that nobody wakes a moment too early."""


class _Waiter:
    __slots__ = ("future", "tokens")

    def __init__(self, tokens: float, future: asyncio.Future[bool]) -> None:
        self.tokens = tokens
        self.future = future


class Gate:
    """Lets calls start.

    Args:
        limit: how many at once.
        rpm, tpm: buckets of requests and of tokens per minute; None for no such limit.
        paced: called when there is another pace.

    Attributes:
        pace: what is learnt from 429s about calls per time; None before the first, and after a long time without one.
        begun: how many calls have set out.

    Example:
        >>> import asyncio
        >>> gate = Gate(Limit(1))
        >>> asyncio.run(gate.enter())
        True
        >>> gate
        <Gate: 1 of 1 in flight, 0 waiting>
    """

    def __init__(
        self, limit: Limit, rpm: Bucket | None = None, tpm: Bucket | None = None,
        paced: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self.limit = limit
        self.rpm = rpm
        self.tpm = tpm
        self.pace: Pace | None = None
        self.begun = 0
        self._paced = paced
        self._busy = (_clock.monotonic(), 0)
        self._queue: deque[_Waiter] = deque()
        self._called = 0  # let in, and yet to set out
        self._timer: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Gate: {self.limit.in_flight} of {self.limit.size} in flight, {self.waiting} waiting>"

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._queue)

    @property
    def room(self) -> int:
        """Places that are free, below zero where more wait than there are."""
        free = 0 if self.pace is not None and self.pace.full else self.limit.free
        return free - len(self._queue)

    def wake(self) -> None:
        """Note that calls come to where there were none: what is accepted from now on is measured."""
        self._busy = (_clock.monotonic(), self.begun)
        if self.pace is not None:
            self.pace.wake()

    async def enter(self, tokens: float = 0.0) -> bool:
        """Wait for a place and take it; False where all who waited were sent away.

        Args:
            tokens: how many the call may use.
        """
        if self.pass_through(tokens):
            return True
        waiter = _Waiter(tokens, asyncio.get_running_loop().create_future())
        self._queue.append(waiter)
        self.let_in()
        try:
            let_in = await waiter.future
            self._called -= let_in
            return let_in
        except asyncio.CancelledError:
            if waiter in self._queue:
                self._queue.remove(waiter)
            elif not waiter.future.cancelled() and waiter.future.result():
                self._called -= 1
                self.leave(tokens)
            self.let_in()
            raise

    def pass_through(self, tokens: float = 0.0) -> bool:
        """Take a place where nobody need wait for it; tell whether that was so."""
        if self._queue or not self.limit.free or self._rest(tokens):
            return False
        self.force(tokens)
        return True

    def force(self, tokens: float = 0.0) -> None:
        """Take a place at once, beyond the limit if need be."""
        self.limit.begin()
        if self.rpm is not None:
            self.rpm.take(1)
        if self.tpm is not None:
            self.tpm.take(tokens)
        if self.pace is not None:
            self.pace.begin()

    def leave(self, tokens: float = 0.0) -> None:
        """Give a place back from which no call set out; then `let_in`."""
        self.limit.leave()
        self.settle(tokens)
        if self.rpm is not None:
            self.rpm.give(1)

    def settle(self, tokens: float) -> None:
        """Give back the tokens that a call did not use; negative for those it used beyond."""
        if self.tpm is not None:
            self.tpm.give(tokens)

    def set_out(self) -> tuple[int, int]:
        """Count a call that begins; return which it is and among how many in flight, itself included."""
        self.begun += 1
        return self.begun, self.limit.in_flight - self._called

    def answered(self, start: tuple[int, int], *, clean: bool = True) -> None:
        """Learn from an answer.

        Args:
            start: what `set_out` gave.
            clean: as for `Limit.answered`.
        """
        self.limit.answered(clean=clean)
        if self.pace is not None:
            self.pace.answered(*start)

    def refused(self, start: tuple[int, int], retry_after: float = 0.0) -> None:
        """Learn from a 429, after `limit.leave`: start fewer at once, or where that is not why, more slowly.

        Args:
            start: what `set_out` gave.
            retry_after: seconds to wait, as the provider asked; 0.0 where it did not.
        """
        if self.pace is None:
            self.pace = Pace(self.begun, *self._busy, self._paced)
        rest = self.pace.refused(*start, self.begun, self.limit.in_flight, retry_after)
        if rest is None:
            self.limit.refused(retry_after)
        else:
            self.limit.hold(rest)

    def thaw(self) -> None:
        """Have calls start at once: a person says so."""
        self.limit.thaw()
        self._forget_pace()

    def let_in(self) -> None:
        """Let those start for whom there is room, and see to it that the others are looked at in time."""
        rest = 0.0
        while self._queue and self.limit.free:
            first = self._queue[0]
            rest = self._rest(first.tokens)
            if rest and not first.future.done():
                break
            self._queue.popleft()
            if not first.future.done():
                self.force(first.tokens)
                self._called += 1
                first.future.set_result(True)
        if rest and self._queue and self._timer is None:
            self._timer = asyncio.ensure_future(self._later(rest))
        elif not self._queue and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def send_away(self) -> None:
        """Have all who wait look elsewhere."""
        while self._queue:
            _release(self._queue.popleft().future)
        self.let_in()

    def _rest(self, tokens: float) -> float:
        """Return the seconds until time alone lets a call start."""
        rest = self.limit.frozen
        if self.pace is not None and not rest:
            if self.pace.over:
                self._forget_pace()
            else:
                rest = self.pace.wait()
        if self.rpm is not None:
            rest = max(rest, self.rpm.wait(1))
        if self.tpm is not None:
            rest = max(rest, self.tpm.wait(tokens))
        return rest

    def _forget_pace(self) -> None:
        pace, self.pace = self.pace, None
        if pace is not None and pace.rate and self._paced is not None:
            self._paced()

    async def _later(self, seconds: float) -> None:
        await _clock.sleep(seconds + MARGIN)
        self._timer = None
        self.let_in()


def _release(future: asyncio.Future[bool]) -> None:
    if not future.done():
        future.set_result(False)
