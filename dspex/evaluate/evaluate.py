"""Evaluate: a program, a set of examples and a metric become a score you can watch; DSPy's class.

`dspex.evaluate(program, data, metric)` in `rows.py` is the same as a stream of rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dspex import _host
from dspex.errors import SettingsError
from dspex.evaluate import export
from dspex.evaluate.estimate import SAMPLE, Estimate, estimate
from dspex.evaluate.exam import CANDIDATE, Exam, How, propose
from dspex.evaluate.progress import watch
from dspex.evaluate.recipe import Caller
from dspex.evaluate.result import EvaluationResult
from dspex.evaluate.score import Metric, check_metric, name_of
from dspex.evaluate.source import Data
from dspex.evaluate.table import show_table
from dspex.modules.module import Module
from dspex.runs import run as _run
from dspex.scope.callbacks import Told, listening
from dspex.scope.scope import current

__all__ = ["CANDIDATE", "Evaluate", "EvaluationResult", "propose"]


class Evaluate:
    """Score a program on a set of examples.

    Calling it blocks and returns the result; `start` returns a `Run` at once. In a notebook both show the live
    widget.

    Args:
        devset: examples with inputs marked: a list, or any iterable, which is read as the evaluation goes on.
        metric: `metric(example, prediction, trace=None)`, a coroutine function too -> number, bool, or Prediction
            with `score`, `feedback` and `scores` (what the score is made of, by name).
        num_threads: examples in flight at once; the setting `num_threads` by default.
        display_progress: whether to tell on stderr how far it is, where no widget shows it.
        display_table: whether to show the rows as a table afterwards; a number shows so many of them.
        max_errors: failed examples at which the rest is given up with the first error; None for no limit. Nothing
            but failures ends an evaluation early in any case.
        provide_traceback: whether the log tells of failures with their traceback; as the setting says by default.
        failure_score: what a failed example counts in `score`; 0.0 by default.
        save_as_csv, save_as_json: files to write the results to, one row an example.
        callbacks: who is told when this evaluation starts and ends, beside those of the settings.
        timeout: seconds that one attempt at an example may take; None for no limit.
        retries: further attempts at an example that failed, each by a copy that shares no kept answer.
        n: how often each example is answered and scored; the result tells how far the goes differ.
        executor: where examples are answered: a `dask.distributed.Client`, or None for this process.

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
        devset: Data | None = None,
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
        timeout: float | None = None,
        retries: int = 0,
        n: int = 1,
        executor: Any = None,
    ) -> None:
        self._how = How(
            num_threads=num_threads, timeout=timeout, retries=retries, max_errors=max_errors, n=n,
            failure_score=failure_score, provide_traceback=provide_traceback, executor=executor,
        )  # fmt: skip
        self.devset = devset
        self.metric = metric
        self.num_threads = num_threads
        self.display_progress = display_progress
        self.display_table = display_table
        self.max_errors = max_errors
        self.provide_traceback = provide_traceback
        self.failure_score = failure_score
        self.save_as_csv = save_as_csv
        self.save_as_json = save_as_json
        self.callbacks = list(callbacks or ())
        self.timeout = timeout
        self.retries = retries
        self.n = n
        self.executor = executor

    def __call__(
        self,
        program: Module,
        metric: Metric | None = None,
        devset: Data | None = None,
        num_threads: int | None = None,
        display_progress: bool | None = None,
        display_table: bool | int | None = None,
        callback_metadata: Mapping[str, Any] | None = None,
        save_as_csv: str | None = None,
        save_as_json: str | None = None,
    ) -> EvaluationResult:
        """Evaluate and wait; inside of a run it is part of that run.

        Ctrl-C ends the evaluation with what it has and goes on as an interrupt.

        Args:
            program: what to evaluate.
            metric, devset, num_threads, display_progress, display_table, save_as_csv, save_as_json: they win over
                those given to the constructor.
            callback_metadata: handed to callbacks as it is.

        Raises:
            DataError, SettingsError, ProgramError: at once, in one line, before anything is spent.
            DspexError: what made the evaluation fail.
        """
        given = {
            "program": program, "metric": metric, "devset": devset, "num_threads": num_threads,
            "display_progress": display_progress, "display_table": display_table,
            "callback_metadata": callback_metadata,
        }  # fmt: skip
        progress = self.display_progress if display_progress is None else display_progress
        table = _rows_shown(self.display_table if display_table is None else display_table)
        files = [(save_as_csv or self.save_as_csv, ".csv"), (save_as_json or self.save_as_json, ".json")]
        for path, _ in files:
            if path:
                export.check_place(Path(path))
        callbacks = listening(self)
        if not callbacks:
            result = self._evaluate(program, metric, devset, num_threads, progress)
        else:
            with Told(callbacks, "evaluate", self, given) as told:
                result = told.outputs = self._evaluate(program, metric, devset, num_threads, progress)
        name = name_of(check_metric(metric or self.metric))
        if table:
            show_table(result, name, None if table is True else table)
        for path, form in files:
            if path:
                kept = "results" in result
                records = export.rows_of(result.results, name).__iter__ if kept else result.records
                export.save(records, Path(path), form)
        return result

    def start(
        self,
        program: Module,
        *,
        metric: Metric | None = None,
        devset: Data | None = None,
        budget: float | None = None,
        name: str | None = None,
    ) -> _run.Run:
        """Start the evaluation in the background and return its run at once.

        Args:
            program, metric, devset: as above; they win over those given to the constructor.
            budget: cap in US dollars, or caps by kind.
            name: what to call it.
        """
        exam = self._exam(program, metric, devset)
        given = {"program": program, "metric": metric, "devset": devset, "budget": budget, "name": name}
        return exam.start(Caller(method=self, given=given), budget=budget, name=name)

    def estimate(
        self, program: Module, *, metric: Metric | None = None, devset: Data | None = None
    ) -> Estimate:
        """Tell what this evaluation would take, before anything is spent: calls, tokens and dollars.

        The program runs on a few examples with a stand-in for each of its models; nothing is sent.

        Args:
            program, metric, devset: as above; they win over those given to the constructor.

        Example:
            >>> import dspex
            >>> rows = [dspex.Example(ticket="The app crashes", team="bug").with_inputs("ticket")] * 50
            >>> with dspex.context(lm=dspex.LM("openai/gpt-4o-mini")):
            ...     cost = Evaluate(devset=rows, metric=dspex.exact("team")).estimate(dspex.Predict("ticket -> team"))
            >>> cost.calls
            50
        """
        exam = self._exam(program, metric, devset)
        sample = exam.source.sample(SAMPLE)
        return estimate(exam.program, exam.task.metric, sample, exam.source.size, times=self.n)

    def _exam(
        self, program: Module, metric: Metric | None, devset: Data | None, num_threads: int | None = None
    ) -> Exam:
        how = dataclasses.replace(
            self._how,
            **{name: getattr(self, name) for name in _CHANGEABLE},
            num_threads=self.num_threads if num_threads is None else num_threads,
        )
        data = self.devset if devset is None else devset
        return Exam(program, metric or self.metric, data, how, "devset")

    def _evaluate(
        self,
        program: Module,
        metric: Metric | None,
        devset: Data | None,
        num_threads: int | None,
        progress: bool,
    ) -> EvaluationResult:
        exam = self._exam(program, metric, devset, num_threads)
        if current().run:
            return _host.portal.run(exam.here(), "evaluation")
        run = exam.start(Caller(method=self, given={"program": program, "metric": metric, "devset": devset}))
        shown = _run.announce(run)
        try:
            if progress and not shown:
                watch(run)
            result: EvaluationResult = run.result()
        except KeyboardInterrupt:
            run.stop(by="interrupt")
            raise
        return result


def _rows_shown(table: bool | int) -> bool | int:
    if isinstance(table, bool):
        return table
    if not isinstance(table, int) or table < 0:
        raise SettingsError(f"`display_table` takes True, or how many rows to show, not `{table!r}`.")
    return table


_CHANGEABLE = ("timeout", "retries", "max_errors", "n", "failure_score", "provide_traceback", "executor")
"""Options that are attributes too, as DSPy's users set them between two calls."""
