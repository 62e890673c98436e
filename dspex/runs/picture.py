"""The picture of a run as plain values: what `state.py` folds events into and every view draws.

Drawing words and numbers is the views' work: the picture keeps noteworthy events themselves, not sentences about
them. Whatever could grow with the length of a run is bounded or a sum.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from dspex.events.event import AnyEvent, BreakerState, LMRole, RunKind

Status = Literal[
    "starting", "running", "paused", "stopping", "stopped", "cancelled", "finished", "failed", "lost"
]
ENDED: frozenset[Status] = frozenset({"stopped", "cancelled", "finished", "failed", "lost"})


class CandidateView(msgspec.Struct, kw_only=True):
    """One candidate as the table and the chart show it; `mean` is of the examples scored so far."""

    id: str
    origin: str = ""
    what: str = ""
    instructions: dict[str, str] = {}
    demos: dict[str, int] = {}
    program: str = ""
    baseline: bool = False
    by: str = ""
    """The person who wrote it; empty where the method made it."""
    pinned: str = ""
    """Who pinned it; empty where nobody did."""
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
    cells: str = ""
    """A letter for each of the run's `columns`: the score in tenths, 0 to 9 and a for 1, `x` failed, `.` not seen."""


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
    limited: int = 0
    """Of the retries, those that the provider asked for: too many calls."""
    in_flight: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0
    """Calls whose price is not known."""
    latency: list[int] = []
    """How long answers took, without what went by before: counts by bucket of `latency.py`; cached ones are not in it."""


class EndpointView(msgspec.Struct, kw_only=True):
    """Where a model is asked, and whether it may be asked now."""

    model: str
    endpoint: str = ""
    state: BreakerState = "closed"
    reason: str = ""
    limit: int = 0
    """Calls it takes at once; 0 where nobody said."""
    until: float = 0.0
    """Time when an open one is tried again; 0 where it waits for a person."""
    opened: int = 0
    """How often it opened."""


class PhaseView(msgspec.Struct, kw_only=True):
    """One part of the method and how far it is."""

    name: str
    k: int = 0
    total: int | None = None
    state: Literal["running", "done"] = "running"


class FailureView(msgspec.Struct, kw_only=True):
    """Examples that failed for the same kind of reason."""

    kind: str
    """What an error says before its first colon: its class, mostly."""
    count: int = 0
    text: str = ""
    """What the last one said after it."""


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
    limits: dict[str, float] = {}
    """Further caps by kind: tokens, calls, seconds."""
    origin: str = ""
    """The run and candidate this one was branched from."""
    seed: int = 0
    sizes: dict[str, int] = {}
    planned: int | None = None
    status: Status = "starting"
    reason: str = ""
    holds: dict[str, str] = {}
    """Who holds the run, and why: it is paused while anybody does."""
    frozen: list[str] = []
    """Those of the holds that hold calls in flight, too."""
    concurrency: int | None = None
    """Examples at once, where a person set them."""
    started: float = 0.0
    updated: float = 0.0
    ended: float | None = None
    idle: float = 0.0
    """Seconds between the death of a kernel and the next that went on; the run took no time then."""
    reopened: int = 0
    """How often another kernel went on with it."""
    candidates: list[CandidateView] = []
    baseline: str = ""
    best: str = ""
    line: list[BestPoint] = []
    lm: list[ModelView] = []
    endpoints: list[EndpointView] = []
    phases: list[PhaseView] = []
    examples: int = 0
    """Examples scored or failed so far."""
    errors: int = 0
    """Examples that failed."""
    failures: list[FailureView] = []
    """Why they failed, by kind, the first dozen kinds; what failed for another reason is only counted."""
    columns: dict[str, int] = {}
    """The first examples that were seen, each with its place in the candidates' `cells`."""
    labels: int = 0
    """How often a person labelled or commented on an example."""
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
