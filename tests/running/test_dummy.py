"""DummyLM and DummyVectorizer: as DSPy's users know them, in the caller's own thread."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from dspex.utils import DummyLM, DummyVectorizer

import dspex


def test_answers_come_in_order_and_then_there_are_no_more() -> None:
    """A list is used up; what comes after says so."""
    lm = DummyLM([{"answer": "red"}, {"answer": "blue"}])
    with dspex.context(lm=lm):
        ask = dspex.Predict("question -> answer")
        assert [ask(question="?").answer for _ in range(3)] == ["red", "blue", "No more responses"]


def test_equal_questions_use_up_answers() -> None:
    """Nothing is kept: the same question gets the next answer."""
    lm = DummyLM([{"answer": "red"}, {"answer": "blue"}])
    assert lm("same") != lm("same")
    assert lm.get_convo(0) == ([{"role": "user", "content": "same"}], ["[[ ## answer ## ]]\nred"])
    assert lm.get_convo(-1)[1] == ["[[ ## answer ## ]]\nblue"]
    assert len(lm.history) == 2


def test_a_dict_answers_by_what_is_asked() -> None:
    """The first key in the last message decides; another question has no answer."""
    lm = DummyLM({"sky": {"answer": "blue"}, "grass": {"answer": "green"}})
    with dspex.context(lm=lm):
        ask = dspex.Predict("question -> answer")
        assert ask(question="What colour is grass?").answer == "green"
        assert ask(question="What colour is the sky?").answer == "blue"
        assert lm("What else?") == ["No more responses"]


def test_examples_can_be_followed() -> None:
    """With follow_examples the demonstration with the same inputs answers."""
    lm = DummyLM([{"answer": "red"}], follow_examples=True)
    ask = dspex.Predict("question -> answer")
    ask.demos = [
        dspex.Example(question="Sky?", answer="blue"),
        dspex.Example(question="Grass?", answer="green"),
    ]
    with dspex.context(lm=lm):
        assert ask(question="Sky?").answer == "blue"
        assert ask(question="Grass?").answer == "green"


@pytest.mark.parametrize("adapter", [dspex.ChatAdapter(), dspex.JSONAdapter(), dspex.XMLAdapter()])
def test_every_layout_can_be_mimicked(adapter: Any) -> None:
    """adapter= writes the answers in that adapter's layout, values of all kinds included."""
    lm = DummyLM([{"names": ["Ada", "Bo"], "count": 2, "sure": True}], adapter=adapter)
    with dspex.context(lm=lm, adapter=adapter):
        answer = dspex.Predict("text -> names: list[str], count: int, sure: bool")(text="x")
    assert (answer.names, answer.count, answer.sure) == (["Ada", "Bo"], 2, True)


def test_several_completions_take_several_answers() -> None:
    """n=2 uses two answers."""
    with dspex.context(lm=DummyLM([{"answer": "a"}, {"answer": "b"}])):
        answer = dspex.Predict("question -> answer", n=2)(question="?")
    assert answer.completions.answer == ["a", "b"]


def test_a_thought_can_be_told() -> None:
    """reasoning=True is what a reasoning model's answer looks like."""
    [said] = DummyLM([{"answer": "a"}], reasoning=True)("?")
    assert said["reasoning_content"] == "Some reasoning"
    assert said["text"].endswith("a")


def test_a_copy_says_the_rest() -> None:
    """A copy shares the answers, with its own options and history."""
    lm = DummyLM([{"answer": "a"}, {"answer": "b"}])
    lm("?")
    other = lm.copy(temperature=0.9)
    assert isinstance(other, DummyLM)
    assert other.kwargs["temperature"] == 0.9
    assert other("?") == ["[[ ## answer ## ]]\nb"]
    assert (len(lm.history), len(other.history)) == (1, 1)


async def test_no_thread_and_no_loop_is_needed() -> None:
    """The caller's own thread answers, in plain code and in async code."""
    seen: list[str] = []

    class Spy(dict[str, Any]):
        def items(self) -> Any:
            seen.append(threading.current_thread().name)
            return super().items()

    lm = DummyLM([Spy(answer="a"), Spy(answer="b")])
    lm("?")
    await lm.acall("?")
    await asyncio.sleep(0)
    assert set(seen) == {threading.current_thread().name}


def test_texts_become_vectors() -> None:
    """Equal texts have equal rows, likeness is nearness, and every row has mean 0 and length 1."""
    rows = DummyVectorizer()(["refund please", "refund please", "a refund, please", "xyzzy"])
    assert rows.shape == (4, 100)
    assert str(rows.dtype) == "float32"
    assert (rows[0] == rows[1]).all()
    assert rows[0] @ rows[2] > rows[0] @ rows[3]
    assert abs(rows.mean(axis=1)).max() < 1e-6
    assert abs((rows**2).sum(axis=1) - 1).max() < 1e-5
