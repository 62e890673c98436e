"""A run's call that waits because no endpoint can be asked: it pauses its run for as long, and says why.

Apart from the pool because the pause belongs to all calls of a run that wait for a provider together: the first of
them takes it, and it goes with the last, so that nobody is held when nobody waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from dspex import _clock, _host
from dspex.events.event import RunPaused, RunResumed
from dspex.lm.endpoint import Endpoint, place_of
from dspex.scope.cancel import CancelToken
from dspex.scope.scope import Scope

LOOK = 1.0
"""Seconds after which a call that waits for a person looks whether there is another key."""

_holding: dict[tuple[CancelToken, str], int] = {}
"""How many calls wait, by run and provider."""
_host.after_fork(_holding.clear)


class Waiting:
    """One call of a run that waits; a context manager that holds nothing until `turn` is first awaited.

    Args:
        scope: the call's.
        patience: seconds to wait at most, all turns together.
    """

    def __init__(self, scope: Scope, patience: float) -> None:
        self._scope = scope
        self._patience = patience
        self._since: float | None = None
        self._hold = ""

    @property
    def left(self) -> float:
        """Seconds of patience that are left."""
        return self._patience - (0.0 if self._since is None else _clock.monotonic() - self._since)

    async def turn(self, endpoints: Sequence[Endpoint]) -> None:
        """Wait until it may be worth asking one of these again.

        Raises:
            Interruption: the run was asked to end; what waits is not paid for.
        """
        if self._since is None:
            self._since = _clock.monotonic()
        self._take(endpoints[0])
        with ExitStack() as stack:
            for endpoint in endpoints:
                # Its changes are this run's news too.
                stack.callback(endpoint.go, self._scope, endpoint.come(self._scope))
            await _change(endpoints, self._scope.cancel, self.left)
        self._scope.cancel.check()

    def over(self) -> None:
        """Let the run go on, unless others of its calls wait still."""
        if not self._hold:
            return
        key, hold, self._hold = (self._scope.cancel, self._hold), self._hold, ""
        _holding[key] -= 1
        if _holding[key]:
            return
        del _holding[key]
        if self._scope.cancel.resume(hold):
            place_of(self._scope).emit(RunResumed(by="provider", hold=hold))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.over()

    def _take(self, endpoint: Endpoint) -> None:
        if self._hold:
            return
        self._hold = f"provider {endpoint.provider}"
        key = (self._scope.cancel, self._hold)
        _holding[key] = _holding.get(key, 0) + 1
        if _holding[key] == 1 and self._scope.cancel.pause(self._hold):
            place_of(self._scope).emit(RunPaused(by="provider", hold=self._hold, reason=endpoint.why))


async def _change(endpoints: Sequence[Endpoint], token: CancelToken, patience: float) -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    waits = [LOOK if not e.breaker.rests else e.breaker.wait for e in endpoints if e.breaker.state == "open"]
    timer = asyncio.ensure_future(_clock.sleep(max(0.0, min([*waits, patience])) + 0.001))
    timer.add_done_callback(lambda _: _host.release(future))

    def look() -> None:
        loop.call_soon_threadsafe(_host.release, future)

    with ExitStack() as stack:
        stack.callback(timer.cancel)
        stack.callback(token.listen(look))
        for endpoint in endpoints:
            stack.callback(endpoint.watch(future))
        if token.how is None:
            await future
