"""Writes the golden journals: events as runs emit them, and the state each must fold to.

    python tests/golden/build.py

The committed files are what is tested, in Python and in TypeScript; this script only keeps them consistent.
Whoever changes the fold runs it, reads the difference, and changes the other language too.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from making import BASE, BETTER, HOSTILE, JOURNALS, Journal, a_baseline, a_start
from steered import STEERED

from dspex.events.event import (
    AnyEvent,
    BestChanged,
    BreakerChanged,
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
    LMStart,
    Log,
    OptimizationStep,
    PhaseEnd,
    PhaseStart,
    RunEnd,
    RunPaused,
    RunResumed,
    RunStopping,
)
from dspex.runs.latency import bucket_of, middle_of
from dspex.runs.state import fold
from dspex_widgets.failures import failures
from dspex_widgets.health import held, models
from dspex_widgets.heat import heat


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
    **STEERED,
}


TURNS = (BreakerChanged, RunPaused, RunResumed)
"""After each of these other words are shown."""


def shown(name: str, events: list[AnyEvent], upto: int) -> dict[str, object]:
    """Give what a person is shown of a part of a journal: both languages say it in these words."""
    state = fold(events[:upto])
    drawn = heat(state)
    return {
        "journal": name,
        "upto": upto,
        "held": held(state),
        "models": [
            {
                "name": row.name, "in_flight": row.in_flight, "waiting": row.waiting, "latency": row.latency,
                "errors": row.errors, "breaker": row.breaker, "tone": row.tone,
            }
            for row in models(state)
        ],
        "failures": [[row.count, row.kind, row.text] for row in failures(state)],
        "heat": None if drawn is None else {"caption": drawn.caption, "lines": drawn.lines},
    }  # fmt: skip


def write_shown() -> None:
    """Write what is shown of each journal, in parts and whole."""
    cases = []
    for path in sorted(JOURNALS.glob("*.jsonl")):
        events = [msgspec.json.decode(line, type=AnyEvent) for line in path.read_bytes().splitlines()]
        turns = [k for k, event in enumerate(events, 1) if isinstance(event, TURNS)]
        cuts = dict.fromkeys([*(round(share * len(events)) for share in (0.35, 0.6, 0.9, 1.0)), *turns])
        cases += [shown(path.stem, events, cut) for cut in cuts]
    lines = ",\n".join(msgspec.json.encode(case).decode() for case in cases)
    JOURNALS.with_name("shown.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def write_latency() -> None:
    """Write calls' seconds, the bucket each falls into, and that bucket's middle."""
    seconds = [*(k / 4000 for k in range(0, 160, 3)), *(1.37**k / 100 for k in range(45)), -1.0, 1e300]
    rows = [[each, bucket_of(each), middle_of(bucket_of(each))] for each in seconds]
    JOURNALS.with_name("latency.json").write_bytes(msgspec.json.encode(rows) + b"\n")


def main() -> None:
    """Write all of them."""
    JOURNALS.mkdir(exist_ok=True)
    for name, make in MADE.items():
        make().write(name)
    Journal("").write("empty")
    Journal("r1").write("duplicates", doubled())
    write_shown()
    write_latency()


if __name__ == "__main__":
    main()
