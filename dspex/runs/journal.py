"""The run's memory on disk: an append-only table in sqlite, one writer thread for all runs of the process.

Events are queued by the bus, committed in batches with a full sync, and only then handed on to what people see:
whatever was on the screen is on the disk, also after kill -9. Readers of other processes see every commit.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import msgspec

from dspex import _host
from dspex.errors import JournalError
from dspex.events.coding import encode
from dspex.events.event import LIVE_ONLY, AnyEvent, Event, kind_of

if TYPE_CHECKING:
    import sqlite3

ROOM = 20_000
"""Events that may wait for the disk before emitters are held."""
GATHER = 0.01
"""Seconds the writer gathers events before it commits: fewer syncs, nothing a person could notice."""
PATIENCE = 10.0
"""Seconds to wait for a slow disk."""
SCHEMA = """
pragma journal_mode = wal;
pragma synchronous = full;
create table if not exists events (seq integer primary key, kind text not null, body blob not null);
create table if not exists payloads (ref text primary key, body blob not null) without rowid;
create table if not exists meta (key text primary key, value blob not null) without rowid;
insert or ignore into meta values ('format', '1');
"""


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
        self._queue: deque[AnyEvent] = deque()
        self._payloads: deque[tuple[str, bytes]] = deque()
        self._written = threading.Condition()
        self._taken = self._done = 0
        self._failed = False
        self._released = threading.Event()
        self._db: sqlite3.Connection | None = None

    def take(self, event: AnyEvent) -> None:
        """Queue the event for the writer; under the bus's lock."""
        if event.run == self._run and not isinstance(event, LIVE_ONLY):
            self._taken += 1
            self._queue.append(event)
            _writer.wake()

    def wants(self, kind: type[Event]) -> bool:
        """All kinds but those for live listeners only."""
        return not issubclass(kind, LIVE_ONLY)

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
        self._payloads.append((ref, body))

    def flush(self, timeout: float = PATIENCE) -> bool:
        """Wait until all that was taken so far is on disk and handed on; False if that took too long."""
        target = self._taken
        _writer.wake()
        with self._written:
            return self._written.wait_for(lambda: self._done >= target, timeout)

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
        pairs = [encode(self._queue.popleft()) for _ in range(len(self._queue))]
        payloads = [self._payloads.popleft() for _ in range(len(self._payloads))]
        batch = [event for event, _ in pairs]
        if (batch or payloads) and not self._failed:
            try:
                self._commit(pairs, payloads)
            except _sqlite().Error as exc:
                self._failed = True
                self._broken(JournalError(f"The run's journal `{self.path}` cannot be written: {exc}"))
        if batch:
            self._durable(batch)
            with self._written:
                self._done += len(batch)
                self._written.notify_all()

    def release(self) -> None:
        """Close the file; on the writer's thread."""
        if self._db is not None:
            self._db.close()
            self._db = None
        self._released.set()

    def _commit(self, pairs: Sequence[tuple[AnyEvent, bytes]], payloads: Sequence[tuple[str, bytes]]) -> None:
        if self._db is None:
            self._db = _sqlite().connect(self.path, isolation_level=None)
            self._db.executescript(SCHEMA)
        rows = [(event.seq, kind_of(event), body) for event, body in pairs]
        self._db.execute("begin immediate")
        try:
            self._db.executemany("insert or ignore into payloads values (?, ?)", payloads)
            self._db.executemany("insert into events values (?, ?, ?)", rows)
        except _sqlite().Error:
            if self._db.in_transaction:  # a full disk has ended it already
                self._db.execute("rollback")
            raise
        self._db.execute("commit")


class _Writer:
    """The one thread that writes all journals of the process."""

    def __init__(self) -> None:
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._open: list[Journal] = []
        self._leaving: list[Journal] = []
        self._running = False
        self._ident = 0
        self._never = threading.Event()
        self._inherited: list[sqlite3.Connection] = []
        self.wake = self._wake.set

    def add(self, journal: Journal) -> None:
        with self._lock:
            self._open.append(journal)
            if not self._running:
                self._running = True
                _host.spawn("journal", self._serve)
        self._wake.set()

    def remove(self, journal: Journal) -> None:
        with self._lock:
            self._leaving.append(journal)
        self._wake.set()

    def is_me(self) -> bool:
        """Tell whether this is the writer's own thread."""
        return threading.get_ident() == self._ident

    def forget(self) -> None:
        """Begin anew after a fork; the parent's files stay open here, unused: closing them could disturb it."""
        inherited = [*self._inherited, *(j._db for j in self._open if j._db is not None)]
        self.__init__()  # type: ignore[misc]  # the same object must start afresh, journals name it
        self._inherited = inherited

    def _serve(self) -> None:
        self._ident = threading.get_ident()
        while True:
            self._wake.wait()
            self._never.wait(GATHER)
            self._wake.clear()
            with self._lock:
                journals, leaving = list(self._open), self._leaving
                self._leaving = []
                self._open = [j for j in self._open if j not in leaving]
            for journal in journals:
                journal.write()
            for journal in leaving:
                journal.release()


_writer = _Writer()
_host.after_fork(_writer.forget)


def read_events(path: Path, after: int = 0) -> Iterator[AnyEvent]:
    """Yield the events of a journal whose number is above `after`.

    Raises:
        JournalError: the file is missing, damaged, or of a newer version.
    """
    for _, body in _rows(path, "select seq, body from events where seq > ? order by seq", (after,)):
        try:
            yield _decoder().decode(body)
        except msgspec.MsgspecError as exc:
            raise JournalError(
                f"The journal `{path}` was written by another version of dspex: {exc}"
            ) from None


def read_payload(path: Path, ref: str) -> bytes:
    """Return a payload of a journal.

    Raises:
        JournalError: it is not there.
    """
    rows = _rows(path, "select ref, body from payloads where ref = ?", (ref,))
    if not rows:
        raise JournalError(f"The journal `{path}` holds no payload `{ref}`.")
    return bytes(rows[0][1])


def _rows(path: Path, query: str, args: tuple[object, ...]) -> list[tuple[object, bytes]]:
    if not path.exists():
        raise JournalError(f"There is no journal `{path}`.")
    try:
        with closing(_sqlite().connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as db:
            rows: list[tuple[object, bytes]] = db.execute(query, args).fetchall()
            return rows
    except _sqlite().OperationalError as exc:
        if "no such table" in str(exc):
            return []  # the process died before its first commit
        raise JournalError(f"The journal `{path}` cannot be read: {exc}") from None
    except _sqlite().DatabaseError as exc:
        raise JournalError(f"The journal `{path}` is damaged: {exc}") from None


def _sqlite() -> ModuleType:
    import sqlite3  # not at the top: `import dspex` must stay fast

    return sqlite3


@cache
def _decoder() -> msgspec.json.Decoder[AnyEvent]:
    # Reading every kind's fields takes milliseconds, which a process that opens no journal need not spend.
    return msgspec.json.Decoder(AnyEvent)
