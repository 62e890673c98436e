"""Run: the handle on one long thing, live or long over, in this kernel or a dead one.

Apart from `run.py`, which starts and opens runs and hands these out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex.errors import DspexError, RunFailedError, UsageError, in_words
from dspex.events.event import AnyEvent
from dspex.runs import home
from dspex.runs.engine import Engine
from dspex.runs.feed import Feed, Follower
from dspex.runs.file import DamagedJournalError, read_events, read_payload, read_payloads
from dspex.runs.other import Other
from dspex.runs.state import ENDED, RunState, Status
from dspex.runs.steerable import Steerable
from dspex.runs.steered import person
from dspex.runs.words import headline
from dspex.scope.cancel import How

if TYPE_CHECKING:
    import pandas as pd


class Run(Steerable):
    """A long thing that was started: watch it, steer it, take its result.

    Runs of this kernel can be steered; those of other kernels can be watched, and resumed once their kernel is dead.
    Every button of the widget is one of these methods.

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

    def __init__(
        self, folder: Path, feed: Feed, engine: Engine | None = None, other: Other | None = None
    ) -> None:
        self.id = folder.name
        self._folder = folder
        self._feed = feed
        self._engine = engine
        self._other = other
        self.read_along = False
        """Whether somebody reads its rows as they come: who waits for its end in the same thread would wait for ever."""

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
        self._look()
        return self._feed.state()

    def snapshot(self) -> bytes:
        """Return the state as JSON."""
        self._look()
        return self._feed.snapshot()

    def follow(self, follower: Follower) -> tuple[bytes, Callable[[], None]]:
        """Return a snapshot, and call `follower(events)` with every batch after it until the returned removal.

        The follower runs on the journal's thread and must only append to a queue. A run of another kernel is
        followed too, as its journal grows.
        """
        if self._other is not None:
            return self._other.follow(follower)
        return self._feed.follow(follower)

    def pause(self, by: str = "user", *, now: bool = False) -> None:
        """Let nothing new start; calls in flight end. Pausing twice is harmless.

        Args:
            by: who pauses.
            now: whether examples in flight are held, too, at their next call of a model.
        """
        engine = self._steer("pause")
        engine.pause(person(by), now=now)
        engine.flush()

    def resume(self, by: str = "user", **given: Any) -> Run:
        """Go on: after a pause, or where a run ended before it was finished because its kernel died or it was stopped.

        A run that had ended walks the same way again and takes from its journal what it had found: no call of a
        model is paid twice. Its program, metric and data are found by import path or among the notebook's names;
        what is not found there can be given.

        Args:
            by: who wants it.
            **given: `program`, `metric`, `trainset`, `valset`, `devset`, `lm`, or whatever else the run was started
                with; `budget` for another cap.

        Raises:
            ResumeError: what the run needs is gone or has changed (the message says what), another kernel works on
                it, or it has finished.
        """
        person(by)
        if self._engine is not None and not self._engine.done.is_set():
            if given:
                raise UsageError(
                    f"Run {self.id} is {self.status}: what it was started with cannot be changed now."
                )
            self._engine.resume(by)
            self._engine.flush()
            return self
        if self._engine is not None and self.status == "finished" and not given:
            return self  # a late click changes nothing
        from dspex.runs.run import take_up

        return take_up(self, by, given)

    def stop(self, by: str = "user") -> None:
        """End soon and keep the best: calls in flight, paid for already, are awaited."""
        self._end("stop", by)

    def cancel(self, by: str = "user") -> None:
        """End now: calls in flight are cut off. What was found so far stays."""
        self._end("cancel", by)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over; False where `timeout` seconds passed first.

        Ctrl-C ends the waiting, not the run.
        """
        if self._engine is None and self._other is None:
            return self.done
        over = self._engine.done if self._engine is not None else self._watched().over
        waited = 0.0
        # Short waits, not join: an interrupt inside join marks a live thread as dead on Python <= 3.12.
        while not over.wait(0.1 if timeout is None else min(0.1, max(0.0, timeout - waited))):
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
            more = (
                ""
                if self.state.status == "finished"
                else " `run.resume()` goes on with it where its kernel is dead."
            )
            raise UsageError(
                f"Run {self.id} was made by another kernel: its program's code is not here. "
                f"`run.load_into(program)` puts what it learned into a program of the same shape.{more}"
            )
        if not self.wait(timeout):
            raise TimeoutError(f"run {self.id} is still {self.status}")
        if isinstance(engine.error, DspexError):
            raise engine.error
        if engine.error is not None:
            raise RunFailedError(f"Run {self.id} failed: {in_words(engine.error)}") from engine.error
        if engine.value is not None:
            return engine.value
        value = engine.kept.partial() if engine.kept.partial is not None else engine.best()
        if value is None:
            state = self.state
            why = f" ({state.reason})" if state.reason else ""
            given = "budget=..." if state.reason.startswith("budget of") else ""
            raise RunFailedError(
                f"Run {self.id} was {state.status}{why} before any candidate was scored; "
                f"`run.resume({given})` goes on with it."
            )
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
        """All that happened, from the journal, as far as that is whole."""
        if self._engine is not None:
            self._engine.flush()
        events: list[AnyEvent] = []
        try:
            events.extend(read_events(self._folder / home.JOURNAL))
        except DamagedJournalError:
            if not events:
                raise
        return events

    def payloads(self) -> Iterator[tuple[str, bytes]]:
        """Yield the JSON of programs and other heavy things that events name, by reference."""
        if self._engine is not None:
            self._engine.flush()
        return read_payloads(self._folder / home.JOURNAL)

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

    def _end(self, how: How, by: str) -> None:
        engine = self._steer(how)
        engine.end(how, person(by))
        engine.flush()

    def _steer(self, verb: str) -> Engine:
        if self._engine is None:
            state = "is over" if self.done else "belongs to another kernel"
            raise UsageError(f"Run {self.id} {state}: it cannot {verb} from here.")
        return self._engine

    def _look(self) -> None:
        """Take in what another kernel has told since."""
        if self._other is not None:
            self._other.refresh()

    def _watched(self) -> Other:
        assert self._other is not None, "callers ask first"
        self._other.watch()
        return self._other
