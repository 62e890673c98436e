"""A Transport that plays what a test wrote down: answers, errors, or waiting for ever.

The smallest fake there is: it knows no model, no prompt and no provider.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dspex import _canon, _host
from dspex.lm.messages import Call, Choice, Chunk, Request, Response, Usage
from dspex.lm.transport import NONE, Capabilities, OnChunk


@dataclass(frozen=True, slots=True)
class _Never:
    def __repr__(self) -> str:
        return "never()"


@dataclass(frozen=True, slots=True)
class _Cut:
    text: str
    error: BaseException


Line = str | Response | Choice | Call | BaseException | _Never | _Cut


def never() -> _Never:
    """Return a line of a script at which the call waits until somebody cancels it."""
    return _Never()


def cut_off(text: str, error: BaseException) -> _Cut:
    """Return a line of a script that breaks off with an error after some text, where pieces are asked for."""
    return _Cut(text, error)


def call(name: str, id: str = "call_1", **arguments: Any) -> Call:
    """Return a model's wish to have a tool called.

    Example:
        >>> call("search", query="blue").arguments
        '{"query":"blue"}'
    """
    return Call(id=id, name=name, arguments=_canon.canonical(arguments))


class Scripted:
    """Answers the first request with the first line, the second with the second, and so on.

    Args:
        *lines: an answer's text, a `call(...)`, a whole Choice or Response, an error to raise, `never()`, or
            `cut_off(...)`.
        repeat: whether to go on with the last line when all are played; otherwise that is an error.
        capabilities: what adapters are told the model can do.

    Example:
        >>> import asyncio
        >>> from dspex.lm.messages import Message
        >>> script = Scripted("blue", never())
        >>> question = Request(model="m", messages=(Message(role="user", content="Which colour?"),))
        >>> asyncio.run(script.send(question)).text
        'blue'
        >>> len(script.requests)
        1
    """

    def __init__(self, *lines: Line, repeat: bool = False, capabilities: Capabilities = NONE) -> None:
        self.requests: list[Request] = []
        self.waiting = 0
        self.capabilities = capabilities
        self.waits = any(isinstance(line, _Never) for line in lines)
        self._lines = list(lines)
        self._repeat = repeat
        self._count = itertools.count()

    def __repr__(self) -> str:
        return f"<Scripted: {len(self.requests)} asked, {self.waiting} waiting>"

    async def send(self, request: Request) -> Response:
        """Answer one request with the next line.

        Raises:
            AssertionError: the script has no line left.
        """
        line = self._next(request)
        if isinstance(line, _Cut):
            raise line.error
        return await self._play(line, request)

    async def stream(self, request: Request, on_chunk: OnChunk) -> Response:
        """Answer one request with the next line, word by word."""
        line = self._next(request)
        if isinstance(line, _Cut):
            for word in words(line.text):
                on_chunk(Chunk(text=word))
            raise line.error
        response = await self._play(line, request)
        for chunk in pieces(response.choices[0]):
            on_chunk(chunk)
        return response

    def _next(self, request: Request) -> Line:
        k = next(self._count)
        self.requests.append(request)
        if self._repeat and self._lines:
            k = min(k, len(self._lines) - 1)
        if k >= len(self._lines):
            raise AssertionError(f"The script has {len(self._lines)} lines, but was asked {k + 1} times.")
        return self._lines[k]

    async def _play(self, line: Line, request: Request) -> Response:
        if isinstance(line, BaseException):
            raise line
        if isinstance(line, _Never):
            self.waiting += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.waiting -= 1
        if isinstance(line, Response):
            return line
        if _host.on_host():
            # One event loop turn, as any network has: equal calls do meet.
            await asyncio.sleep(0)
        assert isinstance(line, (str, Choice, Call))
        return answer(line, n=request.n)


def answer(
    said: str | Choice | Call | Sequence[Call],
    *,
    n: int = 1,
    prompt_tokens: int = 10,
    completion_tokens: int = 5,
) -> Response:
    """Return a Response of `n` equal completions, with tokens.

    Example:
        >>> answer("blue").usage.total_tokens
        15
    """
    if isinstance(said, Choice):
        choice = said
    elif isinstance(said, str):
        choice = Choice(text=said)
    else:
        choice = Choice(calls=(said,) if isinstance(said, Call) else tuple(said), finish="tool_calls")
    usage = Usage(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)
    return Response(choices=(choice,) * n, usage=usage, model="scripted")


def pieces(choice: Choice) -> list[Chunk]:
    """Return a completion cut into what a stream brings: words, then the end."""
    thoughts = [Chunk(reasoning=word) for word in words(choice.reasoning)]
    said = [Chunk(text=word) for word in words(choice.text)]
    return [*thoughts, *said, Chunk(calls=choice.calls, finish=choice.finish)]


def words(text: str) -> list[str]:
    """Return a text cut before each word, so that the pieces joined are the text."""
    return re.findall(r"\s*\S+|\s+$", text)
