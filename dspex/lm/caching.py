"""DSPy's face of the answers that are kept: `configure_cache`, and the cache object that `dspex.cache` is.

Behind it stands a `Store` (memory and a folder). Setting `dspex.cache` puts another store in the place of the usual
one, for every model of the process.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from dspex import _canon
from dspex.errors import DataError, SettingsError
from dspex.lm import exchange
from dspex.lm import store as _store
from dspex.lm.amounts import read_bytes, read_seconds
from dspex.lm.cache import VERSION
from dspex.lm.disk import Pruned
from dspex.lm.folder import Folder
from dspex.lm.forms import form_of_message
from dspex.lm.messages import Choice, Request, Response
from dspex.lm.store import CacheInfo, Memory, Store

_VALUE = "dspex/value"
"""What stands in place of a model's name where a user's own value is kept."""


class Cache:
    """Answers kept in memory and in a folder, by what was asked; assign one to `dspex.cache` to use it.

    Override `cache_key` to decide which requests are the same.

    Args:
        enable_disk_cache, enable_memory_cache: which of the two tiers there are.
        disk_cache_dir: the folder; None for the usual one.
        disk_size_limit_bytes: what the folder's answers may take; those unused for longest go first, and you are told
            when they do. None, the usual, throws nothing away that was paid for; `prune` does when you say so.
        memory_max_entries: how many answers memory holds; it is bounded by bytes as well.
        restrict_pickle, safe_types: accepted as in DSPy; nothing is ever pickled or unpickled.

    Example:
        >>> cache = Cache(enable_disk_cache=False)
        >>> cache.put({"model": "m", "prompt": "Which colour?"}, ["blue"])
        >>> cache.get({"model": "m", "prompt": "Which colour?"})
        ['blue']
    """

    def __init__(
        self,
        enable_disk_cache: bool = True,
        enable_memory_cache: bool = True,
        disk_cache_dir: str | os.PathLike[str] | None = None,
        disk_size_limit_bytes: int | None = None,
        memory_max_entries: float = 1_000_000,
        restrict_pickle: bool = False,
        safe_types: Sequence[type] | None = None,
    ) -> None:
        self.enable_disk_cache = bool(enable_disk_cache)
        self.enable_memory_cache = bool(enable_memory_cache)
        self.disk_cache_dir = str(disk_cache_dir) if disk_cache_dir is not None else str(usual_folder())
        place = Path(self.disk_cache_dir).expanduser()
        folder = Folder(place, limit=_limit(disk_size_limit_bytes)) if self.enable_disk_cache else None
        memory = Memory(entries=memory_max_entries) if self.enable_memory_cache else Memory(0)
        self.store = Store(folder, memory)
        if type(self).cache_key is not Cache.cache_key:
            self.store.keyer = lambda request: self.cache_key(_asked(request))

    @property
    def memory_cache(self) -> Memory:
        """The answers in memory, by key."""
        return self.store.memory

    def __contains__(self, key: str) -> bool:
        return self.store.get(key) is not None

    def cache_key(
        self, request: Mapping[str, Any], ignored_args_for_cache_key: Sequence[str] | None = None
    ) -> str:
        """Return the key of a request: a hash of everything in it.

        Args:
            request: what is asked: `model`, `messages` and further parameters.
            ignored_args_for_cache_key: parameters that make no difference.
        """
        left_out = set(ignored_args_for_cache_key or ())
        return _canon.digest({name: value for name, value in request.items() if name not in left_out})

    def _key(self, request: Mapping[str, Any], ignored: Sequence[str] | None) -> str:
        key = self.cache_key(request, ignored)
        if not isinstance(key, str):
            raise SettingsError(
                f"`{type(self).__name__}.cache_key` returns a `{type(key).__name__}`; a key is a text."
            )
        return key

    def get(self, request: Mapping[str, Any], ignored_args_for_cache_key: Sequence[str] | None = None) -> Any:
        """Return what is kept for a request, or None."""
        try:
            found = self.store.get(self._key(request, ignored_args_for_cache_key))
        except DataError:
            return None  # what has no key is not kept either
        if found is None or found.model != _VALUE:
            return found
        return json.loads(found.text)

    def put(
        self,
        request: Mapping[str, Any],
        value: Any,
        ignored_args_for_cache_key: Sequence[str] | None = None,
        enable_memory_cache: bool = True,
    ) -> None:
        """Keep a value for a request: a Response, or anything that JSON can hold.

        Raises:
            DataError: JSON cannot hold it.
        """
        key = self._key(request, ignored_args_for_cache_key)
        if not isinstance(value, Response):
            value = Response(choices=(Choice(text=_canon.canonical(value)),), model=_VALUE)
        self.store.put(key, value)

    # ---------------------------------------------------------------------------------- looking after it

    def info(self) -> CacheInfo:
        """Return what is kept where, and how often it was of use in this process.

        Example:
            >>> Cache(enable_disk_cache=False).info()
            <0 in memory (0 B), 0 hits, 0 misses>
        """
        return self.store.info()

    def flush(self) -> bool:
        """Wait until every answer kept so far is on disk, which it is a moment later by itself.

        Returns:
            False where the disk was too slow, or there is none.
        """
        return self.store.flush()

    def prune(
        self,
        keep_bytes: float | str | None = None,
        older_than: float | str | timedelta | None = None,
    ) -> Pruned:
        """Remove answers from the folder: those unused for a time, then those unused for longest until the rest fits.

        Args:
            keep_bytes: what may stay, in bytes or as `"1GB"`.
            older_than: for how long an answer was not used, in seconds, as `"30d"` or as a timedelta.

        Raises:
            SettingsError: neither is given, or one cannot be read.

        Example:
            >>> Cache(enable_disk_cache=False).prune(keep_bytes="1GB").entries
            0
        """
        if keep_bytes is None and older_than is None:
            raise SettingsError(
                'Say what to keep: `dspex.cache.prune(keep_bytes="1GB")`, `prune(older_than="30d")`, or both.'
            )
        keep = math.inf if keep_bytes is None else read_bytes(keep_bytes)
        return self.store.prune(keep, math.inf if older_than is None else read_seconds(older_than))

    def export(self, path: str | os.PathLike[str]) -> int:
        """Write the answers that this process has used to a file for others, who then need no key to run the same.

        Args:
            path: a `.jsonl` file. It holds no prompts and no keys: only answers, under a hash of what was asked.

        Returns:
            how many answers there are in it.

        Raises:
            SettingsError: it cannot be written.
        """
        return exchange.export(self.store, path, VERSION)

    def load(self, path: str | os.PathLike[str]) -> int:
        """Add the answers of a file that `export` wrote; those that are here already stay.

        Returns:
            how many are new.

        Raises:
            SettingsError: there is no such file, or it holds something else.
        """
        return exchange.load(self.store, path, VERSION)

    def reset_memory_cache(self) -> None:
        """Forget the answers in memory; those in the folder stay."""
        self.store.memory.clear()

    def save_memory_cache(self, filepath: str | os.PathLike[str]) -> None:
        """Write the answers in memory to a JSON file.

        Raises:
            SettingsError: the name ends in `.pkl`; nothing is ever pickled.
        """
        entries = {key: msgspec.to_builtins(response) for key, response in self.store.memory.items()}
        _json_file(filepath).write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")

    def load_memory_cache(self, filepath: str | os.PathLike[str], allow_pickle: bool = False) -> None:
        """Add the answers that `save_memory_cache` wrote to those in memory.

        Raises:
            SettingsError: there is no such file, or it holds something else.
        """
        path = _json_file(filepath)
        try:
            entries = msgspec.json.decode(path.read_bytes(), type=dict[str, Response])
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise SettingsError(f"`{path}` does not hold a saved cache: {exc}") from None
        for key, response in entries.items():
            self.store.memory.put(key, response, len(msgspec.json.encode(response)))

    def __repr__(self) -> str:
        tiers = [f"folder {self.disk_cache_dir!r}"] if self.enable_disk_cache else []
        tiers += [f"{len(self.memory_cache)} in memory"] if self.enable_memory_cache else []
        return f"<{type(self).__name__}: {', '.join(tiers) or 'keeps nothing'}>"


def configure_cache(
    enable_disk_cache: bool | None = True,
    enable_memory_cache: bool | None = True,
    disk_cache_dir: str | os.PathLike[str] | None = None,
    disk_size_limit_bytes: int | None = None,
    memory_max_entries: float = 1_000_000,
    restrict_pickle: bool = False,
    safe_types: Sequence[type] | None = None,
) -> None:
    """Say where answers are kept, for every model of the process; the arguments are those of `Cache`.

    Example:
        >>> configure_cache(enable_disk_cache=False)
        >>> active().enable_disk_cache
        False
        >>> use(None)
    """
    use(
        Cache(
            bool(enable_disk_cache), bool(enable_memory_cache), disk_cache_dir, disk_size_limit_bytes,
            memory_max_entries, restrict_pickle, safe_types,
        )
    )  # fmt: skip


_active: list[Cache] = []
"""The cache that was put in place, if any."""


def active() -> Cache:
    """Return the cache in use: the one put in place, else a view of the usual one."""
    if _active:
        return _active[0]
    usual = Cache(enable_disk_cache=False)
    usual.store, usual.enable_disk_cache = _store.default_store(), True
    return usual


def use(cache: Cache | None) -> None:
    """Put a cache in place; None for the usual one.

    Raises:
        SettingsError: it is no `Cache`.
    """
    if cache is not None and not isinstance(cache, Cache):
        raise SettingsError(
            f"`dspex.cache` takes a `dspex.clients.Cache` or a subclass of it, not `{type(cache).__name__}`."
        )
    _active[:] = [] if cache is None else [cache]
    _store.replaced = None if cache is None else cache.store


def usual_folder() -> Path:
    """Return where answers are kept unless somebody says otherwise."""
    import platformdirs

    place = os.environ.get("DSPEX_CACHE_DIR") or platformdirs.user_cache_dir("dspex", appauthor=False)
    return Path(place)


def __getattr__(name: str) -> Any:
    if name == "DISK_CACHE_DIR":  # asked for late: the environment may change
        return str(usual_folder())
    raise AttributeError(f"module `{__name__}` has no attribute `{name}`")


def _limit(size: object) -> int | None:
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, (int, float)) or not size >= 1:
        raise SettingsError(
            f"disk_size_limit_bytes={size!r} cannot be; give a number of bytes, or None for no limit."
        )
    return int(min(size, 2**62))


def _asked(request: Request) -> dict[str, Any]:
    """Return a request as a user's `cache_key` sees it."""
    asked: dict[str, Any] = msgspec.to_builtins(request)
    asked["messages"] = [form_of_message(message) for message in request.messages]
    return {**asked, **{k: msgspec.json.decode(v) for k, v in (request.options or {}).items()}}


def _json_file(path: str | os.PathLike[str]) -> Path:
    place = Path(path)
    if place.suffix in (".pkl", ".pickle"):
        name = f"{place.stem}.json"
        raise SettingsError(f"`{place.name}`: a cache is kept as JSON, never pickled; use `{name}`.")
    return place
