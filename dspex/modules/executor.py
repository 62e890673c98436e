"""Doing many things at once, with a bound on what is in flight and on how many may fail.

An item that fails is a failure with its error, never a value; a straggler is started a second time, and the first
to come back counts.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any

from dspex import _clock, _host
from dspex.errors import Interruption, LMAuthError, LMQuotaError, SettingsError
from dspex.events.event import Log
from dspex.scope.flow import flow
from dspex.scope.scope import current
from dspex.settings import current_settings

Work = Callable[[Any], Awaitable[Any]]


class ParallelExecutor:
    """Apply a function to many items at once.

    Args:
        num_threads: items in flight at once; the setting `num_threads` by default.
        max_errors: failures at which the rest is given up; the setting `max_errors` by default.
        disable_progress_bar, compare_results: accepted for DSPy's sake; nothing is printed.
        provide_traceback: whether the log events of failures carry the traceback; as the settings say by default.
        timeout: seconds after which an item is a straggler; 0 for never.
        straggler_limit: stragglers are started a second time once at most so many items are left.

    Attributes:
        failed_indices: which items failed, after `execute`.
        exceptions_map: their errors by index.

    Example:
        >>> executor = ParallelExecutor(num_threads=2, max_errors=5)
        >>> executor.execute(lambda x: 6 // x, [1, 0, 3]), executor.failed_indices
        ([6, None, 2], [1])
    """

    def __init__(
        self,
        num_threads: int | None = None,
        max_errors: int | None = None,
        disable_progress_bar: bool = False,
        provide_traceback: bool | None = None,
        compare_results: bool = False,
        timeout: float = 120,
        straggler_limit: int = 3,
    ) -> None:
        settings = current_settings()
        width = settings.num_threads if num_threads is None else num_threads
        self.num_threads = _counted("num_threads", width, 1)
        self.max_errors = _counted("max_errors", settings.max_errors if max_errors is None else max_errors, 0)
        self.provide_traceback = (
            settings.provide_traceback if provide_traceback is None else provide_traceback
        )
        self.timeout = timeout
        self.straggler_limit = straggler_limit
        self.failed_indices: list[int] = []
        self.exceptions_map: dict[int, Exception] = {}

    def execute(self, function: Callable[[Any], Any], data: Iterable[Any]) -> list[Any]:
        """Return the function's results in the items' order, None where it failed.

        Raises:
            Exception: the first error, after `max_errors` of them.
        """

        async def work(item: Any) -> Any:
            return await _host.in_worker(function, item)

        return _host.drive(self.run(work, list(data)), "`execute`")

    async def run(self, work: Work, items: list[Any]) -> list[Any]:
        """Return what the coroutine function makes of the items, as `execute` does."""
        self.failed_indices, self.exceptions_map = [], {}
        return await _host.native(self._run(work, items)) if items else []

    async def _run(self, work: Work, items: list[Any]) -> list[Any]:
        results: list[Any] = [None] * len(items)
        watch = _Watch(len(items), self.timeout, self.straggler_limit)

        async def attempt(item: Any) -> tuple[Any, Exception | None]:
            try:
                return await watch.first_of_two(lambda: work(item)), None
            except (Interruption, SettingsError, LMAuthError, LMQuotaError):
                raise  # nothing can go better for the others
            except Exception as exc:  # one item's failure is kept beside the results; too many end the work
                return None, exc

        async with aclosing(flow(items, attempt, self.num_threads)) as found:
            async for index, (result, error) in found:
                results[index] = result
                if error is not None:
                    self._fail(index, error, len(items))
        return results

    def _fail(self, index: int, error: Exception, total: int) -> None:
        self.failed_indices.append(index)
        self.exceptions_map[index] = error
        how = (
            "".join(traceback.format_exception(error))
            if self.provide_traceback
            else f"{type(error).__name__}: {error}"
        )
        current().emit(Log(level="error", text=f"Item {index + 1} of {total} failed: {how}"))
        if len(self.failed_indices) >= self.max_errors:
            first = self.exceptions_map[self.failed_indices[0]]
            failed = len(self.failed_indices)
            first.add_note(
                f"The rest was given up after {failed} of {total} failed (max_errors={self.max_errors})."
            )
            raise first


class _Watch:
    """Knows how much is left, and gives a straggler a second chance."""

    def __init__(self, total: int, timeout: float, limit: int) -> None:
        self._left = total
        self._timeout = timeout
        self._limit = limit
        self._few = asyncio.Event()
        self._count()

    async def first_of_two(self, start: Callable[[], Awaitable[Any]]) -> Any:
        """Return what `start()` returns; where that takes long near the end, or what a second one returns."""
        tasks = [asyncio.ensure_future(start())]
        try:
            if self._timeout > 0:
                tasks.append(asyncio.ensure_future(self._late()))
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if not tasks[0].done():
                    tasks.append(asyncio.ensure_future(start()))
                    await asyncio.wait({tasks[0], tasks[2]}, return_when=asyncio.FIRST_COMPLETED)
            return await (tasks[0] if len(tasks) < 3 or tasks[0].done() else tasks[2])
        finally:
            self._left -= 1
            self._count()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _late(self) -> None:
        await _clock.sleep(self._timeout)
        await self._few.wait()

    def _count(self) -> None:
        if self._left <= self._limit:
            self._few.set()


def _counted(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SettingsError(f"`{name}` takes a whole number of at least {least}, not `{value!r}`.")
    return value
