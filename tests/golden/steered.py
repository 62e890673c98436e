"""Golden journals of runs that a person steers, a provider holds up, or another kernel goes on with."""

from __future__ import annotations

from collections.abc import Callable

from making import BASE, BETTER, HOSTILE, Journal, a_baseline, a_start

from dspex.events.event import (
    AnyEvent,
    BestChanged,
    BreakerChanged,
    BudgetReached,
    BudgetWarned,
    CandidateDropped,
    CandidateProposed,
    EvaluateStart,
    ExampleScored,
    LimitChanged,
    LMEnd,
    LMRetry,
    LMStart,
    RunEnd,
    RunPaused,
    RunReopened,
    RunResumed,
    RunSteered,
    RunStopping,
)

MINI, LARGE, OTHER = "openai/gpt-4o-mini", "openai/gpt-4o", "anthropic/claude-haiku"
DOWN = "openai does not answer (503)"


def a_candidate(k: int, origin: str = "base", by: str = "") -> CandidateProposed:
    """Give the k-th candidate."""
    demos = {"classify": k % 4}
    what = "an instruction of one's own" if by else f"i{k} · d{k % 4}"
    texts = {"classify": BETTER if by else f"{BASE} Think about hint {k}."}
    return CandidateProposed(
        candidate=f"c{k}", origin=origin, what=what, demos=demos, instructions=texts, by=by
    )


def outage() -> Journal:
    """Limits grow and fall, a provider goes away and is held for, a second opens for a person, all goes on."""
    it = Journal("r6", seed=6)
    it.emit(a_start(method="MIPROv2", planned=12, budget_usd=2.0, models=[MINI, LARGE]), a_baseline())
    it.emit(LimitChanged(model=MINI, limit=20), LimitChanged(model=MINI, limit=40, before=20))
    it.emit(BestChanged(candidate="base", mean=it.score("base", 0.5, 24)))
    for _ in range(3):
        it.call(model=LARGE, role="proposal")
    it.emit(LimitChanged(model=LARGE, limit=10), a_candidate(1), a_candidate(2))
    it.score("c1", 0.62, 24, cached=0.2)
    for attempt in (1, 2, 3, 4):
        it.emit(LMRetry(model=MINI, error="rate_limit", attempt=attempt, wait=2.0 * attempt), wait=0.1)
    it.emit(LimitChanged(model=MINI, limit=32, before=40, reason="rate limited"))
    it.score("c2", 0.75, 24, until=11)
    it.emit(*[LMStart(model=MINI) for _ in range(38)], wait=0.01)
    for attempt in (1, 2):
        it.emit(LMRetry(model=MINI, error="server", attempt=attempt, wait=1.5), wait=0.4)
    it.emit(BreakerChanged(model=MINI, state="open", reason="11 of 20 calls failed (503)", wait=12.0))
    it.emit(RunPaused(by="provider", hold="provider openai", reason=DOWN), wait=0.01)
    return it


def recovered() -> Journal:
    """The outage goes on: a probe fails, a person asks again, two endpoints of one model come and go."""
    it = outage()
    it.emit(BreakerChanged(model=MINI, state="half_open"), wait=12.0)
    it.emit(BreakerChanged(model=MINI, state="open", reason="the probe failed (503)", wait=24.0), wait=0.8)
    it.emit(RunPaused(by="ada"), wait=3.0)
    it.emit(RunSteered(verb="reset", by="ada", text="had openai tried again now"))
    it.emit(BreakerChanged(model=MINI, state="half_open"), BreakerChanged(model=MINI, state="closed"))
    it.emit(RunResumed(by="provider", hold="provider openai"), RunResumed(by="ada"))
    it.emit(*[LMEnd(model=MINI, error="server") for _ in range(3)], wait=0.01)
    it.emit(*[LMEnd(model=MINI, seconds=9.25, prompt_tokens=900, cost=0.001) for _ in range(5)], wait=0.01)
    late = [LMEnd(model=MINI, seconds=9.25, waited=8.5, prompt_tokens=900, cost=0.001) for _ in range(30)]
    it.emit(*late, wait=0.01)
    there = BreakerChanged(model=OTHER, endpoint="eu", state="open", reason="the key was refused")
    it.emit(there, LimitChanged(model=OTHER, endpoint="us", limit=8), wait=0.1)
    it.call(model=OTHER)
    it.emit(BestChanged(candidate="c2", mean=it.score("c2", 0.75, 24)))
    return it


def _steer(it: Journal, verb: str, text: str, **args: str) -> None:
    it.emit(RunSteered(verb=verb, by="ada", text=text, args=args), wait=2.0)  # type: ignore[arg-type]


def steered() -> Journal:
    """A person raises caps, writes a candidate, pins, drops, labels, switches the model and branches."""
    it = Journal("r7", seed=7)
    limits = {"tokens": 40_000.0, "calls": 120.0, "seconds": 600.0}
    it.emit(a_start(method="GEPA", planned=10, budget_usd=0.05, limits=limits, origin="r3/c05"), a_baseline())
    it.emit(BestChanged(candidate="base", mean=it.score("base", 0.5, 12)), a_candidate(1))
    it.score("c1", 0.6, 12, until=4)
    it.emit(RunPaused(by="ada", now=True), RunPaused(by="provider", hold="provider openai", reason=DOWN))
    it.emit(RunResumed(by="ada"), RunPaused(by="bob"), RunResumed(by="provider", hold="provider openai"))
    it.emit(BudgetWarned(share=0.5, spent=60, cap=120, what="calls"), wait=4.0)
    _steer(it, "budget", "raised the budget to $2.00 and 5,000 calls", usd="2.0", calls="5000", tokens="null")
    _steer(it, "concurrency", "set 32 examples at once", n="32")
    it.emit(RunResumed(by="bob"))
    it.score("c1", 0.6, 12)
    _steer(it, "evaluate", "wrote c2", candidate='"c2"')
    it.emit(a_candidate(2, by="ada"))
    it.emit(BestChanged(candidate="c2", mean=it.score("c2", 0.9, 12, fails=[2])))
    _steer(it, "pin", "pinned c2", candidate='"c2"')
    it.emit(a_candidate(3, origin="c2"), EvaluateStart(candidate="c3", total=12))
    it.emit(ExampleScored(candidate="c3", example="t001", score=0.25, seconds=0.7))
    _steer(it, "drop", "dropped c3: it only rewords c2", candidate='"c3"', reason='"it only rewords c2"')
    it.emit(CandidateDropped(candidate="c3", reason="dropped by ada: it only rewords c2"))
    _steer(it, "drop", "dropped c1", candidate='"c1"')
    _steer(it, "pin", "pinned base", candidate='"base"', pinned="true")
    _steer(it, "pin", "let base go", candidate='"base"', pinned="false")
    _steer(it, "label", "labelled t003: account", example='"t003"', label='"account"')
    _steer(it, "model", f"switched the model to {LARGE}", model=f'"{LARGE}"')
    it.call(model=LARGE)
    _steer(it, "retry", "had 1 failed example of c2 tried again", candidate='"c2"')
    it.emit(ExampleScored(candidate="c2", example="t003", score=1.0, seconds=1.2, repeat=1))
    _steer(it, "branch", "branched r9 from c2", candidate='"c2"', run='"r9"')
    it.emit(BudgetReached(spent=4999, cap=5000, what="calls"))
    it.emit(RunEnd(state="finished", reason="budget of 5,000 calls reached", best="c2"))
    return it


def reopened() -> Journal:
    """A kernel dies with calls in flight, another goes on a night later, is stopped, and goes on once more."""
    it = Journal("r8", seed=8)
    it.emit(a_start(planned=3), a_baseline())
    it.emit(BestChanged(candidate="base", mean=it.score("base", 0.5, 10)), a_candidate(1))
    it.score("c1", 0.7, 10, until=5)
    it.emit(LMStart(model=MINI), LMStart(model=MINI), RunPaused(by="ada"))
    it.emit(BreakerChanged(model=MINI, state="open", reason=DOWN, wait=5.0))
    it.emit(RunReopened(by="ada", code="0.2.0"), wait=30_000.0)
    it.emit(BestChanged(candidate="c1", mean=it.score("c1", 0.7, 10)), a_candidate(2, origin="c1"))
    it.score("c2", 0.8, 10, until=3)
    it.emit(RunStopping(how="stop", by="ada"), RunResumed(), RunPaused(by="late"))
    it.emit(RunEnd(state="stopped", reason="stopped by ada", best="c1"))
    it.emit(RunReopened(by="bob", code="0.2.0"), wait=60.0)
    for k in range(4, 11):
        it.call()
        it.emit(ExampleScored(candidate="c2", example=f"t{k:03d}", score=1.0))
    it._scored("c2", 0.9, 10, 0, True, 0.004)
    it.emit(BestChanged(candidate="c2", mean=0.9), RunEnd(state="finished", best="c2"))
    return it


def crooked() -> Journal:
    """Words that steer nothing: odd names, values that are no JSON, scores and times beyond the usual."""
    it = Journal("r10", seed=10)
    it.emit(a_start(limits={"__proto__": 1.0, "calls": 10.0}, origin=HOSTILE), a_baseline())
    it.emit(RunPaused(hold="__proto__", reason=HOSTILE), RunPaused(hold="constructor", by=HOSTILE, now=True))
    it.emit(RunResumed(hold="toString"), RunResumed(hold="__proto__"), RunResumed(hold="constructor"))
    for usd in ("", "lots", "null", '"5"', "[1]", "true", "1e400", "-0.5", " 3 ", "NaN"):
        _steer(it, "budget", "", usd=usd, calls=usd, minutes=usd)
    for n in ("7.9", "-7.9", "null", "{}"):
        _steer(it, "concurrency", "", n=n)
    _steer(it, "model", "", model="plain text")
    _steer(it, "model", "", model='"plain text"')
    _steer(it, "model", "")
    for candidate in ("base", '"base"', '"nobody"', "12", "\u2028"):
        _steer(it, "pin", HOSTILE, candidate=candidate)
    _steer(it, "pin", "let c1 go", candidate="c1", pinned="false")
    it.emit(EvaluateStart(candidate="base", total=99))
    odd: list[float | None] = [0.0, -0.0, -3.0, 1.0, 17.5, 0.05, 0.949, 0.95, 0.999, 1e-9, None]
    for k, score in enumerate(odd):
        it.emit(ExampleScored(candidate="base", example="__proto__" if k == 3 else f"t{k}", score=score))
    it.emit(ExampleScored(candidate="base", example="__proto__", error="x"))
    it.emit(*[ExampleScored(candidate="base", example=f"{k}", score=1.0) for k in range(80)], wait=0.01)
    it.emit(a_candidate(1), ExampleScored(candidate="c1", example="20", score=0.5))
    it.emit(ExampleScored(candidate="nobody", example="unseen", score=0.5))
    for seconds in (0.0, -1.0, 0.0004, 0.0005, 0.031, 0.0315, 0.032, 0.0645, 1.0, 59.9995, 4194.303, 1e12):
        it.emit(LMEnd(model=MINI, seconds=seconds, role="embedding"), wait=0.01)
    it.emit(LMEnd(model=MINI, seconds=5.0, cached=True), LMEnd(model=MINI, seconds=5.0, error="timeout"))
    events: list[AnyEvent] = [
        BreakerChanged(model=HOSTILE, endpoint="__proto__", state="open", reason=HOSTILE, wait=-1.0),
        BreakerChanged(model=HOSTILE, endpoint="__proto__", state="open", wait=1e9),
        BreakerChanged(model=HOSTILE, endpoint="__proto__", state="closed", wait=5.0),
        LimitChanged(model="", limit=0, before=5),
        LimitChanged(model="", limit=2**40, before=0, reason=HOSTILE),
    ]
    it.emit(*events)
    _steer(it, "drop", "", candidate="base")
    _steer(it, "drop", "", candidate='"c1"', reason="no JSON")
    return it


STEERED: dict[str, Callable[[], Journal]] = {
    "outage": outage,
    "recovered": recovered,
    "steered": steered,
    "reopened": reopened,
    "crooked": crooked,
}
