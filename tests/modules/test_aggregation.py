"""Majority and MultiChainComparison: many answers become one."""

from __future__ import annotations

import pytest

import dspex
from dspex.errors import DataError, ProgramError
from tests.programs import an_lm


def test_the_value_most_agree_on_wins_and_ties_go_to_the_earliest() -> None:
    """Texts compare normalised; the completion itself is returned as it was."""
    assert dspex.majority([{"a": "Rome"}, {"a": "the Paris!"}, {"a": "paris"}]).a == "the Paris!"
    assert dspex.majority([{"a": "x"}, {"a": "y"}]).a == "x"


def test_values_that_normalise_to_none_do_not_count() -> None:
    """An empty answer is no vote, unless there is no other."""
    assert dspex.majority([{"a": "..."}, {"a": ""}, {"a": "yes"}]).a == "yes"
    assert dspex.majority([{"a": "..."}, {"a": ""}]).a == "..."


def test_field_normalize_and_unhashable_values() -> None:
    """Another field and another comparison can be named; lists compare by equality."""
    rows = [{"a": [1], "b": "X"}, {"a": [2], "b": "x"}, {"a": [2], "b": "y"}]
    assert dspex.majority(rows, field="a").a == [2]
    assert dspex.majority(rows, field="b", normalize=str.lower).a == [1]
    assert dspex.majority(rows, normalize=None).b == "X"


def test_a_prediction_with_completions_and_the_completions_do_as_well() -> None:
    """What `n=` returns can be handed over as it is."""
    several = dspex.Prediction.from_completions([{"a": "1"}, {"a": "2"}, {"a": "2"}])
    assert dspex.majority(several).a == "2"
    assert dspex.majority(several.completions).a == "2"


@pytest.mark.parametrize(
    ("rows", "says"), [([], "there is none"), ([{"a": 1}, {"b": 1}], "has no field `a`")]
)
def test_what_cannot_be_compared_is_said(rows: list[dict[str, int]], says: str) -> None:
    """No completions, or one that lacks the field."""
    with pytest.raises(DataError, match=says):
        dspex.majority(rows)


def test_multi_chain_comparison_shows_each_attempt_and_asks_for_the_right_answer() -> None:
    """The attempts stand in the prompt, and the answer has a rationale."""
    lm, transport = an_lm(
        lambda _: "[[ ## rationale ## ]]\nr\n\n[[ ## answer ## ]]\n4\n\n[[ ## completed ## ]]"
    )
    compare = dspex.MultiChainComparison("question -> answer", M=2)
    attempts = [dspex.Prediction(reasoning="two and two", answer="4"), {"rationale": "guess", "answer": "5"}]
    with dspex.context(lm=lm):
        answer = compare(attempts, question="2 + 2?")
    shown = str(transport.requests[0].messages[-1].content)
    assert (answer.rationale, answer.answer) == ("r", "4")
    assert "two and two" in shown
    assert "guess" in shown
    assert transport.requests[0].temperature == 0.7


@pytest.mark.parametrize(
    ("attempts", "says"),
    [([{"answer": "4"}], "compares 2 attempts, and got 1"), ([{"reply": "4"}], "lacks `answer`")],
)
def test_multi_chain_comparison_says_what_is_wrong_with_the_attempts(
    attempts: list[dict[str, str]], says: str
) -> None:
    """Their number, or a missing answer."""
    with pytest.raises(ProgramError, match=says):
        dspex.MultiChainComparison("question -> answer", M=2)(attempts, question="x")
