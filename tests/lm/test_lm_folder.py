"""Laws of the answers on disk: written soon and together, private, JSON only, and no failure that stops work."""

from __future__ import annotations

import os
import pickle
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dspex import _clock
from dspex.errors import SettingsError
from dspex.events.event import AnyEvent, Log
from dspex.lm import folder as folder_module
from dspex.lm.disk import FILE, Disk, ForeignEntryError
from dspex.lm.folder import FOLDER, Folder
from dspex.lm.messages import Choice, Response
from dspex.lm.store import Store
from dspex.testing.clock import FakeClock

ANSWER = Response(choices=(Choice(text="blue"),))
Happened = Callable[[], list[AnyEvent]]


def warnings_in(happened: Happened) -> list[str]:
    return [event.text for event in happened() if isinstance(event, Log) and event.level == "warning"]


def kept(place: Path, *keys: str) -> list[bytes | None]:
    """Return what a folder opened anew finds."""
    folder = Folder(place)
    return [folder.get(key) for key in keys]


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    fake = FakeClock()
    before = _clock.use(fake)
    yield fake
    _clock.use(before)


# ------------------------------------------------------------------------------------ writing behind


def test_what_waits_for_the_disk_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A look finds an answer that is not written yet, and so it is while it is being written."""
    monkeypatch.setattr(folder_module, "GATHER", 60.0)
    folder = Folder(tmp_path)
    folder.put("k", b"v")
    assert (folder.get("k"), kept(tmp_path, "k")) == (b"v", [None])
    assert folder.flush()
    assert (folder.get("k"), kept(tmp_path, "k")) == (b"v", [b"v"])


def test_what_comes_together_is_one_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A hundred answers in a moment cost a commit or two, and not a hundred."""
    commits: list[int] = []
    write = Disk.write

    def counted(self: Disk, entries: dict[str, bytes], used: object = ()) -> None:
        commits.append(len(entries))
        write(self, entries, ())

    monkeypatch.setattr(Disk, "write", counted)
    monkeypatch.setattr(folder_module, "GATHER", 60.0)
    folder = Folder(tmp_path)
    for k in range(100):
        folder.put(str(k), b"v")
    assert folder.flush()
    assert commits == [100]


def test_it_is_written_without_being_asked(tmp_path: Path):
    """Nobody needs to flush: the writer comes by itself, again and again."""
    folder = Folder(tmp_path)
    for key in ("a", "b"):
        folder.put(key, b"v")
        with folder._changed:
            assert folder._changed.wait_for(lambda: folder._done == folder._taken, 10)
        assert kept(tmp_path, key) == [b"v"]


def test_the_writer_ends_when_there_is_nothing_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No thread stays behind, and the next answer finds a new one."""
    monkeypatch.setattr(folder_module, "LINGER", 0.01)
    folder = Folder(tmp_path)
    for k in range(3):
        folder.put(str(k), b"v")
        assert folder.flush()
        for thread in threading.enumerate():
            if thread.name == "dspex-cache":
                thread.join(10)
        assert not folder._serving
    assert kept(tmp_path, "0", "1", "2") == [b"v"] * 3


def test_the_last_word_on_a_key_wins(tmp_path: Path):
    """An answer kept twice is the later one, whether or not the first was written."""
    folder = Folder(tmp_path)
    for value in (b"1", b"2"):
        folder.put("k", value)
    folder.flush()
    folder.put("k", b"3")
    assert folder.get("k") == b"3"
    folder.flush()
    assert kept(tmp_path, "k") == [b"3"]


def test_a_process_that_ends_writes_what_waits(tmp_path: Path):
    """Nothing of a short script is lost, and nobody had to flush."""
    code = (
        "import sys; from pathlib import Path; from dspex.lm.folder import Folder; import dspex.lm.folder as f;"
        "f.GATHER = 60.0; folder = Folder(Path(sys.argv[1]));"
        "[folder.put(str(k), b'v') for k in range(100)]"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=15)
    assert kept(tmp_path, "0", "99") == [b"v", b"v"]


def test_after_the_end_has_begun_nothing_waits(tmp_path: Path):
    """What a thread brings while the process ends is written where it comes from."""
    folder = Folder(tmp_path)
    folder.end()
    folder.put("late", b"v")
    assert kept(tmp_path, "late") == [b"v"]
    assert folder.flush()


def test_whoever_brings_too_much_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What waits for a slow disk has a bound that callers can see."""
    monkeypatch.setattr(folder_module, "GATHER", 60.0)
    monkeypatch.setattr(folder_module, "CROWDED", 1000)
    store = Store(Folder(tmp_path))
    assert not store.put("small", ANSWER)
    assert store.put("large", Response(choices=(Choice(text="x" * 2000),)))
    store.flush()
    assert not store.put("small again", ANSWER)


# ------------------------------------------------------------------------------------ several processes

WRITER = """
import sys
from pathlib import Path
from dspex.lm.folder import Folder
place, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
folder = Folder(place)
k = 0
while k < count:
    for _ in range(7):
        folder.put(f"{name}-{k}", f"{name}-{k}".encode() * 200)
        k += 1
    assert folder.flush()
    sys.stdout.write(f"{k}\\n"); sys.stdout.flush()
"""


def writer(place: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(place), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def check_whole(place: Path, acknowledged: dict[str, int]) -> None:
    """Every answer that was acknowledged is there and whole, and so is the file."""
    folder = Folder(place)
    for name, count in acknowledged.items():
        for k in range(count):
            assert folder.get(f"{name}-{k}") == f"{name}-{k}".encode() * 200
    file = sqlite3.connect(place / FOLDER / FILE)
    assert file.execute("pragma integrity_check").fetchone() == ("ok",)
    file.close()


@pytest.mark.timeout(60)
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path):
    """Two processes write at once and are killed at a random moment, four times over; `flush` had kept its word."""
    rng = random.Random(7)
    acknowledged: dict[str, int] = {}
    for turn in range(4):
        processes = {f"{turn}{side}": writer(tmp_path, f"{turn}{side}", 10**9) for side in "ab"}
        for name, process in processes.items():
            assert process.stdout is not None
            for _ in range(rng.randrange(1, 20)):
                acknowledged[name] = int(process.stdout.readline())
        for name, process in processes.items():
            process.send_signal(signal.SIGKILL)
            rest, _ = process.communicate()
            # A line that was cut off says nothing.
            acknowledged[name] = max([acknowledged[name], *map(int, rest.split("\n")[:-1])])
    assert sum(acknowledged.values()) > 8 * 7
    check_whole(tmp_path, acknowledged)


def test_two_processes_at_once_corrupt_nothing(tmp_path: Path):
    """Both write to their end; all of it is there."""
    processes = [writer(tmp_path, name, 700) for name in "ab"]
    assert [process.communicate()[0].split()[-1] for process in processes] == ["700", "700"]
    assert [process.returncode for process in processes] == [0, 0]
    check_whole(tmp_path, {"a": 700, "b": 700})


def test_another_process_finds_the_answer(tmp_path: Path):
    """One process keeps it, the next has it, and both may have the folder open."""
    folder = Folder(tmp_path)
    folder.put("mine", b"v")
    folder.flush()
    code = (
        "import sys; from pathlib import Path; from dspex.lm.folder import Folder; f = Folder(Path(sys.argv[1]));"
        "assert f.get('mine') == b'v'; f.put('yours', b'w')"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert folder.get("yours") == b"w"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX")
def test_a_forked_child_writes_its_own_and_harms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What waited at the fork is the parent's; both go on with the same folder."""
    monkeypatch.setattr(folder_module, "GATHER", 60.0)
    folder = Folder(tmp_path)
    folder.put("before", b"v")
    folder.flush()
    folder.put("waiting", b"v")
    child = os.fork()
    if child == 0:
        good = folder.get("before") == b"v" and folder.get("waiting") is None
        folder.put("child", b"v")
        os._exit(0 if good and folder.flush(10) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert folder.flush()
    assert kept(tmp_path, "before", "waiting", "child") == [b"v"] * 3


# ------------------------------------------------------------------------------------ whose folder it is


def test_nothing_is_on_disk_before_the_first_use(tmp_path: Path):
    """Making a folder's object touches nothing."""
    folder = Folder(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert folder.get("k") is None
    assert (tmp_path / "new" / FOLDER).is_dir()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX modes")
def test_the_folder_is_its_owners_alone(tmp_path: Path):
    """Mode 0700, also where it was there before with another."""
    (tmp_path / FOLDER).mkdir(mode=0o755)
    assert Folder(tmp_path).get("k") is None
    assert stat.S_IMODE((tmp_path / FOLDER).stat().st_mode) == 0o700


class Bomb:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (os.environ["BOMB"],)


def test_a_planted_pickle_is_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Who can write the folder cannot run code: a pickle is a miss, as value and as key."""
    monkeypatch.setenv("BOMB", str(tmp_path / "pwned"))
    folder = Folder(tmp_path)
    folder.put("k", b"{}")
    folder.flush()
    planted = sqlite3.connect(tmp_path / FOLDER / FILE)
    with planted:
        planted.execute("UPDATE Cache SET mode = 4, value = ?", (pickle.dumps(Bomb()),))
    planted.close()
    assert kept(tmp_path, "k") == [None]
    assert not (tmp_path / "pwned").exists()


def test_only_bytes_go_in(tmp_path: Path):
    """The Disk of ours has no way to pickle a value or a key."""
    cache = Disk(tmp_path)._cache
    for key, value in (("k", "text"), ("k", {"a": 1}), (("a",), b"v"), (1, b"v")):
        with pytest.raises(ForeignEntryError, match="not `"):
            cache.set(key, value)
    cache.close()


# ------------------------------------------------------------------------------------ what goes, and what never does


def test_nothing_is_thrown_away(tmp_path: Path):
    """Answers past any usual size limit are all still there, and in the one file."""
    folder = Folder(tmp_path)
    folder.put("0", b"x")
    folder.flush()
    assert folder._disk is not None
    folder._disk._cache.reset("size_limit", 1000)
    for k in range(30):
        folder.put(str(k), bytes(50_000))
    folder.flush()
    assert all(len(folder.get(str(k)) or b"") == 50_000 for k in range(30))
    assert {p.name.partition("-")[0] for p in (tmp_path / FOLDER).iterdir()} == {FILE}


def test_what_is_pruned_for_its_age_was_not_used(tmp_path: Path, clock: FakeClock):
    """An old answer that somebody asked for lately stays; one that nobody asked for goes."""
    folder = Folder(tmp_path)
    for key in ("old", "used"):
        folder.put(key, b"v")
    folder.flush()
    clock.advance(40 * 86_400)
    folder = Folder(tmp_path)
    assert folder.get("used") == b"v"
    folder.put("new", b"v")
    folder.flush()
    done = folder.prune(float("inf"), clock.now() - 30 * 86_400)
    assert (done.entries, done.left) == (1, 2)
    assert kept(tmp_path, "old", "used", "new") == [None, b"v", b"v"]


def test_a_use_is_written_down_at_most_once_a_day(tmp_path: Path, clock: FakeClock):
    """Reading costs no writing, but for the first time in a day."""
    folder = Folder(tmp_path)
    folder.put("k", b"v")
    folder.flush()
    seen = []
    for hours in (1, 22, 2, 3):
        clock.advance(hours * 3600)
        folder.get("k")
        folder._write()
        assert folder._disk is not None
        seen.append(folder._disk._connection().execute("select access_time from Cache").fetchone()[0])
    assert len({*seen}) == 2
    assert seen[0] == seen[1] < seen[2] == seen[3]


def test_pruning_keeps_what_was_used_last(tmp_path: Path, clock: FakeClock):
    """The file shrinks to what was said, and what is left was used later than what went."""
    folder = Folder(tmp_path)
    for k in range(40):
        clock.advance(1)
        folder.put(str(k), bytes([k]) * 50_000)
        folder.flush()
    done = folder.prune(1_000_000, 0.0)
    assert 15 <= done.left <= 20
    assert done.left + done.entries == 40
    assert done.left_bytes <= 1_000_000
    assert (tmp_path / FOLDER / FILE).stat().st_size <= 1_000_000
    assert [value is not None for value in kept(tmp_path, *map(str, range(40)))] == (
        [False] * done.entries + [True] * done.left
    )


def test_a_limit_is_kept_and_told_once(tmp_path: Path, clock: FakeClock, happened: Happened):
    """Where somebody set a limit, what was unused for longest goes, and not in silence."""
    folder = Folder(tmp_path, limit=1_000_000)
    for k in range(60):
        clock.advance(1)
        folder.put(str(k), bytes(50_000))
        folder.flush()
        assert folder._disk is not None
        assert folder._disk.pages() <= 1_000_000
    assert kept(tmp_path, "0", "59") == [None, bytes(50_000)]
    (text,) = warnings_in(happened)
    assert "its limit of 1,000,000 bytes" in text


# ------------------------------------------------------------------------------------ what goes wrong


def test_a_folder_that_cannot_be_made_is_said_once(tmp_path: Path, happened: Happened):
    """One warning, then memory alone; no call fails for it, and nobody waits for it."""
    (tmp_path / "file").write_text("in the way")
    store = Store(Folder(tmp_path / "file"))
    for _ in range(3):
        store.put("k", ANSWER)
        assert not store.flush()
        assert store.get("k") is not None
        assert store.get("other") is None
    (text,) = warnings_in(happened)
    assert "memory only" in text
    assert "DSPEX_CACHE_DIR" in text
    with pytest.raises(SettingsError, match="nothing was removed"):
        store.prune(keep_bytes=0)


def test_a_full_disk_is_said_once(tmp_path: Path, happened: Happened, monkeypatch: pytest.MonkeyPatch):
    """A write that fails in mid-work changes nothing for the caller."""
    write = Disk.write

    def small(self: Disk, entries: dict[str, bytes], used: object = ()) -> None:
        self._connection().execute("PRAGMA max_page_count = 1")
        write(self, entries, ())

    store = Store(Folder(tmp_path))
    store.put("k", ANSWER)
    assert store.flush()
    monkeypatch.setattr(Disk, "write", small)
    for k in range(50):
        store.put(str(k), Response(choices=(Choice(text="x" * 20_000),)))
    assert not store.flush()
    assert store.get("49") is not None
    (text,) = warnings_in(happened)
    assert "full" in text


@pytest.mark.parametrize("raw", [b"no database" * 500, b"SQLite format 3\x00" + bytes(5000)])
def test_a_broken_file_is_put_aside(raw: bytes, tmp_path: Path, happened: Happened):
    """It is renamed, not deleted; a new one begins, work goes on, and one warning says all that."""
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / FILE).write_bytes(raw)
    store = Store(Folder(tmp_path))
    assert store.get("k") is None
    store.put("k", ANSWER)
    assert store.flush()
    assert Store(Folder(tmp_path)).get("k") is not None
    (aside,) = (tmp_path / FOLDER).glob("cache.broken-*.db")
    assert aside.read_bytes() == raw
    (text,) = warnings_in(happened)
    assert aside.name in text


@pytest.mark.parametrize("seed", range(6))
def test_a_file_that_breaks_in_mid_work_is_put_aside(seed: int, tmp_path: Path, happened: Happened):
    """Whatever part of the file is overwritten, by whoever, no call fails and the cache works again."""
    rng = random.Random(seed)
    folder = Folder(tmp_path)
    for k in range(200):
        folder.put(str(k), bytes(3000))
    folder.close()
    file = tmp_path / FOLDER / FILE
    size = file.stat().st_size
    with file.open("r+b") as open_file:
        for _ in range(20):
            open_file.seek(rng.randrange(0, size // 4096) * 4096)
            open_file.write(rng.randbytes(4096))
    store = Store(Folder(tmp_path))
    for k in range(200):
        assert store.get(str(k)) is None
        store.put(str(k), ANSWER)
    assert store.flush()
    assert all(store.get(str(k)) is not None for k in range(200))
    assert len(warnings_in(happened)) == len(list((tmp_path / FOLDER).glob("cache.broken-*.db"))) <= 2


def test_a_folder_that_was_deleted_is_made_again(tmp_path: Path, happened: Happened):
    """Somebody tidies up while the kernel runs: nothing fails, and what comes is kept again."""
    folder = Folder(tmp_path)
    folder.put("k", b"v")
    folder.flush()
    for path in (tmp_path / FOLDER).iterdir():
        path.unlink()
    (tmp_path / FOLDER).rmdir()
    folder.put("new", b"v")
    assert folder.flush()
    assert kept(tmp_path, "new") == [b"v"]
    assert warnings_in(happened) == []


def test_another_thread_finds_the_new_file_too(tmp_path: Path, happened: Happened):
    """A thread that opens the folder after somebody deleted it is no reason to give up."""
    folder = Folder(tmp_path)
    folder.put("k", b"v")
    folder.flush()
    for path in (tmp_path / FOLDER).iterdir():
        path.unlink()
    (tmp_path / FOLDER).rmdir()
    found: list[bytes | None] = []
    thread = threading.Thread(target=lambda: found.append(folder.get("k")))
    thread.start()
    thread.join(10)
    folder.put("new", b"v")
    assert folder.flush()
    assert (found, kept(tmp_path, "new"), warnings_in(happened)) == ([None], [b"v"], [])


def test_a_broken_file_that_cannot_be_renamed_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, happened: Happened
):
    """Where the system holds it, as Windows may, memory alone goes on."""

    def held(path: Path, number: int) -> Path | None:
        raise PermissionError("in use by another process")

    monkeypatch.setattr(folder_module, "put_aside", held)
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / FILE).write_bytes(b"no database" * 500)
    store = Store(Folder(tmp_path))
    store.put("k", ANSWER)
    assert not store.flush()
    assert store.get("k") is not None
    (text,) = warnings_in(happened)
    assert "in use by another process" in text


def test_of_two_who_find_a_broken_file_one_puts_it_aside(tmp_path: Path, happened: Happened):
    """The other one goes on with the new file, and nothing that was put into it is lost."""
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / FILE).write_bytes(b"no database" * 500)
    first, second = Folder(tmp_path), Folder(tmp_path)
    broken = (tmp_path / FOLDER / FILE).stat().st_ino
    first.put("k", b"v")
    assert first.flush()
    assert second._renew(broken)
    assert second.get("k") == b"v"
    assert len(warnings_in(happened)) == 1


def test_a_file_that_others_hold_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, happened: Happened
):
    """While another process holds it nothing is lost, and afterwards it is written."""
    monkeypatch.setattr("dspex.lm.disk.BUSY_SECONDS", 0.05)
    folder = Folder(tmp_path)
    assert folder.get("k") is None
    holder = sqlite3.connect(tmp_path / FOLDER / FILE, isolation_level=None)
    holder.execute("begin immediate")
    folder.put("k", b"v")
    assert not folder.flush(0.01)
    assert folder.get("k") == b"v"
    holder.execute("commit")
    holder.close()
    assert folder.flush()
    assert kept(tmp_path, "k") == [b"v"]
    assert warnings_in(happened) == []


def test_a_file_that_others_hold_for_ever_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, happened: Happened
):
    """A process that hangs in mid-write costs us the disk, not the work."""
    monkeypatch.setattr("dspex.lm.disk.BUSY_SECONDS", 0.01)
    folder = Folder(tmp_path)
    assert folder.get("k") is None
    holder = sqlite3.connect(tmp_path / FOLDER / FILE, isolation_level=None)
    holder.execute("begin immediate")
    folder.put("k", b"v")
    assert not folder.flush()
    holder.close()
    (text,) = warnings_in(happened)
    assert "locked" in text
