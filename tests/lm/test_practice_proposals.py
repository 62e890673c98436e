"""The practice model answers the optimizers' proposal prompts with instructions that work."""

from __future__ import annotations

import json
from typing import Any

import pytest

import dspex
from tests.lm.asking import CHAT, ROWS, SHOTS, Side, ask, hits


class Propose(dspex.Signature):
    """Write a better instruction."""

    current_instruction: str = dspex.InputField()
    examples: str = dspex.InputField()
    tip: str = dspex.InputField()
    proposed_instruction: str = dspex.OutputField()


LABELLED = [{"inputs": {"text": s["text"]}, "outputs": {"side": s["side"]}} for s in SHOTS] + [
    {"inputs": {"text": "deep snow"}, "outputs": {"side": "north"}},
    {"inputs": {"text": "the albatross returns"}, "outputs": {"side": "south"}},
]


def proposal(examples: str, present: str = "Name the side.", tip: str = "", **options: Any) -> str:
    text = ask(Propose, [], options, current_instruction=present, examples=examples, tip=tip).text
    return str(CHAT.parse(Propose, text)["proposed_instruction"])


FORMATS = {
    "rows": json.dumps(LABELLED),
    "flat rows": json.dumps([{**one["inputs"], **one["outputs"]} for one in LABELLED]),
    "lines": "\n".join(json.dumps(one) for one in LABELLED),
    "layout": "\n\n".join(
        f"[[ ## text ## ]]\n{one['inputs']['text']}\n\n[[ ## side ## ]]\n{one['outputs']['side']}\n\n"
        "[[ ## completed ## ]]"
        for one in LABELLED
    ),
    "fields": "\n\n".join(
        f"Text: {one['inputs']['text']}\nReasoning: whatever\nSide: {one['outputs']['side']}"
        for one in LABELLED
    ),
    "sections": "\n\n".join(
        f"# Example {n}\n## Inputs\n### text\n{one['inputs']['text']}\n## Generated Outputs\n### side\nnorth\n"
        f"## Feedback\nExpected '{one['outputs']['side']}', got north."
        for n, one in enumerate(LABELLED)
    ),
    "feedback": json.dumps(
        [
            {
                "inputs": one["inputs"],
                "outputs": {"side": "north"},
                "feedback": f"The correct answer is {one['outputs']['side'].upper()}.",
            }
            for one in LABELLED[:2]
        ]
        + LABELLED[2:]
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_proposed_instruction_raises_the_score(name: str) -> None:
    """Whichever way labelled examples are shown, the instruction written from them works."""
    written = proposal(FORMATS[name])
    assert written.startswith("Name the side.")
    assert hits(Side.with_instructions(written), [], ROWS) > 0.9


def test_proposals_vary_with_rollout_and_tip() -> None:
    """Sampling gives other instructions, a tip changes their length, and temperature zero repeats itself."""
    rows = FORMATS["rows"]
    assert len({proposal(rows, temperature=1.0, rollout_id=n) for n in range(6)}) > 3
    assert proposal(rows) == proposal(rows, rollout_id=5)
    short, long = proposal(rows, tip="Keep it simple."), proposal(rows, tip="Be very detailed.")
    assert len(short) < len(long)


def test_a_proposal_keeps_what_was_known() -> None:
    """Words gathered from earlier examples stay when new examples add theirs; foreign lines stay as they are."""
    present = "Name the side.\nsouth: lighthouse.\nwest: sunset.\nMind the wind: it turns."
    written = proposal(FORMATS["rows"], present)
    assert "south if the text mentions lighthouse, albatross, penguins" in written
    assert "Mind the wind: it turns.\n" in written
    assert "west: sunset." in written
    assert hits(Side.with_instructions(written), [], ROWS) > 0.9


def test_proposals_built_on_proposals_do_not_pile_up() -> None:
    """However often a proposal is improved, each label has one line and there is one closing advice."""
    written = "Name the side."
    for round_number in range(5):
        written = proposal(FORMATS["rows"], written, temperature=1.0, rollout_id=round_number)
        lines = written.splitlines()
        assert len(lines) <= 4
        assert sum("south" in line for line in lines) == 1


@pytest.mark.parametrize(
    "examples", ["", "nothing of use", "[1, 2]", '[{"text": "a", "score": 1}]', '{"text": "a"}']
)
def test_without_examples_the_instruction_is_reworded(examples: str) -> None:
    """A proposal without examples still is an instruction: the present one and a piece of advice."""
    written = proposal(examples)
    assert written.startswith("Name the side.\n")
    assert len(written.splitlines()) == 2


def test_a_label_without_words_of_its_own_gets_no_line() -> None:
    """Where nothing sets a label apart, the instruction does not pretend."""
    rows = [{"text": "ice and snow on a lake", "side": "north"}, {"text": "ice on a lake", "side": "south"}]
    written = proposal(json.dumps(rows * 2))
    assert "north" in written
    assert "south" not in written


def test_without_examples_the_best_attempt_is_built_on() -> None:
    """Where instructions and their scores are shown, the best one is the base."""
    attempts = [{"instruction": "Guess.", "score": 0.2}, {"instruction": "Look closely.", "score": 0.7}]
    assert proposal(json.dumps([*attempts, {"instruction": 3, "score": 0.9}])).startswith("Look closely.\n")
