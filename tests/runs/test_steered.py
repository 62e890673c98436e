"""What people did to a run holds in its next life, unless they say otherwise when they resume it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import dspex
from dspex.errors import DataError, JournalError, ProgramError, SettingsError, UsageError
from dspex.events.event import RunSteered
from dspex.lm.messages import Request
from dspex.runs import home, live
from dspex.runs.frame import candidates_frame
from dspex.runs.state import CandidateView, RunState
from tests.programs import Answering, Sort, learner, rows
from tests.runs.test_replay import kind_is_right, of
from tests.runs.works import LIMIT, Steps, begin

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


def test_who_does_something_and_with_what_is_checked_before_it_is_done() -> None:
    """A word that is none reaches neither the run nor its journal, which can be read."""
    lm = dspex.LM("test/model", transport=Answering(learner), **KEYS)  # type: ignore[arg-type]
    with dspex.context(lm=lm):
        search = dspex.BootstrapFewShotWithRandomSearch(metric=kind_is_right, num_candidate_programs=2)
        run = search.start(dspex.Predict(Sort), trainset=rows(), valset=rows())
        run.pause()
    other = dspex.Predict("picture -> kind")
    for act, error, text in (
        (lambda: run.pause(by=None), UsageError, "`by` says who does it, as text such as `ann`, not None."),
        (lambda: run.budget(calls=50, by=5), UsageError, "`by` says who does it"),
        (lambda: run.evaluate(program=5), ProgramError, "`program` takes a dspex program"),
        (lambda: run.evaluate(program=other), DataError, r"`valset\[0\]` lacks the input `picture`"),
        (lambda: run.evaluate(instruction=5), UsageError, "An instruction is text"),
        (lambda: run.evaluate(demos="some"), UsageError, "demos= takes a list of examples, not a `str`."),
        (lambda: run.label(rows()[0], {"kind": object()}), UsageError, "The label cannot be kept"),
        (
            lambda: run.label(5, {"kind": "tool"}),
            UsageError,
            "`label` takes an example or its id, not a `int`.",
        ),
    ):
        with pytest.raises(error, match=text):
            act()
    run.resume()
    assert run.wait(LIMIT)
    assert (run.status, of(run, RunSteered)) == ("finished", [])


def test_the_candidate_that_leads_stands_first() -> None:
    """One that was cut short may have a better mean on the few examples it was scored on."""
    state = RunState(best="c01", candidates=[
        CandidateView(id="c02", mean=0.9, n=3, state="dropped"),
        CandidateView(id="c01", mean=0.5, n=8, full=True, state="scored"),
        CandidateView(id="c03"),
    ])  # fmt: skip
    assert list(candidates_frame(state).id) == ["c01", "c02", "c03"]


def test_a_follower_may_hold_the_run_it_follows() -> None:
    """It is called by the thread that writes the journal, which does not wait for itself."""
    work, held = Steps(), threading.Event()
    run = begin(work)
    work.wait()

    def hold(_: object) -> None:
        run.pause(by="a follower")
        held.set()

    run.follow(hold)
    work.let_go()
    assert held.wait(LIMIT / 2)
    run.cancel()
    work.let_go()
    assert run.wait(LIMIT)
