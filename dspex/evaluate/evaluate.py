"""Evaluate: a program, a set of examples and a metric become a score you can watch."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from dspex._canon import canonical, digest
from dspex.data.example import Example, Prediction
from dspex.evaluate.cells import Cell, Cells
from dspex.evaluate.export import rows_of, save_csv, save_json
from dspex.evaluate.launch import Order, check_examples, check_inputs, check_program, launch
from dspex.evaluate.measure import Measured, measure, summarize
from dspex.evaluate.score import Metric, check_metric, name_of
from dspex.evaluate.stream import Task
from dspex.events.event import BestChanged, CandidateProposed
from dspex.modules.module import Module
from dspex.runs import run as _run
from dspex.runs.engine import Kept
from dspex.runs.words import score_text
from dspex.scope.callbacks import Told, listening
from dspex.scope.scope import current
from dspex.settings import current_settings

CANDIDATE = "program"


class EvaluationResult(Prediction):
    """What an evaluation found: `score` in percent, `results` as (example, prediction, score), and more.

    Fields: `score` (failures count as `failure_score`, DSPy's rule), `results`, `mean` (of the examples that have
    a score), `low` and `high` (its 95 % interval), `n`, `failed`, `errors` (texts by position).
    """

    __slots__ = ()

    def __repr__(self) -> str:
        if self.get("mean") is None:
            return f"EvaluationResult(score={self.score})"
        half = (self.high - self.low) / 2
        failed = f", {self.failed} failed" if self.failed else ""
        return f"EvaluationResult({score_text(self.mean)} ±{score_text(half)} on {self.n} examples{failed})"


class Evaluate:
    """Score a program on a set of examples.

    Calling it blocks and returns the result; `start` returns a `Run` at once. In a notebook both show the live
    widget.

    Args:
        devset: examples with inputs marked.
        metric: `metric(example, prediction, trace=None)` -> number, bool, or Prediction with score and feedback.
        num_threads: examples in flight at once; the setting `num_threads` by default.
        failure_score: what a failed example counts in `score`; 0.0 by default.
        save_as_csv, save_as_json: files to write the results to, one row an example.
        callbacks: who is told when this evaluation starts and ends, beside those of the settings.
        display_progress, display_table, provide_traceback, max_errors: accepted as in DSPy; progress is what the
            widget shows.

    Raises:
        DataError, SettingsError, ProgramError: at once, in one line, before anything is spent.

    Example:
        >>> import dspex
        >>> rows = [dspex.Example(ticket="The app crashes", team="bug").with_inputs("ticket")]
        >>> with dspex.context(lm=dspex.LM("practice")):
        ...     result = Evaluate(devset=rows, metric=dspex.exact("team"))(dspex.Predict("ticket -> team"))
        >>> result.n
        1
    """

    def __init__(
        self,
        *,
        devset: Iterable[Example] | None = None,
        metric: Metric | None = None,
        num_threads: int | None = None,
        display_progress: bool = False,
        display_table: bool | int = False,
        max_errors: int | None = None,
        provide_traceback: bool | None = None,
        failure_score: float = 0.0,
        save_as_csv: str | None = None,
        save_as_json: str | None = None,
        callbacks: Iterable[Any] | None = None,
    ) -> None:
        self.devset = devset
        self.metric = metric
        self.num_threads = num_threads
        self.failure_score = failure_score
        self.save_as_csv = save_as_csv
        self.save_as_json = save_as_json
        self.callbacks = list(callbacks or ())

    def __call__(
        self,
        program: Module,
        metric: Metric | None = None,
        devset: Iterable[Example] | None = None,
        num_threads: int | None = None,
        display_progress: bool | None = None,
        display_table: bool | int | None = None,
        callback_metadata: Mapping[str, Any] | None = None,
        save_as_csv: str | None = None,
        save_as_json: str | None = None,
    ) -> EvaluationResult:
        """Evaluate and wait; inside of a run it is part of that run.

        Args:
            program: what to evaluate.
            metric, devset, num_threads, save_as_csv, save_as_json: they win over those given to the constructor.
            callback_metadata: handed to callbacks as it is.
            display_progress, display_table: accepted as in DSPy.
        """
        now = copy.copy(self)
        now.num_threads = num_threads or self.num_threads
        callbacks = listening(self)
        if not callbacks:
            result = now._evaluate(program, metric, devset)
        else:
            given = {
                "program": program, "metric": metric, "devset": devset, "num_threads": num_threads,
                "display_progress": display_progress, "display_table": display_table,
                "callback_metadata": callback_metadata,
            }  # fmt: skip
            with Told(callbacks, "evaluate", self, given) as told:
                result = told.outputs = now._evaluate(program, metric, devset)
        self._save(
            result, metric, csv=save_as_csv or self.save_as_csv, json=save_as_json or self.save_as_json
        )
        return result

    def _evaluate(
        self, program: Module, metric: Metric | None, devset: Iterable[Example] | None
    ) -> EvaluationResult:
        if current().run:
            return self._inline(program, metric, devset)
        run = self.start(program, metric=metric, devset=devset)
        _run.announce(run)
        result: EvaluationResult = run.result()
        return result

    def _save(
        self, result: EvaluationResult, metric: Metric | None, *, csv: str | None, json: str | None
    ) -> None:
        if csv or json:
            rows = rows_of(result.results, name_of(check_metric(metric or self.metric)))
            if csv:
                save_csv(rows, csv)
            if json:
                save_json(rows, json)

    def start(
        self,
        program: Module,
        *,
        metric: Metric | None = None,
        devset: Iterable[Example] | None = None,
        budget: float | None = None,
        name: str | None = None,
    ) -> _run.Run:
        """Start the evaluation in the background and return its run at once.

        Args:
            program, metric, devset: as above; they win over those given to the constructor.
            budget: cap in US dollars.
            name: what to call it.
        """
        task, rows = self._task(program, metric, devset)
        order = Order(
            program=check_program(program),
            work="evaluate",
            method="Evaluate",
            metric=name_of(task.metric),
            budget=budget,
            name=name,
            planned=1,
            sizes={"dev": len(rows)},
        )
        return launch(order, lambda kept: self._work(kept, task, rows))

    def _task(
        self, program: Module, metric: Metric | None, devset: Iterable[Example] | None
    ) -> tuple[Task, list[Example]]:
        checked = check_program(program)
        rows = check_examples(self.devset if devset is None else devset, "devset")
        check_inputs(checked, rows, "devset")
        task = Task(
            program=checked,
            metric=check_metric(metric or self.metric),
            candidate=CANDIDATE,
            digest=digest(checked.dump_state()),
            cells=Cells(),
            width=self.num_threads or current_settings().num_threads,
        )
        return task, rows

    def _inline(
        self, program: Module, metric: Metric | None, devset: Iterable[Example] | None
    ) -> EvaluationResult:
        task, rows = self._task(program, metric, devset)
        return self._result(rows, measure(task, rows))

    def _work(self, kept: Kept, task: Task, rows: list[Example]) -> EvaluationResult:
        cells: list[Cell | None] = [None] * len(rows)
        kept.partial = lambda: self._result(rows, summarize(cells, 0.0)) if any(cells) else None
        propose(kept, CANDIDATE, task.program, task.digest, baseline=True)
        measured = measure(task, rows, each=cells.__setitem__)
        current().emit(BestChanged(candidate=CANDIDATE, mean=measured.mean))
        return self._result(rows, measured)

    def _result(self, rows: list[Example], measured: Measured) -> EvaluationResult:
        pairs = [(row, cell) for row, cell in zip(rows, measured.cells, strict=True) if cell is not None]
        results = [
            (row, cell.prediction, self.failure_score if cell.score is None else cell.score)
            for row, cell in pairs
        ]
        total = sum(score for _, _, score in results)
        return EvaluationResult(
            score=round(100 * total / len(results), 2) if results else 0.0,
            results=results,
            mean=measured.mean,
            low=measured.low,
            high=measured.high,
            n=measured.n,
            failed=measured.failed,
            errors={
                i: cell.error for i, cell in enumerate(measured.cells) if cell is not None and cell.error
            },
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
        )
    )
