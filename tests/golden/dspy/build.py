"""What DSPy saves, and what it makes of what we save: run by a Python that has DSPy.

`python tests/golden/dspy/build.py` writes the golden files of the DSPy that is installed; `... read FOLDER` loads
what dspex saved there and prints it as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Literal

import dspy

HERE = Path(__file__).parent


class Sort(dspy.Signature):
    """Sort a ticket to the team that can resolve it."""

    ticket: str = dspy.InputField(desc="what the customer wrote")
    team: Literal["billing", "account", "bug"] = dspy.OutputField(desc="who resolves it")


class Desk(dspy.Module):
    """Predictors as attribute, inside another module, in a list and in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.sort = dspy.Predict(Sort)
        self.reply = dspy.ChainOfThought(dspy.Signature("ticket, team -> reply", "Write a reply."))
        self.checks = [
            dspy.Predict(dspy.Signature("reply -> polite: bool", "Is it polite?")),
            dspy.Predict(dspy.Signature("reply, facts: list[str] -> true: bool", "Is it true?")),
        ]
        self.by_language = {
            "de": dspy.Predict(dspy.Signature("reply -> german", "Auf Deutsch.")),
            1: dspy.Predict(dspy.Signature("reply -> first", "The first sentence.")),
        }

    def forward(self, ticket: str) -> dspy.Prediction:
        """Sort, then reply."""
        team = self.sort(ticket=ticket).team
        return dspy.Prediction(team=team, reply=self.reply(ticket=ticket, team=team).reply)


def taught() -> Desk:
    """Return a desk that has learned something of every kind."""
    desk = Desk()
    desk.sort.signature = desk.sort.signature.with_instructions("Sort it.\nBe quick – and right.")
    desk.sort.demos = [
        dspy.Example(ticket="I was charged twice.", team="billing", augmented=True),
        dspy.Example(ticket="Where is “it”?", team="bug").with_inputs("ticket"),
    ]
    desk.reply.predict.demos = [
        {"ticket": "Hello", "team": "account", "reasoning": "a greeting", "reply": "Hello!"}
    ]
    desk.checks[1].demos = [dspy.Example(reply="It is 4.", facts=["2 + 2 = 4"], true=True)]
    desk.checks[0].lm = dspy.LM("openai/gpt-4o-mini", temperature=0.3, max_tokens=200, api_key="sk-none")
    return desk


def programs() -> dict[str, Any]:
    """Return a program of each kind that both libraries have."""
    alone = dspy.Predict(dspy.Signature("question -> answer: int", "Count."))
    alone.demos = [dspy.Example(question="2 + 2?", answer=4)]
    return {
        "desk": taught(),
        "predict": alone,
        "best_of_n": dspy.BestOfN(
            module=dspy.ChainOfThought(Sort), N=2, reward_fn=lambda a, p: 1.0, threshold=1.0
        ),
        "multi_chain": dspy.MultiChainComparison(dspy.Signature("question -> answer", "Count."), M=2),
    }


GOLDEN = ("desk", "predict", "best_of_n")


def main() -> None:
    """Write the golden files, or read a folder of ours."""
    if sys.argv[1:2] == ["read"]:
        states = {}
        for name, program in programs().items():
            program.load(str(Path(sys.argv[2], f"{name}.json")))
            states[name] = {"state": program.dump_state(), "repr": repr(program)}
        sys.stdout.write(json.dumps(states))
        return
    for name in GOLDEN:
        programs()[name].save(str(HERE / f"{name}-{dspy.__version__}.json"))


if __name__ == "__main__":
    main()
