"""What a run is told at its start, and where its work puts what it finds.

Apart from the engine, because those who write works know these two and nothing of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dspex._version import __version__
from dspex.events.event import RunKind, RunStart, RunSteered
from dspex.runs.course import Course
from dspex.runs.journal import Journal
from dspex.runs.picture import CandidateView

RECIPE = "recipe"
"""The payload that says how the run was started."""
MARK = "mark"
"""The payload by which runs that were started alike are known."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run is told at its start."""

    name: str
    work: RunKind
    method: str
    metric: str = ""
    models: tuple[str, ...] = ()
    practice: bool = False
    budget_usd: float | None = None
    limits: dict[str, float] = field(default_factory=dict)
    """Further caps by kind: tokens, calls, seconds."""
    origin: str = ""
    """The run and candidate this one was branched from."""
    seed: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    planned: int | None = None
    examples: Sequence[Any] = ()
    """What candidates are scored on, where that is known before it is read."""
    restart: Callable[[Mapping[str, Any]], Any] | None = None
    """Starts the same again in this kernel, with a few things changed; None where that cannot be."""

    @property
    def caps(self) -> dict[str, float]:
        """All caps there are, by kind."""
        return self.limits if self.budget_usd is None else {"usd": self.budget_usd, **self.limits}

    def opening(self) -> RunStart:
        """Return the event that begins the run."""
        return RunStart(
            name=self.name,
            work=self.work,
            method=self.method,
            metric=self.metric,
            models=list(self.models),
            practice=self.practice,
            budget_usd=self.budget_usd,
            limits=dict(self.limits),
            origin=self.origin,
            seed=self.seed,
            sizes=self.sizes,
            planned=self.planned,
            code=__version__,
        )


class Kept:
    """What the work found so far: programs by candidate, and the part of a result an early end leaves."""

    def __init__(self, journal: Journal, *, lived: bool = False) -> None:
        self._journal = journal
        self.lived = lived
        """Whether the run had an earlier life."""
        self._programs: dict[str, Any] = {}
        self.partial: Callable[[], Any] | None = None
        """Gives the result of a run that ended early, where that is not the best program."""
        self.course: Course | None = None
        """What people may change while the work goes on."""
        self.pinned: list[str] = []
        """Candidates that a person wants for the result."""
        self.notes: dict[str, dict[str, Any]] = {}
        """What people said of examples, by the example's digest."""
        self.steered: Sequence[RunSteered] = ()
        """What people did in earlier lives."""
        self.guests: Sequence[CandidateView] = ()
        """All candidates of earlier lives, people's among them, and which of them led."""

    def keep(self, candidate: str, program: Any, ref: str, state: bytes) -> None:
        """Hold a candidate's program, and its state on disk under `ref`."""
        self._journal.keep(ref, state)
        self._programs[candidate] = program

    def describe(self, recipe: bytes, mark: str) -> None:
        """Keep how the run was started, and a mark that runs share that were started alike.

        Returns once that is on the disk: nothing is paid for before the run could be resumed.
        """
        self._journal.keep(RECIPE, recipe)
        self._journal.keep(MARK, mark.encode())
        self._journal.flush()

    def state_of(self, ref: str) -> bytes:
        """Return the state of a program that was kept in an earlier life.

        Raises:
            JournalError: it is not there.
        """
        return self._journal.payload(ref)

    def program(self, candidate: str) -> Any:
        """Return a candidate's program; None where there is none."""
        return self._programs.get(candidate)


Work = Callable[[Kept], Any]
