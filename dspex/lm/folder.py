"""When answers reach the disk: gathered for a moment, then written in one commit by one thread.

Whoever keeps an answer waits for no disk, and whoever looks finds it at once, written or not. A file that is
broken is renamed and a new one begun; a folder that cannot be used at all is given up with one warning.
"""

from __future__ import annotations

import atexit
import contextvars
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar
from weakref import WeakSet

from dspex import _host
from dspex.errors import SettingsError
from dspex.events.event import Log
from dspex.lm.disk import FILE, Disk, Pruned, is_broken, is_busy, number_of, put_aside
from dspex.scope.scope import Scope, current

T = TypeVar("T")
FOLDER = "lm"
GATHER = 0.02
"""Seconds the writer gathers answers before it commits."""
LINGER = 1.0
"""Seconds the writer's thread waits for more before it ends."""
PATIENCE = 30.0
"""Seconds to wait for a slow disk."""
CROWDED = 32 * 1024 * 1024
"""Bytes that may wait for the disk before whoever brings more should wait."""
TRIES = 3
"""How often in a row another process may keep us waiting, or a file may break, before the folder is given up."""
_MOST_USED = 10_000


class Folder:
    """The answers on disk; opened at first use, given up with one warning where it does not work.

    Args:
        place: the folder above; ours is `lm` in it, readable by its owner alone.
        limit: bytes the answers may take, those unused for longest go first; None for no limit.
    """

    def __init__(self, place: Path, *, limit: int | None = None) -> None:
        self.path = place / FOLDER
        self.limit = limit
        self._disk: Disk | None = None
        self._inherited: list[Disk | None] = []
        self._given_up = False
        self._ending = False
        self._begin()
        _folders.add(self)

    def _begin(self) -> None:
        self._opening = threading.RLock()
        self._writes = threading.Lock()
        self._changed = threading.Condition()
        self._queued: dict[str, bytes] = {}
        self._writing: dict[str, bytes] = {}
        self._used: set[str] = set()
        self._waiting = 0
        self._taken = self._done = 0
        self._serving = self._told_of_limit = False
        self._busy = self._mends = self._tried = 0
        self._scope: Scope | None = None

    def forget(self) -> None:
        """Begin anew after a fork: what waited is the parent's to write, and its connections are never used here."""
        self._inherited.append(self._disk)
        self._disk = None
        self._begin()

    # ------------------------------------------------------------------------------------ reading and writing

    def get(self, key: str) -> bytes | None:
        """Return the bytes kept under this key, on disk or on their way there; None where there are none."""
        waiting = self._queued.get(key) or self._writing.get(key)
        if waiting is not None or self._given_up or not _can_be_stored(key):
            return waiting
        found = self._do(lambda disk: disk.get(key), None)
        if found is not None and len(self._used) < _MOST_USED:
            self._used.add(key)
        return found

    def put(self, key: str, value: bytes) -> None:
        """Have the bytes written soon; `flush` waits until they are."""
        if self._given_up or not _can_be_stored(key):
            return
        with self._changed:
            self._queued[key] = value
            self._waiting += len(value)
            self._taken += 1
            self._scope = current()
            start = not (self._serving or self._ending)
            self._serving |= start
            if len(self._queued) == 1:
                self._changed.notify_all()
        if start:
            self._start()
        elif self._ending:
            self._write()

    @property
    def given_up(self) -> bool:
        """Whether it cannot be used: what is brought is kept by nobody."""
        return self._given_up

    @property
    def crowded(self) -> bool:
        """Whether the disk lags behind so far that who brings more should `flush` first."""
        return self._waiting > CROWDED

    def flush(self, timeout: float = PATIENCE) -> bool:
        """Wait until all that was kept so far is on disk; False if the disk was too slow, or could not be used."""
        target, end = self._taken, time.monotonic() + timeout
        while self._done < target and not self._given_up and time.monotonic() < end:
            self._write(max(0.0, end - time.monotonic()))
        return self._done >= target and not self._given_up

    def close(self) -> None:
        """Write what waits, and close this thread's connection; the next use opens it again."""
        self.flush()
        if self._disk is not None:
            self._disk.close()

    def end(self) -> None:
        """Write what waits; from now on every answer is written where it comes from, for the process ends."""
        self._ending = True
        self.flush(PATIENCE / 3)
        self._write(PATIENCE / 3)
        if self._disk is not None:
            self._disk.close()

    # ------------------------------------------------------------------------------------ looking after it

    def info(self) -> tuple[int, int]:
        """Return how many answers there are and the bytes they take; makes nothing that is not there."""
        self.flush()
        if not (self.path / FILE).exists():
            return 0, 0
        return self._do(lambda disk: (disk.count(), disk.size()), (0, 0))

    def prune(self, keep_bytes: float, before: float) -> Pruned:
        """Remove what was last used before a time, and what was unused for longest until the rest fits.

        Raises:
            SettingsError: the folder cannot be used.
        """
        nothing = Pruned(entries=0, bytes=0, left=0, left_bytes=0)
        self._write()
        there = (self.path / FILE).exists()
        done = self._do(lambda disk: disk.prune(keep_bytes, before), nothing) if there else nothing
        if self._given_up:
            raise SettingsError(f"The cache at {self.path} cannot be used, so nothing was removed.")
        return done

    # ------------------------------------------------------------------------------------ the writer

    def _start(self) -> None:
        try:
            # An empty context: the writer outlives the run that happened to bring the first answer.
            contextvars.Context().run(_host.spawn, "cache", self._serve)
        except BaseException:  # Ctrl-C, or the process is ending: the next answer tries again
            self._serving = False
            raise

    def _serve(self) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: bool(self._queued), LINGER):
                    self._serving = False
                    break
                # More may come while we wait, and whoever is in a hurry writes it without us.
                self._changed.wait_for(lambda: not self._queued, GATHER)
            self._write()
        if self._disk is not None:
            self._disk.close()

    def _write(self, timeout: float = PATIENCE) -> None:
        """Commit what is queued; where another process holds the file, it stays queued."""
        if not self._writes.acquire(timeout=timeout):
            return
        try:
            with self._changed:
                batch, self._writing, self._queued = self._queued, self._queued, {}
                used, self._used, taken = self._used, set(), self._taken
            if not batch and not used:
                return
            if self._disk is not None and self._disk.moved:
                self._disk = None  # sqlite would go on writing into a file that somebody deleted
            written = False
            try:
                written = self._do(lambda disk: self._commit(disk, batch, used), False)
            finally:
                # Whatever happens here, nobody waits for ever.
                with self._changed:
                    again = not written and not self._given_up
                    if again:
                        self._queued = {**batch, **self._queued}
                    self._writing = {}
                    self._waiting = sum(map(len, self._queued.values()))
                    self._done = self._done if again else taken
                    self._changed.notify_all()
        finally:
            self._writes.release()

    def _commit(self, disk: Disk, batch: dict[str, bytes], used: Collection[str]) -> bool:
        disk.write(batch, used)
        self._busy = 0
        if self.limit is not None and disk.pages() > self.limit:
            gone = disk.prune(0.9 * self.limit, 0.0)
            if not self._told_of_limit:
                self._told_of_limit = True
                self._tell(
                    f"The cache at {self.path} reached its limit of {self.limit:,} bytes; the {gone.entries} answers "
                    "unused for longest were removed, and more will be. `configure_cache` sets the limit."
                )
        return True

    # ------------------------------------------------------------------------------------ failures

    def _do(self, act: Callable[[Disk], T], otherwise: T) -> T:
        """Do something with the file; where it fails, mend what can be mended and try once more."""
        import sqlite3

        for _ in range(2):
            if self._given_up:
                break
            disk = None
            try:
                disk = self._open()
                return act(disk)
            except (sqlite3.Error, OSError) as exc:
                if not self._mended(exc, disk):
                    break
        return otherwise

    def _open(self) -> Disk:
        disk = self._disk
        if disk is None:
            with self._opening:
                self._tried = number_of(self.path / FILE)
                disk = self._disk = self._disk or Disk(self.path)
        return disk

    def _mended(self, exc: Exception, disk: Disk | None) -> bool:
        """Tell whether it is worth trying again at once; give the folder up where nothing helps."""
        with self._opening:
            if disk is not None and self._disk is not disk:
                return True  # another thread has mended it meanwhile
            if is_busy(exc):
                self._busy += 1
                if self._busy >= TRIES:
                    self._give_up(exc)
                return False
            self._mends += 1
            if self._mends <= TRIES and disk is not None and disk.moved:
                self._disk = None
                return True
            if self._mends <= TRIES and is_broken(exc):
                return self._renew(self._tried if disk is None else disk.number)
            self._give_up(exc)
            return False

    def _renew(self, number: int) -> bool:
        self._disk = None
        try:
            aside = put_aside(self.path / FILE, number)
        except OSError as exc:
            self._give_up(exc)
            return False
        if aside is not None:
            self._tell(
                f"The cache file {self.path / FILE} is damaged; it was renamed to `{aside.name}` and a new one begun, "
                "so earlier answers will be asked for again. Delete the renamed file if you do not want to mend it."
            )
        return True

    def _give_up(self, exc: Exception) -> None:
        told, self._given_up = self._given_up, True
        if not told:
            self._tell(
                f"The cache at {self.path} cannot be used ({exc}); answers are kept in memory only. "
                "Set DSPEX_CACHE_DIR to another folder, or move this one away."
            )

    def _tell(self, text: str) -> None:
        (self._scope or current()).emit(Log(level="warning", text=text))


def _can_be_stored(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:  # a user's own key that holds half a character: memory keeps it
        return False
    return True


_folders: WeakSet[Folder] = WeakSet()
"""All folders of the process, for its end and for its forks."""


def _end() -> None:
    for folder in list(_folders):
        folder.end()


def _forget() -> None:
    for folder in list(_folders):
        folder.forget()


atexit.register(_end)
_host.after_fork(_forget)
