"""Making a journal ready for another life: acts put in order, and a damaged file written anew from what is whole.

The damaged file is put aside, never thrown away. Only who owns the run may come here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from dspex.errors import JournalError
from dspex.runs.file import SCHEMA, Act, connect, decode_acts, in_memory

if TYPE_CHECKING:
    import sqlite3

_TABLES = (
    (
        "select last, events, acts from chunks where last <= ? order by last",
        "insert or ignore into chunks values (?, ?, ?)",
    ),
    (
        "select last, key, body, failed from steps where last <= ? order by rowid",
        "insert into steps values (?, ?, ?, ?)",
    ),
    ("select ref, body from payloads where ? >= 0", "insert or ignore into payloads values (?, ?)"),
)
_STEPS = "create table if not exists steps (last integer, key blob not null, body blob, failed integer)"
_INDEX = "create index if not exists steps_by_key on steps (key)"
"""Only a resumed run looks acts up, so only then are they taken out of their chunks and put in order."""
_AT_ONCE = 500
"""Chunks that are taken apart in one commit."""
_FILES = ("", "-wal", "-shm")


def prepare(path: Path) -> str:
    """Put the acts of a whole journal in order; return what of them is lost, "" where nothing is.

    Raises:
        JournalError: it cannot be written.
    """
    import sqlite3

    try:
        with closing(connect(path, write=True)) as db:
            db.execute(_STEPS)
            full = [
                row[0] for row in db.execute("select last from chunks where length(acts) > 0 order by last")
            ]
            lost = 0
            for begin in range(0, len(full), _AT_ONCE):
                db.execute("begin immediate")
                lost += sum(not _take_apart(db, last) for last in full[begin : begin + _AT_ONCE])
                db.execute("commit")
            db.execute(_INDEX)
    except sqlite3.Error as exc:
        raise JournalError(f"The run's journal `{path}` cannot be written: {exc}") from None
    return f"what acts gave is lost in {lost} of {len(full)} parts, they are done again" if lost else ""


def _take_apart(db: sqlite3.Connection, last: int) -> bool:
    """Move the acts of a chunk to where they are looked up; False where they are not whole."""
    acts: list[Act] = []
    whole = True
    (body,) = db.execute("select acts from chunks where last = ?", (last,)).fetchone()
    try:
        acts = decode_acts(body)
    except msgspec.MsgspecError:
        whole = False
    db.executemany("insert into steps values (?, ?, ?, ?)", [(last, *act) for act in acts])
    db.execute("update chunks set acts = x'' where last = ?", (last,))
    return whole


def mend(path: Path, last: int) -> Path:
    """Write a journal anew from what is whole of it up to event `last`; return where the damaged one is now.

    Raises:
        JournalError: the disk has no room for it.
    """
    import sqlite3

    assert not in_memory(path), "what is in memory is never cut off"
    fresh = path.with_name("mending.sqlite")
    _unlink(fresh)
    try:
        with closing(connect(fresh, write=True)) as db:
            db.executescript(SCHEMA)
            db.execute(_STEPS)
            db.execute("begin")
            for query, insert in _TABLES:
                for row in _whole(path, query, last):
                    db.execute(insert, row)
            db.execute("commit")
        aside = next(a for n in range(1, 10**6) if not (a := path.with_name(f"damaged-{n}.sqlite")).exists())
        for ending in _FILES:
            if (old := path.with_name(path.name + ending)).exists():
                old.rename(aside.with_name(aside.name + ending))
        fresh.rename(path)
    except (sqlite3.Error, OSError) as exc:
        _unlink(fresh)
        raise JournalError(f"The journal `{path}` is damaged and cannot be written anew: {exc}") from None
    return aside


def _whole(path: Path, query: str, last: int) -> Iterator[tuple[Any, ...]]:
    import sqlite3

    try:
        with closing(connect(path)) as db:
            for row in db.execute(query, (last,)):
                if None in row:
                    return  # a page that was cut off is read as zeros
                yield row
    except sqlite3.DatabaseError:
        return  # what comes after is lost


def _unlink(path: Path) -> None:
    for ending in _FILES:
        path.with_name(path.name + ending).unlink(missing_ok=True)
