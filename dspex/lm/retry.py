"""Try again what may succeed later: the one layer that does; no SDK below retries on its own.

Exponential backoff with full jitter; a provider's Retry-After is taken at its word. An answer of which a piece was
handed over is never begun anew: its taker would read the beginning twice. In a run, a 429 is no failed try but a
turn to wait for, as long as patience lasts: the next one asks when there is room.
"""

from __future__ import annotations

import random
from typing import Protocol, runtime_checkable

from dspex import _clock, _host
from dspex.errors import LMError
from dspex.events.event import LMRetry
from dspex.lm.messages import Request, Response
from dspex.lm.stream import Delivery
from dspex.lm.transport import OnChunk, Transport, ask, waits
from dspex.scope.scope import current

BASE_SECONDS = 0.5
LONGEST_BACKOFF = 30.0
PATIENCE = 120.0
"""A provider that asks for a longer wait than this gets none: the error goes to the caller, who can decide."""


@runtime_checkable
class Attempting(Protocol):
    """A Transport that wants to know which calls failed before: their answers say less about how much it takes."""

    async def attempt(self, request: Request, on_chunk: OnChunk | None, *, again: bool) -> Response:
        """Answer one request."""
        ...


class Retry:
    """A Transport that asks another one again where its error is one of waiting.

    Args:
        transport: who answers.
        num_retries: how often to try again after the first time.
        rng: where the jitter comes from; not the run's own, whose draws must not depend on the network.
    """

    def __init__(
        self, transport: Transport, *, num_retries: int = 3, rng: random.Random | None = None
    ) -> None:
        self._transport = transport
        self._attempting = transport if isinstance(transport, Attempting) else None
        self._num_retries = num_retries
        self._rng = rng or random.Random()
        self.waits = waits(transport)

    async def send(self, request: Request) -> Response:
        """Answer the request, or raise the last error."""
        return await self._try(request, None)

    async def stream(self, request: Request, on_chunk: OnChunk) -> Response:
        """Answer the request in pieces, or raise the last error; what had arrived is its `partial`."""
        return await self._try(request, Delivery(on_chunk))

    async def _try(self, request: Request, delivery: Delivery | None) -> Response:
        attempt, counted, waited = 0, 0, 0.0
        while True:
            try:
                if self._attempting is None:
                    return await ask(self._transport, request, delivery)
                return await self._attempting.attempt(request, delivery, again=attempt > 0)
            except LMError as error:
                attempt += 1
                # In a run it is a turn to wait for and no failed try.
                counted += not (error.kind == "rate_limit" and current().patient and waited < PATIENCE)
                if delivery is not None and delivery.any:
                    error.partial = delivery.text
                    raise
                if not error.retryable or counted > self._num_retries or error.retry_after > PATIENCE:
                    raise
                kind, asked = error.kind, error.retry_after
            waited += await self._wait(request.model, kind, attempt, asked)

    async def _wait(self, model: str, kind: str, attempt: int, asked: float) -> float:
        scope = current()
        # A run that was asked to end pays for no further try.
        scope.cancel.check()
        jitter = self._rng.uniform(0.0, min(LONGEST_BACKOFF, BASE_SECONDS * 2 ** (attempt - 1)))
        wait = asked + min(jitter, BASE_SECONDS) if asked else jitter
        scope.emit(LMRetry(model=model, role=scope.role, error=kind, attempt=attempt, wait=wait))
        if self.waits:
            await _clock.sleep(wait)
        else:  # whoever never waits is asked outside of the host loop; this once there is something to wait for
            await _host.hop(scope.cancel.guard(_clock.sleep(wait)))
        return wait
