"""A provider that bounds its callers, in simulated time: the real stack of retry, pool, gate and limit against it.

Time is the loop's own and jumps to whoever is due next, so that minutes of thousands of calls take moments and go the
same way every time. What it tells is what issue and user ask for: how many were turned away, how much room was used.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from dspex import _clock
from dspex.errors import LMRateLimitError
from dspex.lm.doors import Door
from dspex.lm.endpoint import Endpoint
from dspex.lm.messages import Message, Request, Response, Usage
from dspex.lm.pooled import Pooled
from dspex.lm.retry import Retry
from dspex.scope.cancel import CancelToken
from dspex.scope.scope import Scope, enter
from dspex.testing.scripted import answer

ASK = Request(model="openai/m", messages=(Message(role="user", content="hi"),))
TRIP = 0.02
"""Seconds until a refusal is back."""


class Jump(selectors.SelectSelector):
    """Waits for nothing; what it would have waited has passed."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self.passed += timeout
        return ready


class Loop(asyncio.SelectorEventLoop):
    """A loop on which time passes only when everybody sleeps; it is a clock of dspex, too."""

    def __init__(self) -> None:
        self.jump = Jump()
        super().__init__(self.jump)

    def time(self) -> float:
        return self.jump.passed

    def now(self) -> float:
        return 1_700_000_000.0 + self.jump.passed

    def monotonic(self) -> float:
        return self.jump.passed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Rule(Protocol):
    """What a provider takes."""

    share: float
    """What it takes a second, in calls; for a rule on calls at once, how many."""

    def take(self, now: float, in_flight: int, tokens: int) -> float:
        """Return 0.0 and count the call, or the seconds after which it would be taken."""
        ...


class AtOnce:
    """So many at once."""

    def __init__(self, limit: int) -> None:
        self.share = float(limit)

    def take(self, now: float, in_flight: int, tokens: int) -> float:
        return 0.0 if in_flight < self.share else 1.0


class Refill:
    """A bucket of calls that refills evenly, and that may be taken in bursts of so many seconds' worth."""

    def __init__(self, per_second: float, burst: float = 1.0, tokens_a_call: float = 0.0) -> None:
        self.share = per_second / (tokens_a_call or 1.0)
        self._rate, self._most = per_second, max(per_second * burst, tokens_a_call or 1.0)
        self._level, self._at = self._most, 0.0
        self._tokens = tokens_a_call > 0

    def take(self, now: float, in_flight: int, tokens: int) -> float:
        self._level = min(self._most, self._level + (now - self._at) * self._rate)
        self._at = now
        amount = min(self._most, tokens) if self._tokens else 1.0
        if self._level >= amount - 1e-9:
            self._level -= amount
            return 0.0
        return (amount - self._level) / self._rate


class Window:
    """So many in each stretch of so many seconds, whenever in it; `counts` where those turned away count, too."""

    def __init__(
        self, many: float, seconds: float = 60.0, tokens_a_call: float = 0.0, *, counts: bool = False,
        start: float = -17.0,
    ) -> None:  # fmt: skip
        self.share = many / seconds / (tokens_a_call or 1.0)
        self._many, self._seconds, self._counts, self._tokens = many, seconds, counts, tokens_a_call > 0
        self._since, self._used = start, 0.0

    def take(self, now: float, in_flight: int, tokens: int) -> float:
        if now - self._since >= self._seconds:
            self._since += (now - self._since) // self._seconds * self._seconds
            self._used = 0.0
        amount = tokens if self._tokens else 1.0
        held = self._used + amount <= self._many
        if held or self._counts:
            self._used += amount
        return 0.0 if held else self._since + self._seconds - now


@dataclass
class Provider:
    """A Transport that turns away by its rule; `again` makes of the true wait what its Retry-After says."""

    rule: Rule | None
    latency: float
    again: Callable[[float], float] = lambda wait: 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(5))
    flying: int = 0
    busy: float = 0.0
    log: list[tuple[float, bool]] = field(default_factory=list)

    async def send(self, request: Request) -> Response:
        now = _clock.monotonic()
        tokens = int(min(3000.0, max(100.0, self.rng.lognormvariate(6.05, 0.6))))
        wait = self.rule.take(now, self.flying, tokens) if self.rule is not None else 0.0
        self.log.append((now, not wait))
        if wait:
            await _clock.sleep(TRIP)
            raise LMRateLimitError("slow", status=429, retry_after=self.again(wait))
        self.flying += 1
        try:
            await _clock.sleep(self.latency * self.rng.uniform(0.5, 1.5))
        finally:
            self.flying -= 1
            self.busy += _clock.monotonic() - now
        usage = Usage(prompt_tokens=tokens // 2, completion_tokens=tokens - tokens // 2)
        return msgspec.structs.replace(answer("x"), usage=usage)


TOKENS = 500.0
"""What a call uses in the mean (a little more than half of them use less)."""


@dataclass
class Outcome:
    """What happened from a time on."""

    rejected: float
    """Share of what was sent that was turned away."""
    used: float
    """Share of the provider's limit that was used."""
    accepted: float
    """Answered a second."""
    endpoint: Endpoint
    log: list[tuple[float, bool]]


def simulate(
    rule: Rule | None, *, latency: float, width: int, again: Callable[[float], float] = lambda wait: 0.0,
    seconds: float = 120.0, since: float = 10.0, given: dict[str, Any] | None = None, seed: int = 5,
) -> Outcome:  # fmt: skip
    """Have so many callers of one run ask without a pause; tell what the provider saw from `since` on."""
    loop = Loop()
    before = _clock.use(loop)
    try:
        provider = Provider(rule, latency, again, rng=random.Random(seed))
        door = Door("openai/m", provider)
        if given:
            door.endpoint.bound(given.get("fixed"), given.get("rpm"), given.get("tpm"))
        stack = Retry(Pooled([[door]]), rng=random.Random(3))
        loop.run_until_complete(_ask(stack, width, seconds))
        return _outcome(provider, door.endpoint, since, seconds)
    finally:
        _clock.use(before)
        loop.close()


async def _ask(stack: Retry, width: int, seconds: float) -> None:
    async def caller() -> None:
        while True:
            await stack.send(ASK)

    with enter(Scope(run="r1", patient=True, cancel=CancelToken())):
        callers = [asyncio.ensure_future(caller()) for _ in range(width)]
    await _clock.sleep(seconds)
    for task in callers:
        task.cancel()
    for ended in await asyncio.gather(*callers, return_exceptions=True):
        if not isinstance(ended, asyncio.CancelledError):
            raise ended  # a run's call that is turned away waits, and does not fail


def _outcome(provider: Provider, endpoint: Endpoint, since: float, seconds: float) -> Outcome:
    storm = next((at for at, held in provider.log if not held), 0.0)  # a bucket may be full for long
    since += storm
    late = [held for at, held in provider.log if at >= since]
    held = sum(late)
    rate, rule = held / (seconds - since), provider.rule
    share = provider.latency * rate if isinstance(rule, AtOnce) else rate
    return Outcome(
        rejected=1.0 - held / max(1, len(late)),
        used=share / rule.share if rule is not None else 0.0,
        accepted=rate,
        endpoint=endpoint,
        log=provider.log,
    )
