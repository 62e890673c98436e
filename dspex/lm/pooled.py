"""The pool as a Transport: choose an endpoint, go on to the next where one fails, wait where none can be asked.

One request is one attempt: each endpoint is asked at most once in it, those of the first tier before the fallbacks.
Trying again after a wait is `retry.py`'s work. What waits here is a run's call for which every breaker is open.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from dspex import _host
from dspex.errors import ContextWindowExceededError, LMError, LMUnavailableError
from dspex.lm.breaker import PERSONAL
from dspex.lm.doors import Door
from dspex.lm.endpoint import FAILURES, Endpoint
from dspex.lm.messages import Request, Response
from dspex.lm.pool import PATIENCE
from dspex.lm.stream import Delivery
from dspex.lm.transport import OnChunk, Transport, ask, waits
from dspex.lm.waiting import Waiting
from dspex.scope.scope import Scope, current

if TYPE_CHECKING:
    from dspex.lm.cassette import Cassette

PASSED_ON = FAILURES | PERSONAL | {"rate_limit", "unavailable"}
"""Kinds of error after which another endpoint may do better."""
LONG_FREEZE = 2.0
"""Seconds of a provider's Retry-After above which a fallback is asked in its place."""


class Pooled:
    """A Transport over endpoints.

    Args:
        tiers: the ways to go; a further tier is asked only where the ones before cannot be, or failed.
        patience: seconds that a run's call waits while no endpoint can be asked.
    """

    waits = True

    def __init__(self, tiers: Sequence[Sequence[Door]], *, patience: float = PATIENCE) -> None:
        self._tiers = [list(tier) for tier in tiers]
        self._model = self._tiers[0][0].model
        self._patience = patience

    def __repr__(self) -> str:
        doors = list(self._doors())
        if len(doors) == 1:
            return f"<Pool {self._model}: {doors[0].endpoint.status}>"
        return f"<Pool {self._model}: {'; '.join(repr(door.endpoint)[10:-1] for door in doors)}>"

    @property
    def models(self) -> tuple[str, ...]:
        """The models that may answer."""
        return tuple(dict.fromkeys(door.model for door in self._doors()))

    def reset(self) -> None:
        """Have its endpoints be asked at once, also those that are left alone: a person knows that they work again."""
        for door in self._doors():
            _host.loop().call_soon_threadsafe(door.endpoint.reset)

    async def send(self, request: Request) -> Response:
        """Answer one request.

        Raises:
            LMUnavailableError: nothing can be asked now, and this call may not wait or has waited long enough.
            LMError: what the endpoints that were asked say.
        """
        return await self.attempt(request, None)

    async def stream(self, request: Request, on_chunk: OnChunk) -> Response:
        """Answer one request in pieces."""
        return await self.attempt(request, on_chunk)

    async def attempt(self, request: Request, on_chunk: OnChunk | None, *, again: bool = False) -> Response:
        """Answer one request.

        Args:
            request: what is asked.
            on_chunk: takes the pieces; None for the whole.
            again: whether it failed before: its answer then says nothing about room.
        """
        tape = _tape()
        if tape is not None:
            return await tape.send(request, _Again(self, again), on_chunk)
        delivery = on_chunk if on_chunk is None or isinstance(on_chunk, Delivery) else Delivery(on_chunk)
        return await self._answer(request, delivery, again)

    async def _answer(self, request: Request, delivery: Delivery | None, again: bool) -> Response:
        scope = current()
        waiting: Waiting | None = None
        tried: set[Endpoint] = set()
        errors: list[LMError] = []
        try:
            while True:
                picked = self._pick(tried, scope)
                if picked is None:
                    if errors:
                        break
                    self._may_wait(scope, waiting)
                    waiting = waiting or Waiting(scope, self._patience)
                    await waiting.turn(self._endpoints())
                    continue
                door, endpoint = picked
                if waiting is not None and endpoint.breaker.state == "closed":
                    waiting.over()
                asked = request if door.model == request.model else _renamed(request, door.model)
                try:
                    response = await endpoint.ask(door.transport, asked, delivery, again=again)
                except LMError as error:
                    if not self._goes_on(error, delivery):
                        raise
                    if not _waits(scope, endpoint, error, waited=waiting is not None):
                        errors.append(error)
                        tried |= self._given_up(endpoint, error)
                    continue
                if response is not None:
                    return response if asked is request else _by(response, door.model)
        finally:
            if waiting is not None:
                waiting.over()
        raise min(errors, key=lambda error: (not error.retryable, error.retry_after))

    def _pick(self, tried: set[Endpoint], scope: Scope) -> tuple[Door, Endpoint] | None:
        """Return the way with the most room in the first tier that can be asked."""
        frozen: tuple[Door, Endpoint] | None = None
        for tier in self._tiers:
            able = [
                (door, endpoint)
                for door in tier
                if (endpoint := door.endpoint) not in tried and endpoint.ready(scope)
            ]
            if not able:
                continue
            best = able[0] if len(able) == 1 else min(able, key=_rank)
            if len(self._tiers) == 1 or best[1].gate.limit.frozen <= LONG_FREEZE:
                return best
            frozen = frozen or best
        return frozen

    def _goes_on(self, error: LMError, delivery: Delivery | None) -> bool:
        if delivery is not None and delivery.any:
            return False
        return error.kind in PASSED_ON or isinstance(error, ContextWindowExceededError)

    def _given_up(self, endpoint: Endpoint, error: LMError) -> set[Endpoint]:
        """Return what this attempt asks no more; a prompt too long for a model is so at each of its endpoints."""
        if isinstance(error, ContextWindowExceededError):
            return {other for other in self._endpoints() if other.model == endpoint.model}
        return {endpoint}

    def _may_wait(self, scope: Scope, waiting: Waiting | None) -> None:
        """Raise where a call for which nothing can be asked may not wait."""
        endpoints = self._endpoints()
        personal = [e.breaker.error for e in endpoints if e.breaker.state == "open" and not e.breaker.rests]
        hopeless = len(personal) == len(endpoints) and not any(e.answered for e in endpoints)
        if (
            personal
            and personal[0] is not None
            and (hopeless or (not scope.patient and len(personal) == len(endpoints)))
        ):
            raise _copy(personal[0])
        if not scope.patient:
            raise _unavailable(endpoints, "")
        if waiting is not None and waiting.left <= 0:
            raise _unavailable(endpoints, f" This call waited {self._patience:g} s for it.")

    def _doors(self) -> Iterator[Door]:
        return (door for tier in self._tiers for door in tier)

    def _endpoints(self) -> list[Endpoint]:
        return list(dict.fromkeys(door.endpoint for door in self._doors()))


class Taped:
    """A Transport that needs no pool, with the place for a cassette.

    Args:
        transport: who answers.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.waits = waits(transport)

    async def send(self, request: Request) -> Response:
        """Answer one request."""
        tape = _tape()
        return await (self._transport.send(request) if tape is None else tape.send(request, self._transport))

    async def stream(self, request: Request, on_chunk: OnChunk) -> Response:
        """Answer one request in pieces."""
        tape = _tape()
        if tape is None:
            return await ask(self._transport, request, on_chunk)
        return await tape.send(request, self._transport, on_chunk)


class _Again:
    """The pool as a cassette asks it."""

    def __init__(self, pooled: Pooled, again: bool) -> None:
        self._pooled = pooled
        self._again = again

    async def send(self, request: Request) -> Response:
        return await self._pooled._answer(request, None, self._again)

    async def stream(self, request: Request, on_chunk: OnChunk) -> Response:
        delivery = on_chunk if isinstance(on_chunk, Delivery) else Delivery(on_chunk)
        return await self._pooled._answer(request, delivery, self._again)


def _tape() -> Cassette | None:
    """Return the cassette that is in; whoever put one in has imported its module, which others need not wait for."""
    module = sys.modules.get("dspex.lm.cassette")
    return None if module is None else module.active()


def _waits(scope: Scope, endpoint: Endpoint, error: LMError, *, waited: bool) -> bool:
    """Tell whether a run's call waits after this error, which is then no end of it."""
    if not scope.patient or endpoint.breaker.state != "open":
        return False
    if error.kind in PERSONAL:
        return endpoint.answered  # else the key was wrong from the start, and that is to be said at once
    # Whoever waited tries for all who wait: that it failed once more is their news, too.
    return waited or error.kind == "unavailable"


def _rank(way: tuple[Door, Endpoint]) -> tuple[bool, bool, int, int]:
    endpoint = way[1]
    # One that is due for a try is tried by the next call: it fails over at once where it is still down.
    closed = endpoint.breaker.state == "closed"
    return closed, endpoint.gate.limit.frozen > 0, -endpoint.gate.room, endpoint.gate.begun


def _renamed(request: Request, model: str) -> Request:
    return msgspec.structs.replace(request, model=model)


def _by(response: Response, model: str) -> Response:
    return msgspec.structs.replace(response, by=model)


def _copy(error: LMError) -> LMError:
    """Return the error afresh: whoever raises it adds to its traceback."""
    return type(error)(
        error.message, model=error.model, provider=error.provider, status=error.status,
        request_id=error.request_id, retry_after=error.retry_after,
    )  # fmt: skip


def _unavailable(endpoints: Sequence[Endpoint], after: str) -> LMError:
    first = min(endpoints, key=lambda e: (not e.breaker.rests, e.breaker.wait))
    wait = first.breaker.wait
    when = (
        "It is being tried right now." if first.breaker.state == "half_open"
        else f"It is tried again in {max(1.0, wait):.0f} s." if first.breaker.rests
        else "It waits for you."
    )  # fmt: skip
    return LMUnavailableError(
        f"{first.why}. {when}{after} `lm.pool.reset()` has the next call try at once.",
        model=first.model,
        provider=first.provider,
        status=0 if first.breaker.error is None else first.breaker.error.status,
        retry_after=wait,
    )
