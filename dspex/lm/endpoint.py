"""One endpoint of a provider under one key: its breaker, its door, and who is told how it is; shared by the kernel.

All models and runs that reach the same endpoint share one of these, or each would find its limit at the others'
cost. It is the one place that turns the end of a call into a result for breaker and limit. Lives on the host loop.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from msgspec.structs import replace

from dspex import _clock, _host
from dspex.errors import LMError
from dspex.events.bus import bus
from dspex.events.event import BreakerChanged, Event, LimitChanged
from dspex.lm.breaker import PERSONAL, Breaker, Permit
from dspex.lm.buckets import Bucket
from dspex.lm.gate import Gate
from dspex.lm.limit import Limit
from dspex.lm.messages import Request, Response
from dspex.lm.prices import most_tokens
from dspex.lm.transport import OnChunk, Transport, ask
from dspex.scope.scope import Scope, current

FAILURES = frozenset({"server", "timeout", "transport", "unexpected"})
"""Kinds of error that say that the provider is not well."""
_CONFLICT = 409
"""Of the provider's failures the one that is about this request alone."""
_WORDS = {
    "server": "does not answer",
    "timeout": "does not answer in time",
    "transport": "cannot be reached",
    "unexpected": "answers what nobody can read",
}


class _Guest:
    """A run that has calls here."""

    __slots__ = ("calls", "scope")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.calls = 0


def place_of(scope: Scope) -> Scope:
    """Return the place of the run itself: what happens to an endpoint is no news of the act that met it first."""
    return replace(scope, span="", parent="", histories=(), call_id=None)


class Endpoint:
    """Where calls go, and how it stands with it.

    Args:
        model: what is reached, as the user wrote it.
        provider: its name.
        address: where, for a person; "" where the provider's name says it.
        rng: where the jitter of waits comes from.

    Attributes:
        answered: whether it ever answered in this kernel.
    """

    def __init__(
        self, model: str, provider: str, address: str = "", *, rng: random.Random | None = None
    ) -> None:
        self.model = model
        self.provider = provider
        self.address = address
        self.breaker = Breaker(self._breaker_changed, rng=rng)
        self.gate = Gate(Limit(changed=self._limit_changed), paced=self._paced)
        self.answered = False
        self._guests: dict[str, _Guest] = {}
        self._met: set[str] = set()
        self._told: dict[str, Scope] = {}
        self._watching: set[asyncio.Future[None]] = set()

    def __repr__(self) -> str:
        where = f" at {self.address}" if self.address else ""
        return f"<Endpoint {self.model}{where}: {self.status}>"

    @property
    def status(self) -> str:
        """How it stands, for a person."""
        limit, waiting = self.gate.limit, self.gate.waiting
        held = f", {waiting} waiting" if waiting else ""
        paced = f", {self._pace}" if self._pace else ""
        return f"{limit.in_flight} of {limit.size} in flight{held}{paced}, {self.breaker.words}"

    @property
    def _pace(self) -> str:
        pace = self.gate.pace
        return f"paced at {pace.rate:.2g} a second" if pace is not None and pace.rate else ""

    @property
    def why(self) -> str:
        """Why it is not asked, for a person; "" while it is."""
        error = self.breaker.error
        if error is None:
            return ""
        if error.kind not in _WORDS:
            return error.message.rstrip(".")
        status = f" ({error.status})" if error.status else ""
        count = f"{self.breaker.failed} of the last {self.breaker.counted} calls failed"
        return f"`{self.provider}` {_WORDS[error.kind]}{status}: {count}"

    def bound(self, fixed: int | None, rpm: float | None, tpm: float | None) -> None:
        """Set its limits: calls at once (None to find it), requests and tokens per minute (None for no such)."""
        self.gate.limit.set(fixed)
        self.gate.rpm = _bucket(self.gate.rpm, rpm)
        self.gate.tpm = _bucket(self.gate.tpm, tpm)
        self.gate.let_in()

    def ready(self, scope: Scope) -> bool:
        """Tell whether a call from there may be sent here, now or when there is room."""
        return self.breaker.state == "closed" or self.breaker.ready(person=self._may_try(scope))

    async def ask(
        self, transport: Transport, request: Request, on_chunk: OnChunk | None, *, again: bool = False
    ) -> Response | None:
        """Send one request through one of the transports that lead here, when there is room.

        Args:
            transport: which.
            request: what is asked.
            on_chunk: takes the pieces; None to ask for the whole.
            again: whether this call was tried before: its answer says nothing about room.

        Returns:
            the answer, or None where it is not to be asked now.

        Raises:
            LMError: the call failed; breaker and limit know already.
        """
        scope = current()
        guest = self.come(scope)
        try:
            tokens = (
                0.0
                if self.gate.tpm is None
                else float(most_tokens(request, request.max_tokens or 0).total_tokens)
            )
            if self.breaker.state == "closed" and self.gate.pass_through(tokens):
                permit = self.breaker.admit()
            else:
                permit = await self._enter(tokens, person=self._may_try(scope))
            return (
                None
                if permit is None
                else await self._carry(transport, request, on_chunk, permit, tokens, again)
            )
        finally:
            self.go(scope, guest)

    def _may_try(self, scope: Scope) -> bool:
        """Tell whether a call may try what waits for a person: one of a person's own, or at the very beginning."""
        return not scope.patient or not self.answered

    async def _enter(self, tokens: float, *, person: bool) -> Permit | None:
        if self.breaker.state != "closed":
            permit = self.breaker.admit(person=person)
            if permit is not None:
                self.gate.force(tokens)  # what hangs there from before must not keep the probe out
            return permit
        if not await self.gate.enter(tokens):
            return None
        permit = self.breaker.admit(person=person)
        if permit is None:
            self.gate.leave(tokens)
            self.gate.let_in()
        return permit

    async def _carry(
        self, transport: Transport, request: Request, on_chunk: OnChunk | None, permit: Permit, tokens: float,
        again: bool,
    ) -> Response:  # fmt: skip
        start, began = self.gate.set_out(), _clock.monotonic()
        used = 0
        try:
            response = await ask(transport, request, on_chunk)
        except LMError as error:
            self.gate.limit.leave()
            self._failed(permit, error, start)
            raise
        except BaseException:  # a call that was cut off, or a fault of ours, says nothing about the provider
            self.gate.limit.leave()
            self.breaker.ignore(permit)
            self._wake()
            raise
        else:
            used = response.usage.total_tokens or int(tokens)
            self.gate.limit.leave()
            self.answered = True
            self.breaker.success(permit)
            self.gate.answered(start, clean=not again)
            return replace(response, seconds=_clock.monotonic() - began)
        finally:
            if tokens:
                self.gate.settle(tokens - used)
            self.gate.let_in()

    def _failed(self, permit: Permit, error: LMError, start: tuple[int, int]) -> None:
        kind = error.kind
        if kind == "rate_limit":
            self.gate.refused(start, error.retry_after)
        counts = kind in FAILURES and error.status != _CONFLICT
        if counts:
            self.gate.limit.troubled()
        if counts or kind in PERSONAL or kind == "unavailable":
            self.breaker.failure(permit, error)
        elif permit.probe:  # it refuses this request, so it is there
            self.breaker.success(permit)
        else:
            self.breaker.ignore(permit)

    def reset(self) -> None:
        """Have the next call try at once."""
        self.breaker.reset()
        self.gate.thaw()
        self.gate.let_in()
        self._wake()

    # ------------------------------------------------------------------------------------------- who is told

    def come(self, scope: Scope) -> _Guest:
        """Count a call that is in flight here or waits; its run is told of every change until it has gone."""
        guest = self._guests.get(scope.run)
        if guest is None:
            if not self._guests:
                self.gate.wake()
            guest = self._guests[scope.run] = _Guest(scope)
            if scope.run not in self._met:
                self._meet(place_of(scope))
            if self.breaker.state != "closed" and scope.run not in self._told:
                self._tell_state([place_of(scope)])
        guest.calls += 1
        return guest

    def go(self, scope: Scope, guest: _Guest) -> None:
        """Count a call that left."""
        guest.calls -= 1
        if not guest.calls and self._guests.get(scope.run) is guest:
            del self._guests[scope.run]

    def watch(self, future: asyncio.Future[None]) -> Callable[[], None]:
        """Fulfil the future when it may be worth asking here again; return what ends that."""
        self._watching.add(future)
        return lambda: self._watching.discard(future)

    def _wake(self) -> None:
        watching, self._watching = self._watching, set()
        for future in watching:
            _host.release(future)

    def _meet(self, scope: Scope) -> None:
        self._met.add(scope.run)
        if scope.run:  # whoever follows a run sees its calls against this limit
            size = self.gate.limit.size
            _emit(scope, LimitChanged(model=self.model, endpoint=self.address, limit=size))

    def _limit_changed(self, before: int, reason: str) -> None:
        for scope in self._present():
            size = self.gate.limit.size
            _emit(
                scope,
                LimitChanged(
                    model=self.model, endpoint=self.address, limit=size, before=before, reason=reason
                ),
            )

    def _paced(self) -> None:
        # No other number at once than before; it says so as to a run that meets the endpoint.
        self._limit_changed(0, f"{self._pace} (429)" if self._pace else "no longer paced")

    def _breaker_changed(self) -> None:
        if self.breaker.state == "open":
            self.gate.send_away()
        self._tell_state(list({s.run: s for s in (*self._told.values(), *self._present())}.values()))
        self._wake()

    def _tell_state(self, scopes: list[Scope]) -> None:
        breaker = self.breaker
        for scope in scopes:
            _emit(
                scope,
                BreakerChanged(
                    model=self.model,
                    endpoint=self.address,
                    state=breaker.state,
                    reason=self.why,
                    wait=breaker.wait,
                ),
            )
        self._told = {} if breaker.state == "closed" else self._told | {scope.run: scope for scope in scopes}

    def _present(self) -> list[Scope]:
        return [place_of(guest.scope) for guest in self._guests.values()] or [Scope()]


def _emit(scope: Scope, event: Event) -> None:
    if bus.wanted(type(event)):
        scope.emit(event)


def _bucket(known: Bucket | None, per_minute: float | None) -> Bucket | None:
    if per_minute is None:
        return None
    return known if known is not None and known.per_minute == per_minute else Bucket(per_minute)


# ----------------------------------------------------------------------------------------------- all of them

Key = tuple[str, str, str]
"""Wire and address, the provider's name for the model, a hash of the key."""


class Registry:
    """The endpoints of this process.

    Attributes:
        era: another number after `forget`, so that nobody goes on with one that is gone.
    """

    def __init__(self) -> None:
        self.era = 0
        self._known: dict[Key, Endpoint] = {}

    def at(self, key: Key, made: Callable[[], Endpoint]) -> Endpoint:
        """Return the endpoint under this key, made where there is none."""
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = made()
        return known

    def all(self, model: str = "") -> list[Endpoint]:
        """Return the endpoints, or those of one model as the user wrote it."""
        return [endpoint for endpoint in list(self._known.values()) if model in ("", endpoint.model)]

    def forget(self) -> None:
        """Know none any more: after a fork, and between tests."""
        self.era += 1
        self._known = {}


registry = Registry()
_host.after_fork(registry.forget)
