"""A journal that was cut off opens with what is whole, says so, and can be gone on with."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import dspex
from dspex import runs
from dspex.errors import JournalError
from dspex.events.bus import Bus
from dspex.events.event import AnyEvent, Log, RunReopened, RunStart
from dspex.runs import past
from dspex.runs.file import DamagedJournalError, connect, read_events
from dspex.runs.journal import Journal
from dspex.runs.mend import mend, prepare
from dspex.runs.steps import Steps
from tests.programs import Sort, rows
from tests.runs.test_replay import Stopping, evaluation, of
from tests.runs.works import LIMIT

PAGE = 4096


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for this test alone."""
    monkeypatch.setenv("DSPEX_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "runs"


def written(path: Path, count: int) -> Path:
    """Write a journal of so many events, each with an act and a payload, some at a time, and close it in order."""
    kept = Journal(path, "r1", lambda events: None, lambda error: None)
    bus = Bus()
    bus.attach(kept)
    kept.open()
    bus.emit(RunStart(name="qa", work="optimize", method="Search"), run="r1")
    for n in range(count - 1):
        event = Log(level="info", text=f"{n} " * (n % 30))
        kept.keep(f"p{n}", b'{"state": %d}' % n)
        kept.ride(event, (b"key%d" % n, b"body" * (n % 20), False))
        bus.emit(event, run="r1")
        if n % 40 == 0:
            assert kept.flush()
    kept.close()
    return path


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small journal."""
    return written(tmp_path_factory.mktemp("journal") / "journal.sqlite", 60)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of many pages, whose tables grew side by side."""
    return written(tmp_path_factory.mktemp("journal") / "journal.sqlite", 400)


def cuts(path: Path, folder: Path, lengths: Iterator[int] | range) -> Iterator[tuple[int, Path]]:
    """Yield copies of a file that end at these lengths."""
    whole = path.read_bytes()
    copy = folder / path.name
    for length in lengths:
        copy.write_bytes(whole[:length])
        yield length, copy


def as_far(path: Path) -> tuple[list[AnyEvent], str]:
    """Return the events that can be read, and what the file says of the rest."""
    events: list[AnyEvent] = []
    try:
        events.extend(read_events(path))
    except DamagedJournalError as exc:
        return events, str(exc)
    return events, ""


@pytest.mark.timeout(60)
def test_a_file_cut_at_every_byte_of_its_last_page_is_read_as_far_as_it_is_whole(
    journal: Path, tmp_path: Path
) -> None:
    """What is read is a beginning of what was written, never anything else; less is never passed over in silence."""
    whole, _ = as_far(journal)
    assert len(whole) == 60
    size = journal.stat().st_size
    assert size % PAGE == 0
    seen = set()
    for length, copy in cuts(journal, tmp_path, range(size - PAGE, size)):
        events, damage = read_all(copy)
        assert events == whole[: len(events)], length
        assert len(events) == 60 or f"`{copy}` is damaged" in damage, length
        seen.add(len(events))
    assert seen


def read_all(path: Path) -> tuple[list[AnyEvent], str]:
    try:
        return as_far(path)
    except JournalError as exc:
        return [], str(exc)


def test_any_page_may_be_the_end(large: Path, tmp_path: Path) -> None:
    """Cut at and around every page, whatever table it holds: a beginning, or a plain word that nothing is whole."""
    whole, _ = as_far(large)
    size = large.stat().st_size
    ends = [n for page in range(0, size, PAGE) for n in (page, page + 1, page + 100, page + PAGE - 1)]
    most = 0
    for _, copy in cuts(large, tmp_path, iter(ends)):
        events, damage = read_all(copy)
        assert events == whole[: len(events)]
        assert (
            len(events) == 400 or damage or copy.stat().st_size < PAGE
        )  # less than a page is no database yet
        most = max(most, len(events))
    assert most > 100


def test_a_page_of_zeros_is_no_event(journal: Path, tmp_path: Path) -> None:
    """A disk that lost a page without saying so."""
    whole, _ = as_far(journal)
    body = journal.read_bytes()
    for page in range(1, len(body) // PAGE):
        copy = tmp_path / "journal.sqlite"
        copy.write_bytes(body[: page * PAGE] + bytes(PAGE) + body[(page + 1) * PAGE :])
        events, damage = read_all(copy)
        assert events == whole[: len(events)]
        assert len(events) == 60 or damage, page


def test_a_log_cut_at_any_byte_holds_every_whole_commit(tmp_path: Path) -> None:
    """The file that a killed kernel leaves beside its journal."""
    folder = tmp_path / "first"
    folder.mkdir()
    kept = Journal(folder / "journal.sqlite", "r1", lambda events: None, lambda error: None)
    bus = Bus()
    bus.attach(kept)
    kept.open()
    for n in range(20):
        bus.emit(Log(level="info", text=str(n)), run="r1")
        assert kept.flush()
    shutil.copytree(folder, tmp_path / "copy")
    kept.close()
    log = tmp_path / "copy" / "journal.sqlite-wal"
    body = log.read_bytes()
    seen = set()
    for length in range(len(body) - 2 * (PAGE + 24), len(body), 13):
        log.write_bytes(body[:length])
        log.with_name("journal.sqlite-shm").unlink(missing_ok=True)
        events, damage = as_far(tmp_path / "copy" / "journal.sqlite")
        assert ([event.seq for event in events], damage) == (list(range(1, len(events) + 1)), "")
        seen.add(len(events))
    assert seen <= {17, 18, 19, 20}
    assert len(seen) > 1


def test_a_mended_journal_holds_what_was_whole(large: Path, tmp_path: Path) -> None:
    """Events, acts up to them, payloads; the damaged file is put aside, and both can be read."""
    path = tmp_path / "journal.sqlite"
    body = large.read_bytes()
    path.write_bytes(body[: len(body) - 3 * PAGE])
    events, damage = as_far(path)
    assert damage
    assert len(events) > 100
    aside = mend(path, events[-1].seq)
    prepare(path)
    assert as_far(path) == (events, "")
    assert as_far(aside)[0] == events
    with connect(path) as db:
        keys = [row[0] for row in db.execute("select key from steps order by rowid")]
        earlier = max(row[0] for row in db.execute("select last from chunks where last < 100"))
    db.close()
    assert keys == [b"key%d" % n for n in range(len(events) - 1)]
    assert mend(path, earlier).name == "damaged-2.sqlite"
    assert len(as_far(path)[0]) == earlier


def test_acts_that_are_lost_are_said_to_be_and_done_again(large: Path, tmp_path: Path) -> None:
    """A page of zeros in what acts gave: the events are whole, the acts of that part are not known."""
    path = tmp_path / "journal.sqlite"
    path.write_bytes(large.read_bytes())
    with connect(path, write=True) as db:
        ends = [row[0] for row in db.execute("select last from chunks order by last")]
        db.execute("update chunks set acts = zeroblob(length(acts) / 2) where last = ?", ends[2:3])
    db.close()
    assert "is lost in 1 of" in prepare(path)
    steps = Steps(Journal(path, "r1", lambda events: None, lambda error: None), Counter())
    found = [steps.find(b"key%d" % n) is not None for n in range(399)]
    steps.close()
    assert found == [not ends[1] - 1 <= n < ends[2] - 1 for n in range(399)]
    assert prepare(path) == ""
    assert as_far(path)[1] == ""


def test_a_run_with_a_damaged_journal_is_opened_listed_and_resumed(own_home: Path) -> None:
    """Its state says that a part is lost; the next life begins with what is whole and tells so."""
    model = Stopping(5, "stop")
    run = evaluation(model)
    path = own_home / run.id / "journal.sqlite"
    runs.run._runs.pop(run.id)
    # The last event that is whole is some way before the end.
    with connect(path, write=True) as db:
        ends = [row[0] for row in db.execute("select last from chunks order by last")]
        last = ends[-2]
        db.execute("update chunks set events = zeroblob(20) where last = ?", ends[-1:])
    db.close()
    damaged = runs.open(run.id)
    assert damaged.status == "lost"
    assert f"is damaged after event {last}: an event is cut off" in damaged.state.reason
    assert [r.id for r in runs.list()] == [run.id]
    assert len(damaged.events) == last
    damaged.resume(program=dspex.Predict(Sort), lm=model.lm, devset=rows())
    assert damaged.result(LIMIT).n == 8
    assert len(of(damaged, RunReopened)) == 1
    told = [event.text for event in of(damaged, Log)]
    assert any(f"is damaged after event {last}:" in text and "`damaged-1.sqlite`" in text for text in told)
    assert [e.seq for e in damaged.events] == list(range(1, len(damaged.events) + 1))
    assert past.read(path).damage == ""
