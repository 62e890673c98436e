"""A run of another kernel, dead or alive, as its journal tells: read when it is opened, and on as it grows.

Nothing is polled while nobody watches: whoever asks for the state has the new events read first, and only a follower
or somebody who waits makes the journal's thread look from time to time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from dspex.errors import JournalError
from dspex.events.event import AnyEvent
from dspex.runs import file, home, journal
from dspex.runs.feed import Feed, Follower
from dspex.runs.state import RunState

DIED = "its kernel died"


class Other:
    """Keeps a feed up with a journal that another process writes.

    Args:
        folder: the run's.
        feed: what is kept up.

    Raises:
        JournalError: nothing of the journal can be read.
    """

    def __init__(self, folder: Path, feed: Feed) -> None:
        self.over = threading.Event()
        """Set once nothing more will come: the run has ended, or its kernel is dead."""
        self._folder = folder
        self._path = folder / home.JOURNAL
        self._feed = feed
        self._lock = threading.Lock()
        self._seq = 0
        self._followers = 0
        self._waited = False
        feed.begin(RunState(run=folder.name))
        self.refresh()

    def refresh(self) -> None:
        """Take in what was written since."""
        with self._lock:
            if self.over.is_set():
                return
            # In this order: a kernel that dies in between leaves a run that is found dead at the next look.
            owned = home.is_owned(self._folder)
            damage = self._read()
            if self._feed.over() or not owned:
                self._feed.lose(self._folder.name, damage or DIED)
                self.over.set()

    def follow(self, follower: Follower) -> tuple[bytes, Callable[[], None]]:
        """Follow the feed, and have the journal's thread look while anybody does."""
        self.refresh()
        snapshot, leave = self._feed.follow(follower)
        with self._lock:
            self._followers += 1
        self.watch(for_ever=False)
        left = threading.Event()

        def go() -> None:
            leave()
            with self._lock:
                self._followers -= not left.is_set()
                left.set()

        return snapshot, go

    def watch(self, *, for_ever: bool = True) -> None:
        """Have the journal's thread look from now on until the run is over, or the last follower has left."""
        self._waited = self._waited or for_ever
        journal.watch(self)

    def look(self) -> bool:
        """Take in what is new; on the journal's thread."""
        try:
            self.refresh()
        except JournalError:
            return False  # its folder is gone: whoever opens it is told
        return not self.over.is_set() and (self._waited or self._followers > 0)

    def leave(self) -> None:
        """Look no more: the run goes on in this kernel."""
        self.over.set()

    def _read(self) -> str:
        """Hand new events to the feed, and return what the file has lost, if anything."""
        if not file.exists(self._path):
            return ""  # its kernel has not come to write yet
        batch: list[AnyEvent] = []
        damage = ""
        try:
            for event in file.read_events(self._path, after=self._seq):
                batch.append(event)
                self._seq = event.seq
                if len(batch) >= 500:
                    self._feed.take(batch)
                    batch = []
        except file.DamagedJournalError as exc:
            if not self._seq:
                raise
            damage = str(exc)
        if batch:
            self._feed.take(batch)
        return damage
