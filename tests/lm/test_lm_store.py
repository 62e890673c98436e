"""Laws of the kept answers: bounded memory, both tiers as one, what was used, and what is told about it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex import _canon
from dspex.lm.folder import Folder
from dspex.lm.messages import Choice, Response, Usage
from dspex.lm.store import ENTRY_OVERHEAD, Memory, Store, Used, store_at

ANSWER = Response(
    choices=(Choice(text="blue"),), usage=Usage(prompt_tokens=3, completion_tokens=1), model="m", cost=0.5
)
VECTORS = Response(choices=(), vectors=(b"\x00\x01\xff\xfe", b"\x80\x00\x00\x3f"))


def test_a_kept_answer_comes_back_free_and_marked(tmp_path: Path):
    """From memory as from disk; what it did cost is not told again."""
    first = Store(Folder(tmp_path))
    first.put("k", ANSWER)
    assert first.flush()
    for store in (first, Store(Folder(tmp_path))):
        found = store.get("k")
        assert found is not None
        assert (found.text, found.cached, found.cost, found.usage) == ("blue", True, 0.0, ANSWER.usage)
        assert store.memory.get("k") == found


def test_vectors_come_back_as_they_were(tmp_path: Path):
    """An answer without words is an answer too, to the last bit."""
    first = Store(Folder(tmp_path))
    first.put("k", VECTORS)
    assert first.flush()
    found = Store(Folder(tmp_path)).get("k")
    assert found is not None
    assert found.vectors == VECTORS.vectors


def test_memory_is_bounded_by_bytes():
    """What was unused for longest goes first, and an answer larger than all is not kept."""
    memory = Memory(limit=3 * (ENTRY_OVERHEAD + 100))
    for key in "abc":
        memory.put(key, ANSWER, 100)
    assert memory.get("a") is ANSWER
    memory.put("d", ANSWER, 100)
    assert [memory.get(k) is not None for k in "abcd"] == [True, False, True, True]
    memory.put("e", ANSWER, memory.limit)
    memory.put("a", ANSWER, 100)
    assert memory.get("e") is None
    assert memory.size == 3 * (ENTRY_OVERHEAD + 100)


def test_a_planted_text_is_a_miss(tmp_path: Path):
    """Bytes that are no answer of ours are not one."""
    folder = Folder(tmp_path)
    deep = b'{"choices":[{"citations":[{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}]}"
    for k, raw in enumerate([b"", b"[]", b'{"choices":[]}', b"\xff", b'{"choices":[{"text":1}]}', deep]):
        folder.put(str(k), raw)
        assert folder.flush()
        assert Store(folder).get(str(k)) is None


def test_one_folder_has_one_store(tmp_path: Path):
    """All LMs of a process share memory, folder and what is being asked."""
    assert store_at(str(tmp_path)) is store_at(str(tmp_path))


def test_uses_are_counted(tmp_path: Path):
    """A look finds or misses; where an answer was does not matter."""
    first = Store(Folder(tmp_path))
    assert first.get("k") is None
    first.put("k", ANSWER)
    first.get("k")
    first.flush()
    second = Store(Folder(tmp_path))
    second.get("k")
    second.get("k")
    info = [first.info(), second.info()]
    assert [(one.entries, one.in_memory, one.hits, one.misses) for one in info] == [
        (1, 1, 1, 1),
        (1, 1, 2, 0),
    ]
    assert info[0].bytes > 0
    assert repr(info[1]).startswith("<1 answers, ")


def test_looking_at_a_cache_makes_nothing(tmp_path: Path):
    """Whoever asks how things are, or prunes, finds no folder made by it."""
    store = Store(Folder(tmp_path / "new"))
    assert (store.info().entries, store.info().bytes) == (0, 0)
    assert store.prune(keep_bytes=0).entries == 0
    assert not (tmp_path / "new").exists()


def test_what_memory_has_let_go_of_is_still_among_the_used(tmp_path: Path):
    """Used is what was asked for or kept in this process, also when memory is too small for it."""
    store = Store(Folder(tmp_path), Memory(entries=1))
    keys = [_canon.digest(k) for k in range(3)]
    for key in keys:
        store.put(key, ANSWER)
    assert sorted(store.used) == sorted(keys)
    assert [store.kept(key) is not None for key in keys] == [True] * 3
    assert store.memory.hits == 0


@given(
    st.lists(st.one_of(st.binary(min_size=32, max_size=32).map(bytes.hex), st.text(max_size=70)), max_size=30)
)
def test_used_holds_every_key_once(keys: list[str]):
    """A hash of ours and a user's own text alike, however often each was used."""
    used = Used()
    used._room = 96
    for key in keys + keys:
        used.add(key)
    assert sorted(used) == sorted(set(keys))


def test_a_million_uses_take_little_room():
    """32 bytes for each answer, and nothing for using one again and again."""
    used = Used()
    keys = [_canon.digest(k) for k in range(1000)]
    for _ in range(100):
        for key in keys:
            used.add(key)
    assert len(used._digests) <= 2**20 + 32
    assert len(list(used)) == 1000


def test_pruning_is_felt_at_once(tmp_path: Path):
    """What was removed is asked for anew, in this process too."""
    store = Store(Folder(tmp_path))
    store.put("k", ANSWER)
    done = store.prune(keep_bytes=0)
    assert (done.entries, done.left) == (1, 0)
    assert store.get("k") is None


def test_without_a_folder_there_is_nothing_to_prune():
    """Memory alone is emptied; nothing is on disk."""
    store = Store()
    store.put("k", ANSWER)
    assert not store.flush()
    assert store.prune(math.inf, 0.0).entries == 0
    assert store.get("k") is None


@pytest.mark.parametrize("folder", [True, False])
def test_what_comes_from_elsewhere_replaces_nothing(folder: bool, tmp_path: Path):
    """An answer that is there was paid for and stays."""
    store = Store(Folder(tmp_path) if folder else None)
    store.put("k", ANSWER)
    other = Response(choices=(Choice(text="red"),))
    assert not store.add("k", other)
    assert store.add("other", other)
    found, new = store.get("k"), store.get("other")
    assert found is not None
    assert new is not None
    assert (found.text, new.text, new.cached, new.cost) == ("blue", "red", True, 0.0)
