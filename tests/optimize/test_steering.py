"""What a person does to a run while it goes on is done, is told as who did what, and outlives the kernel."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import dspex
from dspex import _host
from dspex.errors import LMServerError, SettingsError, UsageError
from dspex.events.event import CandidateDropped, ExampleScored, RunSteered
from dspex.lm.messages import Choice, Request, Response, Usage
from dspex.runs.run import Run, here

LIMIT = 20
TEAMS = ("billing", "account", "bug", "feature")
ROWS = [dspex.Example(ticket=f"ticket {n}", team=TEAMS[n % 4]).with_inputs("ticket") for n in range(12)]


class Desk:
    """A model that answers rightly where its instruction says PICK, and waits where it is told to.

    Attributes:
        asked: what it was asked, in order.
        peak: calls at once, at most.
    """

    waits = True

    def __init__(self, *, right: str = "PICK") -> None:
        self.asked: list[str] = []
        self.in_flight = self.peak = 0
        self.failing: set[str] = set()
        self._right = right
        self._held: asyncio.Event | None = None
        self.reached = threading.Event()

    async def send(self, request: Request) -> Response:
        self.asked.append(request.messages[-1].text)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            self.reached.set()
            if self._held is not None:
                await self._held.wait()
            return self._answer(request)
        finally:
            self.in_flight -= 1

    def _answer(self, request: Request) -> Response:
        said = request.messages[-1].text
        number = int(re.findall(r"ticket (\d+)", said)[-1])
        if f"ticket {number}" in self.failing:
            raise LMServerError("it is down")
        right = self._right in request.messages[0].text
        team = TEAMS[number % 4] if right else TEAMS[(number + 1) % 4]
        text = f"[[ ## team ## ]]\n{team}\n\n[[ ## completed ## ]]"
        return Response(choices=(Choice(text=text),), usage=Usage(prompt_tokens=10, completion_tokens=5))

    def hold(self) -> None:
        """Keep every call from here on."""
        self._held = _host.portal.run(_event())

    def let_go(self) -> None:
        """Answer them all."""
        if self._held is not None:
            _host.loop().call_soon_threadsafe(self._held.set)


async def _event() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.let_go()
    for run in here():
        run.cancel() if not run.done else None
        run.wait(LIMIT)


def lm_of(desk: Desk, name: str = "test/desk") -> dspex.LM:
    return dspex.LM(name, transport=desk, num_retries=0, price=(1.0, 1.0))


def search(desk: Desk, **options: Any) -> Run:
    """Start a search with a few candidates over the rows."""
    optimizer = dspex.BootstrapFewShotWithRandomSearch(
        metric=dspex.exact("team"), num_candidate_programs=2, max_bootstrapped_demos=1, max_labeled_demos=2,
        num_threads=2,
    )  # fmt: skip
    with dspex.context(lm=lm_of(desk)):
        return optimizer.start(
            dspex.Predict("ticket -> team", temperature=0.0), trainset=ROWS, valset=ROWS, **options
        )


def until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    for _ in range(LIMIT * 100):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came to be")


def acts(run: Run) -> list[RunSteered]:
    return [event for event in run.events if isinstance(event, RunSteered)]


def test_a_persons_candidate_joins_the_race_and_may_win(desk: Desk) -> None:
    """It is scored like the others, named apart from them, and is the result where it leads."""
    desk.hold()
    run = search(desk)
    until(desk.reached.is_set)
    until(lambda: run.state.candidates)
    id = run.evaluate(instruction="PICK the team.", by="ada")
    desk.let_go()
    best = run.result(LIMIT)
    assert (id, run.state.best) == ("p1", "p1")
    assert best.signature.instructions == "PICK the team."
    seen = run.state.candidate("p1")
    assert seen is not None
    assert (seen.by, seen.mean, seen.n) == ("ada", 1.0, len(ROWS))
    assert [(act.verb, act.by) for act in acts(run)] == [("evaluate", "ada")]


def test_the_methods_own_candidates_are_the_same_with_a_person_in_the_race(desk: Desk) -> None:
    """What a person adds moves none of the method's names and draws."""
    alone = search(desk)
    alone.result(LIMIT)
    desk.hold()
    run = search(desk)
    until(lambda: run.state.candidates)
    run.evaluate(instruction="PICK.")
    desk.let_go()
    run.result(LIMIT)
    own = [(c.id, c.program) for c in run.state.candidates if not c.by]
    assert own == [(c.id, c.program) for c in alone.state.candidates]


def test_a_candidate_that_is_dropped_is_scored_no_further_and_never_leads(desk: Desk) -> None:
    """The rest of its examples is not asked, and the run goes on."""
    desk.hold()
    run = search(desk)
    until(lambda: run.state.candidates)
    id = run.evaluate(instruction="PICK the team.")
    run.drop(id, reason="too dear", by="ada")
    desk.let_go()
    run.result(LIMIT)
    seen = run.state.candidate(id)
    assert seen is not None
    assert (seen.state, seen.reason) == ("dropped", "too dear")
    assert run.state.best != id
    assert sum(isinstance(e, ExampleScored) and e.candidate == id for e in run.events) < len(ROWS)
    assert sum(isinstance(e, CandidateDropped) and e.candidate == id for e in run.events) == 1


def test_a_pinned_candidate_is_the_result_whatever_the_others_score(desk: Desk) -> None:
    """Until it is let go, and it cannot be dropped meanwhile."""
    desk.hold()
    run = search(desk)
    until(lambda: run.state.candidates)
    run.evaluate(instruction="PICK the team.")
    run.pin("base", by="ada")
    with pytest.raises(UsageError, match="Candidate `base` is pinned"):
        run.drop("base")
    desk.let_go()
    best = run.result(LIMIT)
    assert "PICK" not in best.signature.instructions
    assert run.state.best == "base"


def test_what_cannot_be_steered_says_why(desk: Desk) -> None:
    """Each wrong word is one line that says what to write, and changes nothing."""
    desk.hold()
    run = search(desk)
    until(lambda: run.state.candidates)
    for act, words in (
        (lambda: run.evaluate(), "Give the candidate an instruction="),
        (lambda: run.evaluate(instruction="  "), "An instruction is text with words"),
        (lambda: run.evaluate(instruction="x", predictor="nobody"), "no predictor `nobody`"),
        (lambda: run.evaluate(instruction="x", origin="c99"), "no candidate `c99`"),
        (lambda: run.drop("c99"), "no candidate `c99`"),
        (lambda: run.drop("base", reason=5), "`reason` says why in words"),  # type: ignore[arg-type]
        (lambda: run.pin("c99"), "no candidate `c99`"),
        (lambda: run.concurrency(0), "At least one example"),
        (lambda: run.budget(), "No cap was given"),
        (lambda: run.label(ROWS[0]), "Nothing was said"),
        (lambda: run.retry_failed(), "can be tried again once it is over"),
    ):
        with pytest.raises(UsageError, match=words):
            act()
    with pytest.raises(SettingsError):
        run.use(42)
    with pytest.raises(SettingsError, match="allows no call"):
        run.budget(usd=0)
    assert acts(run) == []
    desk.let_go()
    run.result(LIMIT)
    with pytest.raises(UsageError, match="is over"):
        run.concurrency(3)


def test_how_many_are_in_flight_can_be_changed_on_the_way(desk: Desk) -> None:
    """More start at once; nothing that was in flight is cut."""
    desk.hold()
    run = search(desk)
    until(lambda: desk.in_flight == 2)
    run.concurrency(6)
    until(lambda: desk.in_flight == 6)
    until(lambda: run.state.concurrency == 6)
    desk.let_go()
    run.result(LIMIT)
    assert desk.peak == 6


def test_another_model_answers_from_there_on(desk: Desk) -> None:
    """What is in flight ends where it was asked; all that comes after goes to the new one."""
    other = Desk(right="")
    desk.hold()
    run = search(desk)
    until(lambda: desk.in_flight == 2)
    run.use(lm_of(other, "test/other"), by="ada")
    desk.let_go()
    run.result(LIMIT)
    assert len(desk.asked) == 2
    assert other.asked
    assert run.state.models == ["test/desk", "test/other"]
    assert acts(run)[0].text == "goes on with test/other"


def test_a_new_cap_holds_from_there_on(desk: Desk) -> None:
    """A run whose cap is lowered below what it would take stops with the best so far, and says so."""
    desk.hold()
    run = search(desk)
    until(lambda: desk.in_flight == 2)
    run.budget(calls=4, by="ada")
    until(lambda: run.state.limits == {"calls": 4})
    desk.let_go()
    run.wait(LIMIT)
    assert (run.status, run.state.reason) == ("stopped", "budget of 4 calls reached")
    assert len(desk.asked) == 4


def test_a_comment_joins_the_feedback_and_a_label_the_judgement(desk: Desk) -> None:
    """What a person says of an example counts for all that is scored after it."""
    desk.hold()
    with dspex.context(lm=lm_of(desk)):
        run = dspex.Evaluate(devset=ROWS, metric=dspex.exact("team"), num_threads=1).start(
            dspex.Predict("ticket -> team")
        )
    until(lambda: desk.in_flight == 1)
    run.label(ROWS[5], {"team": TEAMS[(5 + 1) % 4]}, comment="It is about an account.", by="ada")
    desk.let_go()
    run.result(LIMIT)
    told = {e.example: e for e in run.events if isinstance(e, ExampleScored)}
    assert told[ROWS[5].digest].score == 1.0
    assert told[ROWS[5].digest].feedback == "A person says: It is about an account."
    assert told[ROWS[6].digest].score == 0.0


def test_only_what_failed_is_asked_again(desk: Desk) -> None:
    """A run that is over takes what succeeded as it is, and its picture counts each example once."""
    desk.failing = {"ticket 3", "ticket 7"}
    evaluate = dspex.Evaluate(devset=ROWS, metric=dspex.exact("team"))
    with dspex.context(lm=lm_of(desk)):
        run = evaluate.start(dspex.Predict("ticket -> team"))
        assert run.result(LIMIT).failed == 2
        desk.failing, asked = set(), len(desk.asked)
        given = {"lm": lm_of(desk), "program": dspex.Predict("ticket -> team"), "devset": ROWS}
        again = run.retry_failed(by="ada", **given).result(LIMIT)
    assert (again.failed, again.n) == (0, len(ROWS))
    assert len(desk.asked) == asked + 2
    state = run.state
    assert (state.errors, state.examples, state.candidates[0].n) == (0, len(ROWS), len(ROWS))
    assert [(act.verb, act.by) for act in acts(run)] == [("retry", "ada")]


def test_a_branch_begins_where_a_candidate_stands(desk: Desk) -> None:
    """The new run is of the same kind, says where it comes from, and leaves the old one as it is."""
    run = search(desk)
    run.result(LIMIT)
    learned = next(c for c in run.state.candidates if sum(c.demos.values()))
    with dspex.context(lm=lm_of(desk)):
        other = run.branch(learned.id, trainset=ROWS, valset=ROWS, lm=lm_of(desk), name="second")
        other.result(LIMIT)
    assert other.id != run.id
    assert (other.state.origin, other.state.name) == (f"{run.id}/{learned.id}", "second")
    base = other.state.candidate("base")
    assert base is not None
    assert base.program == learned.program
    with pytest.raises(UsageError, match="has no candidate `c77`"):
        run.branch("c77")


def test_a_hard_pause_holds_examples_in_flight_at_their_next_call(desk: Desk) -> None:
    """A soft one lets them end; `now` keeps their next question back until the run goes on."""

    class Twice(dspex.Module):
        native_async = True

        def __init__(self) -> None:
            super().__init__()
            self.first = dspex.Predict("ticket -> team")
            self.second = dspex.Predict("ticket -> team")

        async def aforward(self, ticket: str) -> Any:
            await self.first.acall(ticket=ticket)
            return await self.second.acall(ticket=ticket)

    desk.hold()
    with dspex.context(lm=lm_of(desk)):
        run = dspex.Evaluate(devset=ROWS[:4], metric=dspex.exact("team"), num_threads=2).start(Twice())
    until(lambda: desk.in_flight == 2)
    run.pause(now=True, by="ada")
    desk.let_go()
    until(lambda: desk.in_flight == 0 and run.status == "paused")
    assert len(desk.asked) == 2
    run.resume()
    run.result(LIMIT)
    assert len(desk.asked) == 8
