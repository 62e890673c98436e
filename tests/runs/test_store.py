"""Every run of this user can be found again, and one that is damaged hides no other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dspex import runs
from dspex.errors import JournalError, ResumeError, RunNotFoundError, UsageError
from dspex.runs import home
from dspex.runs import run as _run
from tests.runs.works import LIMIT, Learned, begin, propose


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for this test alone."""
    monkeypatch.setenv("DSPEX_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "runs"


def finished(name: str = "triage") -> runs.Run:
    run = begin(lambda kept: propose(kept, "base", mean=0.5), name=name)
    run.wait(LIMIT)
    return run


def elsewhere(id: str) -> runs.Run:
    """Open the run as a kernel that did not make it."""
    _run._runs.pop(id)
    return runs.open(id)


def test_an_empty_home_says_so() -> None:
    """No error, no table of nothing."""
    assert len(runs.list()) == 0
    assert repr(runs.list()).startswith("No runs yet in ")
    assert "No runs yet" in runs.list()._repr_html_()
    with pytest.raises(RunNotFoundError, match=r"There are no runs yet\."):
        runs.last()
    with pytest.raises(RunNotFoundError, match=r"There is no run `r1`\. There are no runs yet\."):
        runs.open("r1")


def test_runs_are_numbered_and_listed_newest_first() -> None:
    """The newest on top, as many as asked for, as a table of texts."""
    made = [finished(f"p{n}") for n in range(11)]
    assert [run.id for run in made] == [f"r{n}" for n in range(1, 12)]
    table = runs.list()
    assert [run.id for run in table] == [f"r{n}" for n in range(11, 0, -1)]
    assert [run.id for run in runs.list(last=2)] == ["r11", "r10"]
    assert len(runs.list(last=0)) == 0
    assert (table[0].id, table[-1].id, table[np.int64(1)].id, len(table[2:4])) == ("r11", "r1", "r10", 2)
    assert runs.last().id == "r11"
    head, first, *_ = repr(table).splitlines()
    assert head.split() == ["id", "status", "method", "program", "best", "candidates", "cost", "started"]
    assert first.split()[:7] == ["r11", "finished", "Search", "p10", "50.0", "1", "$0.00"]


def test_a_users_name_is_text_in_the_table() -> None:
    """Never markup."""
    finished("<script>")
    assert "&lt;script&gt;" in runs.list()._repr_html_()


def test_a_run_of_this_kernel_is_opened_as_itself() -> None:
    """It can be steered from wherever it is found."""
    run = finished()
    assert runs.open(run.id) is run
    assert runs.last() is run


def test_a_run_of_another_kernel_can_be_read() -> None:
    """State, events, candidates, what was learned; what needs its code says so in one line."""
    made = finished()
    run = elsewhere(made.id)
    assert run is not made
    assert (run.state, run.events, run.snapshot()) == (made.state, made.events, made.snapshot())
    assert (run.done, run.wait(), run.status, repr(run)) == (True, True, "finished", repr(made))
    assert list(run.candidates["id"]) == ["base"]
    assert run.load_into(Learned("new")).name == "base"
    with pytest.raises(ResumeError, match=rf"\ARun {run.id} has finished: nothing is left to do\."):
        run.resume()
    for act in (run.pause, run.stop, run.cancel):
        with pytest.raises(
            UsageError, match=rf"\ARun {run.id} is over: it cannot {act.__name__} from here\.\Z"
        ):
            act()
    for ask in (run.result, lambda: run.best):
        with pytest.raises(UsageError, match=r"made by another kernel.*load_into"):
            ask()


@pytest.mark.parametrize("id", ["r99", "r01", "x", "", "../r1", "r1/", "R1", 3, None])
def test_an_unknown_id_is_told_with_what_there_is(id: Any) -> None:
    """In one line, whatever was asked for."""
    for _ in range(4):
        finished()
    with pytest.raises(RunNotFoundError, match=r"\AThere is no run `[^\n]*The last ones are r2, r3, r4\.\Z"):
        runs.open(id)


def test_an_id_with_a_slip_is_told_with_the_nearest() -> None:
    """As everywhere."""
    for _ in range(12):
        finished()
    with pytest.raises(RunNotFoundError, match=r"no run `r121`\. Did you mean `r12`\?"):
        runs.open("r121")


def test_a_damaged_run_hides_no_other(own_home: Path) -> None:
    """The table and `last` pass over it; opening it by name says what is wrong."""
    for _ in range(3):
        finished()
    for id in ("r2", "r3"):
        for rest in own_home.joinpath(id).glob("journal.sqlite-*"):
            rest.unlink()
        own_home.joinpath(id, home.JOURNAL).write_bytes(b"no database" * 1000)
        _run._runs.pop(id)
    assert [run.id for run in runs.list()] == ["r1"]
    assert [run.id for run in runs.list(last=1)] == ["r1"]
    assert runs.last().id == "r1"
    with pytest.raises(JournalError, match=r"r2.* is damaged: file is not a database"):
        runs.open("r2")


def test_other_files_in_the_home_are_left_aside(own_home: Path) -> None:
    """Only folders with a run's name are runs."""
    finished()
    own_home.joinpath("r0").mkdir()
    own_home.joinpath("notes").mkdir()
    own_home.joinpath("r77").write_text("a file")
    assert [run.id for run in runs.list()] == ["r1"]


def test_a_run_that_died_before_its_first_event_is_lost(own_home: Path) -> None:
    """An empty folder is told as what it is."""
    own_home.joinpath("r5").mkdir(parents=True)
    run = runs.open("r5")
    assert (run.id, run.status, run.state.reason, run.done) == ("r5", "lost", "its kernel died", True)
    assert repr(run) == "Run r5: lost (its kernel died), no score yet"
    with pytest.raises(
        ResumeError, match=r"\ARun r5 wrote nothing before its kernel died: start it anew\.\Z"
    ):
        run.resume()
    assert begin(lambda kept: "x").id == "r6"


def test_a_home_that_cannot_be_written_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do, and without a trace left behind."""
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("DSPEX_HOME", str(blocked))
    with pytest.raises(
        JournalError, match=r"\ARuns cannot be kept in `[^\n]*Set DSPEX_HOME to a folder you can write"
    ):
        begin(lambda kept: "x")
    with pytest.raises(JournalError, match=r"\AThe runs in `[^\n]*cannot be read"):
        runs.list()
    assert [run.id for run in runs.live()] == []


def test_a_run_that_cannot_be_marked_is_told_in_one_line(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, say: nothing starts."""
    monkeypatch.setattr(home, "OWNER", "missing/owner.lock")
    monkeypatch.setattr("filelock._unix.ensure_directory_exists", lambda path: None)
    with pytest.raises(JournalError, match=r"\ARun r1 cannot be kept in `[^\n]*No such file"):
        begin(lambda kept: "x")
    assert runs.live() == []


def test_a_relative_home_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `%cd` in mid-run moves no journal."""
    monkeypatch.setenv("DSPEX_HOME", "here")
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("other").mkdir()

    def work(kept: Any) -> Any:
        os.chdir(tmp_path / "other")
        return propose(kept, "base", mean=0.5)

    run = begin(work)
    assert run.result(LIMIT).name == "base"
    assert len(run.events) == 5
    assert tmp_path.joinpath("here", "runs", run.id, home.JOURNAL).exists()


def test_whoever_lists_runs_disturbs_none_that_starts() -> None:
    """Looking whether a run has an owner holds its mark for a moment; a start waits that moment."""
    from filelock import FileLock

    folder = home.new_folder()
    looking = FileLock(folder / home.OWNER, thread_local=False)
    looking.acquire()
    assert home.is_owned(folder)
    import threading

    threading.Timer(0.05, looking.release).start()
    lock = home.own(folder)
    assert home.is_owned(folder)
    lock.release()
    assert not home.is_owned(folder)


def test_last_is_this_kernels_newest_run_before_any_other_kernels(tmp_path: Path, monkeypatch: Any) -> None:
    """With two notebooks open, `last()` means the run of the notebook it is typed in."""
    monkeypatch.setenv("DSPEX_HOME", str(tmp_path))
    mine = begin(lambda kept: 1)
    mine.wait()
    (tmp_path / "runs" / "r99").mkdir()
    assert runs.last() is mine


@pytest.mark.parametrize("last", [-1, 1.5, "3", True])
def test_how_many_runs_to_list_is_a_number(last: Any) -> None:
    """Not below nothing."""
    with pytest.raises(UsageError, match="`last` takes how many runs to show"):
        runs.list(last=last)


@pytest.mark.parametrize("since", ["99999999999d", float("nan")])
def test_a_time_nobody_can_mean_is_refused(since: Any) -> None:
    """In the words for every other wrong time."""
    with pytest.raises(UsageError, match="A time is a date such as"):
        runs.list(since=since)


def test_what_is_no_run_is_told_as_an_unknown_one(tmp_path: Path) -> None:
    """A list of ids, a number, a result: whatever stands where a run is meant."""
    for what in (5, ["r1", "r2"], object()):
        with pytest.raises(RunNotFoundError, match="There is no run"):
            runs.compare(what, what)  # type: ignore[arg-type]
        with pytest.raises(RunNotFoundError, match="There is no run"):
            runs.export(what, tmp_path / "run.jsonl")  # type: ignore[arg-type]
