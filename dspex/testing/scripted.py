"""A Transport that plays what a test wrote down: answers, errors, or waiting for ever.

The smallest fake there is: it knows no model, no prompt and no provider.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from dspex.lm.messages import Choice, Request, Response, Usage


@dataclass(frozen=True, slots=True)
class _Never:
    def __repr__(self) -> str:
        return "never()"


Line = str | Response | BaseException | _Never


def never() -> _Never:
    """Return a line of a script at which the call waits until somebody cancels it."""
    return _Never()


class Scripted:
    """Answers the first request with the first line, the second with the second, and so on.

    Args:
        *lines: an answer's text, a whole Response, an error to raise, or `never()`.
        repeat: whether to go on with the last line when all are played; otherwise that is an error.

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

    def __init__(self, *lines: Line, repeat: bool = False) -> None:
        self.requests: list[Request] = []
        self.waiting = 0
        self._lines = list(lines)
        self._repeat = repeat

    def __repr__(self) -> str:
        return f"<Scripted: {len(self.requests)} asked, {self.waiting} waiting>"

    async def send(self, request: Request) -> Response:
        """Answer one request with the next line.

        Raises:
            AssertionError: the script has no line left.
        """
        k = len(self.requests)
        self.requests.append(request)
        if self._repeat and self._lines:
            k = min(k, len(self._lines) - 1)
        if k >= len(self._lines):
            raise AssertionError(f"The script has {len(self._lines)} lines, but was asked {k + 1} times.")
        return await self._play(self._lines[k], request)

    async def _play(self, line: Line, request: Request) -> Response:
        if isinstance(line, BaseException):
            raise line
        if isinstance(line, _Never):
            self.waiting += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.waiting -= 1
        if isinstance(line, str):
            # One event loop turn, as any network has: equal calls do meet.
            await asyncio.sleep(0)
            return answer(line, n=request.n)
        assert isinstance(line, Response)
        return line


def answer(text: str, *, n: int = 1, prompt_tokens: int = 10, completion_tokens: int = 5) -> Response:
    """Return a Response of `n` equal texts, with tokens.

    Example:
        >>> answer("blue").usage.total_tokens
        15
    """
    usage = Usage(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)
    return Response(choices=(Choice(text=text),) * n, usage=usage, model="scripted")
