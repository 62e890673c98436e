"""Demand-driven work: the consumer pulls, and nothing is queued without a bound.

At most `width` items are in flight or waiting to be taken; the source is asked for the next one only when there is
room. Early decisions therefore stop the work they made useless. Evaluation, batches and bootstrapping all flow
through here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from dspex.errors import BudgetExceeded, Interruption, SettingsError, StopRequested
from dspex.scope.scope import current

T = TypeVar("T")
R = TypeVar("R")


async def flow(
    source: Iterable[T], work: Callable[[T], Awaitable[R]], width: int
) -> AsyncGenerator[tuple[int, R], None]:
    """Yield `(position in source, await work(item))` as results come in, on the host loop.

    A paused run starts nothing new. A stopped one, or one whose money is spent, waits for what is in flight (it is
    paid for), yields it and then raises; a cancelled one cuts it off. Close the iterator (`aclosing`) to abandon the rest.

    Raises:
        SettingsError: `width` is below 1.
        StopRequested, CancelRequested, BudgetExceeded: the run was asked to end.
        Exception: whatever `work` raises first.
    """
    _check(width)
    token = current().cancel
    loop = asyncio.get_running_loop()
    wake = asyncio.Event()
    ready: deque[tuple[int, asyncio.Task[R]]] = deque()
    running: set[asyncio.Task[R]] = set()
    items = enumerate(source)
    more = True
    ended: Interruption | None = None

    def start(index: int, item: T) -> None:
        task: asyncio.Task[R] = asyncio.ensure_future(_call(work, item), loop=loop)
        running.add(task)

        def ended(done: asyncio.Task[R]) -> None:
            running.discard(done)
            ready.append((index, done))
            wake.set()

        task.add_done_callback(ended)

    def look_again() -> None:
        loop.call_soon_threadsafe(wake.set)

    remove = token.listen(look_again)
    try:
        while True:
            while more and token.how is None and not token.paused and len(running) + len(ready) < width:
                try:
                    start(*next(items))
                except StopIteration:
                    more = False
            if ready:
                index, task = ready.popleft()
                try:
                    result = task.result()
                except (StopRequested, BudgetExceeded) as exc:
                    ended, more = ended or exc, False
                    continue
                yield index, result
                continue
            if token.how == "cancel" or (token.how is not None and not running):
                token.check()
            if not running and not more:
                if ended is not None:
                    raise ended
                return
            wake.clear()
            await wake.wait()
    finally:
        remove()
        await _abandon([*running, *(task for _, task in ready)])


def _check(width: int) -> None:
    if width < 1:
        raise SettingsError(f"At least 1 must be in flight at once, not {width}: nothing would ever start.")


async def _call(work: Callable[[T], Awaitable[R]], item: T) -> R:
    return await work(item)


async def _abandon(tasks: Sequence[asyncio.Task[R]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
