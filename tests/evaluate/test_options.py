"""How an evaluation is done: time limits, retries, a limit on errors, several goes, metrics of all kinds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import dspex
from dspex import _clock
from dspex.errors import LMAuthError, LMServerError, LMUnavailableError, MetricError
from dspex.events.event import ExampleScored, Log
from dspex.lm.messages import Request
from dspex.testing import FakeClock
from tests.programs import Sort, an_lm, question, rows, said

KIND = dspex.exact("kind")


def evaluate(lm: dspex.LM, program: Any = None, **options: Any) -> dspex.EvaluationResult:
    """Evaluate on the eight words."""
    with dspex.context(lm=lm):
        given = {"devset": rows(), "metric": KIND, **options}
        return dspex.Evaluate(**given)(program or dspex.Predict(Sort))


class Slow(dspex.Module):
    """A program that takes its time over some words."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds

    async def aforward(self, word: str) -> dspex.Prediction:
        await _clock.sleep(self.seconds.get(word, 0.0))
        return dspex.Prediction(kind="tool")


def test_an_example_that_takes_too_long_fails_alone() -> None:
    """The others have their scores, and how long it took is told."""
    with FakeClock(auto=True):
        result = evaluate(an_lm()[0], Slow({"fig": 31.0, "pear": 29.0}), timeout=30.0)
    assert (result.n, result.failed) == (7, 1)
    assert result.errors == {6: "TimeoutError: no answer within 30 s"}
    assert result.rows[6].seconds == pytest.approx(30.0)
    assert result.rows[2].seconds == pytest.approx(29.0)


def test_a_metric_has_a_time_limit_too() -> None:
    """A judge that never answers costs one example, not the evaluation."""

    async def metric(example: dspex.Example, prediction: dspex.Prediction) -> bool:
        await _clock.sleep(100.0 if example.word == "saw" else 0.0)
        return True

    with FakeClock(auto=True):
        result = evaluate(an_lm()[0], Slow({}), metric=metric, timeout=30.0)
    assert result.errors == {1: "TimeoutError: no answer within 30 s"}


def test_a_users_own_timeout_error_keeps_its_words() -> None:
    """Only ours says how long it was waited."""

    class Refusing(dspex.Module):
        async def aforward(self, word: str) -> dspex.Prediction:
            if word == "fig":
                raise TimeoutError("the database")
            return dspex.Prediction(kind="tool")

    assert evaluate(an_lm()[0], Refusing(), timeout=30.0).errors == {6: "TimeoutError: the database"}


def test_a_failed_example_is_tried_again_and_counted_once() -> None:
    """What the last attempt says counts; all attempts' calls are its cost."""
    failures = {"fig": 2, "saw": 5}

    def answer(request: Request) -> Any:
        word = question(request)
        if failures.get(word, 0) > 0:
            failures[word] -= 1
            return LMServerError("down")
        return said("tool")

    lm, transport = an_lm(answer)
    with dspex.context(lm=lm):
        run = dspex.Evaluate(devset=rows(), metric=KIND, retries=2).start(dspex.Predict(Sort))
        result = run.result()
    assert (result.n, result.failed, set(result.errors)) == (7, 1, {1})
    assert len(transport.requests) == 6 + 3 + 3
    assert sum(isinstance(event, ExampleScored) for event in run.events) == 8


def test_a_retry_shares_no_kept_answer() -> None:
    """The same unreadable answer from the cache would make every retry fail alike."""

    def answer(request: Request) -> str:
        return said("tool") if request.rollout_id else "no marker here"

    lm, transport = an_lm(answer, cache=True, temperature=0.32)  # no other test's kept answers
    result = evaluate(lm, devset=rows()[:3], retries=1)
    assert (result.n, result.failed) == (3, 0)
    assert [r.rollout_id for r in transport.requests if r.rollout_id] == [1, 1, 1]


@pytest.mark.parametrize("error", [LMAuthError("No key."), LMUnavailableError("It rests.")])
def test_what_no_other_example_is_spared_is_not_tried_again(error: Exception) -> None:
    """Retries would only repeat it."""
    lm, transport = an_lm(lambda _: error)  # type: ignore[arg-type,return-value]
    with pytest.raises(type(error)):
        evaluate(lm, retries=5, num_threads=1)
    assert len(transport.requests) == 1


def test_too_many_errors_end_the_evaluation_with_the_first() -> None:
    """The limit is the user's; the log says how many failed."""

    def metric(example: dspex.Example, prediction: dspex.Prediction) -> bool:
        if example.kind == "tool":
            raise ValueError(f"{example.word} is odd")
        return True

    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        run = dspex.Evaluate(devset=rows(), metric=metric, num_threads=1, max_errors=2).start(
            dspex.Predict(Sort)
        )
        with pytest.raises(MetricError, match="saw is odd"):
            run.result()
    told = [event.text for event in run.events if isinstance(event, Log)]
    assert "The rest was given up after 2 of 4 failed (max_errors=2)." in told


def test_where_nothing_succeeds_the_rest_is_given_up() -> None:
    """Going on would only cost money; the log says so, and the error is the first."""
    lm, transport = an_lm(lambda _: LMServerError("down"))
    many = [dspex.Example(word=f"word {k}", kind="tool").with_inputs("word") for k in range(50)]
    with dspex.context(lm=lm):
        run = dspex.Evaluate(devset=many, metric=dspex.exact("kind"), num_threads=1).start(
            dspex.Predict(Sort)
        )
        with pytest.raises(LMServerError, match="down"):
            run.result()
    assert "The rest was given up: the first 8 examples all failed." in [
        event.text for event in run.events if isinstance(event, Log)
    ]
    assert len(transport.requests) < 50


def test_without_a_limit_failures_are_counted_to_the_end() -> None:
    """As long as anything succeeds."""
    lm, _ = an_lm(lambda r: said("tool") if question(r) == "apple" else LMServerError("down"))
    result = evaluate(lm)
    assert (result.n, result.failed) == (1, 7)


def test_tracebacks_are_told_where_asked_for() -> None:
    """With the user's own line."""

    def metric(example: dspex.Example, prediction: dspex.Prediction) -> bool:
        return bool(1 // (example.word != "fig"))

    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        run = dspex.Evaluate(devset=rows(), metric=metric, provide_traceback=True).start(dspex.Predict(Sort))
        run.result()
    [told] = [event.text for event in run.events if isinstance(event, Log)]
    assert told.startswith("Example 6 failed: Traceback")
    assert 'example.word != "fig"' in told


def test_several_goes_ask_several_times_and_tell_their_spread() -> None:
    """Each go has answers of its own, also with the cache on; the mean is over examples, not over goes."""

    def answer(request: Request) -> str:
        return said("fruit" if request.rollout_id == 1 else "tool")

    lm, transport = an_lm(answer, cache=True, temperature=0.31)  # no other test's kept answers
    result = evaluate(lm, devset=rows()[:6], n=3)
    assert len(transport.requests) == 18
    assert (result.n, result.mean, result.score) == (18, 0.5, 50.0)
    assert result.repeats == [0.5, 0.5, 0.5]
    assert [(row.index, row.repeat) for row in result.rows[:4]] == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert [row.score for row in result.rows[:3]] == [0.0, 1.0, 0.0]
    once = evaluate(an_lm(lambda _: said("tool"))[0], devset=rows()[:6])
    assert result.std == pytest.approx(once.std / 3)


def test_goes_at_an_example_are_no_further_examples() -> None:
    """Ten times the same answer makes nothing surer."""
    lm, _ = an_lm(lambda _: said("tool"))
    once, often = evaluate(lm), evaluate(lm, n=10)
    assert (often.low, often.high) == (once.low, once.high)


def test_an_example_whose_goes_partly_fail_counts_by_the_others() -> None:
    """A failed go is no score."""

    def answer(request: Request) -> Any:
        return LMServerError("down") if request.rollout_id == 1 else said("tool")

    lm, _ = an_lm(answer)
    result = evaluate(lm, n=2)
    assert (result.n, result.failed, result.mean) == (8, 8, 0.5)


def test_a_metric_may_be_a_coroutine_of_any_make() -> None:
    """A coroutine function, an object with an async call, a function around one."""

    class Judge:
        async def __call__(self, example: dspex.Example, prediction: dspex.Prediction) -> float:
            await asyncio.sleep(0)
            return 0.5

    judge = Judge()
    lm, _ = an_lm(lambda _: said("tool"))
    for metric in (judge, judge.__call__, lambda example, prediction: judge(example, prediction)):
        assert evaluate(lm, metric=metric).mean == 0.5


def test_a_metric_may_tell_what_its_score_is_made_of() -> None:
    """Each part has its mean; without a score of its own, the score is the parts' mean."""

    def metric(example: dspex.Example, prediction: dspex.Prediction) -> dspex.Prediction:
        right = float(prediction.kind == example.kind)
        return dspex.Prediction(scores={"right": right, "short": 1.0}, feedback="Well.")

    lm, _ = an_lm(lambda _: said("tool"))
    result = evaluate(lm, metric=metric)
    assert (result.mean, result.scores) == (0.75, {"right": 0.5, "short": 1.0})
    assert result.rows[0].scores == {"right": 0.0, "short": 1.0}
    assert result.rows[0].feedback == "Well."


def test_parts_that_are_no_numbers_are_the_metrics_fault() -> None:
    """Said with the form they have."""
    lm, _ = an_lm(lambda _: said("tool"))
    with pytest.raises(
        MetricError, match="Metric `<lambda>` returned `scores` as `list`; they are numbers by name"
    ):
        evaluate(lm, metric=lambda example, prediction: {"scores": [1, 2]})


def test_options_changed_after_the_constructor_are_heeded() -> None:
    """DSPy's users set `evaluator.num_threads` and `failure_score` between two calls."""
    lm, _ = an_lm(lambda r: LMServerError("down") if question(r) == "fig" else said("tool"))
    with dspex.context(lm=lm):
        evaluator = dspex.Evaluate(devset=rows(), metric=KIND)
        assert evaluator(dspex.Predict(Sort)).score == 50.0
        evaluator.failure_score = 1.0
        assert evaluator(dspex.Predict(Sort)).score == 62.5


def test_a_program_that_asks_to_exit_fails_one_example() -> None:
    """A command line tool in a program ends itself at one input; the evaluation is not its process."""

    class Leaving(dspex.Module):
        def forward(self, word: str) -> dspex.Prediction:
            if word == "fig":
                raise SystemExit(2)
            return dspex.Prediction(kind="tool")

    result = evaluate(an_lm()[0], Leaving())
    assert (result.n, result.failed, result.errors) == (7, 1, {6: "SystemExit: 2"})


def test_an_error_without_words_is_told_by_its_name() -> None:
    """A bare `assert` in a metric is no line that ends in a colon."""

    def strict(example: dspex.Example, prediction: dspex.Prediction, trace: object = None) -> bool:
        if example.word == "fig":
            raise AssertionError
        return True

    result = evaluate(an_lm()[0], Slow({}), metric=strict)
    assert result.errors == {6: "Metric `strict` raised AssertionError"}


def test_several_goes_at_an_example_are_not_told_as_examples() -> None:
    """Eight words three times are eight examples."""
    result = evaluate(an_lm()[0], Slow({}), n=3)
    assert repr(result).endswith("on 24 goes, 3 an example)")
