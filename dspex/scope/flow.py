"""Demand-driven work: the consumer pulls, and nothing is queued without a bound.

At most `width` items are in flight or waiting to be taken; the source is asked for the next one only when there is
room. Early decisions therefore stop the work they made useless. Evaluation, batches and bootstrapping all flow
through here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Generic, TypeVar

from dspex.errors import BudgetExceeded, Interruption, SettingsError, StopRequested
from dspex.scope.collector import calm
from dspex.scope.scope import current

T = TypeVar("T")
R = TypeVar("R")
Width = int | Callable[[], int]
"""How many at once; a function where that may change meanwhile."""


async def flow(
    source: Iterable[T], work: Callable[[T], Awaitable[R]], width: Width
) -> AsyncGenerator[tuple[int, R], None]:
    """Yield `(position in source, await work(item))` as results come in, on the host loop.

    A source that has nothing yet may give a future of the host loop in place of an item: it is asked again when that
    is done, and what is in flight goes on meanwhile.

    A paused run starts nothing new. A stopped one, or one whose money is spent, waits for what is in flight (it is
    paid for), yields it and then raises; a cancelled one cuts it off. Close the iterator (`aclosing`) to abandon the rest.

    Raises:
        SettingsError: `width` is below 1.
        StopRequested, CancelRequested, BudgetExceeded: the run was asked to end.
        Exception: whatever `work` raises first.
    """
    at_once = width if callable(width) else lambda: width
    _check(at_once())
    token = current().cancel
    loop = asyncio.get_running_loop()
    wake = asyncio.Event()
    ready: deque[tuple[int, asyncio.Task[R]]] = deque()
    running: dict[asyncio.Task[R], int] = {}
    items = _Source(source, wake.set)
    ended: Interruption | None = None

    def finished(task: asyncio.Task[R]) -> None:
        ready.append((running.pop(task), task))
        wake.set()

    def start(index: int, item: T) -> None:
        given = work(item)
        task: asyncio.Task[R] = loop.create_task(given if isinstance(given, Coroutine) else _await(given))
        running[task] = index
        task.add_done_callback(finished)

    def look_again() -> None:
        loop.call_soon_threadsafe(wake.set)

    remove = token.listen(look_again)
    with calm:
        try:
            while True:
                while token.how is None and not token.paused and len(running) + len(ready) < at_once():
                    if (found := items.next()) is None:
                        break
                    start(*found)
                if ready:
                    index, task = ready.popleft()
                    try:
                        result = task.result()
                    except (StopRequested, BudgetExceeded) as exc:
                        ended = ended or exc
                        items.close()
                        continue
                    yield index, result
                    continue
                if token.how == "cancel" or (token.how is not None and not running):
                    token.check()
                if not running and items.over:
                    if ended is not None:
                        raise ended
                    return
                wake.clear()
                await wake.wait()
        finally:
            remove()
            items.close()
            await _abandon([*running, *(task for _, task in ready)])


class _Source(Generic[T]):
    """Gives the items there are, and says when to ask again where the next one is not there yet."""

    def __init__(self, source: Iterable[T], wake: Callable[[], None]) -> None:
        self._items = enumerate(source)
        self._wake = wake
        self._later: asyncio.Future[object] | None = None
        self.over = False

    def next(self) -> tuple[int, T] | None:
        """Return the next item; None where there is none, or none yet."""
        if self.over or (self._later is not None and not self._later.done()):
            return None
        self._later = None
        try:
            found = next(self._items)
        except StopIteration:
            self.over = True
            return None
        if not isinstance(found[1], asyncio.Future):
            return found
        self._later = found[1]
        self._later.add_done_callback(lambda _: self._wake())
        return None

    def close(self) -> None:
        """Give no more."""
        self.over = True
        if self._later is not None:
            self._later.cancel()


def _check(width: int) -> None:
    if width < 1:
        raise SettingsError(f"At least 1 must be in flight at once, not {width}: nothing would ever start.")


async def _await(work: Awaitable[R]) -> R:
    return await work


async def _abandon(tasks: Sequence[asyncio.Task[R]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
