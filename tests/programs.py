"""Small builders that tests of programs, evaluation and optimizers share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import dspex
from dspex.errors import LMError
from dspex.lm.messages import Choice, Request, Response, Usage


class Sort(dspex.Signature):
    """Sort the word."""

    word: str = dspex.InputField()
    kind: Literal["fruit", "tool"] = dspex.OutputField()


class Answering:
    """A Transport that answers by a function of the request; it counts, and it can fail."""

    waits = False

    def __init__(self, answer: Callable[[Request], str | LMError]) -> None:
        self.requests: list[Request] = []
        self._answer = answer

    async def send(self, request: Request) -> Response:
        """Answer one request."""
        self.requests.append(request)
        answer = self._answer(request)
        if isinstance(answer, LMError):
            raise answer
        return Response(choices=(Choice(text=answer),), usage=Usage(prompt_tokens=10, completion_tokens=2))


def question(request: Request) -> str:
    """Return the word that the last message asks about."""
    return request.messages[-1].content.split("\n")[1]


def said(kind: str) -> str:
    """Return an answer in the chat layout."""
    return f"[[ ## kind ## ]]\n{kind}\n\n[[ ## completed ## ]]"


FRUIT = ("apple", "pear", "plum", "fig")
TOOL = ("saw", "file", "drill", "plane")


def rows(times: int = 1) -> list[dspex.Example]:
    """Return words with their kinds, inputs marked."""
    pairs = [
        (f"{w}{i or ''}", k)
        for i in range(times)
        for f, t in zip(FRUIT, TOOL, strict=True)
        for w, k in ((f, "fruit"), (t, "tool"))
    ]
    return [dspex.Example(word=word, kind=kind).with_inputs("word") for word, kind in pairs]


def learner(request: Request) -> str:
    """Answer as a model would that knows only what its demonstrations show: by the first letter."""
    shown = {
        message.content.split("\n")[1][0]: answer.content.split("\n")[1]
        for message, answer in zip(request.messages[1:-1:2], request.messages[2::2], strict=False)
    }
    return said(shown.get(question(request)[0], "fruit"))


def an_lm(
    answer: Callable[[Request], str | LMError] = learner, **options: object
) -> tuple[dspex.LM, Answering]:
    """Return an LM over an answering transport, and the transport."""
    transport = Answering(answer)
    given = {"price": (1.0, 1.0), "num_retries": 0, **options}
    return dspex.LM("test/model", transport=transport, **given), transport  # type: ignore[arg-type]
