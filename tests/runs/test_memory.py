"""Runs without a disk: kept in this kernel's memory where the user says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import dspex
from dspex import runs
from dspex.errors import JournalError, RunNotFoundError
from dspex.runs import home
from tests.programs import Sort, rows
from tests.runs.test_replay import Stopping, evaluation
from tests.runs.works import LIMIT, begin, propose, say


@pytest.fixture(autouse=True)
def in_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """No disk at all: the working folder stays empty."""
    monkeypatch.setenv("DSPEX_HOME", ":memory:")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    runs.prune(keep=0)
    assert list(tmp_path.iterdir()) == []


def test_a_run_in_memory_is_like_any_other() -> None:
    """It has events, candidates, what was learned, and a place in the list."""

    def work(kept: object) -> object:
        for n in range(500):
            say(str(n))
        return propose(kept, "base", mean=0.5)  # type: ignore[arg-type]

    run = begin(work)
    assert run.result(LIMIT).name == "base"
    assert len(run.events) == 505
    assert [r.id for r in runs.list()] == [run.id]
    assert runs.open(run.id) is run
    assert runs.last() is run
    assert repr(runs.list()).splitlines()[1].split()[:2] == [run.id, "finished"]
    with pytest.raises(RunNotFoundError):
        runs.open("r99")


def test_a_run_in_memory_can_be_resumed_in_its_kernel() -> None:
    """The ledger is in memory, too."""
    model = Stopping(3, "stop")
    run = evaluation(model)
    run.resume(program=dspex.Predict(Sort), lm=model.lm, devset=rows())
    assert (run.result(LIMIT).n, len(model.asked)) == (8, 8)


def test_a_run_in_memory_is_gone_when_it_is_pruned() -> None:
    """And its number is free for nobody else meanwhile."""
    first, second = begin(lambda kept: 1), begin(lambda kept: 2)
    assert first.wait(LIMIT)
    assert second.wait(LIMIT)
    assert [run.id for run in runs.prune(keep=1)] == [first.id]
    assert [run.id for run in runs.list()] == [second.id]
    with pytest.raises(JournalError, match="There is no journal"):
        _ = first.events


def test_a_home_that_cannot_be_written_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """At once, in one line; saying `:memory:` is enough to go on."""
    place = tmp_path_factory.mktemp("home") / "file"
    place.write_text("no folder")
    monkeypatch.setenv("DSPEX_HOME", str(place))
    with pytest.raises(
        JournalError, match=r"Runs cannot be kept in .*: Not a directory\. Set DSPEX_HOME .*`:memory:`"
    ):
        begin(lambda kept: 1)
    monkeypatch.setenv("DSPEX_HOME", ":memory:")
    assert begin(lambda kept: 1).result(LIMIT) == 1
    assert file_count(home.home()) == 0


def file_count(place: Path) -> int:
    return len(list(place.iterdir())) if place.exists() else 0
