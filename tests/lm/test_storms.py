"""Laws of a 429 storm, with the real stack in simulated time: it settles below the limit, whatever the limit is of."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from tests.lm import simulation
from tests.lm.simulation import TOKENS, AtOnce, Outcome, Refill, Rule, Window, simulate

AGAIN: dict[str, Callable[[float], float]] = {
    "silent": lambda wait: 0.0,
    "honest": lambda wait: float(math.ceil(wait)),
    "1 s": lambda wait: 1.0,
}
"""What a Retry-After says: nothing, the true wait in whole seconds, or always the same."""

SOON = {
    "1 s window of 20": lambda: Window(20, 1.0),
    "5/s": lambda: Refill(5.0),
    "30/s": lambda: Refill(30.0),
    "10/s, bursts of 10 s": lambda: Refill(10.0, 10.0),
    "10k tokens/s": lambda: Refill(10_000.0, 1.0, TOKENS),
}
LATER = {
    "600/min window": lambda: Window(600),
    "60/min window": lambda: Window(60),
    "600/min window, refusals count": lambda: Window(600, counts=True),
    "2/s, bursts of a minute": lambda: Refill(2.0, 60.0),
    "60k tokens/min, bursts of a minute": lambda: Refill(1000.0, 60.0, TOKENS),
    "300k tokens/min window": lambda: Window(300_000, 60.0, TOKENS),
}
SETTLED, SETTLED_MINUTES = 10.0, 60.0
"""Seconds from the first 429 on, after which it has settled: a minute where minutes are counted, or answers are slow."""


def settles(out: Outcome, used: float = 0.8) -> None:
    assert out.rejected < 0.05
    assert out.used > used, "it is not bought with idleness"


@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize(("latency", "width"), [(0.05, 16), (0.5, 256)])
@pytest.mark.parametrize("rule", SOON)
def test_a_limit_per_second_is_kept_to_after_ten_seconds(rule: str, latency: float, width: int, again: str):
    """Nobody said `rpm=`: fewer than one call in twenty is turned away, and the limit is used."""
    settles(
        simulate(
            SOON[rule](), latency=latency, width=width, again=AGAIN[again], seconds=100.0, since=SETTLED
        ),
        0.7,  # the first seconds of the search are in it, where a Retry-After stops all for a second each time
    )


@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize(("latency", "width"), [(0.05, 16), (0.5, 256), (8.0, 128)])
@pytest.mark.parametrize("rule", LATER)
def test_a_limit_per_minute_is_kept_to_after_a_minute(rule: str, latency: float, width: int, again: str):
    """A window that is used up in its first second, a bucket for a minute, tokens and not calls: all the same."""
    out = simulate(
        LATER[rule](),
        latency=latency,
        width=width,
        again=AGAIN[again],
        seconds=360.0,
        since=SETTLED_MINUTES,
    )
    settles(out, 0.75)


@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize(
    ("limit", "latency", "since"), [(10, 0.5, 10.0), (40, 1.0, 10.0), (10, 20.0, 60.0), (40, 20.0, 60.0)]
)
def test_a_limit_on_calls_at_once_is_none_on_their_pace(limit: int, latency: float, since: float, again: str):
    """It is found as before, with no pace at all, also where answers take twenty seconds."""
    out = simulate(
        AtOnce(limit), latency=latency, width=64, again=AGAIN[again], seconds=since + 240, since=since
    )
    settles(out, 0.79)
    pace = out.endpoint.gate.pace
    assert pace is not None
    assert pace.rate == 0.0


@pytest.mark.parametrize("latency", [0.05, 5.0])
def test_without_a_429_nothing_is_learnt_and_nothing_slowed(latency: float):
    """There is no pace, and every caller has its call in flight."""
    out = simulate(None, latency=latency, width=64, seconds=50.0 * latency, since=20 * latency)
    assert out.endpoint.gate.pace is None
    assert out.accepted > 0.95 * 64 / latency


class Then:
    """One rule up to a time, another from then on."""

    def __init__(self, first: Rule, at: float, then: Rule) -> None:
        self.share = then.share
        self._rules = first, then
        self._at = at

    def take(self, now: float, in_flight: int, tokens: int) -> float:
        return self._rules[now >= self._at].take(now, in_flight, tokens)


class Both:
    """Two rules at once."""

    def __init__(self, first: Rule, second: Rule) -> None:
        self.share = second.share
        self._rules = first, second

    def take(self, now: float, in_flight: int, tokens: int) -> float:
        return max(rule.take(now, in_flight, tokens) for rule in self._rules)


class ByChance:
    """Turns a share of all away, however few and slow they come."""

    share = 1.0

    def __init__(self, share: float) -> None:
        self._share = share
        self._rng = random.Random(1)

    def take(self, now: float, in_flight: int, tokens: int) -> float:
        return float(self._rng.random() < self._share)


@pytest.mark.parametrize(("before", "after"), [(3.0, 30.0), (30.0, 3.0)])
def test_another_limit_is_found(before: float, after: float):
    """A provider that takes ten times as much is asked ten times as much, and one that takes less, less."""
    rule = Then(Refill(before), 100.0, Refill(after))
    settles(simulate(rule, latency=0.5, width=64, seconds=330.0, since=230.0))


def test_a_limit_that_is_gone_is_forgotten():
    """Then there is no pace any more, and all callers are in flight."""
    rule = Then(Refill(4.0), 60.0, Refill(1e6))
    out = simulate(rule, latency=1.0, width=24, seconds=340.0, since=280.0)
    assert out.endpoint.gate.pace is None
    assert (out.rejected, out.accepted > 0.95 * 24) == (0.0, True)


@pytest.mark.parametrize("second", [Refill(20.0), Window(600)])
def test_a_limit_at_once_and_one_per_time_hold_together(second: Rule):
    """The tighter of the two is used."""
    settles(simulate(Both(AtOnce(30), second), latency=1.0, width=128, seconds=300.0, since=60.0))


@pytest.mark.parametrize("rule", [Refill(10.0, 10.0), Window(600)])
def test_refusals_that_take_long_are_waited_for(rule: Rule, monkeypatch: pytest.MonkeyPatch):
    """A second until a 429 is back: what began meanwhile is no new storm."""
    monkeypatch.setattr(simulation, "TRIP", 1.0)
    settles(simulate(rule, latency=2.0, width=64, seconds=300.0, since=60.0))


@pytest.mark.parametrize("latency", [0.05, 1.0])
@pytest.mark.parametrize("share", [0.02, 0.03, 0.08, 0.15])
def test_who_is_refused_by_chance_is_not_slowed_to_a_halt(share: float, latency: float):
    """Slowness does not help there, and is given up; also in the tenth minute."""
    out = simulate(ByChance(share), latency=latency, width=32, seconds=600.0, since=400.0)
    assert out.accepted > 2.0


def test_what_the_user_said_is_kept():
    """With `rpm=` below the provider's limit there is no 429, and no pace."""
    out = simulate(Refill(10.0, 10.0), latency=0.5, width=64, seconds=150.0, since=0.0, given={"rpm": 300.0})
    assert (out.rejected, out.endpoint.gate.pace) == (0.0, None)
    assert 4.0 < out.accepted < 5.2


def test_an_rpm_that_is_too_high_does_not_end_the_search():
    """The provider has the last word."""
    settles(simulate(Refill(10.0), latency=0.5, width=64, seconds=150.0, since=10.0, given={"rpm": 6000.0}))


def test_a_fixed_number_stays_and_the_pace_is_found():
    """`concurrency=32` is what may be in flight; how often one may start is another question."""
    out = simulate(Refill(10.0), latency=0.5, width=64, seconds=150.0, since=10.0, given={"fixed": 32})
    settles(out)
    assert out.endpoint.gate.limit.size == 32


@pytest.mark.parametrize("width", [16, 128])
def test_no_probe_costs_more_than_its_share(width: int):
    """Forty calls are accepted for each one turned away, minute by minute."""
    out = simulate(Refill(10.0), latency=0.5, width=width, seconds=310.0, since=10.0)
    late = [(at, held) for at, held in out.log if at > 60]
    for minute in range(60, 300, 60):
        held = [ok for at, ok in late if minute <= at < minute + 60]
        assert held.count(False) <= max(3, len(held) / 40)
