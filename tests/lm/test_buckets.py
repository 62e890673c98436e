"""Laws of the limits per minute: never more than so much in sixty seconds, and never less than that for long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.lm.buckets import Bucket
from dspex.testing.clock import FakeClock


def taken(bucket: Bucket, clock: FakeClock, amounts: list[float]) -> list[tuple[float, float]]:
    """Take each as soon as it may be taken; return when and how much."""
    times = []
    for amount in amounts:
        while wait := bucket.wait(amount):
            clock.advance(wait)
        bucket.take(amount)
        times.append((clock.monotonic(), amount))
    return times


@given(st.integers(1, 2000), st.integers(1, 300))
def test_in_no_minute_start_more_than_allowed(per_minute: int, count: int):
    """However they come, any sixty seconds hold at most so many."""
    with FakeClock() as clock:
        times = [at for at, _ in taken(Bucket(per_minute), clock, [1.0] * count)]
    for k, at in enumerate(times):
        within = sum(1 for other in times[k:] if other < at + 60 - 1e-6)
        assert within <= per_minute


@given(st.integers(100, 100_000), st.lists(st.floats(1, 5_000), min_size=1, max_size=60))
def test_tokens_may_overhang_by_one_call(per_minute: int, amounts: list[float]):
    """In any sixty seconds no more tokens than allowed, but for the call that ends them."""
    with FakeClock() as clock:
        times = taken(Bucket(per_minute), clock, amounts)
    for k, (at, _) in enumerate(times):
        within = [amount for other, amount in times[k:] if other < at + 60 - 1e-6]
        assert sum(within) - max(within) <= per_minute + 1


def test_what_is_allowed_is_used():
    """A minute's worth takes a minute, not two."""
    with FakeClock() as clock:
        taken(Bucket(600), clock, [1.0] * 600)
        assert 50 <= clock.monotonic() <= 60


def test_an_unused_minute_is_no_credit():
    """After an hour of silence no more than five seconds' worth goes at once."""
    with FakeClock() as clock:
        bucket = Bucket(600)
        clock.advance(3600)
        for _ in range(50):
            assert bucket.wait(1) == 0.0
            bucket.take(1)
        assert bucket.wait(1) > 0.0


def test_what_was_set_aside_and_not_used_comes_back():
    """And what was used beyond is paid for by those who come after."""
    with FakeClock():
        bucket = Bucket(1200)
        bucket.take(100)
        assert bucket.wait(100) > 0
        bucket.give(100)
        assert bucket.wait(100) == 0.0
        bucket.give(-200)
        assert bucket.wait(1) == pytest.approx(101 / (1101 / 60))
        assert repr(bucket) == "<Bucket: -100 left, 1200 a minute>"
