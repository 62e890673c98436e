"""Writes the golden journals: events as runs emit them, and the state each must fold to.

    python tests/golden/build.py

The committed files are what is tested, in Python and in TypeScript; this script only keeps them consistent.
Whoever changes the fold runs it, reads the difference, and changes the other language too.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from dspex.events.event import (
    AnyEvent,
    BestChanged,
    BudgetReached,
    BudgetWarned,
    CandidateDropped,
    CandidateEvaluated,
    CandidateProposed,
    EvaluateEnd,
    EvaluateStart,
    ExampleScored,
    LMEnd,
    LMRetry,
    LMRole,
    LMStart,
    Log,
    OptimizationStep,
    PhaseEnd,
    PhaseStart,
    RunEnd,
    RunPaused,
    RunResumed,
    RunStart,
    RunStopping,
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
                seconds=0.0 if cached else 0.8,
            ),
            wait=0.02 if cached else 0.15,
        )  # fmt: skip
        return cost

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
                self.emit(ExampleScored(candidate=candidate, example=example, error="LMTimeoutError"))
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


def finished() -> Journal:
    """A baseline and four candidates with the practice model; the fourth is best."""
    it = Journal("r1", seed=1)
    it.model = "practice"
    it.emit(a_start(practice=True, models=["practice"], planned=4, budget_usd=0.5))
    it.emit(a_baseline())
    it.emit(BestChanged(candidate="base", mean=it.score("base", 0.5, 8)))
    it.emit(PhaseStart(name="Bootstrap", total=4))
    best = 0.5
    for k, right in enumerate([0.625, 0.5, 0.75, 0.875], start=1):
        demos = {"classify": 2 * k}
        it.emit(
            CandidateProposed(
                candidate=f"c{k}", origin="base", what=f"{2 * k} demonstrations", demos=demos, program=f"p{k}",
                instructions={"classify": BASE if k < 4 else BETTER},
            )
        )  # fmt: skip
        mean = it.score(f"c{k}", right, 8, cached=0.3)
        it.emit(OptimizationStep(phase="Bootstrap", k=k, of=4))
        if mean > best:
            best = mean
            it.emit(BestChanged(candidate=f"c{k}", mean=mean))
    it.emit(PhaseEnd(name="Bootstrap"), RunEnd(state="finished", reason="all 4 candidates scored", best="c4"))
    return it


def stopped() -> Journal:
    """Paused, resumed, then stopped by the user with one candidate half scored."""
    it = Journal("r2", seed=2)
    it.emit(a_start(method="BootstrapFewShotWithRandomSearch", planned=10, budget_usd=2.0), a_baseline())
    it.emit(BestChanged(candidate="base", mean=it.score("base", 0.5, 6)))
    it.emit(CandidateProposed(candidate="c1", origin="base", what="3 demonstrations", demos={"classify": 3}))
    it.score("c1", 0.66, 6, until=2)
    it.emit(RunPaused(), wait=1.0)
    it.emit(RunResumed(by="ada"), wait=30.0)
    it.emit(BestChanged(candidate="c1", mean=it.score("c1", 0.84, 6)))
    it.emit(CandidateProposed(candidate="c2", origin="c1", what="4 demonstrations", demos={"classify": 4}))
    it.score("c2", 0.5, 6, until=3)
    it.emit(LMStart(model="openai/gpt-4o-mini"), LMStart(model="openai/gpt-4o-mini"))
    it.emit(LMStart(model="openai/gpt-4o-mini"), LMEnd(model="openai/gpt-4o-mini", error="cancelled"))
    it.emit(RunStopping(how="stop"), RunEnd(state="stopped", reason="stopped by user", best="c1"))
    return it


def failed() -> Journal:
    """Examples fail, calls are retried, prices are unknown, and in the end the provider refuses."""
    it = Journal("r3", seed=3)
    it.emit(a_start(), a_baseline())
    retry = LMRetry(model="openai/gpt-4o-mini", error="rate_limit", attempt=1, wait=2.5)
    it.emit(retry, msgspec.structs.replace(retry, attempt=2, wait=5.0))
    it.score("base", 0.5, 8, fails=[1, 4, 5])
    it.emit(CandidateProposed(candidate="c1", origin="base", what="copied from nowhere"))
    it.emit(EvaluateStart(candidate="c1", total=8), EvaluateEnd(candidate="c1", done=0, failed=8))
    it.emit(CandidateDropped(candidate="c1", reason="every example failed"))
    it.emit(LMEnd(model="local/unknown", priced=False, prompt_tokens=10, completion_tokens=2))
    it.emit(Log(level="warning", text="metric `exact(team)` raised on 1 example"))
    it.emit(BudgetWarned(share=0.8, spent=1.6, cap=2.0), BudgetReached(spent=1.999, cap=2.0))
    it.emit(Log(level="error", text="LMAuthError: the key was refused; set `OPENAI_API_KEY`."))
    it.emit(EvaluateStart(candidate="nobody"), ExampleScored(candidate="nobody", example="t1", score=1.0))
    it.emit(BestChanged(candidate="nobody", mean=1.0), PhaseEnd(name="never begun"))
    it.emit(RunEnd(state="failed", reason="LMAuthError: the key was refused"))
    return it


def evaluation() -> Journal:
    """One program over a set, with two failures."""
    it = Journal("r4", seed=4)
    it.model = "practice"
    it.emit(
        a_start(work="evaluate", method="Evaluate", sizes={"val": 20}, practice=True, models=["practice"])
    )
    it.emit(a_baseline())
    mean = it.score("base", 0.7, 20, fails=[6, 13], cached=0.2)
    it.emit(BestChanged(candidate="base", mean=mean), RunEnd(state="finished", best="base"))
    return it


def hostile() -> Journal:
    """Texts that try to be something else, scores beyond 1, numbers that are large."""
    it = Journal("r5", seed=5)
    it.emit(
        a_start(name=HOSTILE, method="<b>M</b>", metric="__proto__", sizes={"__proto__": 1, "val": 10**9})
    )
    odd = {"__proto__": HOSTILE, "constructor": "x", "prédicteur <1>": HOSTILE * 4}
    demos = {"__proto__": 3, "constructor": 1}
    it.emit(
        CandidateProposed(candidate="__proto__", what=HOSTILE, instructions=odd, demos=demos, baseline=True)
    )
    it.emit(CandidateProposed(candidate="</td>", origin="__proto__", what="w" * 500, instructions={}))
    for candidate, score in (("__proto__", -3.75), ("</td>", 1e6 + 0.125)):
        it.emit(EvaluateStart(candidate=candidate, total=None))
        it.emit(ExampleScored(candidate=candidate, example=HOSTILE, score=score, feedback=HOSTILE, cost=1e-9))
        done = CandidateEvaluated(candidate=candidate, mean=score, low=score, high=score, n=1, full=True)
        it.emit(msgspec.structs.replace(done, calls=2**40, spent=123456.789, cost=0.1 + 0.2))
        it.emit(BestChanged(candidate=candidate, mean=score))
    big = LMEnd(
        model="\u6a21\u578b/<x>", role="judge", prompt_tokens=2**45, completion_tokens=987_654_321_012
    )
    it.emit(big, msgspec.structs.replace(big, cost=99_999.995, priced=True, error="\u2028\u2029"))
    it.emit(Log(level="info", text=HOSTILE), *[Log(level="info", text=f"line {n}") for n in range(210)])
    it.emit(RunStopping(how="cancel", by=HOSTILE), RunEnd(state="cancelled", reason=HOSTILE, best="</td>"))
    return it


def doubled() -> list[AnyEvent]:
    """A journal read twice over: old events between new ones."""
    events = finished().events
    third = len(events) // 3
    return [*events[: 2 * third], *events[third : 2 * third], *events[:5], *events[third:]]


SEARCH = [
    # right, full, origin, what
    (0.62, False, "base", "i1 · d0"), (0.58, False, "base", "i2 · d0"), (0.70, False, "base", "i3 · d1"),
    (0.60, False, "base", "i1 · d2"), (0.75, True, "base", "i1 · d1"), (0.66, False, "base", "i5 · d3"),
    (0.55, False, "c5", "i4 · d1"), (0.71, False, "c5", "i2 · d2"), (0.63, False, "c5", "i6 · d0"),
    (0.80, True, "c5", "i4 · d0"), (0.68, False, "c5", "i3 · d3"), (0.70, False, "c10", "i4 · d3"),
    (0.76, False, "c5", "i2 · d2"), (0.73, False, "c10", "i5 · d2"), (0.86, True, "c10", "i4 · d2"),
    (0.84, False, "c15", "i4 · d4"), (0.80, False, "c15", "i6 · d2"), (0.82, True, "c15", "i6 · d4"),
]  # fmt: skip


def rich() -> Journal:
    """A long search in phases: proposals, parts of the set, dropped candidates, four leaders, a cap."""
    it = Journal("r12", seed=12)
    it.emit(
        a_start(method="MIPROv2", planned=30, budget_usd=0.22, models=["openai/gpt-4o-mini", "openai/gpt-4o"])
    )
    it.emit(a_baseline())
    best = it.score("base", 0.615, 26)
    it.emit(BestChanged(candidate="base", mean=best), PhaseStart(name="Bootstrap", total=8))
    for k in range(8):
        it.call()
        it.emit(OptimizationStep(phase="Bootstrap", k=k + 1, of=8))
    it.emit(PhaseEnd(name="Bootstrap"), PhaseStart(name="Propose"))
    for k in range(10):
        it.call(model="openai/gpt-4o", role="proposal")
        it.emit(OptimizationStep(phase="Propose", k=k + 1))
    it.emit(PhaseEnd(name="Propose"), PhaseStart(name="Search", total=30))
    for k, (right, full, origin, what) in enumerate(SEARCH, start=1):
        text = BETTER if "i4" in what else BASE.replace("category", "team") + f" Think about hint {what[1]}."
        demos = {"classify": int(what[-1])}
        name = f"c{k}"
        it.emit(
            CandidateProposed(
                candidate=name, origin=origin, what=what, instructions={"classify": text}, demos=demos
            )
        )
        if k == 8:
            limited = LMRetry(model="openai/gpt-4o", role="proposal", error="rate_limit", attempt=1, wait=4.0)
            it.emit(limited)
        mean = it.score(name, right, 26 if full else 10, full=full, cached=0.45, fails=[3] if k == 11 else [])
        it.emit(OptimizationStep(phase="Search", k=k, of=30))
        if k in (2, 7, 9):
            it.emit(
                CandidateDropped(candidate=name, reason="cannot beat the best after 10 examples (p<0.05)")
            )
        if full and mean > best:
            best = mean
            it.emit(BestChanged(candidate=name, mean=mean))
    it.emit(BudgetWarned(share=0.9, spent=it.spent, cap=0.22))
    it.emit(
        CandidateProposed(candidate="c19", origin="c15", what="i7 · d4", instructions={"classify": BETTER})
    )
    it.score("c19", 0.9, 26, until=9)
    it.emit(LMStart(model="openai/gpt-4o-mini"), LMStart(model="openai/gpt-4o", role="proposal"))
    it.emit(BudgetReached(spent=it.spent, cap=0.22))
    it.emit(RunEnd(state="finished", reason="budget of $0.22 reached", best="c15"))
    return it


MADE: dict[str, Callable[[], Journal]] = {
    "finished": finished,
    "stopped": stopped,
    "failed": failed,
    "evaluate": evaluation,
    "hostile": hostile,
    "rich": rich,
}


def main() -> None:
    """Write all of them."""
    JOURNALS.mkdir(exist_ok=True)
    for name, make in MADE.items():
        make().write(name)
    Journal("").write("empty")
    Journal("r1").write("duplicates", doubled())


if __name__ == "__main__":
    main()
