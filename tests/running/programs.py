"""What the tests of running share: a model that writes its answer in pieces, and the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import dspex
from dspex.lm.messages import Chunk, Request, Response
from dspex.testing.scripted import answer

ANSWER = (
    "[[ ## reasoning ## ]]\nMoney was\n\ntaken twice.\n\n[[ ## team ## ]]\nbilling\n\n[[ ## completed ## ]]"
)


class Pieces:
    """A Transport that writes a text in pieces of a few letters, one turn of the loop apart."""

    def __init__(
        self, text: str | Callable[[Request], str] = ANSWER, size: int = 5, until: Sequence[str] = ()
    ) -> None:
        self.text = text
        self.size = size
        self.gates = {piece: asyncio.Event() for piece in until}
        self.open = 0
        self.cut = 0

    async def send(self, request: Request) -> Response:
        return await self.stream(request, lambda _: None)

    async def stream(self, request: Request, on_chunk: Callable[[Chunk], None]) -> Response:
        text = self.text(request) if callable(self.text) else self.text
        self.open += 1
        try:
            for start in range(0, len(text), self.size):
                await asyncio.sleep(0)
                piece = text[start : start + self.size]
                for mark, gate in self.gates.items():
                    if mark in text[: start + self.size]:
                        await gate.wait()
                on_chunk(Chunk(text=piece))
            on_chunk(Chunk(finish="stop"))
        except asyncio.CancelledError:
            self.cut += 1
            raise
        finally:
            self.open -= 1
        return answer(text)


def streaming_lm(text: str | Callable[[Request], str] = ANSWER, size: int = 5) -> dspex.LM:
    """Return an LM that answers in pieces."""
    return dspex.LM("openai/any", transport=Pieces(text, size), cache=False)
