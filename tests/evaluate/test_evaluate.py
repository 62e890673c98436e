"""Evaluate: errors are not scores, and whatever cannot work is said before anything is spent."""

from __future__ import annotations

import asyncio

import pytest

import dspex
from dspex.errors import (
    BudgetExceeded,
    DataError,
    LMAuthError,
    LMServerError,
    MetricError,
    ProgramError,
    RunFailedError,
    SettingsError,
)
from dspex.events.event import ExampleScored, LMEnd
from tests.programs import Sort, an_lm, question, rows, said

KIND = dspex.exact("kind")


def evaluate(lm: dspex.LM, **options: object) -> dspex.EvaluationResult:
    """Evaluate the plain program on the eight words."""
    with dspex.context(lm=lm):
        given = {"devset": rows(), "metric": KIND, **options}
        return dspex.Evaluate(**given)(dspex.Predict(Sort))  # type: ignore[arg-type]


def test_the_score_is_the_share_of_right_answers() -> None:
    """Half of the words are tools."""
    lm, transport = an_lm(lambda _: said("tool"))
    result = evaluate(lm)
    assert (result.score, result.mean, result.n, result.failed) == (50.0, 0.5, 8, 0)
    assert [score for _, _, score in result.results] == [0.0, 1.0] * 4
    assert len(transport.requests) == 8


def test_a_failing_provider_is_no_bad_score() -> None:
    """Examples that failed are counted apart: the mean is of those that have a score."""
    lm, _ = an_lm(lambda r: LMServerError("down") if question(r) in ("apple", "saw") else said("tool"))
    result = evaluate(lm)
    assert (result.n, result.failed, result.mean) == (6, 2, 0.5)
    assert set(result.errors) == {0, 1}
    assert result.score == 37.5  # DSPy's single number: a failure counts as failure_score


def test_an_answer_nobody_can_read_is_a_failed_example() -> None:
    """The cell says which field was missing."""
    lm, _ = an_lm(lambda r: "[[ ## other ## ]]\nx" if question(r) == "fig" else said("fruit"))
    result = evaluate(lm)
    assert result.failed == 1
    assert "AdapterParseError" in result.errors[6]


def test_a_wrong_key_ends_the_evaluation_at_once() -> None:
    """Going on would fail on every example; the error is the provider's, once."""
    lm, transport = an_lm(lambda _: LMAuthError("No key."))
    with pytest.raises(LMAuthError, match="No key"):
        evaluate(lm, devset=rows(100), num_threads=4)
    assert len(transport.requests) <= 8


def test_a_metric_that_always_raises_ends_the_evaluation() -> None:
    """A bug in the metric is told as one line naming metric and error, not as a score of zero."""

    def broken(example: dspex.Example, prediction: dspex.Prediction) -> bool:
        return bool(example.topic)

    lm, transport = an_lm(lambda _: said("tool"))
    with pytest.raises(
        MetricError, match="Metric `broken` raised AttributeError: `Example` has no field `topic`"
    ):
        evaluate(lm, metric=broken, devset=rows(100), num_threads=4)
    assert len(transport.requests) < 20


def test_a_metric_that_raises_once_costs_one_example() -> None:
    """One odd row does not end an hour's run."""

    def picky(example: dspex.Example, prediction: dspex.Prediction) -> bool:
        if example.word == "fig":
            raise ValueError("figs are odd")
        return True

    lm, _ = an_lm(lambda _: said("tool"))
    result = evaluate(lm, metric=picky)
    assert (result.n, result.failed) == (7, 1)
    assert result.errors[6] == "Metric `picky` raised ValueError: figs are odd"


def test_a_row_that_stands_twice_is_asked_once() -> None:
    """Equal content is one cell."""
    lm, transport = an_lm(lambda _: said("tool"))
    result = evaluate(lm, devset=rows() + rows(), num_threads=1)
    assert result.n == 16
    assert len(transport.requests) == 8


def test_no_more_examples_are_in_flight_than_asked() -> None:
    """`num_threads` bounds what is open at once."""
    open_now = peak = 0

    class Slow(dspex.Module):
        async def aforward(self, word: str) -> dspex.Prediction:
            nonlocal open_now, peak
            open_now += 1
            peak = max(peak, open_now)
            for _ in range(5):
                await asyncio.sleep(0)
            open_now -= 1
            return dspex.Prediction(kind="tool")

    with dspex.context(lm=an_lm()[0]):
        dspex.Evaluate(devset=rows(4), metric=KIND, num_threads=3)(Slow())
    assert peak == 3


def test_a_plain_forward_runs_many_at_once_with_its_context() -> None:
    """A sync program's calls overlap in worker threads and see the run's model."""
    lm, transport = an_lm(lambda _: said("tool"))

    class Program(dspex.Module):
        def __init__(self) -> None:
            self.sort = dspex.Predict(Sort)

        def forward(self, word: str) -> dspex.Prediction:
            return self.sort(word=word)

    with dspex.context(lm=lm):
        result = dspex.Evaluate(devset=rows(2), metric=KIND)(Program())
    assert (result.n, len(transport.requests)) == (16, 16)


def test_the_runs_events_tell_each_example_once_and_what_it_cost() -> None:
    """One scored event an example; its cost is that of its calls, and all costs add up."""
    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        run = dspex.Evaluate(devset=rows(), metric=KIND).start(dspex.Predict(Sort))
        run.result()
    scored = [e for e in run.events if isinstance(e, ExampleScored)]
    paid = sum(e.cost for e in run.events if isinstance(e, LMEnd))
    assert len({e.example for e in scored}) == len(scored) == 8
    assert sum(e.cost for e in scored) == pytest.approx(paid)
    assert run.state.cost == pytest.approx(8 * 12e-6)


def test_a_stopped_evaluation_keeps_what_was_scored() -> None:
    """Stopping gives the part that is paid for, and says that it is a part."""
    lm, _ = an_lm(lambda _: said("tool"))
    stop_at = 5
    seen = 0

    def metric(example: dspex.Example, prediction: dspex.Prediction) -> bool:
        nonlocal seen
        seen += 1
        if seen == stop_at:
            run.stop()
        return True

    with dspex.context(lm=lm):
        run = dspex.Evaluate(devset=rows(20), metric=metric, num_threads=1).start(dspex.Predict(Sort))
        result = run.result()
    assert run.status == "stopped"
    assert stop_at <= result.n <= stop_at + 2


def test_a_budget_is_not_crossed_and_leaves_a_result() -> None:
    """Spent never exceeds the cap; what was scored until then is the result."""
    lm, _ = an_lm(lambda _: said("tool"), max_tokens=100)
    with dspex.context(lm=lm):
        run = dspex.Evaluate(devset=rows(20), metric=KIND).start(dspex.Predict(Sort), budget=0.001)
        result = run.result()
    assert run.state.cost <= 0.001
    assert run.state.reason == "budget of $0.00 reached" or "budget" in run.state.reason
    assert 0 < result.n < 160


def test_a_budget_too_small_for_one_call_says_so() -> None:
    """Nothing was scored: the error says that the budget was reached."""
    lm, transport = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        run = dspex.Evaluate(devset=rows(), metric=KIND).start(dspex.Predict(Sort), budget=1e-9)
        with pytest.raises((RunFailedError, BudgetExceeded), match="budget"):
            run.result()
    assert not transport.requests


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"devset": []}, DataError, "`devset` is empty"),
        ({"devset": None}, DataError, "`devset` takes a list of examples, not nothing."),
        ({"devset": [{"word": "x"}]}, DataError, "`devset[0]` is a dict, not an Example"),
        (
            {"devset": [dspex.Example(word="x", kind="tool")]},
            DataError,
            "`devset[0]` does not say which of its fields (word, kind) are inputs; write `.with_inputs(...)`.",
        ),
        (
            {"devset": [dspex.Example(w="x", kind="tool").with_inputs("w")]},
            DataError,
            "`devset[0]` lacks the input `word` of `Sort`; its inputs are: w.",
        ),
        ({"metric": None}, SettingsError, "A metric is needed"),
        ({"budget": 0}, SettingsError, "A budget of $0 allows no call"),
        ({"budget": -1}, SettingsError, "A budget of $-1 allows no call"),
        ({"program": dspex.Predict}, ProgramError, "`program` is the class `Predict`; make a program of it"),
        ({"program": Sort}, ProgramError, "`program` is a signature; make a program of it"),
        ({"program": 3}, ProgramError, "`program` takes a dspex program (a Module), not `int`."),
    ],
)
def test_wrong_input_is_one_line_before_anything_is_spent(change, error, text) -> None:
    """The mistake is named with the fix, no run is made and no model asked."""
    lm, transport = an_lm()
    given = {"devset": rows(), "metric": KIND, "program": dspex.Predict(Sort), "budget": None, **change}
    before = len(dspex.runs.list())
    with dspex.context(lm=lm), pytest.raises(error) as caught:
        dspex.Evaluate(devset=given["devset"], metric=given["metric"]).start(
            given["program"], budget=given["budget"]
        )
    assert str(caught.value).startswith(text)
    assert "\n" not in str(caught.value)
    assert not transport.requests
    assert len(dspex.runs.list()) == before


def test_a_run_keeps_the_settings_it_started_with() -> None:
    """Configuring another model later changes later runs only."""
    first, asked = an_lm(lambda _: said("tool"))
    second, idle = an_lm(lambda _: said("fruit"))
    dspex.configure(lm=first)

    def metric(example: dspex.Example, prediction: dspex.Prediction) -> bool:
        dspex.configure(lm=second)
        return True

    dspex.Evaluate(devset=rows(5), metric=metric, num_threads=1).start(dspex.Predict(Sort)).result()
    assert (len(asked.requests), len(idle.requests)) == (40, 0)
