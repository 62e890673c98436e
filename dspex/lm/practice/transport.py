"""The practice model as a Transport: an embedded in-context learner with no network and no weights.

It reads nothing but the messages and waits as long as it is told to, so that a whole optimization can be watched,
stopped and paid for, in simulated prices, without a key.
"""

from __future__ import annotations

from typing import NamedTuple

from dspex import _clock
from dspex.lm.embedding import embedded
from dspex.lm.messages import Choice, Request, Response, Usage
from dspex.lm.practice.chance import Chance
from dspex.lm.practice.compose import write_answer
from dspex.lm.practice.prompt import Prompt, read_prompt
from dspex.lm.practice.vectors import vector_of

_CHARACTERS_PER_TOKEN = 4


class TokenPrice(NamedTuple):
    """US dollars per token."""

    input: float
    output: float


PRACTICE_PRICE = TokenPrice(input=0.40 / 1e6, output=1.60 / 1e6)
"""What the practice model pretends to cost."""


class PracticeTransport:
    """Answers a request from its own messages.

    The same request always gets the same answer. At a temperature above zero, `rollout_id` and the number of
    the choice give other samples.

    Args:
        latency: seconds to wait before each answer.

    Example:
        >>> import asyncio
        >>> from dspex.lm.messages import Message, Request
        >>> request = Request(model="practice", messages=(Message(role="user", content="Hello."),))
        >>> asyncio.run(PracticeTransport().send(request)).text
        'I am the practice model; I answer from the examples I am shown. You wrote: "Hello."'
    """

    def __init__(self, latency: float = 0.0) -> None:
        self.latency = latency
        self.waits = latency > 0

    async def send(self, request: Request) -> Response:
        """Answer one request."""
        if self.latency > 0:
            await _clock.sleep(self.latency)
        if request.inputs:
            return embedded(
                [vector_of(text) for text in request.inputs],
                tokens=sum(map(_tokens, request.inputs)),
                model="practice",
            )
        prompt = read_prompt(request.messages)
        choices = tuple(_choice(request, prompt, index) for index in range(max(1, request.n)))
        usage = Usage(
            prompt_tokens=sum(_tokens(message.text) for message in request.messages),
            completion_tokens=sum(_tokens(choice.text) for choice in choices),
        )
        cost = usage.prompt_tokens * PRACTICE_PRICE.input + usage.completion_tokens * PRACTICE_PRICE.output
        return Response(choices=choices, usage=usage, model="practice", cost=cost)


def _choice(request: Request, prompt: Prompt, index: int) -> Choice:
    text = write_answer(prompt, Chance.of(request, index))
    for stop in request.stop:
        text = text.partition(stop)[0] if stop else text
    if request.max_tokens is not None and _tokens(text) > request.max_tokens:
        return Choice(text=text[: request.max_tokens * _CHARACTERS_PER_TOKEN], finish="length")
    return Choice(text=text)


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARACTERS_PER_TOKEN)
