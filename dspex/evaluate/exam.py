"""One evaluation as it was ordered: what is checked first, how it is run, and what it comes to.

`Evaluate` and `dspex.evaluate(...)` both order one; the first wants the result, the second the rows on the way.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from typing import Any

from dspex import _host
from dspex._canon import canonical, digest
from dspex.errors import SettingsError
from dspex.evaluate.cells import Cells
from dspex.evaluate.channel import Channel
from dspex.evaluate.course import Course
from dspex.evaluate.elsewhere import read_executor
from dspex.evaluate.launch import Order, check_program, launch
from dspex.evaluate.measure import survey
from dspex.evaluate.recipe import Caller
from dspex.evaluate.result import EvaluationResult, Row, result_of
from dspex.evaluate.score import Metric, check_metric, name_of
from dspex.evaluate.source import Data, Source
from dspex.evaluate.stream import Scored, Task
from dspex.evaluate.sums import Sums
from dspex.events.event import BestChanged, CandidateProposed
from dspex.modules.module import Module
from dspex.runs import run as _run
from dspex.runs.plan import Kept
from dspex.scope.scope import current
from dspex.settings import current_settings

CANDIDATE = "program"
KEPT = 10_000
"""Rows that a result keeps of a source that is no list; where there are more, it keeps none."""


@dataclass(frozen=True, kw_only=True)
class How:
    """How an evaluation is done; checked where it is made.

    Raises:
        SettingsError: a value cannot be.
    """

    num_threads: int | None = None
    timeout: float | None = None
    retries: int = 0
    max_errors: int | None = None
    n: int = 1
    failure_score: float = 0.0
    provide_traceback: bool | None = None
    executor: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "executor", read_executor(self.executor))
        for name, least in (("num_threads", 1), ("retries", 0), ("max_errors", 0), ("n", 1)):
            value = getattr(self, name)
            optional = name in ("num_threads", "max_errors")
            if value is None and optional:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise SettingsError(f"`{name}` takes a whole number of at least {least}, not `{value!r}`.")
        score = self.failure_score
        if isinstance(score, bool) or not isinstance(score, (int, float)) or not math.isfinite(score):
            raise SettingsError(
                f"`failure_score` takes the number that a failed example counts as, not `{score!r}`."
            )
        if self.timeout is not None and (
            isinstance(self.timeout, bool)
            or not isinstance(self.timeout, (int, float))
            or not self.timeout > 0
        ):
            raise SettingsError(f"`timeout` takes seconds for one example, above 0, not `{self.timeout!r}`.")


class Exam:
    """A program, what it is asked, and who judges.

    Raises:
        DataError, SettingsError, ProgramError: at once, in one line, before anything is spent.
    """

    def __init__(
        self, program: Module, metric: Metric | None, data: Data | None, how: How, what: str
    ) -> None:
        self.program = check_program(program)
        self.source = Source(data, self.program, what)
        self.how = how
        settings = current_settings()
        self.task = Task(
            program=self.program,
            metric=check_metric(metric),
            candidate=CANDIDATE,
            digest=digest(self.program.dump_state()),
            cells=Cells(None if self.source.rows is not None else KEPT),
            width=how.num_threads or settings.num_threads,
            timeout=how.timeout,
            retries=how.retries,
            max_errors=how.max_errors,
            repeats=how.n,
            traceback=settings.provide_traceback if how.provide_traceback is None else how.provide_traceback,
            executor=how.executor,
        )

    def start(
        self, caller: Caller, *, budget: Any = None, name: str | None = None, out: Channel[Row] | None = None
    ) -> _run.Run:
        """Start it as a run.

        Args:
            caller: whose `start` would start it again, for a run that is to be resumed.
            budget: caps.
            name: what to call it.
            out: where rows go as they come, if anywhere.
        """
        size = self.source.size
        order = Order(
            program=self.program,
            work="evaluate",
            method="Evaluate",
            metric=name_of(self.task.metric),
            budget=budget,
            name=name,
            planned=1,
            sizes={} if size is None else {"dev": size},
            examples=self.source.rows or (),
            caller=caller,
        )

        def work(kept: Kept) -> EvaluationResult:
            try:
                return self._work(kept, out)
            finally:
                if out is not None:  # also where it never came to the first example
                    _host.loop().call_soon_threadsafe(out.close)

        return launch(order, work)

    async def here(self, out: Channel[Row] | None = None) -> EvaluationResult:
        """Do it as a part of the run around, on the host loop."""
        found = _Findings(self)
        await self._survey(found, out)
        return found.result()

    def _work(self, kept: Kept, out: Channel[Row] | None) -> EvaluationResult:
        found = _Findings(self, current().run)
        kept.partial = lambda: found.result() if found.any else None
        self.task = replace(self.task, notes=kept.notes)
        if isinstance(kept.course, Course):
            self.task = replace(self.task, width=kept.course.width(self.task.width))
        propose(kept, CANDIDATE, self.program, self.task.digest, baseline=True)
        _host.portal.run(self._survey(found, out), "evaluation")
        current().emit(BestChanged(candidate=CANDIDATE, mean=found.sums.mean))
        return found.result()

    async def _survey(self, found: _Findings, out: Channel[Row] | None) -> None:
        token = current().cancel
        leave = out.heed(token) if out is not None else lambda: None

        def take(scored: Scored) -> Awaitable[None] | None:
            row = found.take(scored)
            return out.put(row, token) if out is not None else None

        try:
            await survey(self.task, self.source, found.sums, take, total=self.source.size)
        finally:
            leave()
            self.source.close()
            if out is not None:
                out.close()


@dataclass(eq=False)
class _Findings:
    """What an evaluation has come to so far."""

    exam: Exam
    run: str = ""
    rows: list[Row] | None = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sums = Sums(self.exam.how.n)
        self._bounded = self.exam.source.rows is None

    @property
    def any(self) -> bool:
        """Whether there is anything."""
        return bool(self.sums.scored or self.sums.failed)

    def take(self, scored: Scored) -> Row:
        """Keep one row, where rows are kept, and return it."""
        row = Row.of(scored)
        if self.rows is not None:
            self.rows.append(row)
            if self._bounded and len(self.rows) > KEPT:
                self.rows = None
        return row

    def result(self) -> EvaluationResult:
        """Return what there is."""
        rows = None if self.rows is None else sorted(self.rows, key=lambda row: (row.index, row.repeat))
        return result_of(
            self.sums,
            rows,
            metric=name_of(self.exam.task.metric),
            failure_score=self.exam.how.failure_score,
            run=self.run,
        )


def propose(
    kept: Kept,
    id: str,
    program: Any,
    ref: str,
    *,
    origin: str = "",
    what: str = "as written",
    baseline: bool = False,
    by: str = "",
) -> None:
    """Tell the run of a candidate and keep its program, by reference to its state."""
    kept.keep(id, program, ref, canonical(program.dump_state()).encode())
    predictors = program.named_predictors()
    current().emit(
        CandidateProposed(
            candidate=id,
            origin=origin,
            what=what,
            instructions={path: p.signature.spec.instructions for path, p in predictors},
            demos={path: len(p.demos) for path, p in predictors},
            program=ref,
            baseline=baseline,
            by=by,
        )
    )
