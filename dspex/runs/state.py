"""What a run looks like now: a fold of its events, and nothing else.

The widget, a page reload, the report and `%dspex show` of a dead kernel's run all read this one value. The
same reducer stands in `js/src/store`; `tests/golden/journals` holds both to the same answers. Drawing words and
numbers is the views' work: the state keeps noteworthy events themselves, not sentences about them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from dspex.events.event import (
    AnyEvent,
    BestChanged,
    BudgetReached,
    BudgetWarned,
    CandidateDropped,
    CandidateEvaluated,
    CandidateProposed,
    EvaluateStart,
    Event,
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
    RunKind,
    RunPaused,
    RunResumed,
    RunStart,
    RunStopping,
)

Status = Literal[
    "starting", "running", "paused", "stopping", "stopped", "cancelled", "finished", "failed", "lost"
]
ENDED: frozenset[Status] = frozenset({"stopped", "cancelled", "finished", "failed", "lost"})
LOG_LENGTH = 200
CUT_SHORT = "the run ended first"
CANCELLED = "cancelled"
"""The error of a call that nobody needed any more: no fault of the model."""
NOTEWORTHY = (
    RunStart, RunPaused, RunResumed, RunStopping, RunEnd, PhaseStart, CandidateProposed, CandidateEvaluated,
    CandidateDropped, BestChanged, LMRetry, BudgetWarned, BudgetReached, Log,
)  # fmt: skip
"""Kinds the event log shows; `LMRetry` and failed examples are counted elsewhere too."""


class CandidateView(msgspec.Struct, kw_only=True):
    """One candidate as the table and the chart show it; `mean` is of the examples scored so far."""

    id: str
    origin: str = ""
    what: str = ""
    instructions: dict[str, str] = {}
    demos: dict[str, int] = {}
    program: str = ""
    baseline: bool = False
    state: Literal["proposed", "running", "scored", "dropped"] = "proposed"
    full: bool = True
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    failed: int = 0
    total: int | None = None
    """Examples its running evaluation will see."""
    sum: float = 0.0
    """Sum of the scores so far."""
    cost: float = 0.0
    calls: int = 0
    """LM calls of the whole run when it was scored: its place on the chart."""
    spent: float = 0.0
    """Dollars of the whole run when it was scored."""
    at: float = 0.0
    """Time when it was scored."""
    reason: str = ""


class BestPoint(msgspec.Struct, kw_only=True):
    """A corner of the best-so-far line."""

    candidate: str
    mean: float
    calls: int
    spent: float
    at: float


class ModelView(msgspec.Struct, kw_only=True):
    """What one model did in one role."""

    model: str
    role: LMRole
    calls: int = 0
    cached: int = 0
    failed: int = 0
    retried: int = 0
    in_flight: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0
    """Calls whose price is not known."""


class PhaseView(msgspec.Struct, kw_only=True):
    """One part of the method and how far it is."""

    name: str
    k: int = 0
    total: int | None = None
    state: Literal["running", "done"] = "running"


class RunState(msgspec.Struct, kw_only=True):
    """The whole picture of a run after event `seq`."""

    run: str = ""
    seq: int = 0
    name: str = ""
    work: RunKind = "optimize"
    method: str = ""
    metric: str = ""
    models: list[str] = []
    practice: bool = False
    budget_usd: float | None = None
    seed: int = 0
    sizes: dict[str, int] = {}
    planned: int | None = None
    status: Status = "starting"
    reason: str = ""
    started: float = 0.0
    updated: float = 0.0
    ended: float | None = None
    candidates: list[CandidateView] = []
    baseline: str = ""
    best: str = ""
    line: list[BestPoint] = []
    lm: list[ModelView] = []
    phases: list[PhaseView] = []
    examples: int = 0
    """Examples scored or failed so far."""
    errors: int = 0
    """Examples that failed."""
    log: list[AnyEvent] = []
    """The last noteworthy events, oldest first."""

    @property
    def calls(self) -> int:
        """LM calls so far, cached ones too."""
        return sum(m.calls for m in self.lm)

    @property
    def cost(self) -> float:
        """Dollars so far."""
        return sum(m.cost for m in self.lm)

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.status in ENDED

    def candidate(self, id: str) -> CandidateView | None:
        """Return the candidate with this id, or None."""
        return next((c for c in reversed(self.candidates) if c.id == id), None)


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
    state.updated = max(state.updated, event.time)
    _apply(state, event)
    if isinstance(event, NOTEWORTHY):
        state.log.append(event)
        del state.log[:-LOG_LENGTH]


def _apply(state: RunState, event: Event) -> None:
    match event:
        case LMStart() | LMEnd() | LMRetry():
            _lm(state, event)
        case ExampleScored():
            _example(state, event)
        case RunStart() | RunPaused() | RunResumed() | RunStopping() | RunEnd():
            _life(state, event)
        case PhaseStart() | PhaseEnd() | OptimizationStep():
            _phase(state, event)
        case _:
            _candidate(state, event)


def _life(state: RunState, event: RunStart | RunPaused | RunResumed | RunStopping | RunEnd) -> None:
    match event:
        case RunStart():
            for field in ("run", "name", "work", "method", "metric", "models", "practice", "budget_usd"):
                setattr(state, field, getattr(event, field))
            state.seed, state.sizes, state.planned = event.seed, event.sizes, event.planned
            state.started, state.status = event.time, "running"
        case RunPaused():
            state.status = "paused"
        case RunResumed():
            state.status = "running"
        case RunStopping():
            state.status = "stopping"
        case RunEnd():
            state.status, state.reason, state.ended = event.state, event.reason, event.time
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
                demos=event.demos, program=event.program, baseline=event.baseline,
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
            state.line.append(
                BestPoint(
                    candidate=event.candidate,
                    mean=event.mean,
                    calls=seen.calls,
                    spent=seen.spent,
                    at=event.time,
                )
            )


def _example(state: RunState, event: ExampleScored) -> None:
    state.examples += 1
    state.errors += event.score is None
    seen = state.candidate(event.candidate)
    if seen is None:
        return
    seen.cost += event.cost
    if event.score is None:
        seen.failed += 1
        return
    seen.n += 1
    seen.sum += event.score
    seen.mean = seen.sum / seen.n


def _lm(state: RunState, event: LMStart | LMEnd | LMRetry) -> None:
    model = next((m for m in state.lm if m.model == event.model and m.role == event.role), None)
    if model is None:
        model = ModelView(model=event.model, role=event.role)
        state.lm.append(model)
    match event:
        case LMStart():
            model.in_flight += 1
        case LMRetry():
            model.retried += 1
        case LMEnd():
            model.calls += 1
            model.cached += event.cached
            model.failed += event.error not in ("", CANCELLED)
            model.in_flight = max(0, model.in_flight - (not event.cached))
            model.prompt_tokens += event.prompt_tokens
            model.completion_tokens += event.completion_tokens
            model.cost += event.cost
            model.unpriced += not event.priced
