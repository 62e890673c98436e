"""Values from whoever has them, on any thread, to one reader: bounded, in order, and closed from either end.

A coroutine that sends waits for room. What must not wait (pieces of an answer, read on the host loop) is joined to
the last piece when there is no room, so that a slow reader costs no more memory than the answer itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from dspex import _host

ROOM = 256
"""Values that wait for the reader at most."""
CLOSED = object()
"""What the reader gets after the last value."""
Join = Callable[[Any, Any], Any]


class Pipe:
    """One reader, many senders.

    Example:
        >>> pipe = Pipe()
        >>> pipe.put("a"); pipe.close()
        >>> pipe.take(), pipe.take() is CLOSED
        ('a', True)
    """

    def __init__(self, room: int = ROOM) -> None:
        self.room = room
        self.closed = False
        self._values: deque[Any] = deque()
        self._changed = threading.Condition()
        self._waiting: list[Callable[[], None]] = []
        """How to wake coroutines that wait for a value or for room."""

    def put(self, value: Any, join: Join | None = None) -> None:
        """Add a value without waiting; of a closed pipe nothing comes any more.

        Args:
            value: what to add.
            join: where there is no room, `join(last, value)` replaces the last value, unless it is None.
        """
        with self._changed:
            if self.closed:
                return
            joined = None
            if join is not None and len(self._values) >= self.room:
                joined = join(self._values[-1], value)
            if joined is not None:
                self._values[-1] = joined
            else:
                self._values.append(value)
            self._wake()

    async def send(self, value: Any) -> None:
        """Add a value; wait for room first."""
        while True:
            with self._changed:
                if self.closed:
                    return
                if len(self._values) < self.room:
                    self._values.append(value)
                    self._wake()
                    return
                change = self._next_change()
            await change

    async def receive(self) -> Any:
        """Return the next value, or `CLOSED`."""
        while True:
            with self._changed:
                if self._values:
                    return self._pop()
                if self.closed:
                    return CLOSED
                change = self._next_change()
            await change

    def take(self) -> Any:
        """Return the next value, or `CLOSED`; waits in this thread."""
        with self._changed:
            while not self._values:
                if self.closed:
                    return CLOSED
                self._changed.wait(0.5)  # a time limit, so that Ctrl-C is heard on every system
            return self._pop()

    def close(self, *, drop: bool = False) -> None:
        """Let nothing more in; with `drop`, forget what waits too."""
        with self._changed:
            self.closed = True
            if drop:
                self._values.clear()
            self._wake()

    def _pop(self) -> Any:
        value = self._values.popleft()
        self._wake()
        return value

    def _next_change(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            try:
                loop.call_soon_threadsafe(_host.release, future)
            except RuntimeError:
                return  # its loop is closed: nobody waits there any more

        self._waiting.append(wake)
        return future

    def _wake(self) -> None:
        self._changed.notify_all()
        waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()
