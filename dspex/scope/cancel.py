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
        self._listeners: list[Callable[[], None]] = []
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
        with self._lock:
            self._listeners.append(listener)

        def remove() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return remove

    async def guard(self, coro: Coroutine[Any, Any, T]) -> T:
        """Await `coro` on the host loop; a cancel cuts it off, or keeps it from starting.

        Raises:
            CancelRequested: or the error the cancel was asked for with.
        """
        task = asyncio.current_task()
        assert task is not None, "guard runs inside a task of the host loop"
        if self._how == "cancel":
            coro.close()
            self.check()
        foreign = task.cancelling()
        cut = over = False

        def interrupt() -> None:
            if self._how == "cancel":
                _host.loop().call_soon_threadsafe(cut_off)

        def cut_off() -> None:
            nonlocal cut
            if not over and not cut:
                cut = True
                task.cancel()

        remove = self.listen(interrupt)
        interrupt()  # the end may have been asked for before we listened
        try:
            return await coro
        except (asyncio.CancelledError, Exception):  # what is cut may fail in any way; the cut is the reason
            if (
                cut and task.cancelling() <= foreign + 1
            ):  # else somebody else cancelled it too: theirs goes on
                self.check()
            raise
        finally:
            over = True
            remove()
            if cut:
                task.uncancel()

    def _tell(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()
