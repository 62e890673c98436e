"""The cache as DSPy's users reach it: configured, replaced, asked by hand, saved and loaded as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dspex.clients import Cache

import dspex
from dspex.errors import SettingsError
from dspex.lm import caching
from dspex.testing.scripted import Scripted


@pytest.fixture(autouse=True)
def _usual() -> Iterator[None]:
    yield
    caching.use(None)


def lm() -> tuple[dspex.LM, Scripted]:
    script = Scripted(*(f"answer {k}" for k in range(9)))
    return dspex.LM("openai/any", transport=script, cache=True), script


@pytest.mark.parametrize(
    ("memory", "disk", "asked"), [(True, True, 1), (True, False, 1), (False, True, 1), (False, False, 2)]
)
def test_tiers_can_be_chosen(tmp_path: Path, memory: bool, disk: bool, asked: int) -> None:
    """With either tier the second call is free; without both it is asked again."""
    dspex.configure_cache(enable_memory_cache=memory, enable_disk_cache=disk, disk_cache_dir=str(tmp_path))
    model, script = lm()
    model("same")
    model("same")
    assert len(script.requests) == asked
    assert any(tmp_path.iterdir()) == disk
    assert dspex.cache.enable_disk_cache == disk


def test_a_users_own_key_decides_what_is_the_same() -> None:
    """A subclass that leaves the model out of the key answers one model's question with another's answer."""

    class ByWords(Cache):
        def cache_key(self, request: Any, ignored_args_for_cache_key: Any = None) -> str:
            return str(request["messages"][-1]["content"]).casefold()

    dspex.cache = ByWords(enable_disk_cache=False)
    model, script = lm()
    assert model("Hello", temperature=0.1) == model("HELLO", temperature=0.9) == ["answer 0"]
    assert len(script.requests) == 1
    assert len(dspex.cache.memory_cache) == 1


def test_assigning_twice_is_harmless_and_memory_can_be_reset() -> None:
    """A re-run cell puts a fresh cache in place; reset_memory_cache forgets."""
    for _ in range(2):
        dspex.cache = Cache(enable_disk_cache=False)
    model, script = lm()
    model("same")
    dspex.cache.reset_memory_cache()
    model("same")
    assert len(script.requests) == 2


def test_only_a_cache_can_be_put_in_place() -> None:
    """Anything else is refused in one line."""
    with pytest.raises(SettingsError, match=r"takes a `dspex\.clients\.Cache`"):
        dspex.cache = {}


def test_values_are_kept_by_hand() -> None:
    """`get` and `put` take any request and any plain value; ignored arguments make no difference."""
    cache = Cache(enable_disk_cache=False)
    request = {"model": "m", "prompt": "Which colour?", "api_key": "k1"}
    assert cache.get(request) is None
    cache.put(request, {"colour": "blue"}, ["api_key"])
    assert cache.get({**request, "api_key": "k2"}, ["api_key"]) == {"colour": "blue"}
    assert cache.cache_key(request, ["api_key"]) in cache
    assert cache.get({"what": object()}) is None


def test_a_users_own_key_is_a_text(tmp_path: Path) -> None:
    """Any text will do, half characters too; what is none is refused where it is used."""

    class Odd(Cache):
        def cache_key(self, request: Any, ignored_args_for_cache_key: Any = None) -> Any:
            return request["key"]

    cache = Odd(disk_cache_dir=tmp_path)
    for key in ("", "a b", "é" * 500, "half \ud83d"):
        cache.put({"key": key}, key.isascii())
        assert cache.flush()
        assert cache.get({"key": key}) is key.isascii()
    for act in (lambda: cache.put({"key": 1}, "x"), lambda: cache.get({"key": ("a",)})):
        with pytest.raises(SettingsError, match=r"`Odd\.cache_key` returns a `(int|tuple)`"):
            act()


@pytest.mark.parametrize("size", [0, -1, "1GB", True])
def test_a_limit_that_cannot_be_is_refused(size: Any) -> None:
    """A folder that may hold nothing, or a text, is a slip."""
    with pytest.raises(SettingsError, match="disk_size_limit_bytes="):
        Cache(disk_size_limit_bytes=size)


def test_pruning_by_hand_needs_to_know_what_to_keep(tmp_path: Path) -> None:
    """Without a word nothing is removed; with one, in words or numbers, it says what went."""
    cache = Cache(disk_cache_dir=tmp_path)
    cache.put({"k": 1}, 1)
    with pytest.raises(SettingsError, match="Say what to keep"):
        cache.prune()
    assert cache.prune(keep_bytes="1GB", older_than="1d").left == 1
    assert cache.prune(keep_bytes=0).entries == 1
    assert cache.get({"k": 1}) is None


def test_memory_is_saved_and_loaded_as_json(tmp_path: Path) -> None:
    """A file of answers goes to another process; a pickle never does."""
    dspex.cache = Cache(enable_disk_cache=False)
    model, script = lm()
    model("same")
    path = tmp_path / "cache.json"
    dspex.cache.save_memory_cache(path)
    dspex.cache = Cache(enable_disk_cache=False)
    dspex.cache.load_memory_cache(path, allow_pickle=True)
    assert model("same") == ["answer 0"]
    assert len(script.requests) == 1
    for act in (dspex.cache.save_memory_cache, dspex.cache.load_memory_cache):
        with pytest.raises(SettingsError, match=r"use `cache\.json`"):
            act(tmp_path / "cache.pkl")
    path.write_text("{", encoding="utf-8")
    with pytest.raises(SettingsError, match="does not hold a saved cache"):
        dspex.cache.load_memory_cache(path)


def test_memory_holds_no_more_entries_than_told() -> None:
    """memory_max_entries: those unused for longest go first."""
    cache = Cache(enable_disk_cache=False, memory_max_entries=2)
    for k in range(3):
        cache.put({"k": k}, k)
    assert [cache.get({"k": k}) for k in range(3)] == [None, 1, 2]


def test_the_usual_cache_is_seen_as_one_too() -> None:
    """Without configuration `dspex.cache` shows what models use."""
    model, _ = lm()
    before = len(dspex.cache.memory_cache)
    model("a question nobody asked before")
    assert len(dspex.cache.memory_cache) == before + 1
    assert "Cache" in repr(dspex.cache)
