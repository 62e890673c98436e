"""A run's state as it grows, and whoever follows it.

Events arrive here after they are on disk. A follower that takes a snapshot and subscribes in one act misses
nothing and sees nothing twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import msgspec

from dspex.errors import in_words
from dspex.events.bus import bus
from dspex.events.event import AnyEvent, Log
from dspex.runs.state import RunState, fold

Follower = Callable[[Sequence[AnyEvent]], None]


class Feed:
    """Folds durable events and passes them on."""

    def __init__(self, state: RunState | None = None) -> None:
        self._lock = threading.Lock()
        self._state = state or RunState()
        self._followers: list[Follower] = []

    def begin(self, state: RunState) -> None:
        """Go on from another state; whoever follows goes on following."""
        with self._lock:
            self._state = state

    def take(self, events: Sequence[AnyEvent]) -> None:
        """Fold a batch, then hand it to all followers; on the journal's thread."""
        with self._lock:
            fold(events, self._state)
            self._hand(events)

    def over(self) -> bool:
        """Whether the run has ended."""
        with self._lock:
            return self._state.over

    def lose(self, run: str, reason: str) -> None:
        """Note that nothing more will come; a run that has not ended is lost, and its followers look again."""
        with self._lock:
            state = self._state
            state.run = state.run or run
            if not state.over:
                state.status, state.reason, state.ended = "lost", reason, state.updated
                for model in state.lm:
                    model.in_flight = 0
                self._hand(())

    def snapshot(self) -> bytes:
        """Return the state as JSON."""
        with self._lock:
            return msgspec.json.encode(self._state)

    def state(self) -> RunState:
        """Return a copy of the state that nobody changes."""
        return msgspec.json.decode(self.snapshot(), type=RunState)

    def best(self) -> str:
        """Return the id of the best candidate so far, "" where there is none."""
        with self._lock:
            return self._state.best

    def follow(self, follower: Follower) -> tuple[bytes, Callable[[], None]]:
        """Return a snapshot and have the follower called with everything after it; also return its removal.

        The follower runs on the journal's thread and must only append to a queue of its own.
        """
        with self._lock:
            self._followers.append(follower)
            snapshot = msgspec.json.encode(self._state)

        def leave() -> None:
            with self._lock:
                if follower in self._followers:
                    self._followers.remove(follower)

        return snapshot, leave

    def _hand(self, events: Sequence[AnyEvent]) -> None:
        for follower in list(self._followers):
            try:
                follower(events)
            except Exception as exc:  # a follower must not end the thread that keeps all runs
                self._followers.remove(follower)
                text = f"A follower of run {self._state.run} was unhooked: it raised {in_words(exc)}"
                bus.emit(Log(level="error", text=text))

    def forget(self) -> None:
        """Let all followers go after a fork: they, and whoever held the lock, live in the parent."""
        self._lock = threading.Lock()
        self._followers = []
