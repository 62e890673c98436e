"""LabeledFewShot: put labelled examples into the prompt as they are."""

from __future__ import annotations

import random

from dspex.evaluate.estimate import Effort
from dspex.evaluate.score import Metric
from dspex.modules.module import Module
from dspex.optimize.demos import label
from dspex.optimize.optimizer import Job, Teleprompter


class LabeledFewShot(Teleprompter):
    """Give every predictor `k` training examples as demonstrations.

    Args:
        k: how many; 16 by default.
        metric: only to score the result on a `valset`, where one is given.

    `start` and `compile` also take `sample=False`: the first `k` examples instead of a random choice.

    Source: Brown et al. 2020, Language Models are Few-Shot Learners; DSPy's LabeledFewShot.

    Example:
        >>> import dspex
        >>> train, val, test = dspex.datasets.load("tickets")
        >>> with dspex.context(lm=dspex.LM("practice")):
        ...     program = LabeledFewShot(k=3).compile(dspex.Predict("ticket -> team"), trainset=train)
        >>> len(program.demos)
        3
    """

    needs_metric = False
    asks = False
    options = ("sample",)

    def __init__(self, k: int = 16, metric: Metric | None = None) -> None:
        self.k = k
        self.metric = metric

    def planned(self, student: Module) -> int:
        """One program with demonstrations."""
        return 1

    def effort(self, student: Module, train: int, val: int) -> Effort:
        """Two programs are scored, one of them with demonstrations."""
        return Effort(val=(2.0 * val, 2.0 * val), demos=self.k)

    def search(self, job: Job) -> Module:
        """One draw, one candidate."""
        found = job.candidates
        base = found.add(job.student, what="as written", baseline=True)
        sample = job.options.get("sample", True)
        program = label(job.student, job.trainset, self.k, random.Random(0) if sample else None)
        candidate = found.add(program, what=f"{min(self.k, len(job.trainset))} labeled")
        if found.scored:
            found.score(base)
            found.score(candidate)
        return candidate.program
