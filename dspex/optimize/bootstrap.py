"""BootstrapFewShot: demonstrations made by the program itself, kept where the metric agrees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dspex.evaluate.estimate import Effort
from dspex.evaluate.score import Metric
from dspex.events.event import PhaseEnd, PhaseStart
from dspex.modules.module import Module
from dspex.optimize.demos import Recipe, bootstrap, effort_of
from dspex.optimize.optimizer import Job, Teleprompter
from dspex.scope.scope import current

PHASE = "Bootstrap"


class BootstrapFewShot(Teleprompter):
    """Let a teacher answer training examples and keep right answers, with all steps, as demonstrations.

    Args:
        metric: `metric(example, prediction, trace)`; an answer is kept where it is true or reaches
            `metric_threshold`. Without a metric every answer is kept.
        metric_threshold: for metrics that return a number.
        teacher_settings: settings for the teacher alone, such as `{"lm": dspex.LM(...)}`.
        max_bootstrapped_demos: kept traces; 4 by default.
        max_labeled_demos: demonstrations in all, the rest filled with labelled examples; 16 by default.
        max_rounds: passes over the examples, later ones at temperature 1.0; 1 by default.
        max_errors: failed attempts allowed; 10 by default.

    With a `valset`, the program as written and the compiled one are both scored on it.

    Source: Khattab et al. 2023 (arXiv 2310.03714), section 4; DSPy's BootstrapFewShot.

    Example:
        >>> import dspex
        >>> train, val, test = dspex.datasets.load("tickets")
        >>> optimizer = BootstrapFewShot(metric=dspex.exact("team"), max_labeled_demos=8)
        >>> with dspex.context(lm=dspex.LM("practice")):
        ...     program = optimizer.compile(dspex.Predict("ticket -> team"), trainset=train)
        >>> len(program.demos)
        8
    """

    needs_metric = False

    def __init__(
        self,
        metric: Metric | None = None,
        metric_threshold: float | None = None,
        teacher_settings: Mapping[str, Any] | None = None,
        max_bootstrapped_demos: int = 4,
        max_labeled_demos: int = 16,
        max_rounds: int = 1,
        max_errors: int | None = None,
    ) -> None:
        self.metric = metric
        self.recipe = Recipe(
            metric=metric,
            metric_threshold=metric_threshold,
            teacher_settings=teacher_settings or {},
            max_bootstrapped_demos=max_bootstrapped_demos,
            max_labeled_demos=max_labeled_demos,
            max_rounds=max_rounds,
            max_errors=max_errors,
        )

    def planned(self, student: Module) -> int:
        """One program with demonstrations."""
        return 1

    def effort(self, student: Module, train: int, val: int) -> Effort:
        """One bootstrap; two programs are scored."""
        return effort_of(self.recipe, 1, train, 2.0 * val)

    def search(self, job: Job) -> Module:
        """Bootstrap once; score both programs where there is something to score them on."""
        found = job.candidates
        base = found.add(job.student, what="as written", baseline=True)
        if found.scored:
            found.score(base)
        scope = current()
        scope.emit(PhaseStart(name=PHASE))
        program, what = bootstrap(job, self.recipe, job.trainset, self.recipe.max_bootstrapped_demos)
        scope.emit(PhaseEnd(name=PHASE))
        candidate = found.add(program, what=what)
        if found.scored:
            found.score(candidate)
        return candidate.program
