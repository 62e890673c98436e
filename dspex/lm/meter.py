"""What a call costs and that it happened: sets money aside before, books it after, tells the bus both.

The outermost wrapper, so that every way a call can end passes here once: answered, from the cache, failed, cut.
It also takes the one hop to the host loop, below which everything may wait; who never waits is asked without it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import msgspec

from dspex import _clock, _host
from dspex.errors import Interruption, LMError
from dspex.events.bus import bus
from dspex.events.event import LMEnd, LMStart, Log
from dspex.lm.cache import Cached
from dspex.lm.foresight import USUAL_MAX_TOKENS, Foresight, foresight_of
from dspex.lm.messages import Request, Response
from dspex.lm.prices import Price, most_tokens, price_of
from dspex.lm.recorded import keep, recorded, step_of
from dspex.lm.transport import OnChunk, Transport, ask, piece_of, waits
from dspex.scope.budget import Reservation
from dspex.scope.ledger import Step
from dspex.scope.scope import Scope, current

CANCELLED = "cancelled"
UNNOTICED = 0.001
"""Seconds of waiting that no event tells of: our own work between a call and its try."""
_TOLD = 256
"""Runs that are remembered for having been told of a model without a price."""


_without_price: set[tuple[str, str]] = set()


class Meter:
    """A Transport that prices another one's answers.

    Args:
        transport: who answers; a `Cached` is asked for a kept answer first, which is free and starts nothing.
        model: the name that events carry.
        price: the user's own; None to take the provider's word or the table's.
        others: further models that may answer in its place, each at its own price.
        pilots: whether the length of an answer that nothing bounds is to be found out while few calls are under way.
    """

    def __init__(
        self,
        transport: Transport,
        model: str,
        price: Price | None = None,
        *,
        others: Sequence[str] = (),
        pilots: bool = False,
    ) -> None:
        self._transport = transport
        self._model = model
        self._own = price
        self._others = tuple(others)
        self._pilots = pilots
        self._cached = transport if isinstance(transport, Cached) else None
        self._waits = waits(transport)

    async def send(self, request: Request) -> Response:
        """Answer one request; its cost is in the answer and in the books.

        Raises:
            BudgetExceeded: the most it may cost does not fit under the cap.
            Interruption: the run was asked to end.
        """
        return await self._answer(request, None)

    async def stream(self, request: Request, on_chunk: OnChunk) -> Response:
        """Answer one request as `send` does, in pieces."""
        return await self._answer(request, on_chunk)

    async def _answer(self, request: Request, on_chunk: OnChunk | None) -> Response:
        scope, step = current(), None
        if scope.ledger is not None:
            step = step_of(scope.ledger, request)
            known = recorded(step, request)
            if known is not None:
                scope.tally.take(1, known[1])
                if on_chunk is not None:
                    on_chunk(piece_of(known[0]))
                return known[0]
        if self._cached is not None:
            kept = self._cached.peek(request)
            if kept is not None:
                if on_chunk is not None:
                    on_chunk(piece_of(kept))
                self._end(scope, step, kept, cached=True)
                return kept
        if scope.cancel.held_now:
            await _host.hop(scope.cancel.admitted())
        scope.cancel.check()
        turn = await self._turn(scope, request)
        try:
            reservation = await self._reserve(scope, request)
            try:
                return await self._measured(scope, request, reservation, on_chunk, step)
            except BaseException:  # whatever ended it, what no answer settled was not spent
                reservation.release()
                raise
        finally:
            if turn is not None:
                turn.leave()

    async def _measured(
        self,
        scope: Scope,
        request: Request,
        reservation: Reservation,
        on_chunk: OnChunk | None,
        step: Step | None,
    ) -> Response:
        if bus.wanted(LMStart):
            scope.emit(LMStart(model=self._model, role=scope.role))
        started = _clock.monotonic()
        try:
            work = self._ask(request, on_chunk)
            response = await (_host.hop(scope.cancel.guard(work)) if self._waits else work)
        except BaseException as exc:  # whatever ends a call, it must not stay in flight in the books
            self._end(scope, step, exc, seconds=_clock.monotonic() - started, error=_kind(exc))
            raise
        seconds = _clock.monotonic() - started
        waited = max(0.0, seconds - response.seconds) if response.seconds else 0.0
        cost = response.cost if response.cached else self._cost(response)
        response = msgspec.structs.replace(response, seconds=0.0, cost=cost)
        if response.cached:
            # Somebody else asked the same at the same time, and pays for it.
            reservation.release()
            self._end(scope, step, response, seconds=seconds, waited=waited)
            return response
        # Where cost or tokens are not known, what was set aside stands for them, so that a cap holds.
        tokens = response.usage.total_tokens or reservation.tokens
        if self._pilots and request.max_tokens is None and not response.by:
            foresight_of(self._model).learn(response.usage.completion_tokens // max(1, len(response.choices)))
        reservation.settle(reservation.usd if response.cost is None else response.cost, tokens)
        self._end(scope, step, response, response, seconds=seconds, waited=waited)
        return response

    async def _ask(self, request: Request, on_chunk: OnChunk | None) -> Response:
        if self._cached is not None:
            return await self._cached.fetch(request, on_chunk)
        return await ask(self._transport, request, on_chunk)

    async def _turn(self, scope: Scope, request: Request) -> Foresight | None:
        """Begin a call of which nobody knows how much it will take, under a cap that holds it; None where somebody does."""
        if not self._pilots or request.max_tokens is not None or request.inputs or not scope.budget.caps:
            return None
        seen = foresight_of(self._model)
        while not seen.enter():
            try:
                await _host.hop(scope.cancel.guard(seen.turn()))
            except BaseException:  # whatever took us away, it is the next one's turn
                seen.pass_on()
                raise
        return seen

    async def _reserve(self, scope: Scope, request: Request) -> Reservation:
        usd: float = 0.0
        tokens: float = 0.0
        price = self._own or price_of(self._model)
        caps = scope.budget.caps
        if price is not None or self._others or caps:
            if price is None and "usd" in caps:
                self._tell_no_price(scope)
            limit = USUAL_MAX_TOKENS if request.max_tokens is None else request.max_tokens
            most = most_tokens(request, limit)
            prices = [known for known in (price, *map(price_of, self._others)) if known is not None]
            usd, tokens = max((known.of(most) for known in prices), default=0.0), most.total_tokens
            longer = foresight_of(self._model).most * request.n - most.completion_tokens if caps else 0
            if longer > 0 and self._pilots and request.max_tokens is None and not request.inputs:
                # What is left is enough for one call more, however long others were.
                used = scope.budget.used
                more = max((known.output for known in prices), default=0.0) * longer
                usd = max(usd, min(usd + more, caps.get("usd", math.inf) - used["usd"]))
                tokens = max(tokens, min(tokens + longer, caps.get("tokens", math.inf) - used["tokens"]))
        return (
            await scope.budget.areserve(usd, tokens) if scope.patient else scope.budget.reserve(usd, tokens)
        )

    def _tell_no_price(self, scope: Scope) -> None:
        """Tell a run once that its cap in dollars does not hold for this model."""
        told = (scope.run, self._model)
        if told in _without_price:
            return
        if len(_without_price) >= _TOLD:
            _without_price.clear()
        _without_price.add(told)
        text = (
            f"The price of `{self._model}` is not known, so its calls do not count towards the budget in dollars. "
            "Give one with `LM(..., price=(in, out))`, dollars per million tokens, or cap calls or tokens."
        )
        scope.emit(Log(level="warning", text=text))

    def _cost(self, response: Response) -> float | None:
        own = None if response.by else self._own
        if own is None and response.cost is not None and 0 <= response.cost < math.inf:
            return response.cost
        price = own or price_of(response.by or self._model)
        # No prompt has no tokens: an endpoint that counts none tells nothing about the cost.
        return price.of(response.usage) if price is not None and response.usage.prompt_tokens else None

    def _end(
        self,
        scope: Scope,
        step: Step | None,
        outcome: Response | BaseException,
        answer: Response | None = None,
        *,
        seconds: float = 0.0,
        waited: float = 0.0,
        cached: bool = False,
        error: str = "",
    ) -> None:
        """Book the end of a call, and keep its outcome where a run does; `answer` is given where one was paid for."""
        cost = 0.0 if answer is None else answer.cost
        scope.tally.add(cost or 0.0)
        if not bus.wanted(LMEnd):
            return
        model = self._model
        if answer is not None and answer.by:
            # The books have one open call of the model that was asked; the one that answered pays.
            scope.emit(LMEnd(model=model, role=scope.role, error=CANCELLED))
            model = answer.by
            scope.emit(LMStart(model=model, role=scope.role))
        event = LMEnd(
            model=model,
            role=scope.role,
            prompt_tokens=answer.usage.prompt_tokens if answer else 0,
            completion_tokens=answer.usage.completion_tokens if answer else 0,
            cost=cost or 0.0,
            priced=cost is not None,
            cached=cached,
            seconds=seconds,
            waited=waited if waited >= UNNOTICED else 0.0,
            error=error,
        )
        if step is not None:
            keep(step, outcome, event)
        scope.emit(event)


def _kind(exc: BaseException) -> str:
    if isinstance(exc, LMError):
        return exc.kind
    cut = isinstance(exc, (Interruption, asyncio.CancelledError, KeyboardInterrupt, GeneratorExit))
    return CANCELLED if cut else "error"
