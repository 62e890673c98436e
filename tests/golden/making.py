"""What golden journals are made with: events in the making, the usual first ones, and texts.

Apart from `build.py`, which says what happens in each of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from dspex.events.event import (
    AnyEvent,
    CandidateEvaluated,
    CandidateProposed,
    EvaluateEnd,
    EvaluateStart,
    ExampleScored,
    LMEnd,
    LMRole,
    LMStart,
    RunStart,
)
from dspex.runs.state import fold

JOURNALS = Path(__file__).parent / "journals"
BEGIN = 1_760_080_360.0
BASE = "Classify the support ticket. Return the category."
BETTER = (
    "Read the whole ticket, then decide which single team can resolve it. Return exactly one of billing, "
    "account, bug, feature. A login that fails after a payment problem is billing; an error message with "
    "steps is a bug even when the customer asks for a refund."
)
HOSTILE = (
    '<img src=x onerror="alert(1)"></script><script>alert(2)</script> \u202eevil\u202c '
    'na\u00efve \u4f60\u597d \U0001f9d1\u200d\U0001f680 `code` "quotes" \\ back\\slash & &amp; {{braces}} '
    "\x00\x1b[31m\ttab\nline"
)


class Journal:
    """Events in the making: numbers them and lets time pass."""

    def __init__(self, run: str, seed: int = 0) -> None:
        self.run = run
        self.events: list[AnyEvent] = []
        self.time = BEGIN
        self.model = "openai/gpt-4o-mini"
        self.calls = 0
        self.spent = 0.0
        self.chance = random.Random(seed)
        self.pace = random.Random(seed + 1000)

    def emit(self, *events: AnyEvent, wait: float = 0.25) -> None:
        """Add events, `wait` seconds apart."""
        for event in events:
            self.time = round(self.time + wait, 3)
            place = {"seq": len(self.events) + 1, "time": self.time, "run": self.run}
            self.events.append(msgspec.structs.replace(event, **place))

    def call(self, model: str = "", role: LMRole = "task", cached: bool = False, error: str = "") -> float:
        """Add one LM call; gives its cost."""
        model = model or self.model
        tokens = self.chance.randint(700, 1300), self.chance.randint(12, 90)
        rate = 12.0 if role == "proposal" else 1.0
        cost = 0.0 if cached or error else round((tokens[0] * 0.15 + tokens[1] * 0.6) * 4e-6 * rate, 6)
        if not cached:
            self.emit(LMStart(model=model, role=role), wait=0.01)
        self.calls += 1
        self.spent = round(self.spent + cost, 6)
        self.emit(
            LMEnd(
                model=model, role=role, cached=cached, cost=cost, error=error,
                prompt_tokens=0 if error else tokens[0], completion_tokens=0 if error else tokens[1],
                seconds=0.0 if cached else self._seconds(role),
            ),
            wait=0.02 if cached else 0.15,
        )  # fmt: skip
        return cost

    def _error(self, index: int) -> str:
        kinds = (
            "LMTimeoutError: `openai` did not answer within 60 s.",
            "LMServerError: `openai` failed (503): overloaded, try again later.",
            "Metric `right` raised KeyError: 'team'",
            "LMTimeoutError",
        )
        return kinds[index % len(kinds)]

    def _seconds(self, role: LMRole) -> float:
        return round(self.pace.lognormvariate(-0.25, 0.45) * (3.5 if role == "proposal" else 1.0), 3)

    def score(
        self,
        candidate: str,
        right: float,
        n: int,
        *,
        full: bool = True,
        fails: Sequence[int] = (),
        cached: float = 0.0,
        until: int | None = None,
    ) -> float:
        """Score a candidate on `n` examples, `right` of them 1.0; stops silently after `until`."""
        self.emit(EvaluateStart(candidate=candidate, total=n, full=full))
        scores: list[float] = []
        cost = 0.0
        for index in range(n if until is None else until):
            example = f"t{index + 1:03d}"
            if index in fails:
                self.call(error="timeout")
                self.emit(ExampleScored(candidate=candidate, example=example, error=self._error(index)))
                continue
            paid = self.call(cached=self.chance.random() < cached)
            cost += paid
            scores.append(float((index * 7 + 3) % n < right * n))
            self.emit(
                ExampleScored(candidate=candidate, example=example, score=scores[-1], cost=paid), wait=0.01
            )
        mean = sum(scores) / len(scores) if scores else 0.0
        if until is None:
            self._scored(candidate, mean, len(scores), len(fails), full, round(cost, 6))
        return mean

    def _scored(self, candidate: str, mean: float, n: int, failed: int, full: bool, cost: float) -> None:
        half = 1.96 * (mean * (1 - mean) / max(1, n)) ** 0.5
        low, high = round(max(0.0, mean - half), 4), round(min(1.0, mean + half), 4)
        self.emit(
            EvaluateEnd(candidate=candidate, done=n, failed=failed),
            CandidateEvaluated(
                candidate=candidate, mean=mean, low=low, high=high, n=n, failed=failed, full=full,
                calls=self.calls, cost=cost, spent=self.spent,
            ),
        )  # fmt: skip

    def write(self, name: str, events: Iterable[AnyEvent] | None = None) -> None:
        """Write the journal and its state."""
        kept = list(self.events if events is None else events)
        lines = b"".join(msgspec.json.encode(event) + b"\n" for event in kept)
        JOURNALS.joinpath(f"{name}.jsonl").write_bytes(lines)
        state = msgspec.json.format(msgspec.json.encode(fold(kept)), indent=1)
        JOURNALS.joinpath(f"{name}.state.json").write_bytes(state + b"\n")


def a_start(**changes: object) -> RunStart:
    """Give a usual first event."""
    usual = RunStart(
        name="triage", work="optimize", method="BootstrapFewShot", metric="exact(team)", seed=7, code="0.1.0",
        models=["openai/gpt-4o-mini"], sizes={"train": 60, "val": 24},
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


def a_baseline() -> CandidateProposed:
    """Give the program as it was handed in."""
    return CandidateProposed(
        candidate="base", instructions={"classify": BASE}, demos={"classify": 0}, program="p0", baseline=True
    )
