"""The run's memory on disk: an append-only table in sqlite, one writer thread for all runs of the process.

Events are queued by the bus, committed in batches with a full sync, and only then handed on to what people see:
whatever was on the screen is on the disk, also after kill -9. Readers of other processes see every commit.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dspex import _clock, _host
from dspex.errors import JournalError
from dspex.events.coding import encode_lines
from dspex.events.event import LIVE_ONLY, AnyEvent, Event
from dspex.runs.file import SCHEMA, Act, connect, encode_acts, read_events, read_payload

if TYPE_CHECKING:
    import sqlite3

__all__ = ["SCHEMA", "Journal", "read_events", "read_payload", "watch"]

ROOM = 20_000
"""Events that may wait for the disk before emitters are held."""
GATHER = 0.05
"""Seconds the writer gathers events before it commits, unless somebody waits for them: fewer syncs, unnoticed."""
MOST = 4_000
"""Events in a commit: people see none of them before all are on disk."""
CHUNK = 64
"""Events in a row of the file at most: what a damaged page takes with it."""
PATIENCE = 10.0
"""Seconds to wait for a slow disk."""
LOOK = 0.25
"""Seconds between two looks into the journals of other kernels that are followed."""
Chunk = tuple[int, bytes, bytes]
"""The number of its last event, its events, and what acts gave in them: a row of the file."""


class Journal:
    """Takes one run's events from the bus and keeps them.

    Args:
        path: the sqlite file.
        run: whose events to take.
        durable: called on the writer's thread with each committed batch, in order.
        broken: called on the writer's thread once, when the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        run: str,
        durable: Callable[[Sequence[AnyEvent]], None],
        broken: Callable[[JournalError], None],
    ) -> None:
        self.path = path
        self._run = run
        self._durable = durable
        self._broken = broken
        self._queue: deque[tuple[AnyEvent, Act | None]] = deque()
        self._riding: dict[int, tuple[Event, Act]] = {}  # by thread: each emits right after
        self._payloads: deque[tuple[str, bytes]] = deque()
        self._written = threading.Condition()
        self._taken = self._done = self._kept = self._stored = 0
        self._failed = False
        self._released = threading.Event()
        self._db: sqlite3.Connection | None = None

    def take(self, event: AnyEvent) -> None:
        """Queue the event for the writer; under the bus's lock."""
        if event.run == self._run and type(event) not in LIVE_ONLY:
            self._taken += 1
            act = None
            if self._riding and (riding := self._riding.pop(threading.get_ident(), None)) is not None:
                act = riding[1] if riding[0] is event else None
            self._queue.append((event, act))
            if not _writer.awake:
                _writer.wake()

    def wants(self, kind: type[Event]) -> bool:
        """All kinds but those for live listeners only."""
        return kind not in LIVE_ONLY

    @property
    def full(self) -> bool:
        """Whether emitters should wait for the disk."""
        return len(self._queue) > ROOM

    def wait_for_room(self) -> None:
        """Hold the caller until the disk has caught up."""
        with self._written:
            # The writer itself may tell of a failing follower; it cannot wait for itself.
            while self.full and not self._failed and not _writer.is_me():
                self._written.wait(0.1)

    def keep(self, ref: str, body: bytes) -> None:
        """Store a heavy payload; it is on disk before any event emitted after this call."""
        with self._written:
            self._kept += 1
        self._payloads.append((ref, body))

    def payload(self, ref: str) -> bytes:
        """Return a payload that is on disk.

        Raises:
            JournalError: it is not there.
        """
        return read_payload(self.path, ref)

    def ride(self, event: Event, act: Act) -> None:
        """Store what an act gave, in one commit with the event, which this thread emits next."""
        self._riding[threading.get_ident()] = event, act

    def flush(self, timeout: float = PATIENCE) -> bool:
        """Wait until all that was taken and kept so far is on disk and told; False if that took too long."""
        if _writer.is_me():
            return False  # a follower steers the run: the writer cannot wait for itself
        events, payloads = self._taken, self._kept
        _writer.hurry()
        with self._written:
            return self._written.wait_for(lambda: self._done >= events and self._stored >= payloads, timeout)

    def open(self) -> None:
        """Have the writer serve this journal."""
        _writer.add(self)

    def close(self) -> None:
        """Flush, then let go of the file; returns when it is closed."""
        self.flush()
        _writer.remove(self)
        self._released.wait(PATIENCE)

    def write(self) -> None:
        """Commit what is queued and hand it on; on the writer's thread."""
        # Events first: a payload kept before one of them is then among those taken after.
        taken = [self._queue.popleft() for _ in range(min(len(self._queue), MOST))]
        payloads = [self._payloads.popleft() for _ in range(len(self._payloads))]
        batch, chunks = _chunks(taken)
        if (batch or payloads) and not self._failed:
            try:
                self._commit(chunks, payloads)
            except Exception as exc:  # whatever it is, the thread goes on with the other runs
                self._failed = True
                self._broken(
                    JournalError(
                        f"The run's journal `{self.path}` cannot be written: {exc}. What was on disk before stays; "
                        "make room, or set DSPEX_HOME to another folder or to `:memory:`, and resume or start again."
                    )
                )
        if batch:
            self._durable(batch)
        if batch or payloads:
            with self._written:
                self._done += len(batch)
                self._stored += len(payloads)
                self._written.notify_all()
        if len(taken) == MOST and self._queue:
            _writer.hurry()

    def release(self) -> None:
        """Close the file; on the writer's thread."""
        if self._db is not None:
            self._db.close()
            self._db = None
        self._released.set()

    def _commit(self, chunks: Sequence[Chunk], payloads: Sequence[tuple[str, bytes]]) -> None:
        import sqlite3

        if self._db is None:
            self._db = connect(self.path, write=True)
            self._db.executescript(SCHEMA)
        self._db.execute("begin immediate")
        try:
            self._db.executemany("insert or ignore into payloads values (?, ?)", payloads)
            self._db.executemany("insert into chunks values (?, ?, ?)", chunks)
        except sqlite3.Error:
            if self._db.in_transaction:  # a full disk has ended it already
                self._db.execute("rollback")
            raise
        self._db.execute("commit")


def _chunks(taken: Sequence[tuple[AnyEvent, Act | None]]) -> tuple[list[AnyEvent], list[Chunk]]:
    """Return the events as the disk can hold them, and the rows of the file that do."""
    batch: list[AnyEvent] = []
    chunks: list[Chunk] = []
    for begin in range(0, len(taken), CHUNK):
        part = taken[begin : begin + CHUNK]
        events, body = encode_lines([event for event, _ in part])
        batch.extend(events)
        chunks.append((events[-1].seq, body, encode_acts([act for _, act in part if act is not None])))
    return batch, chunks


class Watcher(Protocol):
    """Looks into a journal that another kernel writes."""

    def look(self) -> bool:
        """Take what is new; False once nothing more will come or nobody cares."""
        ...


class _Writer:
    """The one thread that writes all journals of the process, and looks into those of others that are followed."""

    def __init__(self) -> None:
        self.awake = False
        """Whether it is going to look at the queues anyway: cheaper to ask than to wake it once more."""
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._lock = threading.Lock()
        self._open: list[Journal] = []
        self._leaving: list[Journal] = []
        self._watchers: list[Watcher] = []
        self._look_at = 0.0
        self._running = False
        self._ident = 0
        self._inherited: list[sqlite3.Connection] = []

    def add(self, journal: Journal) -> None:
        with self._lock:
            self._open.append(journal)
            self._begin()
        self._wake.set()

    def watch(self, watcher: Watcher) -> None:
        with self._lock:
            if watcher not in self._watchers:
                self._watchers.append(watcher)
            self._begin()
        self._wake.set()

    def remove(self, journal: Journal) -> None:
        with self._lock:
            self._leaving.append(journal)
        self.hurry()

    def wake(self) -> None:
        """Have the writer look at the queues soon."""
        self.awake = True
        self._wake.set()

    def hurry(self) -> None:
        """Have the writer write what there is at once: somebody waits."""
        self._hurry.set()
        self.wake()

    def is_me(self) -> bool:
        """Tell whether this is the writer's own thread."""
        return threading.get_ident() == self._ident

    def forget(self) -> None:
        """Begin anew after a fork; the parent's files stay open here, unused: closing them could disturb it."""
        inherited = [*self._inherited, *(j._db for j in self._open if j._db is not None)]
        self.__init__()  # type: ignore[misc]  # the same object must start afresh, journals name it
        self._inherited = inherited

    def _begin(self) -> None:
        if not self._running:
            self._running = True
            _host.spawn("journal", self._serve)

    def _serve(self) -> None:
        self._ident = threading.get_ident()
        while True:
            self._wake.wait(LOOK if self._watchers else None)
            self._hurry.wait(GATHER)
            self._hurry.clear()
            self._wake.clear()
            self.awake = False  # who queues from here on wakes it again; what is queued already is seen below
            with self._lock:
                journals, leaving = list(self._open), self._leaving
                self._leaving = []
                self._open = [j for j in self._open if j not in leaving]
            for journal in journals:
                journal.write()
            for journal in leaving:
                journal.release()
            self._look()

    def _look(self) -> None:
        now = _clock.monotonic()
        if not self._watchers or now < self._look_at:
            return
        self._look_at = now + LOOK
        for watcher in list(self._watchers):
            if not watcher.look():
                with self._lock:
                    self._watchers.remove(watcher)


_writer = _Writer()
watch = _writer.watch
"""Have a watcher look until it says that it is done; on the journal's thread."""
_host.after_fork(_writer.forget)
