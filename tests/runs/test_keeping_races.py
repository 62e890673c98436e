"""Clearing and writing out runs while others work on them, or where one cannot be read, harms nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dspex import runs
from dspex.errors import JournalError
from dspex.runs import home, keeping
from dspex.runs.feed import Feed
from dspex.runs.handle import Run
from tests.runs.works import LIMIT, begin, propose


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for this test alone."""
    monkeypatch.setenv("DSPEX_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "runs"


def finished() -> runs.Run:
    run = begin(lambda kept: propose(kept, "base", mean=0.5))
    assert run.wait(LIMIT)
    return run


def test_a_run_that_is_taken_up_meanwhile_is_not_deleted(own_home: Path) -> None:
    """Who lists what to delete is not who works on it."""
    run = finished()
    owner = home.own(own_home / run.id)
    try:
        assert not keeping._delete(run)
    finally:
        owner.release()
    assert len(run.events) > 2
    assert keeping._delete(run)
    assert not (own_home / run.id).exists()


def test_a_run_that_has_just_claimed_its_folder_is_not_deleted(own_home: Path) -> None:
    """Between that and its first event it looks like a dead one; after a minute it is one."""
    finished()
    folder = own_home / "r2"
    folder.mkdir()
    assert [run.id for run in runs.prune(keep=0)] == ["r1"]
    assert folder.exists()
    os.utime(folder, (1.0, 1.0))
    assert [run.id for run in runs.prune(keep=0)] == ["r2"]
    assert not folder.exists()


def test_a_run_that_cannot_be_read_overwrites_no_file(own_home: Path, tmp_path: Path) -> None:
    """What was written out before stays."""
    target = tmp_path / "out.jsonl"
    runs.export(finished(), target)
    before = target.read_bytes()
    assert json.loads(before.splitlines()[0])["run"] == "r1"
    (own_home / "r2").mkdir()
    with pytest.raises(JournalError, match="There is no journal"):
        runs.export(Run(own_home / "r2", Feed()), target)
    assert target.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe in the file system")
def test_a_journal_that_is_no_file_holds_nobody_up(own_home: Path) -> None:
    """A pipe in its place would be waited for without end."""
    finished()
    (own_home / "r2").mkdir()
    os.mkfifo(own_home / "r2" / home.JOURNAL)
    assert {run.id for run in runs.list()} == {"r1", "r2"}
