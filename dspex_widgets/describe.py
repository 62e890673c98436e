"""One sentence for each kind of event, as plain text.

`js/src/views/describe.ts` says the same in the browser; `tests/golden/describe` holds both to it. Free text is
shortened, since a model or a user wrote it.
"""

from __future__ import annotations

import math
import re

from dspex.events.event import (
    BestChanged,
    BreakerChanged,
    BudgetKind,
    BudgetReached,
    BudgetWarned,
    CandidateDropped,
    CandidateEvaluated,
    CandidateProposed,
    EvaluateEnd,
    EvaluateStart,
    Event,
    ExampleScored,
    LimitChanged,
    LMEnd,
    LMRetry,
    LMStart,
    Log,
    ModuleEnd,
    ModuleStart,
    OptimizationStep,
    PhaseEnd,
    PhaseStart,
    RunEnd,
    RunPaused,
    RunReopened,
    RunResumed,
    RunStart,
    RunSteered,
    RunStopping,
    kind_of,
)
from dspex_widgets.numbers import count, duration, money, plural, score, tokens

LONGEST = 200
_BLANKS = re.compile(r"[ \t\r\n]+")
_CALLS = (LMStart, LMEnd, LMRetry, ModuleStart, ModuleEnd)
_LIFE = (RunStart, RunPaused, RunResumed, RunReopened, RunSteered, RunStopping, RunEnd)
USER = "user"
"""The hold of a person."""


def describe(event: Event, percent: bool | None = None) -> str:
    """Say what happened; `percent` decides how scores look, by default their own size does.

    Example:
        >>> describe(CandidateProposed(candidate="c1", origin="c0", what="3 demonstrations"))
        'c1 proposed from c0: 3 demonstrations'
    """
    if hasattr(event, "candidate"):
        return _of_candidate(event, percent)
    if isinstance(event, _CALLS):
        return _of_call(event)
    if isinstance(event, LimitChanged | BreakerChanged):
        return _of_endpoint(event)
    if isinstance(event, _LIFE):
        return _of_life(event)
    match event:
        case PhaseStart():
            return f"phase {short(event.name)} started" + _if(event.total, ", {}", "step")
        case PhaseEnd():
            return f"phase {short(event.name)} done"
        case OptimizationStep():
            return f"{short(event.phase)}: step {event.k}" + ("" if event.of is None else f" of {event.of}")
        case BudgetWarned():
            part = math.floor(event.share * 100 + 0.5)
            spent, cap = _bare(event.spent, event.what), amount(event.cap, event.what)
            return f"{part}% of the budget: {spent} of {cap} {_used(event.what)}"
        case BudgetReached():
            spent, cap = _bare(event.spent, event.what), amount(event.cap, event.what)
            return f"budget of {cap} reached, {spent} {_used(event.what)}"
        case Log():
            return ("" if event.level == "info" else f"{event.level}: ") + short(event.text)
        case _:
            return kind_of(event).replace("_", " ")


def short(text: str) -> str:
    r"""Return one line of at most 200 characters, blanks run together.

    Example:
        >>> short("two\n lines ")
        'two lines'
    """
    line = _BLANKS.sub(" ", text)
    line = line.removeprefix(" ").removesuffix(" ")
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def amount(value: float, what: BudgetKind) -> str:
    """Return so much of a budget with its unit.

    Example:
        >>> amount(2, "usd"), amount(92_000, "tokens"), amount(1000, "calls"), amount(600, "seconds")
        ('$2.00', '92 k tokens', '1,000 calls', '10 m 00 s')
    """
    if what == "tokens":
        return f"{tokens(value)} tokens"
    return plural(value, "call") if what == "calls" else _bare(value, what)


def _bare(value: float, what: BudgetKind) -> str:
    form = {"usd": money, "tokens": tokens, "calls": count, "seconds": duration}
    return form[what](value)


def _used(what: BudgetKind) -> str:
    return "spent" if what == "usd" else "used"


def _of_life(
    event: RunStart | RunPaused | RunResumed | RunReopened | RunSteered | RunStopping | RunEnd,
) -> str:
    match event:
        case RunStart():
            return _started(event)
        case RunPaused():
            return _paused(event)
        case RunResumed(hold="user"):
            return f"resumed by {short(event.by)}"
        case RunResumed():
            return f"no longer held by {short(event.hold)}"
        case RunReopened():
            return f"{short(event.by)} went on with the run in another kernel"
        case RunSteered():
            return f"{short(event.by)}: {short(event.text or event.verb)}"
        case RunStopping():
            how = "stopping, the best is kept" if event.how == "stop" else "cancelling"
            return f"{how}; asked by {short(event.by)}"
        case RunEnd():
            return f"{event.state}{_after(': ', event.reason)}{_after('; best is ', event.best)}"


def _paused(event: RunPaused) -> str:
    if event.hold != USER and event.reason:
        return f"paused: {short(event.reason)}"
    now = ", calls in flight are held, too" if event.now else ""
    return f"paused by {short(event.by)}{now}{_after(': ', event.reason)}"


def _started(event: RunStart) -> str:
    what = "evaluation of " if event.work == "evaluate" else f"{short(event.method)} on "
    cap = "" if event.budget_usd is None else f", budget {money(event.budget_usd)}"
    practice = ", practice model with simulated prices" if event.practice else ""
    planned = "" if event.work == "evaluate" else _if(event.planned, ", {} planned", "candidate")
    return f"{what}{short(event.name)} started{planned}{cap}{practice}"


def _of_candidate(event: Event, percent: bool | None) -> str:
    match event:
        case CandidateProposed(baseline=True):
            return f"{short(event.candidate)} is the program as given"
        case CandidateProposed():
            origin = _after(" by ", event.by) + _after(" from ", event.origin)
            return f"{short(event.candidate)} proposed{origin}{_after(': ', event.what)}"
        case EvaluateStart():
            return f"{short(event.candidate)} is being scored{_if(event.total, ' on {}', 'example')}"
        case ExampleScored(score=None):
            return f"{short(event.candidate)} failed on {short(event.example)}{_after(': ', event.error)}"
        case ExampleScored():
            got = _scored(event.score or 0.0, percent)
            return f"{short(event.candidate)} got {got} on {short(event.example)}"
        case EvaluateEnd():
            on = plural(event.done, "example")
            return f"{short(event.candidate)} was scored on {on}{_failed(event.failed)}"
        case CandidateEvaluated():
            return _evaluated(event, percent)
        case CandidateDropped():
            return f"{short(event.candidate)} dropped{_after(': ', event.reason)}"
        case BestChanged():
            return f"{short(event.candidate)} is the best so far with {_scored(event.mean, percent)}"
        case _:
            return kind_of(event).replace("_", " ")


def _evaluated(event: CandidateEvaluated, percent: bool | None) -> str:
    if percent is None:
        percent = all(abs(value) <= 1 for value in (event.mean, event.low, event.high))
    spread = score((event.high - event.low) / 2, percent)
    on = plural(event.n, "example") + ("" if event.full else " of a part")
    return f"{short(event.candidate)} scored {score(event.mean, percent)} ±{spread} on {on}{_failed(event.failed)}"


def _of_call(event: LMStart | LMEnd | LMRetry | ModuleStart | ModuleEnd) -> str:
    match event:
        case LMStart():
            return f"{short(event.model)} called"
        case ModuleStart():
            return f"{short(event.module)} called"
        case LMRetry():
            return f"{short(event.model)}: {short(event.error)}, trying again in {_wait(event.wait)}"
        case LMEnd(error=""):
            spent = money(event.cost) if event.priced else "price unknown"
            cached = " from the cache" if event.cached else ""
            used = tokens(event.prompt_tokens + event.completion_tokens)
            return f"{short(event.model)} answered{cached}, {used} tokens, {spent}"
        case LMEnd():
            return f"{short(event.model)} failed: {short(event.error)}"
        case ModuleEnd():
            what = f"raised {short(event.error)}" if event.error else "returned"
            return f"{short(event.module)} {what}"


def _of_endpoint(event: LimitChanged | BreakerChanged) -> str:
    who = short(event.model) + _after(" at ", event.endpoint)
    if isinstance(event, LimitChanged):
        before = f"{count(event.before)} → " if event.before > 0 else ""
        return f"{who}: {before}{count(event.limit)} calls at once{_after(', ', event.reason)}"
    if event.state == "half_open":
        return f"{who} is tried again with one call"
    if event.state == "closed":
        return f"{who} is asked again{_after(': ', event.reason)}"
    again = f"tried again in {_wait(event.wait)}" if event.wait > 0 else "it waits for a person"
    return f"{who} is not asked for now{_after(': ', event.reason)}; {again}"


def _wait(seconds: float) -> str:
    return f"{math.floor(seconds * 10 + 0.5) / 10:.1f} s"


def _after(lead: str, text: str) -> str:
    return f"{lead}{short(text)}" if text else ""


def _if(n: int | None, frame: str, noun: str) -> str:
    return "" if n is None else frame.format(plural(n, noun))


def _failed(n: int) -> str:
    return f", {n} failed" if n > 0 else ""


def _scored(value: float, percent: bool | None) -> str:
    return score(value, abs(value) <= 1 if percent is None else percent)
