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


class Twice(Module):
    """Asks a model for a draft, and then for the answer; what it says is more than plain JSON."""

    def __init__(self) -> None:
        self.draft = Predict("question -> draft")
        self.ask = Predict("question, draft -> answer")

    async def aforward(self, question: str) -> Any:
        draft = (await self.draft.acall(question=question)).draft
        answer = (await self.ask.acall(question=question, draft=draft)).answer
        return Prediction(answer=answer, parts=Parts(words=[draft, answer]))


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
    said = str(messages[-1].content)
    question = (
        said.partition("[[ ## question ## ]]")[2].partition("Answer with")[0].partition("[[")[0].strip()
    )
    field = "draft" if is_draft(messages) else "answer"
    return f"[[ ## {field} ## ]]\n{'x' * len(question)}\n\n[[ ## completed ## ]]"


def is_draft(messages: list[Message]) -> bool:
    """Tell whether a draft is asked for."""
    return "[[ ## answer ## ]]" not in str(messages[-1].content)
