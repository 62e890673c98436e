"""BootstrapFewShotWithRandomSearch: many draws of demonstrations, the best by score."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from dspex.data.example import Example
from dspex.evaluate.estimate import Effort
from dspex.evaluate.score import Metric
from dspex.events.event import OptimizationStep, PhaseEnd, PhaseStart
from dspex.modules.module import Module
from dspex.optimize.demos import Recipe, bootstrap, effort_of, label
from dspex.optimize.optimizer import Job, Teleprompter
from dspex.scope.scope import current

ZERO_SHOT, LABELED, UNSHUFFLED = -3, -2, -1
SEARCH = "Search"


class BootstrapFewShotWithRandomSearch(Teleprompter):
    """Bootstrap demonstrations from many shuffles of the training set and keep the program that scores best.

    Tries the program as written, with labelled examples only, with an unshuffled bootstrap, and then
    `num_candidate_programs` shuffled bootstraps of random size, each scored on the whole validation set.

    Args:
        metric: `metric(example, prediction, trace)`.
        teacher_settings, max_bootstrapped_demos, max_labeled_demos, max_rounds, max_errors,
            metric_threshold: as for `BootstrapFewShot`.
        num_candidate_programs: shuffled bootstraps; 16 by default.
        num_threads: examples in flight at once.
        stop_at_score: percent at which the search ends early.

    `start` and `compile` also take `restrict`: the seeds to try (-3, -2, -1, 0, 1, ...). Without a `valset`
    candidates are scored on the training set.

    Source: Khattab et al. 2023 (arXiv 2310.03714), section 4; DSPy's optimizer of the same name.

    Example:
        >>> import dspex
        >>> train, val, test = dspex.datasets.load("tickets")
        >>> search = BootstrapFewShotWithRandomSearch(metric=dspex.exact("team"), num_candidate_programs=1)
        >>> with dspex.context(lm=dspex.LM("practice")):
        ...     run = search.start(dspex.Predict("ticket -> team"), trainset=train[:20], valset=val[:10])
        >>> len(run.result().demos) <= 16
        True
    """

    options = ("restrict", "labeled_sample")

    def __init__(
        self,
        metric: Metric,
        teacher_settings: Mapping[str, Any] | None = None,
        max_bootstrapped_demos: int = 4,
        max_labeled_demos: int = 16,
        max_rounds: int = 1,
        num_candidate_programs: int = 16,
        num_threads: int | None = None,
        max_errors: int | None = None,
        stop_at_score: float | None = None,
        metric_threshold: float | None = None,
    ) -> None:
        self.metric = metric
        self.num_threads = num_threads
        self.num_candidate_programs = num_candidate_programs
        self.stop_at_score = stop_at_score
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
        """All variants there are."""
        return len(self._seeds(student, None))

    def effort(self, student: Module, train: int, val: int) -> Effort:
        """A bootstrap for each seed that is one; every variant is scored."""
        seeds = self._seeds(student, None)
        times = sum(seed >= UNSHUFFLED for seed in seeds)
        return effort_of(self.recipe, times, train, float(val * (1 + len(seeds))))

    def valset_for(self, trainset: list[Example], valset: list[Example] | None) -> list[Example]:
        """Score on the training set where there is no validation set, as DSPy does."""
        return valset or trainset

    def search(self, job: Job) -> Module:
        """Score the program as written, then every variant."""
        scope = current()
        base = job.candidates.add(job.student, what="as written", baseline=True)
        job.candidates.score(base)
        seeds = self._seeds(job.student, job.options.get("restrict"))
        scope.emit(PhaseStart(name=SEARCH, total=len(seeds)))
        for k, seed in enumerate(seeds, start=1):
            scope.checkpoint()
            program, what = self._variant(job, seed)
            measured = job.candidates.score(job.candidates.add(program, what=what))
            scope.emit(OptimizationStep(phase=SEARCH, k=k, of=len(seeds)))
            if self.stop_at_score is not None and 100 * measured.mean >= self.stop_at_score:
                break
        scope.emit(PhaseEnd(name=SEARCH))
        return (job.candidates.best or base).program

    def _seeds(self, student: Module, restrict: Sequence[int] | None) -> list[int]:
        seeds = range(ZERO_SHOT, self.num_candidate_programs)
        idle = set() if self.recipe.max_labeled_demos else {LABELED}
        if not any(predictor.demos for predictor in student.predictors()):
            idle.add(ZERO_SHOT)  # that is the program as written, scored already
        return [seed for seed in seeds if seed not in idle and (restrict is None or seed in restrict)]

    def _variant(self, job: Job, seed: int) -> tuple[Module, str]:
        most = self.recipe.max_bootstrapped_demos
        if seed == ZERO_SHOT:
            return job.student.reset_copy(), "no demonstrations"
        if seed == LABELED:
            count = min(self.recipe.max_labeled_demos, len(job.trainset))
            sample = random.Random(0) if job.options.get("labeled_sample", True) else None
            return label(job.student, job.trainset, count, sample), f"{count} labeled"
        if seed == UNSHUFFLED:
            return bootstrap(job, self.recipe, job.trainset, most)
        # The run's seed decides all draws, so that another seed is another search.
        rng = random.Random(f"{job.seed}/{seed}")
        rows = list(job.trainset)
        rng.shuffle(rows)
        return bootstrap(job, self.recipe, rows, rng.randint(1, max(1, most)))
