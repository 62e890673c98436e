"""A cap on time: warned of on the way, and the run ends with its best when it is reached, whatever it waits for."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from dspex.errors import BudgetExceeded
from dspex.runs.timing import TimeLimit
from dspex.scope.cancel import CancelToken
from dspex.testing import FakeClock
from tests.runs.works import LIMIT, begin

Told = list[tuple[float, float, str]]


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    with FakeClock() as made:
        yield made


def a_limit(token: CancelToken, told: Told, already: float = 0.0) -> TimeLimit:
    return TimeLimit(token, lambda share, spent, cap, what: told.append((share, cap, what)), already)


def ended(token: CancelToken) -> None:
    """Wait until the token was told to end."""
    told = threading.Event()
    remove = token.listen(told.set)
    assert token.how is not None or told.wait(5)
    remove()


def pass_by(clock: FakeClock, seconds: float) -> None:
    """Let time pass once somebody sleeps for it."""
    assert clock.wait_for_sleepers(1)
    clock.advance(seconds)


def test_a_run_is_warned_twice_and_then_stopped(clock: FakeClock) -> None:
    """At half, at four fifths, and at the end; the reason says how much there was."""
    token, told = CancelToken(), Told()
    limit = a_limit(token, told)
    limit.set(100)
    for seconds, warned in ((50, 1), (30, 2)):
        pass_by(clock, seconds)
        assert clock.wait_for_sleepers(1)
        assert len(told) == warned
        assert token.how is None
    pass_by(clock, 20)
    ended(token)
    assert told == [(0.5, 100, "seconds"), (0.8, 100, "seconds"), (1.0, 100, "seconds")]
    with pytest.raises(BudgetExceeded, match="budget of 100 seconds reached: 100 used") as reached:
        token.check()
    assert (token.how, reached.value.what, reached.value.cap) == ("stop", "seconds", 100)


def test_the_time_of_earlier_lives_counts(clock: FakeClock) -> None:
    """A run that is resumed has no new time, and is not warned again of what has passed."""
    token, told = CancelToken(), Told()
    limit = a_limit(token, told, already=90)
    limit.set(100)
    pass_by(clock, 10)
    ended(token)
    assert (token.how, told) == ("stop", [(1.0, 100, "seconds")])


def test_a_new_cap_takes_the_place_of_the_old_one(clock: FakeClock) -> None:
    """More time is more time, and None is no cap at all."""
    token, told = CancelToken(), Told()
    limit = a_limit(token, told)
    limit.set(10)
    assert clock.wait_for_sleepers(1)
    limit.set(None)
    clock.advance(1000)
    assert token.how is None
    limit.set(2000)
    pass_by(clock, 1000)
    ended(token)
    assert token.how == "stop"


def test_a_run_over_its_time_is_stopping_while_it_awaits_what_is_in_flight(clock: FakeClock) -> None:
    """Whoever looks sees that it will end, and not a run that goes on beyond its cap."""
    go = threading.Event()
    run = begin(lambda kept: go.wait(LIMIT), limits={"seconds": 10.0})
    for seconds in (5, 3, 2):
        pass_by(clock, seconds)
    for _ in range(500):
        if run.status == "stopping":
            break
        go.wait(0.01)
    assert run.status == "stopping"
    go.set()
    assert run.wait(LIMIT)
