"""Putting demonstrations into a program: labelled rows as they are, and harvested traces.

What optimizers that work with demonstrations share; each of them makes new programs and leaves the student alone.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dspex.data.example import Example
from dspex.errors import SettingsError
from dspex.evaluate.estimate import Effort
from dspex.evaluate.score import Metric
from dspex.modules.module import Module
from dspex.optimize.harvest import MAX_ERRORS, Found, Harvest, harvest
from dspex.optimize.optimizer import Job
from dspex.settings import check


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How demonstrations are made; names and defaults as in DSPy's optimizers."""

    metric: Metric | None
    metric_threshold: float | None = None
    teacher_settings: Mapping[str, Any] = field(default_factory=dict)
    max_bootstrapped_demos: int = 4
    max_labeled_demos: int = 16
    max_rounds: int = 1
    max_errors: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_bootstrapped_demos", "max_labeled_demos", "max_rounds"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 0:
                raise SettingsError(f"`{name}` takes a whole number of at least 0, not `{value!r}`.")
        check(self.teacher_settings)


def label(student: Module, rows: Sequence[Example], k: int, rng: random.Random | None) -> Module:
    """Return a copy of the student with `k` labelled rows for every predictor: random ones, or the first."""
    program = student.reset_copy()
    for predictor in program.predictors():
        count = min(k, len(rows))
        predictor.demos = rng.sample(list(rows), count) if rng is not None else list(rows[:count])
    return program


def bootstrap(job: Job, recipe: Recipe, rows: Sequence[Example], wanted: int) -> tuple[Module, str]:
    """Return a program with demonstrations made from `rows`, and a few words about them."""
    teacher = job.teacher or label(job.student, rows, recipe.max_labeled_demos, random.Random(0))
    found = harvest(plan(recipe, teacher, wanted, job.seed), rows)
    program = assemble(job.student, rows, found, recipe.max_labeled_demos)
    made = len(found.rows)
    raw = max((len(p.demos) for p in program.predictors()), default=0) - made
    return program, f"{made} bootstrapped" + (f" + {raw} labeled" if raw > 0 else "")


def plan(recipe: Recipe, teacher: Module, wanted: int, seed: int) -> Harvest:
    """Return how a teacher's demonstrations are gathered by this recipe."""
    return Harvest(
        teacher=teacher,
        metric=recipe.metric,
        threshold=recipe.metric_threshold,
        wanted=wanted,
        rounds=recipe.max_rounds,
        max_errors=MAX_ERRORS if recipe.max_errors is None else recipe.max_errors,
        settings=recipe.teacher_settings,
        seed=seed,
    )


def effort_of(recipe: Recipe, times: int, train: int, goes: float) -> Effort:
    """Return how often programs are run to bootstrap so many times, and to score candidates `goes` times.

    How soon a teacher has answered enough rows right nobody knows: after the first few, or never.
    """
    least = min(recipe.max_bootstrapped_demos, train)
    most = train * recipe.max_rounds if recipe.max_bootstrapped_demos else 0
    return Effort(
        val=(goes, goes),
        train=(float(times * least), float(times * most)),
        demos=max(recipe.max_labeled_demos, recipe.max_bootstrapped_demos),
    )


def assemble(student: Module, rows: Sequence[Example], found: Found, most: int) -> Module:
    """Return a copy of the student with the found demonstrations, filled up to `most` with labelled rows."""
    program = student.reset_copy()
    spare = [row for i, row in enumerate(rows) if i not in found.rows]
    rng = random.Random(0)
    for path, predictor in program.named_predictors():
        made = found.demos.get(path, [])
        room = max(0, min(most - len(made), len(spare)))
        predictor.demos = [*rng.sample(spare, room), *made]
    return program
