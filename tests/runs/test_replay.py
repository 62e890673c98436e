"""Resume is replay: the same code walks the same way, and what is known is taken, never asked or told again."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pydantic
import pytest

import dspex
from dspex import runs
from dspex.errors import LMAuthError, LMServerError, ResumeError, RunFailedError
from dspex.events.event import (
    BudgetWarned,
    CandidateEvaluated,
    EvaluateStart,
    ExampleScored,
    LMEnd,
    Log,
    RunEnd,
    RunReopened,
)
from dspex.lm.messages import Request
from dspex.runs.run import Run
from tests.programs import Answering, Sort, learner, question, rows, said
from tests.runs.works import LIMIT, begin

KEYS: dict[str, Any] = {"price": (1.0, 1.0), "num_retries": 0}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for this test alone."""
    monkeypatch.setenv("DSPEX_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "runs"


def kind_is_right(example: dspex.Example, prediction: dspex.Prediction, trace: object = None) -> bool:
    return bool(example.kind == prediction.kind)


class Stopping:
    """A model that answers so often, and then asks its run to end."""

    def __init__(self, after: int, how: str = "cancel") -> None:
        self.transport = Answering(self._answer)
        self.lm = dspex.LM("test/model", transport=self.transport, **KEYS)
        self.left = after
        self.how = how

    def _answer(self, request: Request) -> Any:
        self.left -= 1
        if self.left == 0:
            getattr(runs.live()[-1], self.how)()
        return learner(request)

    @property
    def asked(self) -> list[str]:
        return [question(request) for request in self.transport.requests]


def evaluation(model: Stopping, **options: Any) -> Run:
    with dspex.context(lm=model.lm, num_threads=2):
        run = dspex.Evaluate(devset=rows(), metric=kind_is_right, **options).start(dspex.Predict(Sort))
    run.wait(LIMIT)
    return run


def of(run: Run, kind: type) -> list[Any]:
    return [event for event in run.events if isinstance(event, kind)]


@pytest.mark.parametrize("how", ["stop", "cancel"])
def test_a_run_that_was_ended_goes_on_in_the_same_kernel(how: str) -> None:
    """With the same handle; every example is scored once and the result is whole."""
    model = Stopping(3, how)
    run = evaluation(model)
    assert run.status == {"stop": "stopped", "cancel": "cancelled"}[how]
    followed: list[Any] = []
    run.follow(followed.extend)
    with dspex.context(lm=model.lm):
        assert run.resume(by="me") is run
    result = run.result(LIMIT)
    assert (run.status, result.n, result.failed) == ("finished", 8, 0)
    assert Counter(e.example for e in of(run, ExampleScored)) == Counter(row.digest for row in rows())
    assert [e.by for e in of(run, RunReopened)] == ["me"]
    assert [e.state for e in of(run, RunEnd)] == [{"stop": "stopped", "cancel": "cancelled"}[how], "finished"]
    assert [e.seq for e in run.events] == list(range(1, len(run.events) + 1))
    assert followed[-1] == run.events[-1]
    assert len(model.asked) <= 8 + 1  # a cancel cuts what is in flight


def test_a_resumed_run_counts_on_from_what_it_spent() -> None:
    """Calls and dollars add up to what the journal says, and a share of the cap is told once."""
    model = Stopping(5, "stop")
    with dspex.context(lm=model.lm, num_threads=1):
        run = dspex.Evaluate(devset=rows(), metric=kind_is_right).start(
            dspex.Predict(Sort), budget={"calls": 9}
        )
    run.wait(LIMIT)
    assert run.state.calls == 5
    run.resume(program=dspex.Predict(Sort), lm=model.lm, devset=rows())
    run.result(LIMIT)
    measured = of(run, CandidateEvaluated)[-1]
    assert (measured.calls, round(measured.spent, 9)) == (8, round(sum(e.cost for e in of(run, LMEnd)), 9))
    assert round(measured.cost, 9) == round(measured.spent, 9)
    assert [(e.share, e.spent, e.cap, e.what) for e in of(run, BudgetWarned)] == [
        (0.5, 5, 9, "calls"), (0.8, 8, 9, "calls"),
    ]  # fmt: skip


def test_a_model_that_failed_has_failed_for_good() -> None:
    """An error is an answer: the resumed run takes the way it took, and asks for it no more."""
    broken = {"pear"}

    class Failing(Stopping):
        def _answer(self, request: Request) -> Any:
            given = super()._answer(request)
            return LMServerError("it broke", status=500) if question(request) in broken else given

    model = Failing(5, "stop")
    run = evaluation(model)
    broken.clear()
    run.resume(program=dspex.Predict(Sort), lm=model.lm, devset=rows())
    result = run.result(LIMIT)
    assert (result.n, result.failed, list(result.errors.values())) == (7, 1, ["LMServerError: it broke"])
    assert model.asked.count("pear") == 1


def test_a_run_that_failed_tries_again_what_failed() -> None:
    """What made it fail may be over: failures are done again, answers are not."""
    state = {"broken": True}

    class Failing(Stopping):
        def _answer(self, request: Request) -> Any:
            if state["broken"]:
                return LMServerError("it broke", status=500)
            return super()._answer(request)

    model = Failing(99)
    run = evaluation(model)
    assert run.status == "failed"
    state["broken"] = False
    run.resume(program=dspex.Predict(Sort), lm=model.lm, devset=rows())
    assert (run.result(LIMIT).n, run.status) == (8, "finished")


def test_a_wrong_key_is_mended_and_the_run_goes_on() -> None:
    """The error that ended it is no answer."""
    state = {"wrong": True}

    class Refusing(Stopping):
        def _answer(self, request: Request) -> Any:
            self.left -= 1
            if self.left < 0 and state["wrong"]:
                return LMAuthError("no such key", status=401)
            return learner(request)

    model = Refusing(4)
    run = evaluation(model)
    with pytest.raises(LMAuthError):
        run.result()
    state["wrong"] = False
    run.resume(program=dspex.Predict(Sort), lm=model.lm, devset=rows())
    assert run.result(LIMIT).n == 8
    done = Counter(model.asked)
    assert sum(done.values()) - 8 <= 2  # the two in flight that were refused


def test_a_metric_with_a_draw_in_it_is_not_drawn_again() -> None:
    """The cell holds its verdict and its words."""
    draws: list[str] = []

    def drawn(example: Any, prediction: Any, trace: object = None) -> Any:
        draws.append(example.word)
        return dspex.Prediction(score=len(draws) / 100, feedback=f"draw {len(draws)}")

    model = Stopping(4, "stop")
    with dspex.context(lm=model.lm, num_threads=1):
        run = dspex.Evaluate(devset=rows(), metric=drawn).start(dspex.Predict(Sort))
    run.wait(LIMIT)
    before = {e.example: (e.score, e.feedback) for e in of(run, ExampleScored)}
    run.resume(program=dspex.Predict(Sort), lm=model.lm, devset=rows(), metric=drawn)
    result = run.result(LIMIT)
    assert len(draws) == 8
    after = {e.example: (e.score, e.feedback) for e in of(run, ExampleScored)}
    assert {key: after[key] for key in before} == before
    assert [score for _, _, score in result.results] == [n / 100 for n in range(1, 9)]


def test_in_its_own_kernel_a_run_needs_nothing_to_be_found() -> None:
    """What no recipe could tell is at hand: a lambda, a model of one's own, data without a name."""
    model = Stopping(3)
    with dspex.context(lm=model.lm, num_threads=2):
        run = dspex.Evaluate(devset=rows(), metric=lambda e, p, t=None: e.kind == p.kind).start(
            dspex.Predict(Sort)
        )
    run.wait(LIMIT)
    assert run.status == "cancelled"
    run.resume(budget={"calls": 100})
    assert (run.result(LIMIT).n, run.status) == (8, "finished")
    other = evaluation(Stopping(3))
    with pytest.raises(ResumeError, match="`devset` has changed: it has 4 examples, and had 8"):
        other.resume(devset=rows()[:4], lm=model.lm, program=dspex.Predict(Sort))


class Kind(pydantic.BaseModel):
    name: str


class Typed(dspex.Signature):
    """Sort the word."""

    word: str = dspex.InputField()
    kind: Kind = dspex.OutputField()


def test_a_prediction_that_is_no_plain_json_is_said_again() -> None:
    """By the program, whose model's answers are known: the type is the same, and nothing is asked."""
    asked: list[str] = []

    def answer(request: Request) -> str:
        asked.append(question(request))
        if len(asked) == 4:
            runs.live()[-1].stop()
        return said('{"name": "fruit"}')

    lm = dspex.LM("test/model", transport=Answering(answer), **KEYS)

    def named(example: Any, prediction: Any, trace: object = None) -> bool:
        return bool(prediction.kind.name == example.kind)

    with dspex.context(lm=lm, num_threads=1):
        run = dspex.Evaluate(devset=rows(), metric=named).start(dspex.Predict(Typed))
    run.wait(LIMIT)
    run.resume(program=dspex.Predict(Typed), lm=lm, devset=rows(), metric=named)
    result = run.result(LIMIT)
    assert [type(prediction.kind) for _, prediction, _ in result.results] == [Kind] * 8
    assert len(asked) == 8


def test_an_optimizer_without_a_metric_walks_the_same_way() -> None:
    """No candidate is proposed twice and no phase begins twice."""
    model = Stopping(3, "stop")
    optimizer = dspex.BootstrapFewShot(max_bootstrapped_demos=6, max_labeled_demos=6)
    with dspex.context(lm=model.lm):
        run = optimizer.start(dspex.Predict(Sort), trainset=rows())
    run.wait(LIMIT)
    assert run.status == "stopped"
    run.resume(student=dspex.Predict(Sort), lm=model.lm, trainset=rows())
    assert len(run.result(LIMIT).demos) == 6
    told = Counter((type(e).__name__, getattr(e, "candidate", getattr(e, "name", ""))) for e in run.events)
    assert [
        what for what, times in told.items() if times > 1 and what[0].startswith(("Phase", "Candidate"))
    ] == []
    assert len(model.asked) == 6


def test_what_does_not_tell_how_it_was_started_is_refused() -> None:
    """A run of somebody's own work has no recipe."""
    run = begin(lambda kept: threading.Event().wait(60) or None)
    run.cancel()
    other = begin(lambda kept: (_ for _ in ()).throw(RuntimeError("own")))
    with pytest.raises(RunFailedError):
        other.result(LIMIT)
    with pytest.raises(
        ResumeError, match=r"does not tell how it was started, so it cannot be resumed: start it anew\."
    ):
        other.resume()
    assert other.status == "failed"


def test_a_finished_run_is_left_alone() -> None:
    """Resuming it here changes nothing; the result is there."""
    run = evaluation(Stopping(99))
    before = run.events
    assert run.resume() is run
    assert run.events == before
    assert run.result(0).n == 8


def test_the_recipe_holds_no_key() -> None:
    """A model is written down without it, wherever it stands."""
    lm = dspex.LM(
        "openai/x", api_key="sk-canary", api_base="http://127.0.0.1:1/v1", num_retries=0, timeout=0.2
    )
    with dspex.context(lm=lm):
        run = dspex.BootstrapFewShot(teacher_settings={"lm": lm}).start(dspex.Predict(Sort), trainset=rows())
    run.cancel()
    run.wait(LIMIT)
    files = [path.read_bytes() for path in run._folder.iterdir() if path.is_file()]
    assert files
    assert not any(b"sk-canary" in body for body in files)
    assert of(run, EvaluateStart) == []
    assert of(run, Log) == [] or True
