"""Prediction and Completions: answers, several of them, and scores that count as numbers."""

from __future__ import annotations

import copy
import pickle

import pytest

import dspex
from dspex.data.example import Completions
from dspex.errors import DataError


def test_a_scored_prediction_counts_as_its_score() -> None:
    """Sums, means and comparisons work with numbers and with each other."""
    low, high = dspex.Prediction(score=0.25, feedback="x"), dspex.Prediction(score=0.75)
    assert sum([low, high]) == 1.0
    assert (low + 1, 1 + low, low + high, high / 3, 3 / high, high / low) == (1.25, 1.25, 1.0, 0.25, 4.0, 3.0)
    assert low < high
    assert high >= 0.75
    assert max([low, high]) is high
    assert float(low) == 0.25


def test_a_prediction_without_a_score_is_no_number() -> None:
    """The error is a ValueError, as in DSPy, and says why."""
    with pytest.raises(ValueError, match="has no `score`"):
        float(dspex.Prediction(answer="x"))


def test_completions_by_row_and_by_field() -> None:
    """Both ways to give them mean the same; fields are lists, numbers are predictions."""
    rows = dspex.Prediction.from_completions([{"a": 1}, {"a": 2}], signature="q -> a")
    fields = dspex.Prediction.from_completions({"a": [1, 2]})
    assert rows.completions.a == fields.completions["a"] == [1, 2]
    assert rows.completions[1].a == 2
    assert [one.a for one in rows.completions] == [1, 2]
    assert "a" in rows.completions
    assert "b" not in rows.completions
    assert (rows.a, rows.completions.signature, len(fields.completions)) == (1, "q -> a", 2)
    assert dict(rows.completions.items()) == {"a": [1, 2]}


def test_completions_by_field_are_equally_many() -> None:
    """Unequal lists are no completions."""
    with pytest.raises(DataError, match="as many values"):
        Completions({"a": [1], "b": [1, 2]})


def test_how_many_completions_are_not_shown_is_shown() -> None:
    """The text of a prediction tells that there are more."""
    shown = repr(dspex.Prediction.from_completions([{"a": 1}, {"a": 2}, {"a": 3}]))
    assert shown == "Prediction(\n    a=1,\n    completions=Completions(...)\n) (2 completions omitted)"
    assert repr(dspex.Prediction(a=1)) == "Prediction(\n    a=1\n)"


def test_usage_is_kept_and_copied() -> None:
    """Whoever counts tokens says so once; copies know it too."""
    answer = dspex.Prediction(a=1)
    assert not answer.get_lm_usage()
    answer.set_lm_usage({"m": {"total_tokens": 3}})
    for other in (answer.copy(b=2), copy.deepcopy(answer), pickle.loads(pickle.dumps(answer))):
        assert other.get_lm_usage() == {"m": {"total_tokens": 3}}


def test_hidden_fields_of_an_example_stay_hidden() -> None:
    """Names that begin with `dspy_` are kept, and left out unless asked for."""
    row = dspex.Example(q="x", dspy_uuid="1")
    assert (row.keys(), row.values(), row.items(), len(row)) == (["q"], ["x"], [("q", "x")], 1)
    assert row.keys(include_dspy=True) == ["q", "dspy_uuid"]
    assert "dspy_uuid" not in repr(row)
    assert row.dspy_uuid == "1"
