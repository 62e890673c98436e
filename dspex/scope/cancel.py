"""The token by which a run is paused and ended: thread-safe, idempotent, and heard within one step.

Two ways to end. "stop" lets nothing new start and waits for calls in flight, which are paid for already; "cancel"
also cuts those. A stop may grow into a cancel, never the other way. Cancellation that comes from elsewhere (a
foreign task, Ctrl-C) is never taken for ours. Pausing holds whoever asks `checkpoint`; ending wakes them. Several
may hold at once (a person, a provider that does not answer): work goes on when the last of them lets go.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeVar

from dspex import _host
from dspex.errors import CancelRequested, Interruption, StopRequested

T = TypeVar("T")
How = Literal["stop", "cancel"]
USER = "user"
"""The hold of a person."""


class CancelToken:
    """Says whether work may go on; one for each run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._how: How | None = None
        self._error: Interruption | None = None
        self._listeners: dict[object, Callable[[], None]] = {}
        self._holds: dict[str, bool] = {}
        self._open = threading.Event()
        self._open.set()

    @property
    def how(self) -> How | None:
        """How the end was asked for, None while work may go on."""
        return self._how

    @property
    def paused(self) -> bool:
        """Whether work is held."""
        return not self._open.is_set()

    @property
    def holds(self) -> tuple[str, ...]:
        """Who holds, in the order they came."""
        return tuple(self._holds)

    @property
    def held_now(self) -> bool:
        """Whether calls in flight are held at their next call of a model, too."""
        return any(self._holds.values())

    def request(self, how: How, error: Interruption | None = None) -> bool:
        """Ask for the end; False where that changes nothing."""
        with self._lock:
            if self._how == how or self._how == "cancel":
                return False
            self._error = error  # first: whoever sees how it ends may ask why at once
            self._how = how
            self._holds.clear()
            self._open.set()
        self._tell()
        return True

    def pause(self, hold: str = USER, *, now: bool = False) -> bool:
        """Hold whoever comes to a checkpoint; False where that changes nothing.

        Args:
            hold: who holds; the same name takes it away.
            now: whether calls in flight are held at their next call of a model, too.
        """
        with self._lock:
            if self._how is not None or self._holds.get(hold) == now:
                return False
            self._holds[hold] = now
            self._open.clear()
            return True

    def resume(self, hold: str = USER) -> bool:
        """Take a hold away; False where it did not hold. Work goes on when nobody holds any more."""
        with self._lock:
            if hold not in self._holds:
                return False
            del self._holds[hold]
            if not self._holds:
                self._open.set()
        self._tell()
        return True

    def nudge(self) -> None:
        """Have whoever listens look again: something they act upon has changed."""
        self._tell()

    def check(self) -> None:
        """Raise where the end was asked for.

        Raises:
            StopRequested, CancelRequested: or the error the end was asked for with.
        """
        if self._how is not None:
            raise self._error or (StopRequested if self._how == "stop" else CancelRequested)(
                f"the run was asked to {self._how}"
            )

    def checkpoint(self) -> None:
        """Wait while paused, then `check`; for plain code in a thread."""
        while not self._open.wait(0.5):
            pass
        self.check()

    async def admitted(self) -> None:
        """Wait while calls in flight are held; on the host loop.

        Raises:
            CancelRequested: or the error the cancel was asked for with. A stop lets calls in flight go on.
        """
        loop = asyncio.get_running_loop()
        wake = asyncio.Event()

        def look_again() -> None:
            loop.call_soon_threadsafe(wake.set)

        remove = self.listen(look_again)
        try:
            while self.held_now:
                await wake.wait()
                wake.clear()
        finally:
            remove()
        if self._how == "cancel":
            self.check()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener()` whenever work may go on or must end, in the thread that says so; return its removal."""
        key = object()
        with self._lock:
            self._listeners[key] = listener

        def remove() -> None:
            with self._lock:
                self._listeners.pop(key, None)

        return remove

    async def guard(self, coro: Coroutine[Any, Any, T]) -> T:
        """Await `coro` on the host loop; a cancel cuts it off, or keeps it from starting.

        Raises:
            CancelRequested: or the error the cancel was asked for with.
        """
        if self._how == "cancel":
            coro.close()
            self.check()
        cut = _Cut(self, asyncio.current_task())
        with self._lock:
            self._listeners[cut] = cut
        if self._how is not None:
            cut()  # the end may have been asked for before we listened
        try:
            return await coro
        except (asyncio.CancelledError, Exception):  # what is cut may fail in any way; the cut is the reason
            if cut.is_the_reason:
                self.check()
            raise
        finally:
            with self._lock:
                self._listeners.pop(cut, None)
            cut.end()

    def _tell(self) -> None:
        with self._lock:
            listeners = list(self._listeners.values())
        for listener in listeners:
            listener()


class _Cut:
    """Cuts one task off when its run is cancelled; one object in place of closures, for one is made at each call."""

    __slots__ = ("_done", "_foreign", "_over", "_task", "_token")

    def __init__(self, token: CancelToken, task: asyncio.Task[Any] | None) -> None:
        assert task is not None, "guard runs inside a task of the host loop"
        self._token = token
        self._task = task
        self._foreign = task.cancelling()
        self._done = self._over = False

    def __call__(self) -> None:
        if self._token.how == "cancel":
            _host.loop().call_soon_threadsafe(self._off)

    @property
    def is_the_reason(self) -> bool:
        """Whether the task ended for this; where somebody else cancelled it too, theirs goes on."""
        return self._done and self._task.cancelling() <= self._foreign + 1

    def end(self) -> None:
        """Leave the task alone from here on."""
        self._over = True
        if self._done:
            self._task.uncancel()

    def _off(self) -> None:
        if not self._over and not self._done:
            self._done = True
            self._task.cancel()
