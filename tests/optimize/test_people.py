"""People act when it suits them: right after the start, twice, on what the method comes to as well, and while it rests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

import dspex
from dspex.errors import SettingsError, UsageError
from dspex.events.event import CandidateProposed, ExampleScored
from dspex.runs.run import here
from tests.optimize.test_steering import LIMIT, ROWS, Desk, acts, lm_of, search, until


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.let_go()
    for run in here():
        run.cancel() if not run.done else None
        run.wait(LIMIT)


def test_a_run_can_be_steered_in_the_cell_that_started_it(desk: Desk) -> None:
    """Cells that are run one after the other come faster than a run to its first candidate; nobody has to wait."""
    desk.hold()
    run = search(desk)
    assert run.evaluate(instruction="PICK the team.") == "p1"
    run.pin("base")
    run.concurrency(3)
    assert [c.id for c in run.state.candidates] == ["base", "p1"], "what was done is in the picture at once"
    assert [act.verb for act in acts(run)] == ["evaluate", "pin", "concurrency"]
    with pytest.raises(UsageError, match="no candidate `c99`"):
        run.pin("c99")
    desk.let_go()
    run.result(LIMIT)


def test_the_same_candidate_twice_is_one_and_asked_once(desk: Desk) -> None:
    """Whoever presses the button again pays nothing again."""
    desk.hold()
    run = search(desk)
    ids = {run.evaluate(instruction="PICK the team.") for _ in range(3)}
    desk.let_go()
    run.result(LIMIT)
    assert ids == {"p1"}
    cells = Counter(e.example for e in run.events if isinstance(e, ExampleScored) and e.candidate == "p1")
    assert cells == Counter(row.digest for row in ROWS)
    assert sum(isinstance(e, CandidateProposed) and e.candidate == "p1" for e in run.events) == 1


def test_the_method_takes_the_score_of_a_program_that_a_person_had_first(desk: Desk) -> None:
    """It waits for the scoring that goes on already, in place of asking all of it once more."""
    desk.hold()
    program = dspex.Predict("ticket -> team", temperature=0.0)
    with dspex.context(lm=lm_of(desk)):
        learned = dspex.LabeledFewShot(k=2).compile(program, trainset=ROWS)
        run = dspex.LabeledFewShot(k=2, metric=dspex.exact("team")).start(program, trainset=ROWS, valset=ROWS)
    assert run.evaluate(program=learned) in ("p1", "c01")
    desk.let_go()
    run.result(LIMIT)
    assert len(run.state.candidates) == 2
    assert len(desk.asked) == 2 * len(ROWS)


def test_what_is_dropped_while_the_run_rests_is_never_asked(desk: Desk) -> None:
    """A pause is there to think: what was thought better of costs nothing when the run goes on."""
    desk.hold()
    run = search(desk)
    until(lambda: desk.in_flight == 2)
    run.pause()
    id = run.evaluate(instruction="Answer in one word.")
    run.drop(id, reason="no")
    desk.let_go()
    run.resume()
    run.result(LIMIT)
    assert not [e for e in run.events if isinstance(e, ExampleScored) and e.candidate == id]
    seen = run.state.candidate(id)
    assert seen is not None
    assert (seen.state, seen.reason) == ("dropped", "no")


def test_what_was_given_up_is_never_the_result(desk: Desk) -> None:
    """Not where the method made it, and not where somebody would pin it after all."""
    desk.hold()
    optimizer = dspex.LabeledFewShot(k=2, metric=dspex.exact("team"))
    with dspex.context(lm=lm_of(desk)):
        run = optimizer.start(dspex.Predict("ticket -> team", temperature=0.0), trainset=ROWS, valset=ROWS)
    base = run.evaluate(instruction="PICK the team.")
    run.drop(base)
    with pytest.raises(UsageError, match="`p1` was dropped; pin one that was not"):
        run.pin("p1")
    desk.let_go()
    until(lambda: run.state.candidate("c01"))
    run.drop("c01")
    assert run.result(LIMIT).demos == []
    assert run.state.best == "base"


def test_a_run_whose_candidates_are_all_given_up_says_so(desk: Desk) -> None:
    """There is no result, and no error of ours in its place."""
    desk.hold()
    optimizer = dspex.BootstrapFewShotWithRandomSearch(metric=dspex.exact("team"), num_candidate_programs=0)
    with dspex.context(lm=lm_of(desk)):
        run = optimizer.start(dspex.Predict("ticket -> team"), trainset=ROWS, valset=ROWS, restrict=[])
    run.pin("base")
    run.pin("base", pinned=False)
    run.drop("base")
    desk.let_go()
    with pytest.raises(UsageError, match="Every candidate was dropped"):
        run.result(LIMIT)


def test_a_run_of_one_program_has_no_race(desk: Desk) -> None:
    """Its result is the evaluation, whatever button is pressed."""
    desk.hold()
    with dspex.context(lm=lm_of(desk)):
        run = dspex.Evaluate(devset=ROWS, metric=dspex.exact("team")).start(dspex.Predict("ticket -> team"))
    for act in (
        lambda: run.pin("program"),
        lambda: run.drop("program"),
        lambda: run.evaluate(instruction="PICK."),
    ):
        with pytest.raises(UsageError, match="scores one program and has no race to join"):
            act()
    with pytest.raises(UsageError, match="no candidate with a score yet"):
        run.branch()
    desk.let_go()
    assert run.result(LIMIT).n == len(ROWS)


def test_what_is_said_of_an_example_that_nobody_scores_is_refused(desk: Desk) -> None:
    """Whoever labels a row of the wrong set is told, in place of being ignored."""
    desk.hold()
    run = search(desk)
    with pytest.raises(UsageError, match="The run scores no such example"):
        run.label(ROWS[0].copy(ticket="another"), {"team": "bug"})
    run.label(ROWS[0].digest, comment="by its id")
    desk.let_go()
    run.result(LIMIT)
    assert run.state.labels == 1


def test_holding_and_ending_are_in_the_picture_at_once(desk: Desk) -> None:
    """The line after `run.pause()` sees a paused run."""
    desk.hold()
    run = search(desk)
    run.pause()
    assert run.status == "paused"
    run.resume()
    assert run.status == "running"
    run.stop()
    assert run.status == "stopping"
    desk.let_go()
    run.wait(LIMIT)


def test_texts_that_no_file_can_hold_are_refused(desk: Desk) -> None:
    """A half of a surrogate pair, or a line end in a name, breaks no list of runs."""
    desk.hold()
    for name in ("half \ud83d", "two\nlines", "\x1b[31mred"):
        with pytest.raises(SettingsError, match="`name` takes a line of text"):
            search(desk, name=name)
    run = search(desk, name="a/../<b> ☃")
    with pytest.raises(UsageError, match="no half characters"):
        run.evaluate(instruction="half \ud83d")
    desk.let_go()
    run.result(LIMIT)
    assert dspex.runs.list(program="a/../<b> ☃")[0].id == run.id


def test_whoever_joins_has_a_score_when_the_run_is_finished() -> None:
    """A candidate that comes too late is refused, not taken in and forgotten."""
    program, late = dspex.Predict("ticket -> team", temperature=0.0), Desk()
    with dspex.context(lm=lm_of(late)):
        for _ in range(5):
            search = dspex.LabeledFewShot(k=2, metric=dspex.exact("team"))
            run = search.start(program, trainset=ROWS[:2], valset=ROWS[:2])
            with pytest.raises(UsageError, match=r"The race is over|is over: it cannot"):
                [run.evaluate(instruction=f"Attempt {n}.") for n in range(10_000)]
            assert run.wait(LIMIT)
            assert [c.id for c in run.state.candidates if c.mean is None] == []
