"""One candidate over one set of examples: the cells, and what they say together."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from dspex import _host
from dspex.data.example import Example
from dspex.evaluate.cells import Cell
from dspex.evaluate.statistics import Moments
from dspex.evaluate.stream import Scored, Task, stream
from dspex.evaluate.sums import Sums
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
    """Evaluate a candidate from a plain thread and tell the run what came out.

    Args:
        task: what to evaluate and how.
        examples: with inputs marked.
        full: False where these are only a part of the validation set.
        each: called with every (position, cell) as it comes, on the host loop.

    Raises:
        Interruption: the run was asked to end; what was scored so far is in the run's events.
    """
    cells: list[Cell | None] = [None] * len(examples)

    def take(found: Scored) -> None:
        cells[found.place] = found.cell
        if each is not None:
            each(found.place, found.cell)

    sums = Sums(task.repeats)
    _host.portal.run(survey(task, examples, sums, take, total=len(examples), full=full), "evaluation")
    return summarize(cells, sums.cost)


async def survey(
    task: Task,
    examples: Iterable[Example | asyncio.Future[None]],
    sums: Sums,
    take: Callable[[Scored], Awaitable[None] | None],
    *,
    total: int | None = None,
    full: bool = True,
) -> None:
    """Evaluate a candidate on the host loop, adding up as cells come, and tell the run what came out.

    Args:
        task: what to evaluate and how.
        examples: with inputs marked, in any number; a source that has to read first gives futures in between.
        sums: what to add up in; it holds what there is also where this raises.
        take: called with every cell; where it returns something to await, nothing goes on before.
        total: how many examples there are, where that is known.
        full: False where these are only a part of the validation set.

    Raises:
        Interruption: the run was asked to end.
    """
    goes = None if total is None else total * task.repeats
    with within(task.candidate) as scope:
        scope.emit(EvaluateStart(candidate=task.candidate, total=goes, full=full))
        try:
            async with aclosing(stream(task, examples)) as found:
                async for scored in found:
                    sums.take(scored.place, scored.cell)
                    waiting = take(scored)
                    if inspect.isawaitable(waiting):
                        await waiting
        finally:
            sums.close()
            scope.emit(EvaluateEnd(candidate=task.candidate, done=sums.scored, failed=sums.failed))
    _tell(task.candidate, sums, scope.tally.cost, full)


def summarize(cells: Sequence[Cell | None], cost: float) -> Measured:
    """Return mean and interval of the cells that have a score."""
    seen = Moments(cell.score for cell in cells if cell is not None and cell.score is not None)
    low, high = seen.interval()
    failed = sum(cell is not None and cell.score is None for cell in cells)
    return Measured(
        cells=tuple(cells), mean=seen.mean, low=low, high=high, n=seen.n, failed=failed, cost=cost
    )


def _tell(candidate: str, sums: Sums, cost: float, full: bool) -> None:
    scope = current()
    low, high = sums.interval()
    scope.emit(
        CandidateEvaluated(
            candidate=candidate,
            mean=sums.mean,
            low=low,
            high=high,
            n=sums.scored,
            failed=sums.failed,
            full=full,
            calls=scope.tally.calls,
            cost=cost,
            spent=scope.tally.cost,
        )
    )
