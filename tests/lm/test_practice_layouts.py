"""The practice model answers in the layout it is asked in, and learns from demonstrations in each."""

from __future__ import annotations

from typing import Any, Literal

import pytest

import dspex
from dspex.adapters import Adapter, ChatAdapter, JSONAdapter, TwoStepAdapter, XMLAdapter
from dspex.lm.practice.layouts import answers, write

LAYOUTS = [ChatAdapter(), JSONAdapter(), XMLAdapter()]


class Triage(dspex.Signature):
    """Sort a support ticket to the team that can resolve it."""

    ticket: str = dspex.InputField()
    reasoning: str = dspex.OutputField()
    team: Literal["zebra", "giraffe"] = dspex.OutputField()
    urgent: bool = dspex.OutputField()
    tags: list[str] = dspex.OutputField()
    score: float = dspex.OutputField(ge=0, le=1)


SHOWN = [
    {"ticket": f"{word} & <b>{k}</b>", "reasoning": "r", "team": team, "urgent": k % 2 == 0, "tags": [], "score": 0.5}
    for k in range(4)
    for word, team in (("invoice payment card", "zebra"), ("crash error screen", "giraffe"))
]  # fmt: skip


@pytest.mark.parametrize("adapter", LAYOUTS, ids=repr)
def test_it_answers_in_the_layout_it_is_asked_in(adapter: Adapter) -> None:
    """One call is enough, and the fields are of their types."""
    lm = dspex.LM("practice")
    with dspex.context(lm=lm, adapter=adapter):
        answer = dspex.Predict(Triage)(ticket="My <i>card</i> & invoice")
    assert len(lm.history) == 1
    assert (type(answer.urgent), type(answer.tags), type(answer.score)) == (bool, list, float)
    said = lm.history[0]["outputs"][0]
    assert said.startswith(
        {"ChatAdapter": "[[ ##", "JSONAdapter": "{", "XMLAdapter": "<"}[type(adapter).__name__]
    )


@pytest.mark.parametrize("adapter", LAYOUTS, ids=repr)
def test_it_learns_from_demonstrations_in_every_layout(adapter: Adapter) -> None:
    """What examples show is read from each layout alike: the answers are the same in all of them."""
    with dspex.context(lm=dspex.LM("practice"), adapter=adapter):
        program = dspex.Predict(Triage)
        program.demos = list(SHOWN)
        teams = [program(ticket=text).team for text in ("the card payment failed", "an error, then a crash")]
    assert teams == ["zebra", "giraffe"]


def test_two_of_them_answer_together() -> None:
    """The practice model may be both models of a two-step adapter."""
    lm: Any = dspex.LM("practice")
    with dspex.context(lm=lm, adapter=TwoStepAdapter(lm)):
        assert dspex.Predict("ticket -> team: bool")(ticket="hello").team in (True, False)


@pytest.mark.parametrize("layout", ["chat", "json", "xml"])
@pytest.mark.parametrize("text", ["a", "<b> & </b>", '"quoted" {"x": 1}', "two\nlines", "é ## x"])
def test_what_it_writes_it_reads(layout: Any, text: str) -> None:
    """An answer of its own, shown as a demonstration, is what it was."""
    written = write([("a", text, True), ("b", "[1]", False)], layout)
    assert answers(written, ("a", "b"), layout) == (("a", text), ("b", "[1]"))
