"""All kinds of event, one tagged union: what happened, never what should be shown.

Every event carries its place (`seq` within its run, `time`, `run`, `span`, `parent`) and plain fields. Heavy
payloads (programs, texts) go by reference to the journal's payload table. Adding a kind or a field changes
`tests/golden/protocol/` and the TypeScript types made from it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

RunKind = Literal["optimize", "evaluate"]
EndState = Literal["stopped", "cancelled", "finished", "failed"]
LMRole = Literal["task", "proposal", "judge", "embedding", "retrieval"]
BreakerState = Literal["closed", "open", "half_open"]
BudgetKind = Literal["usd", "tokens", "calls", "seconds"]
Verb = Literal[
    "budget", "concurrency", "reset", "model", "evaluate", "pin", "drop", "label", "retry", "branch"
]  # fmt: skip


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """What every event carries; the bus fills in `seq`, `time` and `run`."""

    seq: int = 0
    """Ordinal within the run, from 1, without gaps."""
    time: float = 0.0
    """Seconds since the epoch."""
    run: str = ""
    """Id of the run, empty outside of any."""
    span: str = ""
    """The act that emits: a candidate, a call."""
    parent: str = ""
    """The act around it."""


class RunStart(Event, frozen=True, kw_only=True, tag="run_start"):
    """A run began; everything frozen at its start."""

    name: str
    """What is run, in the user's word: program or signature name."""
    work: RunKind
    method: str
    """Optimizer's or evaluator's name."""
    metric: str = ""
    models: list[str] = []
    practice: bool = False
    """True where a practice model answers: its prices are simulated."""
    budget_usd: float | None = None
    limits: dict[str, float] = {}
    """Further caps by kind: tokens, calls, seconds."""
    origin: str = ""
    """The run and candidate this one was branched from, `r3/c05`; empty where it stands alone."""
    seed: int = 0
    sizes: dict[str, int] = {}
    """Number of examples by role: train, val."""
    planned: int | None = None
    """How many candidates the method will try beside the baseline, where it knows."""
    code: str = ""
    """Version of dspex."""


class RunPaused(Event, frozen=True, kw_only=True, tag="run_paused"):
    """Nothing new starts until this hold is taken away; several may be on a run at once."""

    by: str = "user"
    hold: str = "user"
    """What holds: a person ("user"), or a provider that does not answer ("provider ...")."""
    reason: str = ""
    now: bool = False
    """Whether calls in flight are held at their next call of a model, too."""


class RunResumed(Event, frozen=True, kw_only=True, tag="run_resumed"):
    """A hold was taken away; with the last one work goes on."""

    by: str = "user"
    hold: str = "user"


class RunReopened(Event, frozen=True, kw_only=True, tag="run_reopened"):
    """Another kernel goes on with the run after its own died; what was in flight then is not any more."""

    by: str = "user"
    code: str = ""
    """Version of dspex."""


class RunSteered(Event, frozen=True, kw_only=True, tag="run_steered"):
    """Somebody changed the course of the run: who did what."""

    verb: Verb
    by: str = "user"
    text: str = ""
    """What was done, for a person to read."""
    args: dict[str, str] = {}
    """With what, by name, such as the candidate or the new cap; values as JSON."""


class RunStopping(Event, frozen=True, kw_only=True, tag="run_stopping"):
    """Somebody asked the run to end; it has not yet."""

    how: Literal["stop", "cancel"]
    by: str = "user"


class RunEnd(Event, frozen=True, kw_only=True, tag="run_end"):
    """The run is over; nothing follows."""

    state: EndState
    reason: str = ""
    best: str = ""
    """Id of the best candidate, empty where none was scored."""


class PhaseStart(Event, frozen=True, kw_only=True, tag="phase_start"):
    """A named part of the method began."""

    name: str
    total: int | None = None


class PhaseEnd(Event, frozen=True, kw_only=True, tag="phase_end"):
    """The part ended."""

    name: str


class OptimizationStep(Event, frozen=True, kw_only=True, tag="optimization_step"):
    """The method advanced within a phase: step `k` of `of`."""

    phase: str
    k: int
    of: int | None = None


class CandidateProposed(Event, frozen=True, kw_only=True, tag="candidate_proposed"):
    """A new version of the program exists; it has no score yet."""

    candidate: str
    origin: str = ""
    """The candidate it was made from."""
    what: str = ""
    """How it differs, in a few words."""
    instructions: dict[str, str] = {}
    """By predictor name."""
    demos: dict[str, int] = {}
    """Number of demonstrations by predictor name."""
    program: str = ""
    """Reference to the program's JSON state in the payload table."""
    baseline: bool = False
    by: str = ""
    """The person who wrote it; empty where the method made it."""


class EvaluateStart(Event, frozen=True, kw_only=True, tag="evaluate_start"):
    """A candidate's evaluation began over `total` examples."""

    candidate: str
    total: int | None = None
    full: bool = True
    """False for a part of the validation set."""


class ExampleScored(Event, frozen=True, kw_only=True, tag="example_scored"):
    """One example was answered and scored, or failed: an error is not a score."""

    candidate: str
    example: str
    score: float | None = None
    error: str = ""
    feedback: str = ""
    cost: float = 0.0
    seconds: float = 0.0
    repeat: int = 0
    """Which of several goes at the same example this is, from 0."""


class EvaluateEnd(Event, frozen=True, kw_only=True, tag="evaluate_end"):
    """The evaluation ended; `done` of its examples have a score."""

    candidate: str
    done: int
    failed: int = 0


class CandidateEvaluated(Event, frozen=True, kw_only=True, tag="candidate_evaluated"):
    """A candidate has its score; `mean` and `low`, `high` (95 %) lie in 0..1 for bounded metrics."""

    candidate: str
    mean: float
    low: float
    high: float
    n: int
    failed: int = 0
    full: bool = True
    calls: int = 0
    """LM calls of the run so far, cached ones too: the place on the chart's axis."""
    cost: float = 0.0
    """Dollars spent on this candidate."""
    spent: float = 0.0
    """Dollars of the run so far."""


class CandidateDropped(Event, frozen=True, kw_only=True, tag="candidate_dropped"):
    """The method gave a candidate up before a full score."""

    candidate: str
    reason: str


class BestChanged(Event, frozen=True, kw_only=True, tag="best_changed"):
    """A candidate with a full score leads."""

    candidate: str
    mean: float


class LMStart(Event, frozen=True, kw_only=True, tag="lm_start"):
    """A call is in flight."""

    model: str
    role: LMRole = "task"


class LMEnd(Event, frozen=True, kw_only=True, tag="lm_end"):
    """A call ended, answered or not."""

    model: str
    role: LMRole = "task"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    priced: bool = True
    """False where no price is known: the cost is then no statement."""
    cached: bool = False
    seconds: float = 0.0
    waited: float = 0.0
    """How many of the seconds went by before the try that was answered: for a turn, or with tries that failed."""
    error: str = ""
    """Kind of the error, empty where the call was answered."""


class LMRetry(Event, frozen=True, kw_only=True, tag="lm_retry"):
    """A call failed and will be tried again after `wait` seconds."""

    model: str
    role: LMRole = "task"
    error: str
    attempt: int
    wait: float


class LimitChanged(Event, frozen=True, kw_only=True, tag="limit_changed"):
    """An endpoint takes more, or fewer, calls at once."""

    model: str
    endpoint: str = ""
    limit: int
    before: int = 0
    reason: str = ""


class BreakerChanged(Event, frozen=True, kw_only=True, tag="breaker_changed"):
    """An endpoint is asked no more (open), asked by one call to see (half open), or asked as usual (closed)."""

    model: str
    endpoint: str = ""
    state: BreakerState
    reason: str = ""
    """Why it opened and what to do, for a person to read."""
    wait: float = 0.0
    """Seconds until it is tried again; 0 where it waits for a person."""


class BudgetWarned(Event, frozen=True, kw_only=True, tag="budget_warned"):
    """A share of a cap is spent."""

    share: float
    spent: float
    cap: float
    what: BudgetKind = "usd"


class BudgetReached(Event, frozen=True, kw_only=True, tag="budget_reached"):
    """The next act was refused because it could cross the cap."""

    spent: float
    cap: float
    what: BudgetKind = "usd"


class ModuleStart(Event, frozen=True, kw_only=True, tag="module_start"):
    """A module was called. Live listeners only: journals do not keep it."""

    module: str
    call: str


class ModuleEnd(Event, frozen=True, kw_only=True, tag="module_end"):
    """A module returned or raised. Live listeners only: journals do not keep it."""

    module: str
    call: str
    error: str = ""


class Log(Event, frozen=True, kw_only=True, tag="log"):
    """Something a person should read."""

    level: Literal["info", "warning", "error"]
    text: str


AnyEvent = (
    RunStart | RunPaused | RunResumed | RunReopened | RunSteered | RunStopping | RunEnd
    | PhaseStart | PhaseEnd | OptimizationStep
    | CandidateProposed | EvaluateStart | ExampleScored | EvaluateEnd
    | CandidateEvaluated | CandidateDropped | BestChanged
    | LMStart | LMEnd | LMRetry
    | LimitChanged | BreakerChanged
    | BudgetWarned | BudgetReached
    | ModuleStart | ModuleEnd | Log
)  # fmt: skip

LIVE_ONLY: frozenset[type[Event]] = frozenset((ModuleStart, ModuleEnd))
"""Kinds that no journal keeps and no run numbers."""


def kind_of(event: Event | type[Event]) -> str:
    """Return the kind's wire name, such as `"lm_end"`."""
    tag = (event if isinstance(event, type) else type(event)).__struct_config__.tag
    return str(tag)
