"""One candidate over one set of examples, from a plain thread: the cells, and what they say together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from dspex import _host
from dspex.data.example import Example
from dspex.evaluate.cells import Cell
from dspex.evaluate.statistics import interval
from dspex.evaluate.stream import Task, stream
from dspex.events.event import CandidateEvaluated, EvaluateEnd, EvaluateStart
from dspex.scope.scope import current, within


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a candidate showed on a set of examples; failures are counted, not averaged."""

    cells: tuple[Cell | None, ...]
    """In the order of the examples; None where the evaluation ended before."""
    mean: float
    low: float
    high: float
    n: int
    failed: int
    cost: float


def measure(
    task: Task,
    examples: Sequence[Example],
    *,
    full: bool = True,
    each: Callable[[int, Cell], None] | None = None,
) -> Measured:
    """Evaluate a candidate and tell the run what came out.

    Args:
        task: what to evaluate and how.
        examples: with inputs marked.
        full: False where these are only a part of the validation set.
        each: called with every (position, cell) as it comes, on the host loop.

    Raises:
        Interruption: the run was asked to end; what was scored so far is in the run's events.
    """
    cells: list[Cell | None] = [None] * len(examples)

    async def collect() -> None:
        async with aclosing(stream(task, examples)) as found:
            async for index, cell in found:
                cells[index] = cell
                if each is not None:
                    each(index, cell)

    with within(task.candidate) as scope:
        scope.emit(EvaluateStart(candidate=task.candidate, total=len(examples), full=full))
        try:
            _host.portal.run(collect(), "evaluation")
        finally:
            done, failed = _counts(cells)
            scope.emit(EvaluateEnd(candidate=task.candidate, done=done, failed=failed))
        result = summarize(cells, scope.tally.cost)
    _tell(task.candidate, result, full)
    return result


def summarize(cells: Sequence[Cell | None], cost: float) -> Measured:
    """Return mean and interval of the cells that have a score."""
    scores = [cell.score for cell in cells if cell is not None and cell.score is not None]
    low, high = interval(scores)
    mean = math.fsum(scores) / len(scores) if scores else 0.0
    _, failed = _counts(cells)
    return Measured(
        cells=tuple(cells), mean=mean, low=low, high=high, n=len(scores), failed=failed, cost=cost
    )


def _tell(candidate: str, result: Measured, full: bool) -> None:
    scope = current()
    scope.emit(
        CandidateEvaluated(
            candidate=candidate,
            mean=result.mean,
            low=result.low,
            high=result.high,
            n=result.n,
            failed=result.failed,
            full=full,
            calls=scope.tally.calls,
            cost=result.cost,
            spent=scope.tally.cost,
        )
    )


def _counts(cells: Sequence[Cell | None]) -> tuple[int, int]:
    done = sum(cell is not None and cell.score is not None for cell in cells)
    failed = sum(cell is not None and cell.score is None for cell in cells)
    return done, failed
