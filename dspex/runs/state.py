"""What a run looks like now: a fold of its events, and nothing else.

The widget, a page reload, the report and `%dspex show` of a dead kernel's run all read this one value. The
same reducer stands in `js/src/store`; `tests/golden/journals` holds both to the same answers. What the value is
made of stands in `picture.py`, who holds and steers the run in `standing.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from dspex.events.event import (
    AnyEvent,
    BestChanged,
    BreakerChanged,
    BudgetReached,
    BudgetWarned,
    CandidateDropped,
    CandidateEvaluated,
    CandidateProposed,
    EvaluateStart,
    Event,
    ExampleScored,
    LimitChanged,
    LMEnd,
    LMRetry,
    LMStart,
    Log,
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
)
from dspex.runs.latency import counted
from dspex.runs.picture import (
    ENDED,
    BestPoint,
    CandidateView,
    EndpointView,
    FailureView,
    ModelView,
    PhaseView,
    RunState,
    Status,
)
from dspex.runs.standing import CUT_SHORT, endpoint, paused, reopened, resumed, steered

__all__ = [
    "CANCELLED", "COLUMNS", "CUT_SHORT", "ENDED", "LOG_LENGTH", "BestPoint", "CandidateView", "EndpointView",
    "FailureView", "ModelView", "PhaseView", "RunState", "Status", "apply", "fold",
]  # fmt: skip

LOG_LENGTH = 200
FAILURES = 12
"""Kinds of failures that are told apart."""
COLUMNS = 60
"""Examples that the picture of examples by candidates shows."""
STARTS_WITH = (
    "run", "name", "work", "method", "metric", "models", "practice", "budget_usd", "limits", "origin", "seed",
    "sizes", "planned",
)  # fmt: skip
CANCELLED = "cancelled"
"""The error of a call that nobody needed any more: no fault of the model."""
LIMITED = "rate_limit"
NOTEWORTHY: frozenset[type[Event]] = frozenset({
    RunStart, RunPaused, RunResumed, RunReopened, RunSteered, RunStopping, RunEnd, PhaseStart, CandidateProposed,
    CandidateEvaluated, CandidateDropped, BestChanged, LMRetry, BreakerChanged, BudgetWarned, BudgetReached, Log,
})  # fmt: skip
"""Kinds the event log shows, beside limits that fall; `LMRetry` and failed examples are counted elsewhere too."""
TENTHS = "0123456789a"


def fold(events: Iterable[AnyEvent], state: RunState | None = None) -> RunState:
    """Return the state after `events`, going on from `state` where one is given.

    Example:
        >>> from dspex.events.event import RunStart
        >>> fold([RunStart(seq=1, run="r1", name="qa", work="optimize", method="LabeledFewShot")]).status
        'running'
    """
    state = RunState() if state is None else state
    for event in events:
        apply(state, event)
    return state


def apply(state: RunState, event: AnyEvent) -> None:
    """Take one event into the state; an event already taken is left aside."""
    if event.seq <= state.seq:
        return  # seen before, or of a kind for live listeners only, which no run numbers
    state.seq = event.seq
    if isinstance(event, RunReopened):
        state.idle += max(0.0, event.time - state.updated)
    state.updated = max(state.updated, event.time)
    kind = type(event)
    rule = RULES.get(kind)
    if rule is not None:
        rule(state, event)
    if kind in NOTEWORTHY or (isinstance(event, LimitChanged) and event.limit < event.before):
        _note(state, event)


def _note(state: RunState, event: AnyEvent) -> None:
    last = state.log[-1] if state.log else None
    # A provider that is down would push all else out of the log; each retry is counted with its model anyway.
    if isinstance(event, LMRetry) and isinstance(last, LMRetry) and _alike(event, last):
        state.log[-1] = event
        return
    state.log.append(event)
    del state.log[:-LOG_LENGTH]


def _alike(one: LMRetry, other: LMRetry) -> bool:
    return (one.model, one.role, one.error) == (other.model, other.role, other.error)


def _life(state: RunState, event: RunStart | RunStopping | RunEnd) -> None:
    match event:
        case RunStart():
            for field in STARTS_WITH:
                setattr(state, field, getattr(event, field))
            state.started, state.status = event.time, "running"
        case RunStopping():
            state.status = "stopping"
            state.holds, state.frozen = {}, []
        case RunEnd():
            _ended(state, event)


def _ended(state: RunState, event: RunEnd) -> None:
    state.status, state.reason, state.ended = event.state, event.reason, event.time
    state.holds, state.frozen = {}, []
    state.best = event.best or state.best
    for model in state.lm:
        model.in_flight = 0
    for candidate in state.candidates:
        if candidate.state == "running":
            candidate.state, candidate.reason = "dropped", CUT_SHORT


def _phase(state: RunState, event: PhaseStart | PhaseEnd | OptimizationStep) -> None:
    if isinstance(event, PhaseStart):
        state.phases.append(PhaseView(name=event.name, total=event.total))
        return
    name = event.name if isinstance(event, PhaseEnd) else event.phase
    phase = next((p for p in reversed(state.phases) if p.name == name), None)
    if phase is None:
        return
    if isinstance(event, PhaseEnd):
        phase.state = "done"
    else:
        phase.k, phase.total = event.k, phase.total if event.of is None else event.of


def _candidate(state: RunState, event: Event) -> None:
    if isinstance(event, CandidateProposed):
        state.candidates.append(
            CandidateView(
                id=event.candidate, origin=event.origin, what=event.what, instructions=event.instructions,
                demos=event.demos, program=event.program, baseline=event.baseline, by=event.by,
            )
        )  # fmt: skip
        if event.baseline:
            state.baseline = event.candidate
        return
    id = getattr(event, "candidate", "")
    seen = state.candidate(id)
    if seen is None:
        return
    match event:
        case EvaluateStart():
            seen.state, seen.total, seen.full = "running", event.total, event.full
            seen.mean, seen.n, seen.sum, seen.failed = None, 0, 0.0, 0
        case CandidateEvaluated():
            seen.state, seen.full, seen.mean = "scored", event.full, event.mean
            seen.low, seen.high, seen.n, seen.failed = event.low, event.high, event.n, event.failed
            seen.calls, seen.cost, seen.spent, seen.at = event.calls, event.cost, event.spent, event.time
        case CandidateDropped():
            seen.state, seen.reason = "dropped", event.reason
        case BestChanged():
            state.best = event.candidate
            corner = BestPoint(
                candidate=event.candidate, mean=event.mean, calls=seen.calls, spent=seen.spent, at=event.time
            )
            state.line.append(corner)


def _example(state: RunState, event: ExampleScored) -> None:
    state.examples += 1
    state.errors += event.score is None
    if event.score is None:
        _failed(state, event.error)
    seen = state.candidate(event.candidate)
    if seen is None:
        return
    _cell(state, seen, event)
    seen.cost += event.cost
    if event.score is None:
        seen.failed += 1
        return
    seen.n += 1
    seen.sum += event.score
    seen.mean = seen.sum / seen.n


def _failed(state: RunState, error: str) -> None:
    kind, _, text = error.partition(": ")
    seen = next((failure for failure in state.failures if failure.kind == kind), None)
    if seen is None:
        if len(state.failures) >= FAILURES:
            return
        seen = FailureView(kind=kind)
        state.failures.append(seen)
    seen.count += 1
    seen.text = text


def _cell(state: RunState, seen: CandidateView, event: ExampleScored) -> None:
    column = state.columns.get(event.example)
    if column is None:
        column = len(state.columns)
        if column >= COLUMNS:
            return
        state.columns = {**state.columns, event.example: column}
    letter = "x" if event.score is None else TENTHS[_tenths(event.score)]
    cells = seen.cells
    seen.cells = cells.ljust(column, ".")[:column] + letter + cells[column + 1 :]


def _tenths(score: float) -> int:
    # Put so that a score that is no number counts as none in both languages.
    return 10 if score >= 1 else math.floor(score * 10 + 0.5) if score > 0 else 0


def _model(state: RunState, event: LMStart | LMEnd | LMRetry) -> ModelView:
    for model in state.lm:
        if model.model == event.model and model.role == event.role:
            return model
    model = ModelView(model=event.model, role=event.role)
    state.lm.append(model)
    return model


def _called(state: RunState, event: LMStart) -> None:
    _model(state, event).in_flight += 1


def _retried(state: RunState, event: LMRetry) -> None:
    model = _model(state, event)
    model.retried += 1
    model.limited += event.error == LIMITED


def _answered(state: RunState, event: LMEnd) -> None:
    model = _model(state, event)
    model.calls += 1
    if event.cached:
        model.cached += 1
    else:
        model.in_flight = max(0, model.in_flight - 1)
    if event.error:
        model.failed += event.error != CANCELLED
    elif not event.cached:
        counted(model.latency, event.seconds - event.waited)
    model.prompt_tokens += event.prompt_tokens
    model.completion_tokens += event.completion_tokens
    model.cost += event.cost
    model.unpriced += not event.priced


RULES: dict[type[Event], Callable[[RunState, Any], None]] = {
    LMStart: _called,
    LMEnd: _answered,
    LMRetry: _retried,
    ExampleScored: _example,
    **dict.fromkeys((RunStart, RunStopping, RunEnd), _life),
    RunPaused: paused,
    RunResumed: resumed,
    RunReopened: reopened,
    **dict.fromkeys((PhaseStart, PhaseEnd, OptimizationStep), _phase),
    **dict.fromkeys((LimitChanged, BreakerChanged), endpoint),
    RunSteered: steered,
    **dict.fromkeys(
        (CandidateProposed, EvaluateStart, CandidateEvaluated, CandidateDropped, BestChanged), _candidate
    ),
}
"""What each kind does to the state; looked up by type, since a long run folds thousands of events a second."""
