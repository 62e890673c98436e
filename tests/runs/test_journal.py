"""What was told is on disk; what cannot be written is said, and holds nobody up."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dspex import runs
from dspex.errors import JournalError
from dspex.events.bus import Bus
from dspex.events.event import AnyEvent, Log, ModuleStart
from dspex.runs import journal as journals
from dspex.runs.feed import Feed
from dspex.runs.journal import Journal, read_events, read_payload
from dspex.runs.state import fold
from dspex.scope.scope import current
from tests.runs.works import LIMIT, begin, propose, say


class Kept:
    """A journal on a bus of its own, and what it told."""

    def __init__(self, folder: Path) -> None:
        self.told: list[AnyEvent] = []
        self.on_disk: list[int] = []
        self.broken: list[JournalError] = []
        self.journal = Journal(folder / "j.sqlite", "r1", self._durable, self.broken.append)
        self.bus = Bus()
        self.bus.attach(self.journal)
        self.journal.open()

    def _durable(self, events: Any) -> None:
        self.told.extend(events)
        self.on_disk.append(sum(1 for _ in read_events(self.journal.path)))

    def say(self, text: str, run: str = "r1") -> None:
        self.bus.emit(Log(level="info", text=text), run=run)


def test_events_are_on_disk_before_anybody_is_told(tmp_path: Path) -> None:
    """At each telling another connection reads at least what is told."""
    kept = Kept(tmp_path)
    for n in range(200):
        kept.say(str(n))
    assert kept.journal.flush()
    assert [e.seq for e in kept.told] == list(range(1, 201))
    assert kept.on_disk[-1] == 200
    assert list(read_events(kept.journal.path)) == kept.told
    assert [e.seq for e in read_events(kept.journal.path, after=150)] == list(range(151, 201))
    kept.journal.close()


def test_a_journal_takes_its_own_runs_events_alone(tmp_path: Path) -> None:
    """Not those of others, nor kinds that are for live listeners."""
    kept = Kept(tmp_path)
    kept.say("mine")
    kept.say("theirs", run="r2")
    kept.bus.emit(ModuleStart(module="m", call="c"), run="r1")
    kept.say("mine too")
    kept.journal.close()
    assert [(e.seq, e.text) for e in read_events(kept.journal.path)] == [(1, "mine"), (2, "mine too")]
    assert not kept.journal.wants(ModuleStart)


def test_the_disk_is_synced_at_every_commit(tmp_path: Path) -> None:
    """WAL with full sync: what is committed survives the machine, not only the process."""
    kept = Kept(tmp_path)
    kept.say("x")
    assert kept.journal.flush()
    assert "synchronous = full" in journals.SCHEMA
    with sqlite3.connect(kept.journal.path) as db:
        assert db.execute("pragma journal_mode").fetchone() == ("wal",)
    db.close()
    kept.journal.close()


def test_a_payload_is_on_disk_with_the_event_that_names_it(tmp_path: Path) -> None:
    """However the writer's turn falls between keeping it and emitting the event."""
    kept = Kept(tmp_path)

    class Between(deque[Any]):
        """Keeps a payload and emits its event in the middle of the writer's work, once."""

        def __len__(self) -> int:
            if not fired.is_set() and threading.current_thread().name == "dspex-journal":
                fired.set()
                kept.journal.keep("late", b"body")
                kept.say("names late")
            return super().__len__()

    fired = threading.Event()
    missing: list[str] = []

    def durable(events: Any) -> None:
        for event in events:
            if event.text == "names late":
                try:
                    assert read_payload(kept.journal.path, "late") == b"body"
                except JournalError as exc:
                    missing.append(str(exc))

    kept.journal._durable = durable
    kept.journal._queue = Between()
    kept.journal._payloads = Between()
    kept.say("first")
    assert fired.wait(LIMIT)
    assert kept.journal.flush()
    kept.journal.close()
    assert missing == []


def test_emitters_are_held_while_the_disk_lags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for the disk is bounded, and nothing is lost."""
    monkeypatch.setattr(journals, "ROOM", 50)
    kept, most = Kept(tmp_path), 0
    for n in range(1000):
        kept.say(str(n))
        most = max(most, len(kept.journal._queue))
    kept.journal.close()
    assert most <= 51
    assert sum(1 for _ in read_events(kept.journal.path)) == 1000


SMALL_DISK = journals.SCHEMA + "pragma max_page_count = 20;\n"


def test_a_full_disk_fails_the_run_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is ended, what people see says failed and why, and `result` raises instead of hanging."""
    monkeypatch.setattr(journals, "SCHEMA", SMALL_DISK)
    told: list[AnyEvent] = []

    def work(kept: Any) -> Any:
        propose(kept, "base", mean=0.5)
        while True:
            say("x" * 5000)
            current().checkpoint()

    run = begin(work)
    run.follow(told.extend)
    with pytest.raises(JournalError, match=rf"journal `.*{run.id}.*` cannot be written: .*full"):
        run.result(LIMIT)
    assert run.status == "failed"
    assert "disk is full" in run.state.reason
    assert type(told[-1]).__name__ == "RunEnd"
    assert all(type(e).__name__ != "RunEnd" for e in run.events)


@pytest.mark.parametrize("fails_at", ["first", "last"])
def test_a_run_whose_end_cannot_be_written_has_not_finished(
    fails_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the work itself went well: the disk does not hold it."""
    commit = Journal._commit

    def refuse(self: Journal, chunks: Any, payloads: Any) -> None:
        if fails_at == "first" or any(b'"run_end"' in events for _, events, _ in chunks):
            raise sqlite3.OperationalError("disk I/O error")
        commit(self, chunks, payloads)

    monkeypatch.setattr(Journal, "_commit", refuse)
    run = begin(lambda kept: "x")
    with pytest.raises(JournalError, match="disk I/O error"):
        run.result(LIMIT)
    assert run.status == "failed"
    assert "disk I/O error" in run.state.reason


def test_a_home_that_vanishes_fails_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The folder is gone before the first commit."""
    import shutil

    monkeypatch.setenv("DSPEX_HOME", str(tmp_path))
    monkeypatch.setattr(
        Journal, "open", lambda self, go=Journal.open: (shutil.rmtree(self.path.parent), go(self))
    )
    run = begin(lambda kept: "x")
    with pytest.raises(JournalError, match="cannot be written: unable to open database file"):
        run.result(LIMIT)
    assert run.status == "failed"


@pytest.mark.parametrize("error", [sqlite3.OperationalError("broken"), MemoryError("broken")])
def test_a_broken_journal_leaves_other_runs_alone(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """One writer serves all, and goes on, whatever happened to one of them."""
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_commit", lambda *_: (_ for _ in ()).throw(error))
        broken = begin(lambda kept: "x")
        broken.wait(LIMIT)
    assert broken.status == "failed"
    assert "broken" in broken.state.reason
    assert begin(lambda kept: "y").result(LIMIT) == "y"


def test_a_damaged_journal_is_said_to_be(tmp_path: Path) -> None:
    """No file, no database, and a row nobody understands."""
    path = tmp_path / "j.sqlite"
    with pytest.raises(JournalError, match="There is no journal"):
        list(read_events(path))
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(JournalError, match="is damaged: file is not a database"):
        list(read_events(path))
    path.write_bytes(b"")
    assert list(read_events(path)) == []
    with pytest.raises(JournalError, match="holds no payload `x`"):
        read_payload(path, "x")
    path.unlink()
    db = sqlite3.connect(path)
    db.executescript(journals.SCHEMA)
    db.execute("insert into chunks values (1, ?, x'')", (b'{"kind": "new_kind"}\n',))
    db.commit()
    db.close()
    with pytest.raises(JournalError, match="was written by another version of dspex"):
        list(read_events(path))
    path.unlink()
    db = sqlite3.connect(path)
    db.execute("create table events (seq integer primary key, kind text, body blob)")
    db.close()
    with pytest.raises(JournalError, match="was written by an older version of dspex"):
        list(read_events(path))


def test_a_feed_joins_snapshot_and_rest_without_a_seam() -> None:
    """Taking a snapshot and following is one act, also while events pour in."""
    feed, over = Feed(), threading.Event()

    def pour() -> None:
        for n in range(1, 1001):
            feed.take([Log(seq=n, level="info", text="")])
        over.set()

    def decode(snapshot: bytes) -> runs.RunState:
        return msgspec.json.decode(snapshot, type=runs.RunState)

    thread = threading.Thread(target=pour)
    thread.start()
    joined: list[tuple[runs.RunState, list[AnyEvent]]] = []
    while not over.is_set():
        told: list[AnyEvent] = []
        snapshot, _ = feed.follow(told.extend)
        joined.append((decode(snapshot), told))
    thread.join(LIMIT)
    for state, told in joined[:200]:
        assert [e.seq for e in told] == list(range(state.seq + 1, 1001))
        assert fold(told, state) == feed.state()
