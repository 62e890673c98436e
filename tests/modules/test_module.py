"""Module: predictors are found, copied and replaced by their path."""

from __future__ import annotations

import pytest

import dspex
from dspex.errors import ProgramError
from tests.programs import Sort, an_lm, said


class Two(dspex.Module):
    """Predictors as attribute, in a list, in a dict, and one shared twice."""

    def __init__(self) -> None:
        self.first = dspex.ChainOfThought(Sort)
        self.more = [dspex.Predict(Sort), dspex.Predict("q -> a")]
        self.by_name = {"x": dspex.Predict("a -> b")}
        self.again = self.more[0]

    def forward(self, word: str) -> dspex.Prediction:
        return self.first(word=word)


def test_predictors_are_found_once_by_path() -> None:
    """Attributes, list items and dict values have paths; a shared part has one."""
    assert [path for path, _ in Two().named_predictors()] == [
        "first.predict",
        "more[0]",
        "more[1]",
        "by_name['x']",
    ]


def test_a_lone_predictor_is_its_own_part() -> None:
    """A Predict is a program too, under the path `self`, as in DSPy."""
    program = dspex.Predict(Sort)
    assert [(path, part is program) for path, part in program.named_predictors()] == [("self", True)]


def test_a_copy_learns_alone() -> None:
    """What a copy learns leaves the original as it was; the shared part stays shared within the copy."""
    program = Two()
    other = program.deepcopy()
    other.more[0].demos = [dspex.Example(word="a", kind="tool")]
    assert other.again is other.more[0]
    assert program.more[0].demos == []


def test_reset_copy_forgets_demonstrations_only_in_the_copy() -> None:
    """Instructions stay, demonstrations go."""
    program = dspex.Predict(Sort)
    program.demos = [dspex.Example(word="a", kind="tool")]
    assert program.reset_copy().demos == []
    assert len(program.demos) == 1


def test_map_named_predictors_replaces_in_place() -> None:
    """Every predictor may be exchanged for another."""
    program = Two()
    fresh: list[dspex.Predict] = []

    def change(old: dspex.Predict) -> dspex.Predict:
        fresh.append(dspex.Predict(old.signature))
        return fresh[-1]

    program.map_named_predictors(change)
    assert program.predictors() == fresh


def test_a_cycle_ends() -> None:
    """Parts that refer to their owner do not send the walk round for ever."""
    program = Two()
    program.first.owner = program  # type: ignore[attr-defined]
    assert len(program.predictors()) == 4


def test_a_module_without_forward_says_so() -> None:
    """An empty class is no program."""
    with pytest.raises(ProgramError, match="`Module` has no `forward`"):
        dspex.Module()()


def test_batch_keeps_the_order() -> None:
    """Answers stand where their examples stood, however they were interleaved."""
    lm, _ = an_lm(lambda r: said("tool" if "even" in r.messages[-1].content else "fruit"))
    examples = [
        dspex.Example(word=f"{'even' if i % 2 == 0 else 'odd'}{i}").with_inputs("word") for i in range(30)
    ]
    with dspex.context(lm=lm):
        answers = dspex.Predict(Sort).batch(examples)
    assert [a.kind for a in answers] == ["tool", "fruit"] * 15
