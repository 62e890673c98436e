"""Where answers are kept: memory bounded by bytes, and a folder that all processes of a person share.

A look finds an answer in memory, else on disk; what is new goes to both, and reaches the disk a moment later
(`folder.py`). Nothing is thrown away silently.
"""

from __future__ import annotations

import math
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

import msgspec

from dspex import _clock, _host
from dspex.errors import SettingsError
from dspex.lm.flight import Flights
from dspex.lm.messages import Request, Response

if TYPE_CHECKING:
    from dspex.lm.disk import Pruned
    from dspex.lm.folder import Folder

__all__ = ["ENTRY_OVERHEAD", "CacheInfo", "Memory", "Store", "default_store", "store_at"]
MEMORY_BYTES = 32 * 1024 * 1024
ENTRY_OVERHEAD = 600
"""Bytes one entry takes besides its texts."""
_decoder = msgspec.json.Decoder(Response)
_locked: WeakSet[Memory | Used] = WeakSet()
"""Whatever has a lock, for forks."""


class Memory:
    """The answers used last, at most `limit` bytes and `entries` of them."""

    def __init__(self, limit: int = MEMORY_BYTES, entries: float = math.inf) -> None:
        self.limit = limit
        self.entries = entries
        self.size = 0
        self.hits = 0
        """How often an answer was found here."""
        self._entries: OrderedDict[str, tuple[int, Response]] = OrderedDict()
        self._lock = threading.Lock()
        _locked.add(self)

    def get(self, key: str) -> Response | None:
        """Return the answer, or None."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            self._entries.move_to_end(key)
            self.hits += 1
            return found[1]

    def peek(self, key: str) -> Response | None:
        """Return the answer, or None, without counting it as a use."""
        found = self._entries.get(key)
        return None if found is None else found[1]

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

    def forget_lock(self) -> None:
        """Take a new lock after a fork: the thread that held the old one is not in the child."""
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries


class Used:
    """Which answers this process has used: 32 bytes each, however many there are.

    Noted where an answer enters memory, so that finding it there again costs nothing.
    """

    def __init__(self) -> None:
        self._digests = bytearray()
        self._others: dict[str, None] = {}
        self._room = 1 << 20
        self._lock = threading.Lock()
        _locked.add(self)

    def add(self, key: str) -> None:
        """Note a key; one of ours is a SHA-256 in hex, a user's own may be any text."""
        try:
            digest = bytes.fromhex(key)
        except ValueError:
            digest = b""
        if len(digest) != 32 or digest.hex() != key:
            self._others[key] = None
            return
        with self._lock:
            self._digests += digest
            if len(self._digests) > self._room:  # what memory let go of and took in again is noted twice
                self._digests = bytearray(b"".join(dict.fromkeys(self._each())))
                self._room = max(self._room, 2 * len(self._digests))

    def forget_lock(self) -> None:
        """Take a new lock after a fork."""
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[str]:
        yield from list(self._others)
        for digest in dict.fromkeys(self._each()):
            yield digest.hex()

    def _each(self) -> list[bytes]:
        noted = bytes(self._digests)
        return [noted[at : at + 32] for at in range(0, len(noted) - 31, 32)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheInfo:
    """What a cache holds and how often it helped.

    Attributes:
        folder: where answers are on disk; "" where they are in memory only.
        entries, bytes: how many answers are on disk, and what the file takes.
        in_memory, memory_bytes: how many of them are in memory, and about what they take there.
        hits, misses: how often this process found an answer, and how often it had to ask.
    """

    folder: str
    entries: int
    bytes: int
    in_memory: int
    memory_bytes: int
    hits: int
    misses: int

    def __repr__(self) -> str:
        from dspex.lm.amounts import show_bytes

        disk = f"{self.entries:,} answers, {show_bytes(self.bytes)} at {self.folder}, " if self.folder else ""
        return (
            f"<{disk}{self.in_memory:,} in memory ({show_bytes(self.memory_bytes)}), "
            f"{self.hits:,} hits, {self.misses:,} misses>"
        )


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
        self.used = Used()
        self.keyer: Callable[[Request], str] | None = None
        """A user's own way to tell which requests are the same."""
        self._found = 0
        self._missed = 0

    def get(self, key: str) -> Response | None:
        """Return the answer kept under this key, marked as cached and free, or None."""
        response = self.memory.get(key)
        if response is not None:
            return response
        raw = None if self.folder is None else self.folder.get(key)
        response = None if raw is None else _read(raw)
        if raw is None or response is None:
            self._missed += 1
            return None
        self._found += 1
        return self._remember(key, response, len(raw))

    def put(self, key: str, response: Response) -> bool:
        """Keep an answer in both tiers; tell whether so much waits for the disk that one should `flush`."""
        plain = msgspec.structs.replace(response, cost=None, cached=False, seconds=0.0)
        raw = msgspec.json.encode(plain)
        self._remember(key, plain, len(raw))
        if self.folder is None:
            return False
        self.folder.put(key, raw)
        return self.folder.crowded

    def add(self, key: str, response: Response) -> bool:
        """Keep an answer that came from elsewhere, unless there is one; tell whether it is new here."""
        if key in self.memory or (self.folder is not None and self.folder.get(key) is not None):
            return False
        raw = msgspec.json.encode(msgspec.structs.replace(response, cost=None, cached=False, seconds=0.0))
        if self.folder is None or self.folder.given_up:
            marked = msgspec.structs.replace(response, cost=0.0, cached=True)
            self.memory.put(key, marked, len(raw))
        else:
            self.folder.put(key, raw)
        return True

    def kept(self, key: str) -> Response | None:
        """Return an answer as `get` does, without counting it as a use."""
        found = self.memory.peek(key)
        raw = None if found is not None or self.folder is None else self.folder.get(key)
        return found if raw is None else _read(raw)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until every answer kept so far is on disk; False if that took too long or there is no disk."""
        if self.folder is None:
            return False
        return self.folder.flush() if timeout is None else self.folder.flush(timeout)

    def prune(self, keep_bytes: float = math.inf, older_than: float = math.inf) -> Pruned:
        """Remove what was unused for `older_than` seconds, and what was unused for longest until the rest fits.

        Raises:
            SettingsError: the folder cannot be used.
        """
        # Memory is emptied, or it would go on answering from what was removed; it fills again from the disk.
        self.memory.clear()
        from dspex.lm.disk import Pruned

        if self.folder is None:
            return Pruned(entries=0, bytes=0, left=0, left_bytes=0)
        return self.folder.prune(keep_bytes, _clock.now() - older_than)

    def info(self) -> CacheInfo:
        """Return what is kept where, and how often it was of use."""
        entries, size = (0, 0) if self.folder is None else self.folder.info()
        return CacheInfo(
            folder="" if self.folder is None else str(self.folder.path), entries=entries, bytes=size,
            in_memory=len(self.memory), memory_bytes=self.memory.size, hits=self.memory.hits + self._found,
            misses=self._missed,
        )  # fmt: skip

    def _remember(self, key: str, response: Response, size: int) -> Response:
        response = msgspec.structs.replace(response, cost=0.0, cached=True)
        self.used.add(key)
        self.memory.put(key, response, size)
        return response


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
    from dspex.lm.folder import Folder  # a process that keeps no answers needs none

    try:
        return Store(Folder(Path(place).expanduser()))
    except RuntimeError as exc:
        raise SettingsError(f"DSPEX_CACHE_DIR is `{place}`, which is no folder: {exc}") from None


def _read(raw: bytes) -> Response | None:
    try:
        response = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return response if response.choices or response.vectors else None


def _forget() -> None:
    for one in list(_locked):
        one.forget_lock()


_host.after_fork(_forget)
