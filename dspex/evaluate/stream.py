"""Evaluation as a stream of cells: pulled by whoever wants them, bounded in what is in flight.

Errors are not scores: an example whose program or model failed is a failed cell. What cannot get better by going
on (a wrong key, an unknown field, nothing but failures) ends the stream with that error.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from msgspec.structs import replace

from dspex import _clock
from dspex.data.example import Example
from dspex.errors import Interruption, LMAuthError, LMQuotaError, LMUnavailableError, UsageError, in_words
from dspex.evaluate.cells import Cell, Cells
from dspex.evaluate.course import Note, with_comment, with_label
from dspex.evaluate.elsewhere import Away, Errand, Executor
from dspex.evaluate.recorded import keep, recorded, step_of
from dspex.evaluate.score import Metric, judge, name_of
from dspex.evaluate.vary import Variants
from dspex.events.event import ExampleScored, Log
from dspex.scope.flow import Width, flow
from dspex.scope.scope import Scope, current, within

T = TypeVar("T")
HOPELESS = 8
"""Failures in a row from the very start after which going on only costs money."""
TEXT = 500
FATAL = (Interruption, UsageError, LMAuthError, LMQuotaError, LMUnavailableError)
"""Errors that no other example would be spared."""


class Program(Protocol):
    """What can be evaluated: anything with `acall`."""

    async def acall(self, **inputs: Any) -> Any:
        """Answer one example's inputs."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to evaluate: a program by its candidate id and content, a metric, and known cells."""

    program: Program
    metric: Metric
    candidate: str
    digest: str
    cells: Cells
    width: Width
    """Examples in flight at once."""
    timeout: float | None = None
    """Seconds that one attempt at an example may take."""
    retries: int = 0
    """Further attempts at an example that failed."""
    max_errors: int | None = None
    """Failed examples at which the rest is given up; None for no limit."""
    repeats: int = 1
    """How often each example is answered and scored."""
    notes: Mapping[str, Note] = field(default_factory=dict)
    """What people said of examples, by digest; it may grow meanwhile."""
    traceback: bool = False
    """Whether failures are told in the log with their traceback."""
    executor: Executor | None = None
    """Who makes the cells; None for this process."""


class Scored(NamedTuple):
    """One cell with the example it is of."""

    place: int
    """The example's place in the data, from 0."""
    example: Example
    cell: Cell


class Go(NamedTuple):
    """One go at one example."""

    place: int
    example: Example
    key: str
    """The example's content id."""
    repeat: int


async def stream(
    task: Task, examples: Iterable[Example | asyncio.Future[None]]
) -> AsyncGenerator[Scored, None]:
    """Yield cells as they come; close the iterator to abandon the rest.

    Args:
        task: what to evaluate and how.
        examples: with inputs marked; a source that has to read first gives a future in between.

    Raises:
        Interruption: the run was asked to end.
        UsageError, LMAuthError, LMQuotaError, LMUnavailableError: going on cannot help.
        Exception: the first error, where the first examples all fail, or as many as `max_errors`.
    """
    scored = failed = 0
    first: Exception | None = None
    variants = Variants(task.program, task.repeats)

    async def one(go: Go | asyncio.Future[None]) -> Scored:
        assert isinstance(go, Go), "`flow` waits for futures itself"
        return Scored(go.place, go.example, await _cell(task, variants, go, away))

    async with (
        _elsewhere(task) as away,
        aclosing(flow(_goes(examples, task.repeats), one, task.width)) as found,
    ):
        async for _, result in found:
            scored += result.cell.score is not None
            failed += result.cell.score is None
            if result.cell.failure is not None:
                first = first or result.cell.failure
                _tell(task, result)
            if first is not None and scored == 0 and failed >= HOPELESS:
                raise _given_up(first, f"The rest was given up: the first {failed} examples all failed.")
            yield result
            if first is not None and task.max_errors is not None and failed >= max(1, task.max_errors):
                why = f"The rest was given up after {failed} of {scored + failed} failed (max_errors={task.max_errors})."
                raise _given_up(first, why)
    if first is not None and scored == 0:
        raise first


def _given_up(first: Exception, why: str) -> Exception:
    current().emit(Log(level="error", text=why))
    first.add_note(why)
    return first


@asynccontextmanager
async def _elsewhere(task: Task) -> AsyncIterator[Away | None]:
    if task.executor is None:
        yield None
        return
    errand = Errand(
        program=task.program,
        metric=task.metric,
        timeout=task.timeout,
        retries=task.retries,
        repeats=task.repeats,
        traceback=task.traceback,
        width=task.width() if callable(task.width) else task.width,
        notes=task.notes,
    )
    async with task.executor.open(errand) as away:
        yield away


def _goes(
    examples: Iterable[Example | asyncio.Future[None]], repeats: int
) -> Iterator[Go | asyncio.Future[None]]:
    index = 0
    for example in examples:
        if isinstance(example, asyncio.Future):
            yield example
            continue
        key = example.digest
        for repeat in range(repeats):
            yield Go(index, example, key, repeat)
        index += 1


async def _cell(task: Task, variants: Variants, go: Go, away: Away | None) -> Cell:
    key, metric = go.key, name_of(task.metric)
    at = go.place * task.repeats + go.repeat
    with within(f"{task.candidate}/{key}", at=at) as scope:
        ledger = scope.ledger
        step = None if ledger is None else step_of(ledger, task.digest, key, metric, go.repeat)
        goes = (variants.of(go.repeat, attempt) for attempt in range(task.retries + 1))
        cell = await recorded(step, goes, go.example) if step is not None else None
        if cell is None:
            cell = await _found(task, variants, go, scope, away)
            event = _event(task, cell)
            if step is not None:
                keep(step, cell, event)
            scope.emit(event)
    task.cells.put(task.digest, metric, cell)
    return cell


async def _found(task: Task, variants: Variants, go: Go, scope: Scope, away: Away | None) -> Cell:
    known = task.cells.get(task.digest, go.key, name_of(task.metric), go.repeat)
    if known is not None:
        return replace(known, cost=0.0, seconds=0.0)
    if away is not None:
        return await away.make(go.place, go.example, go.repeat)
    return await made(task, variants, go, scope)


async def made(task: Task, variants: Variants, go: Go, scope: Scope) -> Cell:
    """Answer and score one example in this process, as often as its retries allow.

    Args:
        task, variants: what to evaluate, and its copies.
        go: which example.
        scope: the cell's own.

    Raises:
        Interruption, UsageError, LMAuthError, LMQuotaError, LMUnavailableError: no other example would be spared.
    """
    started = _clock.monotonic()
    for attempt in range(task.retries):
        cell = await _attempt(task, variants.of(go.repeat, attempt), go, scope, started)
        if cell.failure is None:
            return cell
    return await _attempt(task, variants.of(go.repeat, task.retries), go, scope, started)


async def _attempt(task: Task, program: Program, go: Go, scope: Scope, started: float) -> Cell:
    inputs = dict(go.example.inputs().items())
    prediction, score, error, failure = None, None, "", None
    try:
        prediction = await in_time(program.acall(**inputs), task.timeout)
        example = with_label(go.example, task.notes.get(go.key)) if task.notes else go.example
        score = await in_time(judge(task.metric, example, prediction), task.timeout)
    except FATAL:
        raise
    except (Exception, SystemExit) as exc:  # an error is an outcome of this example, kept apart from scores
        text = str(exc) if str(exc).startswith("Metric") else in_words(exc)
        error, failure = text[:TEXT], exc if isinstance(exc, Exception) else RuntimeError(text)
    return Cell(
        example=go.key,
        score=None if score is None else score.value,
        feedback="" if score is None else with_comment(score.feedback, task.notes.get(go.key)),
        parts={} if score is None else score.parts,
        error=error,
        failure=failure,
        cost=scope.tally.cost,
        seconds=_clock.monotonic() - started,
        repeat=go.repeat,
        prediction=prediction,
    )


async def in_time(work: Awaitable[T], seconds: float | None) -> T:
    """Await work on the host loop, cutting it off after so many seconds.

    What a plain function does in a worker thread cannot be cut: it goes on, and nobody waits for it.

    Raises:
        TimeoutError: it took longer.
    """
    if seconds is None:
        return await work
    limit = asyncio.timeout(None)
    try:
        async with limit:
            watch = asyncio.ensure_future(_expire(limit, seconds))
            try:
                return await work
            finally:
                watch.cancel()
    except TimeoutError:
        if not limit.expired():
            raise
        raise TimeoutError(f"no answer within {seconds:g} s") from None


async def _expire(limit: asyncio.Timeout, seconds: float) -> None:
    await _clock.sleep(seconds)
    limit.reschedule(asyncio.get_running_loop().time())


def _tell(task: Task, failed: Scored) -> None:
    if task.traceback and failed.cell.failure is not None:
        how = "".join(traceback.format_exception(failed.cell.failure))
        current().emit(Log(level="error", text=f"Example {failed.place} failed: {how}"))


def _event(task: Task, cell: Cell) -> ExampleScored:
    return ExampleScored(
        candidate=task.candidate,
        example=cell.example,
        score=cell.score,
        error=cell.error,
        feedback=cell.feedback[:TEXT],
        cost=cell.cost,
        seconds=cell.seconds,
        repeat=cell.repeat,
    )
