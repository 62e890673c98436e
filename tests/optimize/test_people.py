"""People act when it suits them: right after the start, twice, on what the method comes to as well, and while it rests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

import dspex
from dspex.errors import UsageError
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
