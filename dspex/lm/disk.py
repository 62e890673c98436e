"""The one sqlite file of answers: opened as diskcache's, for JSON bytes only, and put aside where it is broken.

Here is how the file is read and written; `folder.py` decides when. A Disk of our own refuses everything but bytes,
so that who can write the file can at most plant a wrong answer, never run code.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex import _clock

if TYPE_CHECKING:
    import sqlite3

FILE = "cache.db"
BUSY_SECONDS = 10.0
"""How long one try waits for another process that is writing."""
TOUCH_SECONDS = 86_400.0
"""How old the note of an answer's last use may be before a new use is written down."""
_BUSY = (5, 6)
_BROKEN = (11, 26)
"""sqlite's codes: the file is damaged, or was never a database."""
_PUT = """
insert into Cache (key, raw, store_time, access_time, size, mode, value) values (?, 1, ?, ?, ?, 1, ?)
on conflict (key, raw) do update set
  store_time = excluded.store_time, access_time = excluded.access_time, expire_time = null, filename = null,
  size = excluded.size, mode = 1, value = excluded.value
"""
_TOUCH = "update Cache set access_time = ? where key = ? and raw = 1 and access_time < ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed from the file, and what is left of it.

    Attributes:
        entries, bytes: how many answers went, and by how much the file shrank.
        left, left_bytes: how many answers stay, and the bytes that they take.
    """

    entries: int
    bytes: int
    left: int
    left_bytes: int


class Disk:
    """The file, open; every method may raise `sqlite3.Error` or `OSError`.

    Args:
        folder: where the file is; made, and closed to all others, where needed.
    """

    def __init__(self, folder: Path) -> None:
        import diskcache

        _make_private(folder)
        self.path = folder / FILE
        self._cache: Any = diskcache.Cache(
            str(folder), timeout=BUSY_SECONDS, disk=_json_disk(), eviction_policy="none", cull_limit=0,
            statistics=0, size_limit=2**62,
            # A file cut short by somebody else must be an error that can be met, not the end of the process.
            sqlite_mmap_size=0,
            # Everything in the one sqlite file: no value is ever a file of its own.
            disk_min_file_size=2**40,
        )  # fmt: skip
        self.number = number_of(self.path)
        """Which file this is, whatever its name becomes."""

    @property
    def moved(self) -> bool:
        """Whether the file is gone from its place, or another one is there now."""
        return number_of(self.path) != self.number

    def get(self, key: str) -> bytes | None:
        """Return the bytes kept under this key, or None."""
        try:
            value = self._cache.get(key)
        except ForeignEntryError:
            return None
        return value if isinstance(value, bytes) else None

    def write(self, entries: Mapping[str, bytes], used: Collection[str] = ()) -> None:
        """Keep all entries, and note that others were used, in one commit."""
        now = _clock.now()
        rows = [(key, now, now, len(value), value) for key, value in entries.items()]
        con = self._connection()
        con.execute("begin immediate")
        try:
            con.executemany(_PUT, rows)
            con.executemany(_TOUCH, [(now, key, now - TOUCH_SECONDS) for key in used])
            con.execute("commit")
        finally:
            if con.in_transaction:
                con.rollback()

    def count(self) -> int:
        """Return how many answers there are."""
        return int(self._connection().execute("select count(*) from Cache").fetchone()[0])

    def size(self) -> int:
        """Return the bytes the file takes, with what waits beside it to be merged into it."""
        return sum(_size_of(Path(f"{self.path}{tail}")) for tail in ("", "-wal"))

    def pages(self) -> int:
        """Return the bytes that answers take in the file."""
        con = self._connection()
        whole, free, page = (
            con.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )  # fmt: skip
        return int((whole - free) * page)

    def prune(self, keep_bytes: float, before: float) -> Pruned:
        """Remove what was last used before a time, then what was unused for longest until the rest fits.

        Args:
            keep_bytes: what the answers may take in the file.
            before: seconds since 1970.
        """
        con, count, size = self._connection(), self.count(), self.pages()
        con.execute("begin immediate")
        try:
            con.execute("delete from Cache where access_time < ?", (before,))
            if self.pages() > keep_bytes:
                _shrink(con, lambda: self.pages() > keep_bytes)
            con.execute("commit")
        finally:
            if con.in_transaction:
                con.rollback()
        con.execute("pragma wal_checkpoint(truncate)").fetchall()
        left, bytes_left = self.count(), self.pages()
        return Pruned(entries=count - left, bytes=max(0, size - bytes_left), left=left, left_bytes=bytes_left)

    def close(self) -> None:
        """Close this thread's connection; the next use opens it again."""
        self._cache.close()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = self._cache._con
        return connection


class ForeignEntryError(ValueError):
    """An entry of the file was not written by us."""


def is_busy(error: Exception) -> bool:
    """Tell whether another process held the file for too long."""
    return _code(error) in _BUSY


def is_broken(error: Exception) -> bool:
    """Tell whether the file itself is damaged."""
    return _code(error) in _BROKEN


def put_aside(path: Path, number: int) -> Path | None:
    """Rename a broken file, so that a new one can take its place; None where another process did so already.

    Args:
        path: the file.
        number: which file is broken; another one at this place is left alone.
    """
    from filelock import FileLock

    with FileLock(path.with_suffix(".lock"), timeout=BUSY_SECONDS):
        if number_of(path) != number:
            return None
        aside = path.with_name(f"{path.stem}.broken-{time.time_ns()}{path.suffix}")
        # What belongs to a file goes before it: a new one must never find the old one's unmerged pages.
        for tail in ("-wal", "-shm", ""):
            part = Path(f"{path}{tail}")
            if part.exists():
                part.rename(f"{aside}{tail}")
        return aside


def _shrink(con: sqlite3.Connection, too_large: Callable[[], bool]) -> None:
    rows = con.execute("select rowid from Cache order by access_time, rowid").fetchall()
    # To look after each row would take longer than removing it; a two-hundredth too much is no loss.
    step = max(1, len(rows) // 200)
    for start in range(0, len(rows), step):
        con.executemany("delete from Cache where rowid = ?", rows[start : start + step])
        if not too_large():
            return


def _code(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def number_of(path: Path) -> int:
    """Return which file this is, whatever its name becomes; -1 where there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return -1


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _make_private(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not hasattr(os, "getuid"):
        return
    status = path.stat()
    if status.st_uid != os.getuid():
        raise PermissionError("it belongs to another user")
    if status.st_mode & 0o077:
        path.chmod(0o700)


@lru_cache(maxsize=1)
def _json_disk() -> type:
    import sqlite3

    import diskcache
    from diskcache.core import MODE_RAW

    class JSONBytes(diskcache.Disk):  # type: ignore[misc]  # diskcache ships no types
        """Text keys and bytes values; everything else, above all a pickle, is refused both ways."""

        def put(self, key: object) -> tuple[object, bool]:
            if type(key) is not str:
                raise ForeignEntryError(f"a key is text, not `{type(key).__name__}`")
            return key, True

        def get(self, key: object, raw: bool) -> object:
            if not raw:
                raise ForeignEntryError("a stored key is no text")
            return key

        def store(self, value: object, read: bool, key: object = None) -> tuple[int, int, None, object]:
            if type(value) is not bytes:
                raise ForeignEntryError(f"a value is bytes, not `{type(value).__name__}`")
            return len(value), MODE_RAW, None, sqlite3.Binary(value)

        def fetch(self, mode: int, filename: str | None, value: object, read: bool) -> object:
            if mode != MODE_RAW or not isinstance(value, bytes):
                raise ForeignEntryError("a stored value is no bytes")
            return value

    return JSONBytes
