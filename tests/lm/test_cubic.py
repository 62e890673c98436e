"""Laws of the even pace: never more than its rate and a tenth of a second, a dip after a refusal, and the way up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.lm.cubic import DIP, MOST_AT_ALL, MOST_DIP, MOST_DROP, PROBE, Cubic, Cycle


def a_cycle(count: int, per_second: float = 10.0) -> Cycle:
    cycle = Cycle(0.0, 0)
    for k in range(count):
        cycle.add(k / per_second)
    return cycle


def found(rate: float = 10.0, count: int = 100, now: float = 0.0) -> Cubic:
    """A good measure of so many calls a second."""
    cubic = Cubic()
    cubic.restart(rate, a_cycle(count), turned=1, sure=True, now=now)
    return cubic


def start(cubic: Cubic, now: float) -> float:
    """Have a call start as soon as it may; return when."""
    now += cubic.wait(now)
    cubic.take(now, cubic.rate)
    return now


def test_without_a_measure_it_bounds_nothing():
    """No call waits, and none is counted."""
    cubic = Cubic()
    for _ in range(100):
        assert cubic.wait(0.0) == 0.0
        cubic.take(0.0, 1e9)
    assert (cubic.rate, cubic.full(0.0)) == (0.0, False)


@given(st.floats(0.02, 500), st.lists(st.floats(0, 2), min_size=1, max_size=60))
def test_no_more_start_than_the_rate_and_a_tenth_of_a_second(rate: float, pauses: list[float]):
    """However they come, and whatever was not used before."""
    cubic = found(rate)
    first, starts, most = 0.0, 0, cubic.rate
    now = first
    for pause in pauses:
        now = start(cubic, now + pause)
        starts, most = starts + 1, max(most, cubic.rate)
        assert starts <= (now - first) * most + max(1.0, 0.1 * most) + 1e-6


def test_it_begins_below_stays_at_and_then_passes_what_was_measured():
    """Longest at the rate that was, and faster and faster from there."""
    cubic, now, rates = found(10.0, 100), 0.0, []
    for _ in range(300):
        now = start(cubic, now)
        rates.append(cubic.rate)
    assert cubic.top == 10.0
    assert rates[0] == pytest.approx(9.5, rel=0.01)
    assert rates == sorted(rates)
    assert sum(9.9 < rate < 10.1 for rate in rates) > 90
    assert rates[99] == pytest.approx(10.0)
    assert rates[199] == pytest.approx(12.0)
    assert rates[-1] > 20.0


def test_who_held_nobody_back_learns_nothing():
    """That calls come more slowly than they might says nothing about faster ones."""
    cubic, now = found(), 0.0
    for _ in range(500):
        now += 1.0
        assert cubic.wait(now) == 0.0
        cubic.take(now, 1.0)
    assert cubic.rate == pytest.approx(9.5)


def test_no_more_is_tried_than_twice_what_is_accepted():
    """A first guess may grow quickly; what is measured now holds it."""
    cubic, now = Cubic(), 0.0
    cubic.restart(1.0, a_cycle(3), turned=1, sure=False, now=0.0)
    for _ in range(40):
        now += cubic.wait(now)
        cubic.take(now, 1.5)
    assert cubic.rate == 3.0


def test_no_more_is_tried_than_many_times_what_was_measured():
    """Whatever is accepted: then it is soon seen to be no limit."""
    cubic, now = found(1.0), 0.0
    for _ in range(2000):
        now += cubic.wait(now)
        cubic.take(now, 1e9)
    assert cubic.rate == MOST_AT_ALL


def test_a_measure_after_few_calls_takes_no_more_than_three_quarters():
    """Chance may be in it; and none raises the rate that was refused."""
    cubic = found(10.0)
    cubic.restart(0.01, a_cycle(2), turned=1, sure=False, now=1.0)
    assert cubic.top == pytest.approx(MOST_DROP * 9.5)
    cubic = found(10.0)
    cubic.restart(99.0, a_cycle(50), turned=1, sure=False, now=1.0)
    assert cubic.top == pytest.approx(9.5)


def test_refusals_that_follow_each_other_deepen_the_dip():
    """Twice each time, up to a fifth; after a good while it is as at first."""
    cubic, dips = found(10.0), []
    for _ in range(5):
        cubic.restart(cubic.rate, a_cycle(20), turned=1, sure=False, now=1.0)
        dips.append(round(1.0 - cubic.rate / cubic.top, 2))
    assert dips == [0.1, MOST_DIP, MOST_DIP, MOST_DIP, MOST_DIP]
    cubic.restart(cubic.rate, a_cycle(PROBE), turned=1, sure=False, now=1.0)
    assert 1.0 - cubic.rate / cubic.top == pytest.approx(DIP)


@pytest.mark.parametrize(("turned", "plateau"), [(1, 40), (3, 120), (500, 160)])
def test_forty_are_accepted_for_each_that_was_turned_away(turned: int, plateau: int):
    """Before more is tried than was; a storm is no reason to wait for an hour."""
    cubic, now, steps = Cubic(), 0.0, 0
    cubic.restart(10.0, a_cycle(40), turned=turned, sure=True, now=0.0)
    while cubic.rate < 10.0:
        now, steps = start(cubic, now), steps + 1
    assert steps == plateau


def test_what_was_turned_away_before_is_made_up_for_too():
    """Refusals that follow each other add up, less what was accepted meanwhile, up to four."""
    cubic = found(10.0, 100)
    for turned, plateau in ((1, 60), (2, 120), (4, 160)):
        cubic.restart(10.0, a_cycle(20), turned=turned, sure=False, now=1.0)
        now, steps = 1.0, 0
        while cubic.rate < cubic.top:
            now, steps = start(cubic, now), steps + 1
        assert steps == plateau


def test_few_calls_are_measured_together_with_those_before():
    """One accepted and refused after it says little: it counts as one of ten."""
    cubic = found(10.0, 100)
    cubic.restart(1.0, a_cycle(1), turned=1, sure=False, now=1.0)
    assert cubic.top == pytest.approx(10 / (9 / 10.0 + 1 / 1.0), rel=0.1)
    unsure = Cubic()
    unsure.restart(10.0, a_cycle(20), turned=1, sure=False, now=0.0)
    unsure.restart(3.0, a_cycle(1), turned=1, sure=False, now=1.0)
    assert unsure.top == 3.0, "a first guess is none of those"


def test_it_goes_back_to_what_it_was():
    """As if nothing had been measured since."""
    cubic = found(10.0)
    state = cubic.state()
    cubic.restart(1.0, a_cycle(50), turned=1, sure=True, now=1.0)
    cubic.back(state)
    assert (cubic.rate, cubic.top, cubic.state()) == (9.5, 10.0, state)


def test_it_goes_on_at_what_it_is_told():
    """Whatever was measured."""
    cubic = found(1.0)
    cubic.go_on(10.0, 5.0)
    assert (cubic.rate, cubic.top, cubic.wait(5.0)) == (10.0, 10.0, 0.1)


def test_the_time_of_the_refusals_counts():
    """What was accepted in a second and refused for nine was accepted in ten."""
    assert a_cycle(100, 100.0).rate(dark=1.0, end=10.0) == pytest.approx(10.0)


def test_a_rate_that_had_grown_is_measured_where_it_had():
    """Not over the slow time before."""
    cycle = a_cycle(100, 1.0)
    for k in range(200):
        cycle.add(100.0 + k / 20)
    assert cycle.rate(dark=110.0, end=110.2) == pytest.approx(19.0, rel=0.1)
    assert cycle.going(110.0) == pytest.approx(300 / 110)
