"""An evaluation as a stream of rows: `for row in dspex.evaluate(program, data, metric)`.

A run like any other, shown, paused and stopped as one, whose work goes on only as its rows are read: at most about
two times `num_threads` examples are ahead of the reader.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import threading
import weakref
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dspex import _host
from dspex.errors import DataError
from dspex.evaluate import export
from dspex.evaluate.channel import Channel
from dspex.evaluate.evaluate import Evaluate
from dspex.evaluate.exam import Exam, How
from dspex.evaluate.recipe import Caller
from dspex.evaluate.result import EvaluationResult, Row
from dspex.evaluate.score import Metric, name_of
from dspex.evaluate.source import Data
from dspex.modules.module import Module
from dspex.runs import run as _run
from dspex.runs.words import headline
from dspex.scope.scope import current
from dspex.settings import Settings, current_settings, fixed

READING = "reading rows"


def evaluate(
    program: Module,
    data: Data,
    metric: Metric | None = None,
    *,
    num_threads: int | None = None,
    timeout: float | None = None,
    retries: int = 0,
    max_errors: int | None = None,
    n: int = 1,
    failure_score: float = 0.0,
    provide_traceback: bool | None = None,
    budget: Any = None,
    name: str | None = None,
    executor: Any = None,
) -> Rows:
    """Evaluate a program on data of any size, row by row.

    Nothing starts before the first row is asked for. Rows come as they are done, not in the order of the data:
    `row.index` is the place.

    Args:
        program: what to evaluate.
        data: examples with inputs marked: a list, or any iterable (an `async for` one too), read as rows are read.
        metric: `metric(example, prediction, trace=None)`, a coroutine function too -> number, bool, or Prediction
            with `score`, `feedback` and `scores`.
        num_threads: examples in flight at once; the setting `num_threads` by default.
        timeout: seconds that one attempt at an example may take; None for no limit.
        retries: further attempts at an example that failed.
        max_errors: failed examples at which the rest is given up with the first error; None for no limit.
        n: how often each example is answered and scored; each go is a row.
        failure_score: what a failed example counts in the report's `score`.
        provide_traceback: whether the log tells of failures with their traceback.
        budget: cap in US dollars, or caps by kind.
        name: what to call the run.
        executor: where examples are answered: a `dask.distributed.Client`, or None for this process.

    Returns:
        An iterator and async iterator of rows; `.report()` reads to the end and returns the whole result.

    Raises:
        DataError, SettingsError, ProgramError: at once, in one line, before anything is spent.

    Example:
        >>> import dspex
        >>> rows = (dspex.Example(ticket=f"Case {k}", team="bug").with_inputs("ticket") for k in range(3))
        >>> with dspex.context(lm=dspex.LM("practice")):
        ...     found = evaluate(dspex.Predict("ticket -> team"), rows, dspex.exact("team"))
        >>> sorted(row.index for row in found)
        [0, 1, 2]
        >>> found.report().n
        3
    """
    how = How(
        num_threads=num_threads, timeout=timeout, retries=retries, max_errors=max_errors, n=n,
        failure_score=failure_score, provide_traceback=provide_traceback, executor=executor,
    )  # fmt: skip
    options = {field.name: getattr(how, field.name) for field in dataclasses.fields(how)}
    again = Evaluate(metric=metric, **options)
    given = {"program": program, "devset": data, "budget": budget, "name": name}
    return Rows(Exam(program, metric, data, how, "data"), Caller(method=again, given=given))


class Rows:
    """The rows of one evaluation, as they are done; read with `for` or `async for`, once.

    Leaving the loop early ends the evaluation once nothing else holds its rows, or at the end of a `with` block.

    Attributes:
        run: the run, None before the first row was asked for and within another run.
    """

    def __init__(self, exam: Exam, caller: Caller) -> None:
        self.run: _run.Run | None = None
        self._exam = exam
        self._caller = caller
        self._settings: Settings = current_settings()
        self._channel: Channel[Row] = Channel(_room(exam))
        self._ready: deque[Row] = deque()
        self._inner: concurrent.futures.Future[EvaluationResult] | None = None
        self._over = False
        self._starting = threading.Lock()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Row:
        while (row := self._next()) is None:
            if self._over:
                raise StopIteration
            self._start()
            try:
                more = _host.portal.run(self._channel.take(), READING)
            except KeyboardInterrupt:
                self.close(by="interrupt")
                raise
            self._ready.extend(more)
            if not more:
                self._end()
        return row

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Row:
        while (row := self._next()) is None:
            if self._over:
                raise StopAsyncIteration
            self._start()
            try:
                more = await _host.hop(self._channel.take())
            except (
                asyncio.CancelledError
            ):  # so is an interrupted cell told, whose traceback may hold these rows
                self.close(by="interrupt")
                raise
            self._ready.extend(more)
            if not more:
                await _host.in_worker(self._end)
        return row

    def report(self) -> EvaluationResult:
        """Read to the end, wait, and return the result of all rows, those read before too.

        Ctrl-C ends the evaluation with what it has and goes on as an interrupt.

        Raises:
            DspexError: what made the evaluation fail.
            RunFailedError: it ended before anything was scored.
        """
        self._start()
        self._over = True
        self._ready.clear()
        _host.loop().call_soon_threadsafe(self._channel.discard)
        try:
            return self._result()
        except KeyboardInterrupt:
            self.close(by="interrupt")
            raise
        finally:
            self._shown()

    async def areport(self) -> EvaluationResult:
        """Return what `report` does, for async code."""
        return await _host.in_worker(self.report)

    def save(self, path: str | Path) -> EvaluationResult:
        """Write the rows that are left to a JSONL file as they come, and return the report; in little memory.

        Args:
            path: a file that ends with `.jsonl`.

        Raises:
            DataError: another ending, or no place to write.
        """
        target = Path(path)
        if target.suffix.lower() != ".jsonl":
            raise DataError(
                f"`{path}` cannot be written row by row: end it with `.jsonl`. `report().save(path)` writes other forms."
            )
        metric, names = name_of(self._exam.task.metric), frozenset(self._exam.program._ports().gives or ())
        try:
            with target.open("w", encoding="utf-8") as file:
                for row in self:
                    file.write(export.line(export.record(row, metric, names)))
        except OSError as exc:
            self.close()
            raise DataError(f"`{path}` cannot be written: {exc.strerror or exc}.") from None
        return self.report()

    def close(self, by: str = "user") -> None:
        """End the evaluation: calls in flight are awaited, nothing new starts. Closing twice is harmless."""
        if self.run is not None and not self.run.done:
            self.run.stop(by)
        elif self._inner is not None:
            self._inner.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close(by="interrupt" if kind is KeyboardInterrupt else "reader")

    def __repr__(self) -> str:
        if self.run is not None:
            return f"<Rows of {headline(self.run.state)}>"
        if self._inner is not None:
            return "<Rows of a part of another run>"
        return "<Rows: not started; read them with `for`, or call `.report()`>"

    def _next(self) -> Row | None:
        try:
            return self._ready.popleft()
        except IndexError:  # nothing is there yet, or another reader was first
            return None

    def _start(self) -> None:
        with self._starting:
            self._start_once()

    def _start_once(self) -> None:
        if self.run is not None or self._inner is not None:
            return
        with fixed(self._settings):
            if current().run:
                self._inner = _host.submit(self._exam.here(self._channel))
                weakref.finalize(self, self._inner.cancel).atexit = False
                return
            told = self._caller.given
            self.run = self._exam.start(
                self._caller, budget=told["budget"], name=told["name"], out=self._channel
            )
        # Who reads no more must not keep the run waiting for ever. Not from here: who collects garbage may hold a lock.
        weakref.finalize(self, _leave, self.run).atexit = False
        self.run.read_along = True
        _run.announce(self.run)

    def _end(self) -> None:
        """All rows are read: raise what made the evaluation fail, or end before the first of them."""
        self._over = True
        if self.run is None:
            self._result()
            return
        self.run.wait()
        self._shown()
        state = self.run.state
        if state.status == "failed" or (state.reason and not state.examples):
            self._result()

    def _shown(self) -> None:
        """Have the end shown by those who could not wait for it when the run began: they wait for us."""
        if self.run is not None and self.run.done:
            _run.announce(self.run)

    def _result(self) -> EvaluationResult:
        if self.run is None:
            assert self._inner is not None, "rows are started first"
            return self._inner.result()
        result: EvaluationResult = self.run.result()
        return result


def _room(exam: Exam) -> int:
    width = exam.task.width
    return width() if callable(width) else width


def _leave(run: _run.Run) -> None:
    if not run.done:
        # A thread of its own, since stopping waits for the disk.
        _host.loop().call_soon_threadsafe(_host.spawn, f"leave-{run.id}", lambda: run.stop("reader"))
