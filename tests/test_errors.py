"""Errors in a notebook: what is wrong, where in the reader's own lines, and none of our frames."""

from __future__ import annotations

import pytest

import dspex
from dspex.errors import DspexError, MetricError, SettingsError, nearest
from tests.programs import Sort, an_lm, rows, said


def shown(error: DspexError) -> list[str]:
    """Return what IPython prints for the error."""
    return error._render_traceback_()


def test_a_usage_error_is_one_line() -> None:
    """The line says what to write; where is the cell just run."""
    with pytest.raises(SettingsError) as caught:
        dspex.configure(ml=None)
    assert len(shown(caught.value)) == 1


def test_a_metric_that_raises_shows_the_metrics_own_line() -> None:
    """The reader sees the line of the metric that failed and none of ours."""

    def metric(example: dspex.Example, prediction: dspex.Prediction) -> bool:
        return example.nope == prediction.kind

    with dspex.context(lm=an_lm(lambda _: said("tool"))[0]), pytest.raises(MetricError) as caught:
        dspex.Evaluate(devset=rows(), metric=metric)(dspex.Predict(Sort))
    lines = shown(caught.value)
    assert any("in `metric`" in line and "return example.nope == prediction.kind" in line for line in lines)
    assert lines[-1].startswith(
        "MetricError: Metric `metric` raised AttributeError: `Example` has no field `nope`."
    )
    assert not any("judge" in line or "_host" in line for line in lines)


@pytest.mark.parametrize(
    ("word", "known", "hint"), [("ml", ["lm"], "lm"), ("trainsett", ["trainset", "x"], "trainset")]
)
def test_the_nearest_known_word_is_offered(word: str, known: list[str], hint: str) -> None:
    """A slip of the keyboard finds its word."""
    assert nearest(word, known) == f" Did you mean `{hint}`?"


def test_nothing_is_offered_where_nothing_is_near() -> None:
    """A wrong guess is worse than none."""
    assert nearest("quux", ["lm", "adapter"]) == ""
