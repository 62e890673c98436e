"""Equal work in the air is done once: who comes second waits for the first one's answer.

The work is a task of its own, so that nobody's cancellation takes it from the others; it ends early only when
all who wait for it have gone. Lives on the host loop, so no lock is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from dspex.errors import Interruption, LMError

T = TypeVar("T")


class _Flight(Generic[T]):
    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.waiting = 0
        self.taken = False


class Flights(Generic[T]):
    """The work in the air, by key."""

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[T]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def join(self, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """Return what the work under this key returns, and whether it is somebody else's.

        Errors are shared: whatever could be tried again was tried inside. That the first one's run was asked
        to end, or that the first one was shown a beginning, is no concern of the others; one of them starts the
        work anew.
        """
        while True:
            flight, begun = self._flights.get(key), False
            # A flight of another loop was left behind by a fork: nobody will ever land it.
            if flight is None or flight.task.get_loop() is not asyncio.get_running_loop():
                flight, begun = self._start(key, work), True
            flight.waiting += 1
            try:
                await asyncio.wait({flight.task})
            finally:
                flight.waiting -= 1
                if not flight.waiting:
                    self._land(key, flight)
            shared, flight.taken = flight.taken, True
            if not flight.task.cancelled():
                error = flight.task.exception()
                if error is None:
                    return flight.task.result(), shared
                if begun or not _is_its_own(error):
                    raise error

    def _start(self, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> _Flight[T]:
        flight = _Flight(asyncio.get_running_loop().create_task(work()))
        self._flights[key] = flight
        flight.task.add_done_callback(lambda _: self._land(key, flight))
        return flight

    def _land(self, key: str, flight: _Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.task.done():
            flight.task.cancel()
        elif not flight.task.cancelled():
            # Looked at, so that asyncio does not report an error nobody waited for.
            flight.task.exception()


def _is_its_own(error: BaseException) -> bool:
    """Tell whether an error is of who began the work, and not of the work."""
    return isinstance(error, Interruption) or (isinstance(error, LMError) and bool(error.partial))
