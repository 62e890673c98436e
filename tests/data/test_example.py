"""Rows of named values: DSPy's words, copies that share nothing, and names by content."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import example as case
from hypothesis import given
from hypothesis import strategies as st

from dspex.data.example import Completions, Example, Prediction
from dspex.errors import DataError

NAMES = st.sampled_from(["question", "answer", "keys", "items", "inputs", "base", "dspy_uuid", "x"])
PLAIN = st.one_of(st.integers(-3, 3), st.floats(-3, 3), st.booleans(), st.text(max_size=3), st.none())
VALUES = st.one_of(
    PLAIN, st.lists(PLAIN, max_size=2), st.dictionaries(st.text(max_size=1), PLAIN, max_size=2)
)
STORES = st.dictionaries(NAMES, VALUES, max_size=5)


def row() -> Example:
    return Example(question="1 + 1?", answer="2").with_inputs("question")


@given(STORES)
def test_items_hold_whatever_the_field_is_called(store: dict[str, Any]) -> None:
    """Every name is a field, also those of methods; hidden ones count only when asked for."""
    example = Example(store)
    assert {name: example[name] for name in store} == store
    assert all(name in example for name in store)
    shown = [name for name in store if not name.startswith("dspy_")]
    assert Example.keys(example) == shown
    assert Example.keys(example, include_dspy=True) == list(store)
    assert Example.values(example) == [store[name] for name in shown]
    assert dict(Example.items(example, include_dspy=True)) == store
    assert len(example) == len(shown)
    assert list(example) == list(store)


@given(STORES, STORES)
@case({"x": 1, "y": [True]}, {"y": [1], "x": 1.0})
@case({"x": {"a": 1}}, {"x": {"a": 1.0}})
def test_equal_content_is_equal_and_hashes_equally(one: dict[str, Any], two: dict[str, Any]) -> None:
    """Two rows are the same row exactly where their fields are."""
    a, b = Example(one), Example(two)
    assert (a == b) == (one == two)
    if a == b:
        assert hash(a) == hash(b)


@given(STORES)
def test_copies_are_equal_and_share_nothing(store: dict[str, Any]) -> None:
    """`copy.deepcopy`, `copy.copy` and a pickle round trip keep fields and inputs."""
    example = Example(store).with_inputs(*store)
    for other in (
        copy.deepcopy(example),
        copy.copy(example),
        pickle.loads(pickle.dumps(example)),
        example.copy(),
    ):
        assert other == example
        assert other.input_keys == example.input_keys
        other["new"] = 1
        assert "new" not in example
    deep = copy.deepcopy(example)
    assert all(deep[k] is not v for k, v in store.items() if isinstance(v, (list, dict)))


def test_fields_are_attributes_and_items() -> None:
    """Both ways read, write and delete the same place."""
    example = Example(a=1)
    example.b = 2
    example["c"] = 3
    assert (example.a, example["b"], example.c, example.get("d"), example.get("d", 4)) == (1, 2, 3, None, 4)
    del example.a
    del example["b"]
    assert example.toDict() == {"c": 3}
    with pytest.raises(KeyError):
        example["a"]
    with pytest.raises(AttributeError):
        del example.a


def test_a_missing_field_is_told_with_the_nearest() -> None:
    """And with what there is."""
    with pytest.raises(
        AttributeError, match=r"no field `questoin`\. Did you mean `question`\? It has: question, answer\."
    ):
        _ = row().questoin
    with pytest.raises(AttributeError, match="It has: none"):
        _ = Prediction().answer


def test_a_base_is_taken_over_and_fields_win() -> None:
    """From an example with its inputs, or from a mapping; `base` may also be a plain field."""
    assert Example(row(), answer="3").toDict() == {"question": "1 + 1?", "answer": "3"}
    assert Example(base=row()).input_keys == {"question"}
    assert Example({"a": 1}, b=2).toDict() == {"a": 1, "b": 2}
    assert Example(base="text").base == "text"


def test_inputs_and_labels_part_the_fields() -> None:
    """Inputs know that they are; labels are the rest."""
    example = row()
    assert example.inputs().toDict() == {"question": "1 + 1?"}
    assert example.inputs().input_keys == {"question"}
    assert example.labels().toDict() == {"answer": "2"}
    assert example.without("answer").toDict() == {"question": "1 + 1?"}
    assert example.without("question").input_keys == frozenset()
    assert example.copy(answer="4").answer == "4"
    assert example.answer == "2"


def test_inputs_that_nobody_named_are_refused_in_words() -> None:
    """The message says what to write, with the fields there are."""
    with pytest.raises(DataError, match=r"write `\.with_inputs\(\.\.\.\)` with some of: question, answer"):
        Example(question="?", answer="!").inputs()
    with pytest.raises(DataError, match=r"no field `questio`\. Did you mean `question`\?"):
        row().with_inputs("questio")


def test_a_row_prints_as_what_it_holds() -> None:
    """As DSPy prints it."""
    assert repr(row()) == "Example({'question': '1 + 1?', 'answer': '2'}) (input_keys={'question'})"
    assert repr(Example(a=1)) == "Example({'a': 1})"
    assert str(Prediction(a=1, b="x")) == "Prediction(\n    a=1,\n    b='x'\n)"


def test_a_row_is_named_by_its_content() -> None:
    """The same fields have the same digest whatever their order, and inputs are no part of it."""
    assert Example(a=1, b=2).digest == Example(b=2, a=1).with_inputs("a").digest
    assert Example(a=1).digest != Example(a=2).digest
    assert len(Example(a=1).digest) == 10
    assert Example(t="\ud83d").digest != Example(t="\ud83e").digest


def test_nested_rows_become_plain() -> None:
    """`toDict` goes down through rows, lists and mappings."""
    nested = Example(a=Example(b=1), c=[Example(d=2)], e={"f": Prediction(g=3)})
    assert nested.toDict() == {"a": {"b": 1}, "c": [{"d": 2}], "e": {"f": {"g": 3}}}


def test_a_prediction_knows_its_completions() -> None:
    """Its own fields are the first one's; all are there by row and by field, also in copies."""
    answer = Prediction.from_completions([{"a": "4", "r": "x"}, {"a": "5", "r": "y"}])
    for same in (answer, copy.deepcopy(answer), answer.copy(), pickle.loads(pickle.dumps(answer))):
        assert same.a == "4"
        assert len(same.completions) == 2
        assert same.completions.a == ["4", "5"]
        assert same.completions[1] == Prediction(a="5", r="y")
        assert same.completions["r"] == ["x", "y"]
        assert same.completions.items() == [("a", ["4", "5"]), ("r", ["x", "y"])]
    assert len(Prediction(a=1).completions) == 1
    with pytest.raises(AttributeError):
        _ = answer.completions.missing


def test_completions_by_field_are_those_by_row() -> None:
    """DSPy gives them either way."""
    by_row = Prediction.from_completions([{"a": "4", "r": "x"}, {"a": "5", "r": "y"}])
    by_field = Prediction.from_completions({"a": ["4", "5"], "r": ["x", "y"]})
    assert by_field == by_row
    assert by_field.completions.items() == by_row.completions.items()
    assert len(Completions({"a": ["4", "5"]})) == 2


@pytest.mark.parametrize("none", [[], {}])
def test_no_completion_is_no_prediction(none: Any) -> None:
    """It is said, not an index error."""
    with pytest.raises(DataError, match="at least one completion"):
        Prediction.from_completions(none)


def test_a_scored_prediction_compares_as_its_score() -> None:
    """With numbers and with others; without a score it says what is missing."""
    low, high = Prediction(score=0.25), Prediction(score=True)
    assert float(high) == 1.0
    assert low < high
    assert low <= 0.25
    assert high > 0.5
    assert high >= low
    with pytest.raises(DataError, match="no `score`"):
        float(Prediction(a=1))


def test_a_field_that_cannot_be_written_down_is_told_by_its_name() -> None:
    """With what to make of it."""
    with pytest.raises(DataError, match=r"The field `x` of an example is a `complex` .* make it text"):
        _ = Example(question="?", x=1 + 2j).digest
