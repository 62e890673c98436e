"""DSPy's face of the answers that are kept: `configure_cache`, and the cache object that `dspex.cache` is.

Behind it stands a `Store` (memory and a folder). Setting `dspex.cache` puts another store in the place of the usual
one, for every model of the process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from dspex import _canon
from dspex.errors import DataError, SettingsError
from dspex.lm import store as _store
from dspex.lm.forms import form_of_message
from dspex.lm.messages import Choice, Request, Response
from dspex.lm.store import Folder, Memory, Store

_VALUE = "dspex/value"
"""What stands in place of a model's name where a user's own value is kept."""


class Cache:
    """Answers kept in memory and in a folder, by what was asked; assign one to `dspex.cache` to use it.

    Override `cache_key` to decide which requests are the same.

    Args:
        enable_disk_cache, enable_memory_cache: which of the two tiers there are.
        disk_cache_dir: the folder; None for the usual one.
        disk_size_limit_bytes: accepted as in DSPy; nothing that was paid for is thrown away.
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
        folder = Folder(Path(self.disk_cache_dir).expanduser()) if self.enable_disk_cache else None
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

    def get(self, request: Mapping[str, Any], ignored_args_for_cache_key: Sequence[str] | None = None) -> Any:
        """Return what is kept for a request, or None."""
        try:
            found = self.store.get(self.cache_key(request, ignored_args_for_cache_key))
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
        key = self.cache_key(request, ignored_args_for_cache_key)
        if not isinstance(value, Response):
            value = Response(choices=(Choice(text=_canon.canonical(value)),), model=_VALUE)
        self.store.put(key, value)

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
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as exc:
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
