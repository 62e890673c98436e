"""The one interface at the edge: whatever answers a Request is a Transport.

Providers, caches, meters, pools and fakes have this shape, so each wraps another without knowing which. What a
transport can do beyond that, it says by an attribute or one more method; what it does not say is the usual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from dspex.lm.messages import Chunk, Request, Response

OnChunk = Callable[[Chunk], None]
"""Takes the pieces of an answer, on whatever thread reads them; it must return at once."""


class Transport(Protocol):
    """Answers a Request with a Response or raises an `LMError`.

    A transport that never waits (for a network, a timer, a lock) may say so with an attribute `waits = False`: it
    is then asked in the caller's own thread, without a turn on the event loop. `capabilities` may say what its
    model can do.
    """

    async def send(self, request: Request) -> Response:
        """Answer one request."""
        ...


@runtime_checkable
class Streaming(Protocol):
    """A Transport that can also hand over the first completion piece by piece."""

    async def stream(self, request: Request, on_chunk: OnChunk) -> Response:
        """Answer one request, calling `on_chunk` as the pieces arrive, and return the whole at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model can do besides writing text, as adapters ask for it."""

    function_calling: bool = False
    reasoning: bool = False
    response_schema: bool = False
    params: frozenset[str] = frozenset()
    """Names of the parameters it takes, in OpenAI's words."""


NONE = Capabilities()


def waits(transport: object) -> bool:
    """Tell whether a transport may wait, which all do that do not say otherwise."""
    return bool(getattr(transport, "waits", True))


async def ask(transport: Transport, request: Request, on_chunk: OnChunk | None) -> Response:
    """Answer one request; where pieces are wanted and the transport has none, the answer is the one piece."""
    if on_chunk is None:
        return await transport.send(request)
    if isinstance(transport, Streaming):
        return await transport.stream(request, on_chunk)
    response = await transport.send(request)
    on_chunk(piece_of(response))
    return response


def piece_of(response: Response) -> Chunk:
    """Return the first completion as one piece."""
    first = response.choices[0]
    return Chunk(text=first.text, reasoning=first.reasoning, calls=first.calls, finish=first.finish)
