"""Evaluation as a stream of cells: pulled by whoever wants them, bounded in what is in flight.

Errors are not scores: an example whose program or model failed is a failed cell. What cannot get better by going
on (a wrong key, an unknown field, nothing but failures) ends the stream with that error.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Protocol

from dspex.data.example import Example
from dspex.errors import Interruption, LMAuthError, LMQuotaError, UsageError
from dspex.evaluate.cells import Cell, Cells
from dspex.evaluate.score import Metric, judge, name_of
from dspex.events.event import ExampleScored
from dspex.scope.flow import flow
from dspex.scope.scope import within

HOPELESS = 8
"""Failures in a row from the very start after which going on only costs money."""
TEXT = 500


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
    width: int
    """Examples in flight at once."""


async def stream(task: Task, examples: Iterable[Example]) -> AsyncGenerator[tuple[int, Cell], None]:
    """Yield `(position, cell)` as they come; close the iterator to abandon the rest.

    Raises:
        Interruption: the run was asked to end.
        UsageError, LMAuthError, LMQuotaError: going on cannot help.
        Exception: the first error, where the first examples all fail.
    """
    scored = failed = 0
    first: Exception | None = None

    async def one(example: Example) -> Cell:
        return await _cell(task, example)

    async with aclosing(flow(examples, one, task.width)) as cells:
        async for index, cell in cells:
            scored += cell.score is not None
            failed += cell.score is None
            first = first or cell.failure
            if first is not None and scored == 0 and failed >= HOPELESS:
                raise first
            yield index, cell
    if first is not None and scored == 0:
        raise first


async def _cell(task: Task, example: Example) -> Cell:
    key = example.digest
    metric = name_of(task.metric)
    known = task.cells.get(task.digest, key, metric)
    if known is not None:
        cell = replace(known, cost=0.0)
        with within(f"{task.candidate}/{key}") as scope:
            scope.emit(_event(task, cell))
        return cell
    with within(f"{task.candidate}/{key}") as scope:
        cell = await _attempt(task, example, key)
        cell = replace(cell, cost=scope.tally.cost)
        scope.emit(_event(task, cell))
    task.cells.put(task.digest, metric, cell)
    return cell


async def _attempt(task: Task, example: Example, key: str) -> Cell:
    inputs = dict(example.inputs().items())
    prediction = None
    try:
        prediction = await task.program.acall(**inputs)
        score = await judge(task.metric, example, prediction)
    except (Interruption, UsageError, LMAuthError, LMQuotaError):
        raise
    except Exception as exc:  # an error is an outcome of this example, kept apart from scores
        text = str(exc) if str(exc).startswith("Metric") else f"{type(exc).__name__}: {exc}"
        return Cell(example=key, error=text[:TEXT], prediction=prediction, failure=exc)
    return Cell(example=key, score=score.value, feedback=score.feedback, prediction=prediction)


def _event(task: Task, cell: Cell) -> ExampleScored:
    return ExampleScored(
        candidate=task.candidate,
        example=cell.example,
        score=cell.score,
        error=cell.error,
        feedback=cell.feedback[:TEXT],
        cost=cell.cost,
    )
