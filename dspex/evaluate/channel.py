"""From the host loop to one reader, in whatever thread or loop the reader lives: bounded, and many at a time.

All of it happens on the host loop, so nothing is locked. A reader who is slow holds the writer, so that work nobody
reads is not done; a run that was asked to end is not held.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from dspex import _host
from dspex.scope.cancel import CancelToken

T = TypeVar("T")


class Channel(Generic[T]):
    """Passes things on in order.

    Args:
        room: how many may wait to be read before the writer is held.
    """

    def __init__(self, room: int) -> None:
        self._room = max(1, room)
        self._items: list[T] = []
        self._changed = asyncio.Event()
        self._freed = asyncio.Event()
        self._closed = False
        self._unread = False

    async def put(self, item: T, token: CancelToken) -> None:
        """Hand one over; return when there is room for the next."""
        if self._unread:
            return
        self._items.append(item)
        self._changed.set()
        while len(self._items) >= self._room and not self._unread and token.how is None:
            self._freed.clear()
            await self._freed.wait()

    def heed(self, token: CancelToken) -> Callable[[], None]:
        """Let the writer go on once its run is to end; return the removal."""

        def let_go() -> None:
            _host.loop().call_soon_threadsafe(self._freed.set)

        return token.listen(let_go)

    def close(self) -> None:
        """Say that nothing follows."""
        self._closed = True
        self._changed.set()

    async def take(self) -> list[T]:
        """Return all that wait to be read, or the next one; nothing once nothing follows."""
        while not self._items and not self._closed:
            self._changed.clear()
            await self._changed.wait()
        items, self._items = self._items, []
        self._freed.set()
        return items

    def discard(self) -> None:
        """Read no more: the writer is held no longer, and what it puts is let go."""
        self._unread = True
        self._items.clear()
        self._freed.set()
