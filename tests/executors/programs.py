"""Programs, metrics and data that workers can import: what the tests of executors send."""

from __future__ import annotations

import os
from typing import Any

from pydantic import BaseModel

from dspex.data.example import Example, Prediction
from dspex.lm.messages import Message
from dspex.modules.module import Module
from dspex.modules.predict import Predict

KEY = "sk-canary-0123456789"
POISON = "poison"
BROKEN = "broken"


class Answers(Module):
    """Asks a model once, unless the question is of a kind that ends otherwise."""

    def __init__(self) -> None:
        self.ask = Predict("question -> answer")

    def forward(self, question: str) -> Any:
        if question == POISON:
            os._exit(3)
        if question == BROKEN:
            raise ValueError("this question is broken")
        return self.ask(question=question)


class Parts(BaseModel):
    """A value that is more than plain JSON."""

    words: list[str]


class Typed(Module):
    """Answers with a typed value, and asks nobody."""

    async def aforward(self, question: str) -> Prediction:
        return Prediction(parts=Parts(words=question.split()))


def length(example: Example, prediction: Prediction, trace: object = None) -> Prediction:
    """Score by the answer's length, so that every example's score is its own."""
    return Prediction(score=len(prediction.answer) / 100, feedback=f"{len(prediction.answer)} letters")


def words(example: Example, prediction: Prediction) -> int:
    return len(prediction.parts.words)


def questions(count: int) -> list[Example]:
    return [Example(question="why " * (k % 9) + str(k)).with_inputs("question") for k in range(count)]


def echo(messages: list[Message]) -> str:
    """Answer with as many letters as the question has."""
    question = str(messages[-1].content).partition("[[ ## question ## ]]")[2].partition("Respond")[0].strip()
    return f"[[ ## answer ## ]]\n{'x' * len(question)}\n\n[[ ## completed ## ]]"
