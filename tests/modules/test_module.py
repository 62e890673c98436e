"""Module: predictors are found, copied and replaced by their path."""

from __future__ import annotations

import asyncio
import threading

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


class Own(dspex.Module):
    """A program whose author never calls `super().__init__()`."""

    def __init__(self) -> None:
        self.sort = dspex.Predict(Sort)

    def forward(self, word: str, times: int = 1) -> str:
        return self.sort(word=word).kind * times


def test_a_program_may_take_positional_values() -> None:
    """What `forward` takes by place, a call may give by place; predictors take names alone."""
    with dspex.context(lm=an_lm(lambda _: said("tool"))[0]):
        assert Own()("saw", 2) == "tooltool"
        assert asyncio.run(Own().acall("saw")) == "tool"
        with pytest.raises(ProgramError, match=r"takes its inputs by name, such as `program\(word=...\)`"):
            dspex.ChainOfThought(Sort)("saw")


def test_a_subclass_may_write_forward_around_one_of_ours() -> None:
    """The most derived method runs, and `super().forward` is ours."""

    class Loud(dspex.Predict):
        def forward(self, **inputs: object) -> dspex.Prediction:
            return dspex.Prediction(kind=super().forward(**inputs).kind.upper())

    with dspex.context(lm=an_lm(lambda _: said("tool"))[0]):
        assert Loud(Sort)(word="saw").kind == "TOOL"
        assert asyncio.run(Loud(Sort).acall(word="saw")).kind == "TOOL"


def test_a_forward_put_on_the_object_goes_first() -> None:
    """As DSPy's users patch programs."""
    program = Own()
    program.forward = lambda word: f"patched {word}"  # type: ignore[method-assign]
    assert program(word="x") == "patched x"


def test_every_module_has_a_history_and_callbacks_of_its_own() -> None:
    """Whether or not its `__init__` calls ours; a copy starts with neither."""
    program, other = Own(), Own()
    program.callbacks.append(dspex)
    with dspex.context(lm=an_lm(lambda _: said("tool"))[0]):
        other(word="saw")
    assert (program.history, other.callbacks) == ([], [])
    assert len(other.history) == len(other.sort.history) == 1
    assert (other.deepcopy().history, program.deepcopy().callbacks) == ([], [])
    assert dspex.Predict(Sort, callbacks=[dspex]).callbacks == [dspex]


def test_a_copy_shares_what_cannot_be_copied() -> None:
    """A lock or a connection inside a program does not keep it from being optimized."""
    program = Own()
    program.lock, program.things = threading.Lock(), [threading.Lock(), dspex.Predict(Sort)]  # type: ignore[attr-defined]
    copy = program.deepcopy()
    assert copy.lock is program.lock  # type: ignore[attr-defined]
    assert copy.things[0] is program.things[0]  # type: ignore[attr-defined]
    assert copy.things[1] is not program.things[1]  # type: ignore[attr-defined]
    assert copy.sort is not program.sort


def test_a_frozen_part_learns_nothing_further() -> None:
    """`_compiled` takes a part out of what is learned, with all below it, but not out of the tree."""
    program = Two()
    program.first._compiled = True  # type: ignore[attr-defined]
    assert [path for path, _ in program.named_predictors()] == ["more[0]", "more[1]", "by_name['x']"]
    assert "self.first.predict" in dict(program.named_sub_modules())
    assert "self.first.predict" not in dict(program.named_sub_modules(skip_compiled=True))


def test_sub_modules_are_named_from_self_nearest_first() -> None:
    """Paths and order are DSPy's; a type can be asked for."""
    paths = [path for path, _ in Two().named_sub_modules()]
    assert paths[:2] == ["self", "self.first"]
    assert set(paths) == {
        "self",
        "self.first",
        "self.first.predict",
        "self.again",
        "self.more[1]",
        "self.by_name['x']",
    }
    assert [path for path, _ in Two().named_sub_modules(type_=dspex.ChainOfThought)] == ["self.first"]


def test_get_lm_is_the_one_all_share() -> None:
    """Different models have no one answer."""
    program, lm = Two(), an_lm()[0]
    program.set_lm(lm)
    assert program.get_lm() is lm
    program.more[0].lm = None
    with pytest.raises(ValueError, match="different models"):
        program.get_lm()


def test_parameters_are_the_predictors() -> None:
    """Both words mean what can be learned."""
    program = Two()
    assert program.named_parameters() == program.named_predictors()
    assert program.parameters() == program.predictors()
