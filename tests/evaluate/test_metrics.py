"""Metrics and scores: what counts as a verdict, and what is said of one that is none."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dspex
from dspex.errors import DataError, MetricError, SettingsError
from dspex.evaluate.score import as_score, check_metric, judge
from dspex.evaluate.statistics import interval


def metric(example: object, prediction: object) -> float:
    """Return nothing of interest."""
    return 0.0


def test_exact_compares_text_as_people_read_it() -> None:
    """Case, articles, punctuation and spaces do not matter; other types compare by value."""
    same = dspex.exact("a", "n")
    assert same(dspex.Example(a="The  End!", n=3), dspex.Prediction(a="end", n=3))
    assert not same(dspex.Example(a="end", n=3), dspex.Prediction(a="end", n=4))


def test_exact_names_the_field_that_is_not_there() -> None:
    """A typo in the metric is not a score of zero."""
    with pytest.raises(DataError, match=r"The example has no field `taem`\. Did you mean `team`"):
        dspex.exact("taem")(dspex.Example(team="x"), dspex.Prediction(team="x"))


@pytest.mark.parametrize(
    ("verdict", "value", "feedback"),
    [
        (True, 1.0, ""),
        (0.25, 0.25, ""),
        (dspex.Prediction(score=0.5, feedback="so so"), 0.5, "so so"),
        ({"score": 1, "feedback": None}, 1.0, ""),
    ],
)
def test_a_verdict_may_be_a_number_or_carry_words(verdict: object, value: float, feedback: str) -> None:
    """Number, bool, Prediction and dict are read alike."""
    score = as_score(verdict, metric)
    assert (score.value, score.feedback) == (value, feedback)


@pytest.mark.parametrize("verdict", [None, "high", math.nan, math.inf, object(), {"points": 3}])
def test_anything_else_is_no_score(verdict: object) -> None:
    """A metric that returns no finite number is at fault, not the answer."""
    with pytest.raises(MetricError, match="Metric `metric` returned"):
        as_score(verdict, metric)


async def test_a_metric_that_raises_is_named_with_its_error() -> None:
    """The metric's own error is the cause and stands in the line."""

    def broken(example: object, prediction: object) -> float:
        raise KeyError("topic")

    with pytest.raises(MetricError, match="Metric `broken` raised KeyError: 'topic'") as caught:
        await judge(broken, dspex.Example(), dspex.Prediction())
    assert isinstance(caught.value.__cause__, KeyError)


async def test_async_metrics_are_awaited_and_traces_passed_where_taken() -> None:
    """A coroutine metric is awaited; a metric of three arguments is given the trace."""

    async def slow(example: object, prediction: object, trace: object = None) -> float:
        return 1.0 if trace == "steps" else 0.0

    assert (await judge(slow, dspex.Example(), dspex.Prediction(), "steps")).value == 1.0


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (None, "A metric is needed"),
        ("exact", "`metric` takes a function of (example, prediction), not `str`."),
        (lambda example: 1, "cannot be called as `metric(example, prediction)`"),
    ],
)
def test_what_is_no_metric_is_refused_before_anything_runs(given: object, text: str) -> None:
    """The error says how a metric is called."""
    with pytest.raises(SettingsError) as caught:
        check_metric(given)
    assert text in str(caught.value)


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=300))
def test_wilsons_interval_holds_the_mean_and_stays_in_bounds(scores: list[float]) -> None:
    """Also at 0 and at 1, where the naive interval has no width."""
    low, high = interval(scores)
    mean = sum(scores) / len(scores)
    assert 0.0 <= low <= mean + 1e-12
    assert mean - 1e-12 <= high <= 1.0
    assert high - low > 0.0


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50))
def test_the_interval_of_any_scores_holds_their_mean(scores: list[float]) -> None:
    """Unbounded scores have a normal interval around the mean."""
    low, high = interval(scores)
    mean = math.fsum(scores) / len(scores)
    slack = 1e-9 * (1 + abs(mean))
    assert low - slack <= mean <= high + slack


def test_more_examples_make_a_narrower_interval() -> None:
    """Four times the examples, about half the width."""
    narrow, wide = interval([1.0, 0.0] * 200), interval([1.0, 0.0] * 50)
    assert 0.45 < (narrow[1] - narrow[0]) / (wide[1] - wide[0]) < 0.55
