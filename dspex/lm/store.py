"""Where answers are kept: memory bounded by bytes, and a folder that all processes of a person share.

The folder is diskcache's sqlite, with a Disk of our own that reads and writes JSON bytes and nothing else, so
that who can write the folder can at most plant a wrong answer, never run code. Nothing is thrown away silently.
"""

from __future__ import annotations

import math
import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from dspex.events.event import Log
from dspex.lm.flight import Flights
from dspex.lm.messages import Request, Response
from dspex.scope.scope import current

MEMORY_BYTES = 32 * 1024 * 1024
ENTRY_OVERHEAD = 600
"""Bytes one entry takes besides its texts."""
FOLDER = "lm"
_decoder = msgspec.json.Decoder(Response)


class Memory:
    """The answers used last, at most `limit` bytes and `entries` of them."""

    def __init__(self, limit: int = MEMORY_BYTES, entries: float = math.inf) -> None:
        self.limit = limit
        self.entries = entries
        self.size = 0
        self._entries: OrderedDict[str, tuple[int, Response]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Response | None:
        """Return the answer, or None."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            self._entries.move_to_end(key)
            return found[1]

    def put(self, key: str, response: Response, size: int) -> None:
        """Keep the answer, and let go of those unused for longest."""
        size += ENTRY_OVERHEAD
        if size > self.limit:
            return
        with self._lock:
            before = self._entries.pop(key, None)
            self.size += size - (before[0] if before is not None else 0)
            self._entries[key] = (size, response)
            while self.size > self.limit or len(self._entries) > self.entries:
                _, (freed, _) = self._entries.popitem(last=False)
                self.size -= freed

    def items(self) -> list[tuple[str, Response]]:
        """Return (key, answer) pairs, the one unused for longest first."""
        with self._lock:
            return [(key, response) for key, (_, response) in self._entries.items()]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._entries.clear()
            self.size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries


class Folder:
    """The answers on disk; opened at first use, given up with one warning where it does not work.

    Args:
        place: the folder above; ours is `lm` in it, readable by its owner alone.
    """

    def __init__(self, place: Path) -> None:
        self.path = place / FOLDER
        self._cache: Any = None
        self._given_up = False
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """Return the bytes kept under this key, or None."""
        if self._given_up:
            return None
        try:
            value = self._open().get(key)
        except ForeignEntryError:
            return None
        except (sqlite3.Error, OSError) as exc:
            self._give_up(exc)
            return None
        return value if isinstance(value, bytes) else None

    def put(self, key: str, value: bytes) -> None:
        """Keep the bytes; they are on disk when this returns."""
        if self._given_up:
            return
        from diskcache import Timeout

        try:
            self._open().set(key, value)
        except Timeout:
            # Another process holds the file for long: this answer is not kept, the next may be.
            return
        except (sqlite3.Error, OSError) as exc:
            self._give_up(exc)

    def close(self) -> None:
        """Close this thread's connection; the next use opens it again."""
        if self._cache is not None:
            self._cache.close()

    def _open(self) -> Any:
        if self._cache is None:
            with self._lock:
                if self._cache is None:
                    self._cache = _open_cache(self.path)
        return self._cache

    def _give_up(self, exc: Exception) -> None:
        with self._lock:
            told, self._given_up = self._given_up, True
        if not told:
            text = (
                f"The cache at {self.path} cannot be used ({exc}); answers are kept in memory only. "
                "Set DSPEX_CACHE_DIR to another folder, or move this one away."
            )
            current().emit(Log(level="warning", text=text))


class Store:
    """Both tiers as one: `get` and `put` by key, from any thread; and what is being asked right now.

    Args:
        folder: None to keep answers in memory only.
        memory: None for one of the usual size.
    """

    def __init__(self, folder: Folder | None = None, memory: Memory | None = None) -> None:
        self.folder = folder
        self.memory = Memory() if memory is None else memory
        self.flights: Flights[Response] = Flights()
        self.keyer: Callable[[Request], str] | None = None
        """A user's own way to tell which requests are the same."""

    def get(self, key: str) -> Response | None:
        """Return the answer kept under this key, marked as cached and free, or None."""
        response = self.memory.get(key)
        if response is not None or self.folder is None:
            return response
        raw = self.folder.get(key)
        if raw is None:
            return None
        try:
            response = _decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return self._remember(key, response, len(raw)) if response.choices else None

    def put(self, key: str, response: Response) -> None:
        """Keep an answer in both tiers."""
        plain = msgspec.structs.replace(response, cost=None, cached=False)
        raw = msgspec.json.encode(plain)
        self._remember(key, plain, len(raw))
        if self.folder is not None:
            self.folder.put(key, raw)

    def _remember(self, key: str, response: Response, size: int) -> Response:
        response = msgspec.structs.replace(response, cost=0.0, cached=True)
        self.memory.put(key, response, size)
        return response


class ForeignEntryError(ValueError):
    """An entry of the folder was not written by us."""


replaced: Store | None = None
"""The store that `dspex.cache = ...` put in place of the usual one."""


def default_store() -> Store:
    """Return the store of this process: at DSPEX_CACHE_DIR, or where the system keeps caches."""
    return replaced if replaced is not None else store_at(os.environ.get("DSPEX_CACHE_DIR", ""))


@lru_cache(maxsize=16)
def store_at(place: str) -> Store:
    """Return the one store of a folder; "" for the system's place. Nothing is opened yet."""
    if not place:
        import platformdirs

        place = platformdirs.user_cache_dir("dspex", appauthor=False)
    return Store(Folder(Path(place).expanduser()))


def _open_cache(path: Path) -> Any:
    import diskcache

    _make_private(path)
    return diskcache.Cache(
        str(path), timeout=10, disk=_json_disk(), eviction_policy="none", cull_limit=0, statistics=0,
        # Everything in the one sqlite file: no value is ever a file of its own.
        disk_min_file_size=2**40,
    )  # fmt: skip


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
            return 0, MODE_RAW, None, sqlite3.Binary(value)

        def fetch(self, mode: int, filename: str | None, value: object, read: bool) -> object:
            if mode != MODE_RAW or not isinstance(value, bytes):
                raise ForeignEntryError("a stored value is no bytes")
            return value

    return JSONBytes
