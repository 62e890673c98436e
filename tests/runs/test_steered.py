"""What people did to a run holds in its next life, unless they say otherwise when they resume it."""

from __future__ import annotations

from pathlib import Path

import pytest

import dspex
from dspex.errors import JournalError, SettingsError
from dspex.events.event import RunSteered
from dspex.lm.messages import Request
from dspex.runs import home, live
from tests.programs import Answering, Sort, learner, rows
from tests.runs.test_replay import kind_is_right, of
from tests.runs.works import LIMIT

KEYS = {"price": (1.0, 1.0), "num_retries": 0}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for this test alone."""
    monkeypatch.setenv("DSPEX_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "runs"


def capped_at_five() -> tuple[dspex.Run, dspex.LM]:
    """A run that a person capped while it went on, and which came to its cap."""
    asked: list[Request] = []

    def answer(request: Request) -> object:
        asked.append(request)
        if len(asked) == 2:
            live()[-1].budget(calls=5, by="ann")
        return learner(request)

    lm = dspex.LM("test/model", transport=Answering(answer), **KEYS)  # type: ignore[arg-type]
    with dspex.context(lm=lm, num_threads=1):
        run = dspex.Evaluate(devset=rows(), metric=kind_is_right).start(
            dspex.Predict(Sort), budget={"usd": 50, "seconds": 500}
        )
    run.wait(LIMIT)
    assert (run.status, run.state.calls) == ("stopped", 5)
    return run, lm


def test_a_budget_given_to_resume_takes_the_place_of_all_that_were_set_before() -> None:
    """Also of those that people set while the run went on; who did it is told, and the picture shows it."""
    run, lm = capped_at_five()
    run.resume(by="bob", budget={"calls": 100}, lm=lm, program=dspex.Predict(Sort), devset=rows())
    assert run.result(LIMIT).n == 8
    assert run.status == "finished"
    assert (run.state.budget_usd, run.state.limits) == (None, {"calls": 100})
    assert [(e.by, e.text) for e in of(run, RunSteered)] == [
        ("ann", "set the budget to 5 calls"),
        ("bob", "set the budget to no cap on money, no cap on time, 100 calls"),
    ]


def test_a_run_that_is_resumed_with_no_word_of_its_budget_keeps_the_last_one() -> None:
    """It has reached its cap, and says so again at once."""
    run, lm = capped_at_five()
    run.resume(lm=lm, program=dspex.Predict(Sort), devset=rows())
    run.wait(LIMIT)
    assert (run.status, run.state.calls) == ("stopped", 5)
    with pytest.raises(SettingsError, match="A budget is a number"):
        run.resume(budget="much", lm=lm, program=dspex.Predict(Sort), devset=rows())


def test_the_folder_of_a_run_that_was_deleted_is_not_made_again(own_home: Path) -> None:
    """Whoever wants to work on it is told."""
    with pytest.raises(JournalError, match=r"Run r7 is gone: its folder `.*r7` was deleted."):
        home.own(own_home / "r7")
    assert not own_home.exists()
