"""The journal's sqlite file: its tables, and reading it as far as it is whole.

A row of `chunks` is what one commit brought: its events as lines of JSON, and what acts gave in them. A row for each
event would cost several times as much, and the lock of the interpreter once each. Apart from the writer, because
most who look into a journal never write one: other kernels, reports, lists of runs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec

from dspex.errors import JournalError
from dspex.events.event import AnyEvent

if TYPE_CHECKING:
    import sqlite3

MEMORY = ":memory:"
"""The root of journals that are kept in this kernel's memory alone."""
SCHEMA = """
pragma journal_mode = wal;
pragma synchronous = full;
create table if not exists chunks (last integer primary key, events blob not null, acts blob not null);
create table if not exists payloads (ref text primary key, body blob not null) without rowid;
create table if not exists meta (key text primary key, value blob not null) without rowid;
insert or ignore into meta values ('format', '2');
"""
Act = tuple[bytes, bytes, bool]
"""Key, body, and whether it failed: what a costly act gave."""
_PATIENCE = 10.0
_lock = threading.Lock()
_anchors: dict[str, sqlite3.Connection] = {}  # after a fork unused: its folder is not listed there
"""One connection for each journal in memory, which is there as long as one is open."""


class DamagedJournalError(JournalError):
    """A part of the journal's file is lost; what comes before it can be read."""


def connect(path: Path, *, write: bool = False, shared: bool = False) -> sqlite3.Connection:
    """Open a journal's file.

    Args:
        path: the file; below `:memory:` it is no file.
        write: whether to write, and to make it where it is missing.
        shared: whether several threads will use the connection, one after another.
    """
    given: Any = {"isolation_level": None, "timeout": _PATIENCE, "check_same_thread": not shared}
    if in_memory(path):
        return _in_memory(path, given)
    if write:
        return _sqlite().connect(path, **given)  # type: ignore[no-any-return]  # the module is named late
    db: sqlite3.Connection = _sqlite().connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, **given)
    # Else a file that was cut short could not be read at all, whole as its beginning is.
    db.execute("pragma writable_schema = on")
    return db


def in_memory(path: Path) -> bool:
    """Tell whether a journal or a folder of runs is in this kernel's memory alone."""
    return str(path).startswith(MEMORY)


def exists(path: Path) -> bool:
    """Tell whether there is such a journal."""
    return str(path) in _anchors if in_memory(path) else path.is_file()


def drop(path: Path) -> None:
    """Let a journal in memory go."""
    with _lock:
        if (db := _anchors.pop(str(path), None)) is not None:
            db.close()


def read_events(path: Path, after: int = 0) -> Iterator[AnyEvent]:
    """Yield the events of a journal whose number is above `after`, as far as it is whole.

    Raises:
        DamagedJournalError: once all that is whole was yielded, where a part is lost.
        JournalError: the file is missing, no journal, or of a newer version.
    """
    seen = after
    query = "select last, events from chunks where last > ? order by last"
    for last, body in _rows(path, query, (after,), after):
        events = _events(path, body, seen)
        if not events or events[-1].seq != last or len(events) != last + 1 - events[0].seq:
            raise _damaged(path, seen, "an event is lost")
        if events[0].seq > seen + 1:
            raise _damaged(path, seen, "events are lost")
        yield from (event for event in events if event.seq > seen)
        seen = last


def read_last(path: Path) -> AnyEvent | None:
    """Return the last event of a journal without reading the others; None where there is none.

    Raises:
        JournalError: it is missing or not whole.
    """
    rows = list(_rows(path, "select last, events from chunks order by last desc limit ?", (1,), 0))
    events = _events(path, rows[0][1], 0) if rows else []
    return events[-1] if events else None


def decode_acts(body: bytes) -> list[Act]:
    """Return what the acts of a chunk gave.

    Raises:
        msgspec.MsgspecError: a part of it is lost.
    """
    return msgspec.msgpack.decode(body, type=list[Act]) if body else []


def encode_acts(acts: Sequence[Act]) -> bytes:
    """Return acts as a chunk holds them."""
    return msgspec.msgpack.encode(acts) if acts else b""


def read_payload(path: Path, ref: str) -> bytes:
    """Return a payload of a journal.

    Raises:
        JournalError: it is not there.
    """
    rows = list(_rows(path, "select ref, body from payloads where ref = ?", (ref,), 0))
    if not rows:
        raise JournalError(f"The journal `{path}` holds no payload `{ref}`.")
    return bytes(rows[0][1])


def read_payloads(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield all payloads of a journal by reference."""
    yield from ((str(ref), bytes(body)) for ref, body in _rows(path, "select ref, body from payloads", (), 0))


def _rows(path: Path, query: str, args: tuple[object, ...], last: int) -> Iterator[tuple[Any, Any]]:
    if not exists(path):
        raise JournalError(f"There is no journal `{path}`.")
    sqlite = _sqlite()
    try:
        with closing(connect(path)) as db:
            if db.execute("select 1 from sqlite_master where name = 'events'").fetchone():
                raise JournalError(f"The journal `{path}` was written by an older version of dspex.")
            for row in db.execute(query, args):
                last = row[0] if isinstance(row[0], int) else last
                yield row
    except sqlite.OperationalError as exc:
        if "no such table" in str(exc):
            return  # the process died before its first commit
        raise JournalError(f"The journal `{path}` cannot be read: {exc}") from None
    except sqlite.DatabaseError as exc:
        raise _damaged(path, last, str(exc)) from None


def _events(path: Path, body: object, seen: int) -> list[AnyEvent]:
    try:
        return _decoder().decode_lines(body)  # type: ignore[arg-type]  # what is no text is an error below
    except (msgspec.ValidationError, TypeError) as exc:
        if isinstance(body, bytes):
            raise JournalError(
                f"The journal `{path}` was written by another version of dspex: {exc}"
            ) from None
        raise _damaged(path, seen, "an event is lost") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _damaged(path, seen, "an event is cut off") from None


def _damaged(path: Path, last: int, what: str) -> DamagedJournalError:
    after = f" after event {last}" if last else ""
    return DamagedJournalError(f"The journal `{path}` is damaged{after}: {what}")


def _in_memory(path: Path, given: Any) -> sqlite3.Connection:
    uri = f"file:dspex{path.as_posix().removeprefix(MEMORY).replace('/', '-')}?mode=memory&cache=shared"
    with _lock:
        if str(path) not in _anchors:
            _anchors[str(path)] = _sqlite().connect(uri, uri=True, check_same_thread=False)
    db: sqlite3.Connection = _sqlite().connect(uri, uri=True, **given)
    db.execute("pragma read_uncommitted = on")  # a reader never waits for the writer, nor it for a reader
    return db


def _sqlite() -> ModuleType:
    import sqlite3  # not at the top: `import dspex` must stay fast

    return sqlite3


@cache
def _decoder() -> msgspec.json.Decoder[AnyEvent]:
    # Reading every kind's fields takes milliseconds, which a process that opens no journal need not spend.
    return msgspec.json.Decoder(AnyEvent)
