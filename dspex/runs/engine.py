"""The live half of a run: its thread, its token, its budget, and what its end is called.

The work is a plain function that runs in a thread of its own, inside the run's scope. This is the outer edge
where interruptions become "stopped" and "cancelled" and any other error becomes "failed". A run that is resumed is
the same work once more, over a ledger that knows what earlier lives did.
"""

from __future__ import annotations

import atexit
import math
import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from dspex import _host
from dspex._version import __version__
from dspex.errors import BudgetExceeded, CancelRequested, DspexError, JournalError, StopRequested, in_words
from dspex.events.bus import bus
from dspex.events.event import (
    AnyEvent,
    BudgetKind,
    BudgetReached,
    BudgetWarned,
    EndState,
    Event,
    Log,
    RunEnd,
    RunPaused,
    RunReopened,
    RunResumed,
    RunSteered,
    RunStopping,
)
from dspex.runs import home
from dspex.runs.feed import Feed
from dspex.runs.journal import Journal
from dspex.runs.lost import SHUT_DOWN
from dspex.runs.past import Past
from dspex.runs.plan import Kept, Plan, Work
from dspex.runs.redo import redo
from dspex.runs.state import RunState
from dspex.runs.steered import capped
from dspex.runs.steps import Steps
from dspex.runs.timing import TimeLimit
from dspex.scope.budget import Budget, Caps
from dspex.scope.cancel import CancelToken, How
from dspex.scope.ledger import Ledger
from dspex.scope.scope import Scope, Tally, current, enter

__all__ = ["Engine", "Kept", "Plan", "Work"]


class Engine:
    """Runs the work and answers the controls.

    Args:
        folder: where the run is kept.
        plan: what it is told.
        work: what it does.
        owner: the mark that this process works on it; taken where none is given.
        past: its earlier lives, where this is not the first.
        by: who wanted another life.
        feed: its state and who follows it, where there is one already.
        again: whether what failed in earlier lives is tried again.
        caps: its budget from here on, where that is to be another than in its earlier lives.

    Attributes:
        token, budget, scope: what steers the work; change them by `act`, which tells of it.
    """

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        work: Work,
        *,
        owner: home.Owner | None = None,
        past: Past | None = None,
        by: str = "user",
        feed: Feed | None = None,
        again: bool = False,
        caps: Caps | None = None,
    ) -> None:
        self.id = folder.name
        self.folder = folder
        self.plan = plan
        self.past = past
        # Whoever looks before the first event is on disk sees the name and "starting".
        self.feed = feed or Feed(RunState(run=self.id, name=plan.name, method=plan.method, work=plan.work))
        self.done = threading.Event()
        self.value: Any = None
        self.error: BaseException | None = None
        self._work = work
        self._by = by
        self._lock = threading.Lock()
        self._over = False
        self._unwritten: JournalError | None = None
        self._journal = Journal(folder / home.JOURNAL, self.id, self._durable, self._broken)
        self.steps = Steps(self._journal, past.told if past else None, again=again or _again(past))
        self.kept = Kept(self._journal, lived=past is not None)
        self.token = CancelToken()
        self.budget = Budget(
            plan.budget_usd, self._warn, tokens=plan.limits.get("tokens"), calls=plan.limits.get("calls")
        )
        self.scope = self._scope(past)
        self._again = again
        self._caps = caps
        self._seconds = plan.limits.get("seconds")
        state = past.state if past is not None else None
        already = max(0.0, state.updated - state.started - state.idle) if state is not None else 0.0
        self.time = TimeLimit(self.token, self._warn, already)
        if past is not None:
            redo(self, past)
        self._owner = owner or home.own(folder)

    def start(self) -> None:
        """Begin; returns at once."""
        past = self.past
        bus.open_run(self.id, after=past.state.seq if past else 0, time=past.state.updated if past else 0.0)
        bus.attach(self._journal)
        self._journal.open()
        _live[self.id] = self
        # Before anybody can steer: nothing comes before the start.
        self.emit(self.plan.opening() if past is None else RunReopened(by=self._by, code=__version__))
        if past is not None and past.damage:
            self.emit(Log(level="warning", text=past.damage))
        if self._again:
            self.emit(RunSteered(verb="retry", by=self._by, text="tried again what had failed"))
        if past is not None and self._caps is not None:
            # A budget that is given anew is the whole of it: what it does not name has no cap any more.
            before = [*([] if past.state.budget_usd is None else ["usd"]), *past.state.limits]
            caps = {**dict.fromkeys(before), **self._caps}
            self.take_caps(caps)
            self.emit(capped(caps, self._by))
        self.time.set(self._seconds)
        _host.spawn(f"run-{self.id}", self._main)

    def emit(self, event: Event) -> None:
        """Tell of something that concerns the whole run."""
        bus.emit(event, run=self.id)

    def act(self, change: Callable[[], bool], event: Event) -> bool:
        """Change something while the run goes on, and tell of it; nothing where it is over or `change` says False."""
        with self._lock:
            if self._over or not change():
                return False
            self.emit(event)
            return True

    def pause(self, by: str, *, now: bool = False) -> None:
        """Let nothing new start; hold calls in flight, too, where it is `now`."""
        self.act(lambda: self.token.pause(now=now), RunPaused(by=by, now=now))

    def resume(self, by: str) -> None:
        """Let work go on."""
        self.act(self.token.resume, RunResumed(by=by))

    def end(self, how: How, by: str) -> None:
        """Ask for the end."""
        self.act(lambda: self.token.request(how), RunStopping(how=how, by=by))

    def take_caps(self, caps: Caps) -> None:
        """Set caps anew, from here on."""
        self.budget.change(caps)
        if "seconds" in caps:
            self._seconds = caps["seconds"]
            self.time.set(self._seconds)

    def flush(self) -> None:
        """Wait until all that happened is on disk and in the state."""
        self._journal.flush()

    def best(self) -> Any:
        """Return the best program so far; None where no candidate has a score."""
        self.flush()
        return self.kept.program(self.leader())

    def leader(self) -> str:
        """Return the id of the candidate that is the result as things stand: the best one that is pinned, if any."""
        pinned = self.kept.pinned
        if not pinned:
            return self.feed.best()
        means = {seen.id: seen.mean for seen in self.feed.state().candidates if seen.mean is not None}
        return max(pinned, key=lambda candidate: means.get(candidate, -math.inf))

    def _scope(self, past: Past | None) -> Scope:
        if past is not None:
            self.budget.resume_from(past.used)
        around = current()
        return Scope(
            run=self.id,
            patient=True,
            cancel=self.token,
            budget=self.budget,
            rng=random.Random(self.plan.seed),
            tally=Tally(calls=past.calls, cost=past.used["usd"]) if past else Tally(),
            ledger=Ledger(self.steps),
            # Whoever started the run hears of what happens in it.
            histories=around.histories,
            call_id=around.call_id,
        )

    def _main(self) -> None:
        with enter(self.scope):
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
        self.steps.close()
        bus.detach(self._journal)
        self._owner.release()
        _live.pop(self.id, None)

    def _run(self) -> tuple[EndState, str]:
        try:
            self.value = self._work(self.kept)
            if self.kept.pinned:
                self.flush()
                self.value = self.kept.program(self.leader())
            return "finished", ""
        except BudgetExceeded as exc:
            spent, cap = (exc.spent, exc.cap) if exc.cap else (self.budget.spent, self.budget.usd or 0.0)
            self.emit(BudgetReached(spent=spent, cap=cap, what=exc.what))  # type: ignore[arg-type]  # a kind of cap
            return "stopped", str(exc).split(":")[0]
        except StopRequested:
            return "stopped", ""
        except CancelRequested as exc:
            return "cancelled", "" if str(exc).startswith("the run was asked") else str(exc)
        except BaseException as exc:  # the outer edge of the run: any error is its end, told as such
            self.error = exc
            return "failed", f"{exc}" if isinstance(exc, DspexError) else in_words(exc)

    def _close(self, state: EndState, reason: str) -> None:
        self.time.close()
        self._journal.flush()
        if self._unwritten is not None:
            state, reason, self.error = "failed", str(self._unwritten), self._unwritten
        with self._lock:
            self._over = True
            if state == "failed":
                self.emit(Log(level="error", text=reason))
            self.emit(RunEnd(state=state, reason=reason, best=self.leader()))

    def _warn(self, share: float, spent: float, cap: float, what: BudgetKind) -> None:
        if share < 1.0:
            self.emit(BudgetWarned(share=share, spent=spent, cap=cap, what=what))
        else:  # what is in flight is awaited, and may take its time
            self.act(lambda: True, RunStopping(how="stop", by="budget"))

    def _durable(self, events: Sequence[AnyEvent]) -> None:
        if self._unwritten is not None and isinstance(events[-1], RunEnd):
            # What people see must not say that all went well where the disk holds no such end.
            last = replace(events[-1], state="failed", reason=str(self._unwritten))
            events = [*events[:-1], last]
        self.feed.take(events)

    def _broken(self, error: JournalError) -> None:
        self.error = self._unwritten = error
        self.token.request("cancel", CancelRequested(str(error)))


def _again(past: Past | None) -> bool:
    """Tell whether acts that failed are tried again: those may be what ended the run."""
    return past is not None and past.end is not None and past.end.state == "failed"


_live: dict[str, Engine] = {}


def _shut_down() -> None:
    """At process end, give every live run a moment to write why it ended."""
    engines = list(_live.values())
    for engine in engines:
        engine.token.request("cancel", CancelRequested(SHUT_DOWN))
    for engine in engines:
        engine.done.wait(1.0 / len(engines))


atexit.register(_shut_down)
_host.after_fork(_live.clear)
