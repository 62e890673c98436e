"""The live half of a run: its thread, its token, its budget, and what its end is called.

The work is a plain function that runs in a thread of its own, inside the run's scope. This is the outer edge
where interruptions become "stopped" and "cancelled" and any other error becomes "failed".
"""

from __future__ import annotations

import atexit
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from dspex import _host
from dspex._version import __version__
from dspex.errors import BudgetExceeded, CancelRequested, DspexError, JournalError, StopRequested
from dspex.events.bus import bus
from dspex.events.event import (
    AnyEvent,
    BudgetReached,
    BudgetWarned,
    EndState,
    Event,
    Log,
    RunEnd,
    RunKind,
    RunPaused,
    RunResumed,
    RunStart,
    RunStopping,
)
from dspex.runs import home
from dspex.runs.feed import Feed
from dspex.runs.journal import Journal
from dspex.runs.state import RunState
from dspex.scope.budget import Budget
from dspex.scope.cancel import CancelToken, How
from dspex.scope.scope import Scope, enter


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
    seed: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    planned: int | None = None


class Kept:
    """What the work found so far: programs by candidate, and the part of a result an early end leaves."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._programs: dict[str, Any] = {}
        self.partial: Callable[[], Any] | None = None
        """Gives the result of a run that ended early, where that is not the best program."""

    def keep(self, candidate: str, program: Any, ref: str, state: bytes) -> None:
        """Hold a candidate's program, and its state on disk under `ref`."""
        self._journal.keep(ref, state)
        self._programs[candidate] = program

    def program(self, candidate: str) -> Any:
        """Return a candidate's program; None where there is none."""
        return self._programs.get(candidate)


Work = Callable[[Kept], Any]


class Engine:
    """Runs the work and answers the controls."""

    def __init__(self, folder: Path, plan: Plan, work: Work) -> None:
        self.id = folder.name
        self.plan = plan
        # Whoever looks before the first event is on disk sees the name and "starting".
        self.feed = Feed(RunState(run=self.id, name=plan.name, method=plan.method, work=plan.work))
        self.done = threading.Event()
        self.value: Any = None
        self.error: BaseException | None = None
        self._work = work
        self._lock = threading.Lock()
        self._over = False
        self._unwritten: JournalError | None = None
        self._token = CancelToken()
        self._budget = Budget(plan.budget_usd, self._warn)
        self._journal = Journal(folder / home.JOURNAL, self.id, self._durable, self._broken)
        self.kept = Kept(self._journal)
        self._owner = home.own(folder)

    def start(self) -> None:
        """Begin; returns at once."""
        bus.open_run(self.id)
        bus.attach(self._journal)
        self._journal.open()
        _live[self.id] = self
        self._emit(self._opening())  # before anybody can steer: nothing comes before the start
        _host.spawn(f"run-{self.id}", self._main)

    def pause(self, by: str) -> None:
        """Let nothing new start."""
        with self._lock:
            if not self._over and self._token.pause():
                self._emit(RunPaused(by=by))

    def resume(self, by: str) -> None:
        """Let work go on."""
        with self._lock:
            if not self._over and self._token.resume():
                self._emit(RunResumed(by=by))

    def end(self, how: How, by: str) -> None:
        """Ask for the end."""
        with self._lock:
            if not self._over and self._token.request(how):
                self._emit(RunStopping(how=how, by=by))

    def flush(self) -> None:
        """Wait until all that happened is on disk and in the state."""
        self._journal.flush()

    def best(self) -> Any:
        """Return the best program so far; None where no candidate has a score."""
        self.flush()
        return self.kept.program(self.feed.best())

    def _main(self) -> None:
        scope = Scope(
            run=self.id,
            patient=True,
            cancel=self._token,
            budget=self._budget,
            rng=random.Random(self.plan.seed),
        )
        with enter(scope):
            try:
                state, reason = self._run()
                self._close(state, reason)
            finally:
                try:
                    self._let_go()
                finally:
                    self.done.set()  # whatever went wrong above, nobody waits for ever

    def _let_go(self) -> None:
        self._journal.close()
        bus.detach(self._journal)
        self._owner.release()
        _live.pop(self.id, None)

    def _run(self) -> tuple[EndState, str]:
        try:
            self.value = self._work(self.kept)
            return "finished", ""
        except BudgetExceeded as exc:
            self._emit(BudgetReached(spent=self._budget.spent, cap=self._budget.usd or 0.0))
            return "stopped", str(exc).split(":")[0]
        except StopRequested:
            return "stopped", ""
        except CancelRequested as exc:
            return "cancelled", "" if str(exc).startswith("the run was asked") else str(exc)
        except BaseException as exc:  # the outer edge of the run: any error is its end, told as such
            self.error = exc
            return "failed", f"{exc}" if isinstance(exc, DspexError) else f"{type(exc).__name__}: {exc}"

    def _close(self, state: EndState, reason: str) -> None:
        self._journal.flush()
        if self._unwritten is not None:
            state, reason, self.error = "failed", str(self._unwritten), self._unwritten
        with self._lock:
            self._over = True
            if state == "failed":
                self._emit(Log(level="error", text=reason))
            self._emit(RunEnd(state=state, reason=reason, best=self.feed.best()))

    def _opening(self) -> RunStart:
        plan = self.plan
        return RunStart(
            name=plan.name,
            work=plan.work,
            method=plan.method,
            metric=plan.metric,
            models=list(plan.models),
            practice=plan.practice,
            budget_usd=plan.budget_usd,
            seed=plan.seed,
            sizes=plan.sizes,
            planned=plan.planned,
            code=__version__,
        )

    def _emit(self, event: Event) -> None:
        bus.emit(event, run=self.id)

    def _warn(self, share: float, spent: float, cap: float) -> None:
        self._emit(BudgetWarned(share=share, spent=spent, cap=cap))

    def _durable(self, events: Sequence[AnyEvent]) -> None:
        if self._unwritten is not None and isinstance(events[-1], RunEnd):
            # What people see must not say that all went well where the disk holds no such end.
            last = replace(events[-1], state="failed", reason=str(self._unwritten))
            events = [*events[:-1], last]
        self.feed.take(events)

    def _broken(self, error: JournalError) -> None:
        self.error = self._unwritten = error
        self._token.request("cancel", CancelRequested(str(error)))


_live: dict[str, Engine] = {}


def _shut_down() -> None:
    """At process end, give every live run a moment to write why it ended."""
    engines = list(_live.values())
    for engine in engines:
        engine._token.request("cancel", CancelRequested("the kernel was shut down"))
    for engine in engines:
        engine.done.wait(1.0 / len(engines))


atexit.register(_shut_down)
_host.after_fork(_live.clear)
