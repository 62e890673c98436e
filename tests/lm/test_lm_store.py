"""Laws of the kept answers: bounded memory, a private folder, JSON only, and no failure that stops work."""

from __future__ import annotations

import os
import pickle
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dspex.events.event import AnyEvent, Log
from dspex.lm.messages import Choice, Response, Usage
from dspex.lm.store import ENTRY_OVERHEAD, FOLDER, Folder, Memory, Store, store_at

ANSWER = Response(
    choices=(Choice(text="blue"),), usage=Usage(prompt_tokens=3, completion_tokens=1), model="m", cost=0.5
)


Happened = Callable[[], list[AnyEvent]]


def warnings_in(happened: Happened) -> list[str]:
    return [event.text for event in happened() if isinstance(event, Log) and event.level == "warning"]


def test_a_kept_answer_comes_back_free_and_marked(tmp_path: Path):
    """From memory as from disk; what it did cost is not told again."""
    Store(Folder(tmp_path)).put("k", ANSWER)
    for store in (Store(Folder(tmp_path)), Store(Folder(tmp_path))):
        found = store.get("k")
        assert found is not None
        assert (found.text, found.cached, found.cost, found.usage) == ("blue", True, 0.0, ANSWER.usage)
        assert store.memory.get("k") == found


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


def test_nothing_is_on_disk_before_the_first_use(tmp_path: Path):
    """Making a store touches nothing."""
    folder = Folder(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert folder.get("k") is None
    assert (tmp_path / "new" / FOLDER).is_dir()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX modes")
def test_the_folder_is_its_owners_alone(tmp_path: Path):
    """Mode 0700, also where it was there before with another."""
    (tmp_path / FOLDER).mkdir(mode=0o755)
    Store(Folder(tmp_path)).put("k", ANSWER)
    assert stat.S_IMODE((tmp_path / FOLDER).stat().st_mode) == 0o700


def test_another_process_finds_the_answer(tmp_path: Path):
    """One process keeps it, the next has it, and both may have the folder open."""
    store = Store(Folder(tmp_path))
    store.put("mine", ANSWER)
    code = (
        "import sys; from pathlib import Path; from dspex.lm.store import *; s = Store(Folder(Path(sys.argv[1])));"
        "r = s.get('mine'); assert r is not None and r.text == 'blue'; s.put('yours', r)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    found = store.get("yours")
    assert found is not None
    assert found.text == "blue"


class Bomb:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (os.environ["BOMB"],)


def test_a_planted_pickle_is_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Who can write the folder cannot run code: a pickle is a miss, as value and as key."""
    monkeypatch.setenv("BOMB", str(tmp_path / "pwned"))
    folder = Folder(tmp_path)
    folder.put("k", b"{}")
    planted = sqlite3.connect(tmp_path / FOLDER / "cache.db")
    with planted:
        planted.execute("UPDATE Cache SET mode = 4, value = ?", (pickle.dumps(Bomb()),))
    planted.close()
    assert Folder(tmp_path).get("k") is None
    assert not (tmp_path / "pwned").exists()


def test_a_planted_text_is_a_miss(tmp_path: Path):
    """Bytes that are no answer of ours are not one."""
    folder = Folder(tmp_path)
    for k, raw in enumerate([b"", b"[]", b'{"choices":[]}', b"\xff", b'{"choices":[{"text":1}]}']):
        folder.put(str(k), raw)
        assert Store(folder).get(str(k)) is None


def test_only_bytes_go_in(tmp_path: Path):
    """The Disk of ours has no way to pickle a value or a key."""
    folder = Folder(tmp_path)
    folder.put("k", b"v")
    for key, value in (("k", "text"), ("k", {"a": 1}), (("a",), b"v"), (1, b"v")):
        with pytest.raises(ValueError, match="not `"):
            folder._cache.set(key, value)


def test_nothing_is_thrown_away(tmp_path: Path):
    """Answers past any usual size limit are all still there, and in the one file."""
    folder = Folder(tmp_path)
    folder.put("0", b"x")
    folder._cache.reset("size_limit", 1000)
    for k in range(30):
        folder.put(str(k), bytes(50_000))
    assert all(len(folder.get(str(k)) or b"") == 50_000 for k in range(30))
    assert {p.name.partition("-")[0] for p in (tmp_path / FOLDER).iterdir()} == {"cache.db"}


def test_a_folder_that_cannot_be_made_is_said_once(tmp_path: Path, happened: Happened):
    """One warning, then memory alone; no call fails for it."""
    (tmp_path / "file").write_text("in the way")
    store = Store(Folder(tmp_path / "file"))
    for _ in range(3):
        store.put("k", ANSWER)
        assert store.get("k") is not None
        assert store.get("other") is None
    (text,) = warnings_in(happened)
    assert "memory only" in text
    assert "DSPEX_CACHE_DIR" in text


def test_a_full_disk_is_said_once(tmp_path: Path, happened: Happened):
    """A write that fails in mid-work changes nothing for the caller."""
    store = Store(Folder(tmp_path))
    store.put("k", ANSWER)
    store.folder._cache._con.execute("PRAGMA max_page_count = 1")
    for k in range(50):
        store.put(str(k), Response(choices=(Choice(text="x" * 20_000),)))
    assert store.get("49") is not None
    assert len(warnings_in(happened)) == 1


def test_a_broken_file_is_said_once(tmp_path: Path, happened: Happened):
    """A file that is no database is left alone."""
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "cache.db").write_bytes(b"no database" * 500)
    store = Store(Folder(tmp_path))
    assert store.get("k") is None
    store.put("k", ANSWER)
    assert store.get("k") is not None
    assert len(warnings_in(happened)) == 1


def test_one_folder_has_one_store(tmp_path: Path):
    """All LMs of a process share memory, folder and what is being asked."""
    assert store_at(str(tmp_path)) is store_at(str(tmp_path))
