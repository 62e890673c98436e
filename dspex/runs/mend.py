"""Making a journal ready for another life: acts put in order, and a damaged file written anew from what is whole.

The damaged file is put aside, never thrown away. Only who owns the run may come here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from dspex.errors import JournalError
from dspex.runs.file import SCHEMA, connect, in_memory

_TABLES = (
    (
        "select seq, kind, body from events where seq <= ? order by seq",
        "insert or ignore into events values (?, ?, ?)",
    ),
    (
        "select seq, key, body, failed from steps where seq <= ? order by seq",
        "insert or ignore into steps values (?, ?, ?, ?)",
    ),
    ("select ref, body from payloads where ? >= 0", "insert or ignore into payloads values (?, ?)"),
)
_INDEX = "create index if not exists steps_by_key on steps (key)"
"""Only a resumed run looks acts up, so only then are they put in order."""
_FILES = ("", "-wal", "-shm")


def prepare(path: Path) -> None:
    """Put the acts of a whole journal in order.

    Raises:
        JournalError: it cannot be written.
    """
    import sqlite3

    try:
        with closing(connect(path, write=True)) as db:
            db.executescript(SCHEMA)  # an older version's journal has no acts
            db.execute(_INDEX)
    except sqlite3.Error as exc:
        raise JournalError(f"The run's journal `{path}` cannot be written: {exc}") from None


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
