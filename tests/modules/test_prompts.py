"""The prompts of our own modules: what they say is a decision, and every change of it is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

import dspex
from dspex.modules.prompts import Advise
from dspex.modules.refine import describe
from tests.programs import Sort

GOLDEN = Path(__file__).parents[1] / "golden" / "prompts"


def written(signature: type[dspex.Signature]) -> str:
    """Return a signature as a person would read it."""
    fields = [f"- `{f.name}` ({f.role}): {f.desc}".rstrip(": ") for f in signature.fields.values()]
    return "\n".join([signature.instructions, "", *fields, ""])


class Desk(dspex.Module):
    """Two steps."""

    def __init__(self) -> None:
        self.sort = dspex.Predict(Sort)
        self.reply = dspex.ChainOfThought(dspex.Signature("word, kind -> reply", "Reply."))

    def forward(self, word: str) -> dspex.Prediction:
        return self.reply(word=word, kind=self.sort(word=word).kind)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("refine_advise", lambda: written(Advise)),
        ("refine_program", lambda: describe(Desk()) + "\n"),
        ("multi_chain", lambda: written(dspex.MultiChainComparison(dspex.Signature("q -> a", "Ask."), M=2).predict.signature)),
        ("chain_of_thought", lambda: written(dspex.ChainOfThought(dspex.Signature("q -> a", "Ask.")).predict.signature)),
    ],
)  # fmt: skip
def test_a_prompt_says_what_its_golden_text_says(name: str, text) -> None:
    """Change the golden file with the prompt, on purpose."""
    assert text() == (GOLDEN / f"{name}.md").read_text(encoding="utf-8")
