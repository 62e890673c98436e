"""Gathering demonstrations: a teacher answers rows, and the traces of right answers are kept.

Nothing here changes a program it was given: every attempt works on a copy.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from dspex import _host
from dspex.data.example import Example
from dspex.errors import Interruption, LMAuthError, LMQuotaError, UsageError, in_words
from dspex.evaluate.score import Metric, judge
from dspex.events.event import Log
from dspex.modules import trace
from dspex.modules.module import Module
from dspex.scope.flow import flow
from dspex.scope.scope import current, within
from dspex.settings import context

MAX_ERRORS = 10
AT_ONCE = 16
"""Teacher attempts in flight at once, at the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """How demonstrations are gathered from a teacher."""

    teacher: Module
    metric: Metric | None
    threshold: float | None
    wanted: int
    rounds: int
    max_errors: int
    settings: Mapping[str, Any]
    """Settings for the teacher alone, such as another `lm`."""
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Demonstrations by predictor path, and which rows they came from."""

    demos: dict[str, list[Example]]
    rows: frozenset[int]


def harvest(plan: Harvest, rows: Sequence[Example]) -> Found:
    """Let the teacher answer rows in their order until `wanted` of them came out right; keep those traces.

    As many rows are asked at once as are still wanted, so that no more are asked than one by one would need, and a
    resumed run asks the same. The outcome depends on the rows' order alone, not on which answer came first.

    Source: DSPy's BootstrapFewShot; Khattab et al. 2023 (arXiv 2310.03714), section 4.

    Raises:
        Exception: the teacher's error, after more than `max_errors` of them.
    """
    outcomes: dict[int, dict[str, Example]] = {}
    for round_ in range(plan.rounds):
        left = [i for i in range(len(rows)) if not outcomes.get(i)]
        _host.portal.run(_round(plan, rows, left, round_, outcomes), "bootstrapping")
    taken = [i for i in sorted(outcomes) if outcomes[i]][: plan.wanted]
    demos: dict[str, list[Example]] = {}
    for i in taken:
        for path, demo in outcomes[i].items():
            demos.setdefault(path, []).append(demo)
    return Found(demos=demos, rows=frozenset(taken))


async def _round(
    plan: Harvest,
    rows: Sequence[Example],
    left: Sequence[int],
    round_: int,
    outcomes: dict[int, dict[str, Example]],
) -> None:
    errors = 0

    async def attempt(index: int) -> dict[str, Example]:
        nonlocal errors
        try:
            return await _attempt(plan, rows[index], round_)
        except (Interruption, UsageError, LMAuthError, LMQuotaError):
            raise
        except Exception as exc:  # one row that fails is skipped and told; too many end the search
            errors += 1
            if errors > plan.max_errors or errors >= len(rows):
                raise
            current().emit(Log(level="warning", text=f"No demonstration from an example: {in_words(exc)}"))
            return {}

    while left and (open_ := plan.wanted - sum(map(bool, outcomes.values()))) > 0:
        now, left = left[:open_], left[open_:]
        async with aclosing(flow(now, attempt, min(AT_ONCE, len(now)))) as found:
            async for position, demos in found:
                outcomes[now[position]] = demos


async def _attempt(plan: Harvest, row: Example, round_: int) -> dict[str, Example]:
    teacher, own = plan.teacher.deepcopy(), row.digest
    paths = {id(predictor): path for path, predictor in teacher.named_predictors()}
    for predictor in teacher.predictors():
        # By content, since the fields of two rows may be arrays, which are not simply equal or not.
        predictor.demos = [demo for demo in predictor.demos if Example(demo).digest != own]
        if round_:
            predictor.update_config(temperature=1.0, rollout_id=round_)
    with within(f"bootstrap/{own}"), trace.recording() as steps:
        with context(**plan.settings):
            prediction = await teacher.acall(**dict(row.inputs().items()))
        if not await _passes(plan, row, prediction, steps):
            return {}
    return _demos_of(steps, paths, random.Random(f"{plan.seed}/{own}"))


async def _passes(plan: Harvest, row: Example, prediction: Any, steps: Sequence[trace.Step]) -> bool:
    if plan.metric is None:
        return True
    told = [(step.predictor, dict(step.inputs), step.prediction) for step in steps]
    score = await judge(plan.metric, row, prediction, told)
    return score.value >= plan.threshold if plan.threshold is not None else bool(score.value)


def _demos_of(steps: Sequence[trace.Step], paths: dict[int, str], rng: random.Random) -> dict[str, Example]:
    made: dict[str, list[Example]] = {}
    for step in steps:
        path = paths.get(id(step.predictor))
        if path is not None:
            demo = Example({"augmented": True, **step.inputs, **dict(step.prediction.items())})
            made.setdefault(path, []).append(demo)
    # A predictor called several times gives one demonstration: its last call, or half the time an earlier one.
    return {
        path: d[-1] if len(d) == 1 or rng.random() < 0.5 else rng.choice(d[:-1]) for path, d in made.items()
    }
