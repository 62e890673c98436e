"""Run: the handle on one long thing, live or long over, in this kernel or a dead one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex import _host
from dspex.errors import DspexError, RunFailedError, UsageError
from dspex.events.event import AnyEvent
from dspex.runs import home
from dspex.runs.engine import Engine, Plan, Work
from dspex.runs.feed import Feed, Follower
from dspex.runs.journal import read_events, read_payload
from dspex.runs.state import ENDED, RunState, Status, fold
from dspex.runs.words import headline

if TYPE_CHECKING:
    import pandas as pd


class Run:
    """A long thing that was started: watch it, steer it, take its result.

    Runs of this kernel can be steered; those of other kernels, dead or alive, can be read. Every button of the
    widget is one of these methods.

    Example:
        >>> import dspex
        >>> train, val, test = dspex.datasets.load("tickets")
        >>> with dspex.context(lm=dspex.LM("practice")):
        ...     run = dspex.LabeledFewShot(k=4).start(dspex.Predict("ticket -> team"), trainset=train)
        >>> run.wait()
        True
        >>> run.status
        'finished'
    """

    def __init__(self, folder: Path, feed: Feed, engine: Engine | None = None) -> None:
        self.id = folder.name
        self._folder = folder
        self._feed = feed
        self._engine = engine

    @property
    def name(self) -> str:
        """What is run: the program's or signature's name."""
        return self.state.name

    @property
    def status(self) -> Status:
        """One of starting, running, paused, stopping, stopped, cancelled, finished, failed, lost."""
        return self.state.status

    @property
    def done(self) -> bool:
        """Whether nothing more will happen."""
        return self._engine.done.is_set() if self._engine is not None else self.status in ENDED

    @property
    def state(self) -> RunState:
        """A copy of the whole picture, made from what is on disk."""
        return self._feed.state()

    def snapshot(self) -> bytes:
        """Return the state as JSON."""
        return self._feed.snapshot()

    def follow(self, follower: Follower) -> tuple[bytes, Callable[[], None]]:
        """Return a snapshot, and call `follower(events)` with every batch after it until the returned removal.

        The follower runs on the journal's thread and must only append to a queue.
        """
        return self._feed.follow(follower)

    def pause(self, by: str = "user") -> None:
        """Let nothing new start; calls in flight end. Pausing twice is harmless."""
        self._steer("pause").pause(by)

    def resume(self, by: str = "user") -> None:
        """Go on after a pause."""
        self._steer("resume").resume(by)

    def stop(self, by: str = "user") -> None:
        """End soon and keep the best: calls in flight, paid for already, are awaited."""
        self._steer("stop").end("stop", by)

    def cancel(self, by: str = "user") -> None:
        """End now: calls in flight are cut off. What was found so far stays."""
        self._steer("cancel").end("cancel", by)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over; False where `timeout` seconds passed first.

        Ctrl-C ends the waiting, not the run.
        """
        if self._engine is None:
            return self.done
        waited = 0.0
        # Short waits, not join: an interrupt inside join marks a live thread as dead on Python <= 3.12.
        while not self._engine.done.wait(0.1 if timeout is None else min(0.1, max(0.0, timeout - waited))):
            waited += 0.1
            if timeout is not None and waited >= timeout:
                return False
        return True

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the end and return what the run made: the best program, or the evaluation.

        A stopped or cancelled run gives the best it had found.

        Raises:
            DspexError: what made the run fail.
            RunFailedError: it ended before anything was scored, or it failed with a foreign error (its cause).
            TimeoutError: `timeout` seconds passed first.
        """
        engine = self._engine
        if engine is None:
            raise UsageError(
                f"Run {self.id} was made by another kernel: its program's code is not here. "
                f"`run.load_into(program)` puts what it learned into a program of the same shape."
            )
        if not self.wait(timeout):
            raise TimeoutError(f"run {self.id} is still {self.status}")
        if isinstance(engine.error, DspexError):
            raise engine.error
        if engine.error is not None:
            raise RunFailedError(
                f"Run {self.id} failed: {type(engine.error).__name__}: {engine.error}"
            ) from engine.error
        if engine.value is not None:
            return engine.value
        value = engine.kept.partial() if engine.kept.partial is not None else engine.best()
        if value is None:
            state = self.state
            why = f" ({state.reason})" if state.reason else ""
            raise RunFailedError(f"Run {self.id} was {state.status}{why} before any candidate was scored.")
        return value

    @property
    def best(self) -> Any:
        """The best program so far, ready to call; also while the run goes on.

        Raises:
            UsageError: no candidate has a score yet, or the run belongs to another kernel.
        """
        if self._engine is None:
            return self.result()
        program = self._engine.best()
        if program is None:
            raise UsageError(f"Run {self.id} has no scored candidate yet; it is {self.status}.")
        return program

    def load_into(self, program: Any, candidate: str = "") -> Any:
        """Put what a candidate learned (the best one's by default) into a program of the same shape; return it.

        Works for every run on this machine, also after the kernel that made it has died.

        Raises:
            UsageError: the run has no such candidate, or no best one yet.
            ProgramError: the program has another shape.
        """
        state = self.state
        seen = state.candidate(candidate or state.best)
        if seen is None or not seen.program:
            raise UsageError(
                f"Run {self.id} has no {f'candidate `{candidate}`' if candidate else 'scored candidate'}."
            )
        import json

        if self._engine is not None:
            self._engine.flush()
        learned = json.loads(read_payload(self._folder / home.JOURNAL, seen.program))
        return program.load_state(learned)

    @property
    def candidates(self) -> pd.DataFrame:
        """All candidates so far, best first; scores are means over the examples scored."""
        from dspex.runs.frame import candidates_frame

        return candidates_frame(self.state)

    @property
    def events(self) -> list[AnyEvent]:
        """All that happened, from the journal."""
        if self._engine is not None:
            self._engine.flush()
        return list(read_events(self._folder / home.JOURNAL))

    def report(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Write one self-contained HTML file, readable with no network, and return its path.

        Args:
            path: the file; `dspex-<id>.html` in the working directory by default.
        """
        from importlib.metadata import entry_points

        if self._engine is not None:
            self._engine.flush()
        for entry in entry_points(group="dspex.reports", name="html"):
            write: Callable[[Run, Path], Path] = entry.load()
            return write(self, Path(path or f"dspex-{self.id}.html"))
        raise UsageError(
            "The report writer is missing: install dspex again, its `dspex_widgets` part is not there."
        )

    def __repr__(self) -> str:
        return headline(self.state)

    def _steer(self, verb: str) -> Engine:
        if self._engine is None:
            state = "is over" if self.done else "belongs to another kernel"
            raise UsageError(f"Run {self.id} {state}: it cannot {verb} from here.")
        return self._engine


_runs: dict[str, Run] = {}
_hooks: dict[str, Callable[[Run], object]] = {}


def start(plan: Plan, work: Work) -> Run:
    """Start the work in a thread of its own and return the handle at once."""
    folder = home.new_folder()
    engine = Engine(folder, plan, work)
    run = Run(folder, engine.feed, engine)
    _runs[run.id] = run
    engine.start()
    return run


def announce(run: Run) -> None:
    """Tell whoever shows runs that one was started for a person to see; in the caller's thread."""
    for hook in list(_hooks.values()):
        hook(run)


def on_start(hook: Callable[[Run], object], key: str = "display") -> Callable[[], None]:
    """Call `hook(run)` for every run that should be shown; one hook for each key. Returns its removal."""
    _hooks[key] = hook
    return lambda: _hooks.pop(key, None) and None


def open(id: str) -> Run:
    """Open any run of this user by its id.

    Raises:
        RunNotFoundError: there is none with this id.
        JournalError: its journal cannot be read.

    Example:
        >>> open("r0")
        Traceback (most recent call last):
        ...
        dspex.errors.RunNotFoundError: There is no run `r0`. ...
    """
    if id in _runs and _runs[id]._folder == home.home() / id:
        return _runs[id]
    folder = home.folder_of(id)
    owned = home.is_owned(folder)
    path = folder / home.JOURNAL
    state = fold(read_events(path)) if path.exists() else RunState()
    state.run = id
    if not state.over and not owned:
        state.status, state.reason = "lost", "its kernel died"
        state.ended = state.updated
        for model in state.lm:
            model.in_flight = 0
    return Run(folder, Feed(state))


def every() -> Iterable[Run]:
    """Yield all runs of this user, oldest first."""
    return (open(f"r{number}") for number in home.numbers())


def here() -> list[Run]:
    """Return the runs that this kernel started, oldest first."""
    return [run for run in list(_runs.values()) if run._folder.parent == home.home()]


def live() -> list[Run]:
    """Return the runs of this kernel that are not over."""
    return [run for run in list(_runs.values()) if not run.done]


def _forget() -> None:
    """In a forked child, take the parent's runs for those of another kernel: their threads are not here."""
    for run in _runs.values():
        run._engine = None
        run._feed.forget()
    _runs.clear()


_host.after_fork(_forget)
