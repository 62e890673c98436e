"""The home of runs can be looked through, compared, cleared and written out; what goes on is never touched."""

from __future__ import annotations

import json
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dspex import runs
from dspex.errors import JournalError, RunNotFoundError, UsageError
from dspex.runs import home
from dspex.testing.clock import FakeClock
from tests.runs.kernels import Kernel
from tests.runs.test_processes import BUSY
from tests.runs.works import LIMIT, begin, propose, say

DAY = 86400.0
START = 1_700_000_000.0


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for this test alone."""
    monkeypatch.setenv("DSPEX_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "runs"


def finished(mean: float = 0.5, **changes: object) -> runs.Run:
    run = begin(lambda kept: propose(kept, "base", mean=mean), **changes)
    assert run.wait(LIMIT)
    return run


def ids(found: runs.Runs) -> list[str]:
    return [run.id for run in found]


def test_runs_are_found_by_what_they_are() -> None:
    """State, method, program and time, each alone and together, newest first."""
    with FakeClock(START) as clock:
        finished(name="triage", method="Search")
        clock.advance(3 * DAY)
        finished(name="qa", method="Search")
        failed = begin(lambda kept: 1 / 0, name="qa", method="Evaluate")
        failed.wait(LIMIT)
        clock.advance(3600)
        assert ids(runs.table()) == ["r3", "r2", "r1"]
        assert ids(runs.table(status="failed")) == ["r3"]
        assert ids(runs.table(status=["failed", "finished"], program="qa")) == ["r3", "r2"]
        assert ids(runs.table(method="Search", last=1)) == ["r2"]
        assert ids(runs.table(since="2h")) == ["r3", "r2"]
        assert ids(runs.table(since=timedelta(days=4))) == ["r3", "r2", "r1"]
        assert ids(runs.table(since=START + 1)) == ["r3", "r2"]
        assert ids(runs.table(since=datetime.fromtimestamp(START + 2 * DAY, UTC))) == ["r3", "r2"]
        assert ids(runs.table(since="30m")) == []
    assert runs.list is runs.table


@pytest.mark.parametrize("since", ["yesterday", "3 moons", "", True, object()])
def test_a_time_that_is_none_is_refused(since: object) -> None:
    """In one line that shows what can be written."""
    with pytest.raises(UsageError, match=r"A time is a date such as `2026-05-01`, or .* `7d`\."):
        runs.table(since=since)  # type: ignore[arg-type]


def test_a_state_that_no_run_has_is_refused() -> None:
    """With the nearest one there is."""
    with pytest.raises(UsageError, match=r"No run is ever `runing`\. Did you mean `running`\?"):
        runs.table(status="runing")


def test_runs_are_compared_side_by_side() -> None:
    """Equal traits are there, differing ones stand out, and names are text, never markup."""
    finished(0.5, name="<b>", seed=1, sizes={"val": 3})
    finished(0.75, name="<b>", seed=2, sizes={"val": 3})
    found = runs.compare("r1", runs.open("r2"))
    assert ("seed", "1", "2") in found.differences
    assert ("best", "50.0 ±0.0 on 10", "75.0 ±0.0 on 10") in found.differences
    assert ("data", "3 val", "3 val") in found.rows
    head, *lines = repr(found).splitlines()
    assert head.split() == ["r1", "r2"]
    assert len(lines) == len(found.rows)
    assert "&lt;b&gt;" in found._repr_html_()
    assert "<b>" not in found._repr_html_()
    with pytest.raises(UsageError, match="Name at least two runs"):
        runs.compare("r1")
    with pytest.raises(RunNotFoundError, match="There is no run `r9`"):
        runs.compare("r1", "r9")


def test_old_runs_are_deleted_and_live_ones_never(own_home: Path) -> None:
    """By age and by number, first to look and then to do; what runs here or in another kernel stays."""
    with FakeClock(START) as clock:
        for _ in range(3):
            finished()
            clock.advance(DAY)
        go = threading.Event()
        live = begin(lambda kept: go.wait(LIMIT))
        clock.advance(10 * DAY)
        assert ids(runs.prune(older_than="12d", dry=True)) == ["r1"]
        assert len(runs.list()) == 4
        assert ids(runs.prune(older_than="12d")) == ["r1"]
        gone = runs.prune(keep=1)
        assert ids(gone) == ["r2"]
        assert repr(gone).splitlines()[1].split()[:2] == ["r2", "finished"]
        assert ids(runs.prune(keep=0)) == ["r3"]
        assert ids(runs.list()) == [live.id]
        go.set()
        assert live.wait(LIMIT)
    assert sorted(path.name for path in own_home.iterdir()) == [live.id]
    with pytest.raises(RunNotFoundError):
        runs.open("r1")


def test_a_run_of_another_kernel_is_not_deleted_while_it_goes_on(own_home: Path) -> None:
    """Once its kernel is dead it may go."""
    with Kernel(BUSY, own_home.parent) as kernel:
        kernel.line()
        assert ids(runs.prune(keep=0)) == []
        kernel.kill()
    assert ids(runs.prune(status="lost")) == ["r1"]


def test_clearing_says_what_it_must_know() -> None:
    """Nothing is deleted by a slip of the hand."""
    finished()
    with pytest.raises(UsageError, match=r"Say which runs to delete, such as"):
        runs.prune()
    for keep in (-1, True, 1.5):
        with pytest.raises(UsageError, match="`keep` takes a whole number of at least 0"):
            runs.prune(keep=keep)  # type: ignore[arg-type]
    assert len(runs.list()) == 1


def test_a_run_that_cannot_be_deleted_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the others stay as they were."""
    finished()

    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(JournalError, match=r"Run r1 cannot be deleted from .*: Permission denied"):
        runs.prune(keep=0)


def test_a_run_is_written_out_as_lines_of_json(tmp_path: Path) -> None:
    """What it is, its programs, and every event in order; nothing of how the notebook started it."""

    def work(kept: object) -> object:
        say("half" + chr(0xD83D))
        return propose(kept, "base", mean=0.5)  # type: ignore[arg-type]

    run = begin(work)
    run.wait(LIMIT)
    path = runs.export(run.id, tmp_path / "r1.jsonl")
    head, payload, *events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert (head["format"], head["version"], head["run"], head["events"]) == (
        "dspex-run",
        1,
        "r1",
        len(events),
    )
    assert payload == {"payload": "ref-base", "body": {"name": "base"}}
    assert [event.get("seq") for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["kind"], events[-1]["kind"]) == ("run_start", "run_end")
    with pytest.raises(
        UsageError, match=r"`/nowhere/x\.jsonl` cannot be written: No such file or directory\."
    ):
        runs.export(run, "/nowhere/x.jsonl")


def test_the_home_is_nobody_elses(own_home: Path) -> None:
    """Its folders can be read by their owner alone."""
    run = finished()
    for folder in (own_home.parent, own_home, own_home / run.id):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert home.size_of(own_home / run.id) > 0
