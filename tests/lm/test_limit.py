"""Laws of the limit on calls at once: how it grows, what cuts it, and what says nothing about it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.lm.limit import COOL, FIRST_FREEZE, LONGEST_FREEZE, MOST, RECENT, START, Held, Limit
from dspex.testing.clock import FakeClock


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    with FakeClock() as clock:
        yield clock


def a_round(limit: Limit, in_flight: int | None = None, *, clean: bool = True) -> None:
    """Have as many calls as the limit (or as said) begin together and be answered."""
    n = limit.size if in_flight is None else in_flight
    for _ in range(-(-max(4, limit.size) // n)):
        for _ in range(n):
            limit.begin()
        for _ in range(n):
            limit.leave()
            limit.answered(clean=clean)


def refuse(limit: Limit, retry_after: float = 0.0) -> None:
    limit.begin()
    limit.leave()
    limit.refused(retry_after)


def found(limit: Limit, clock: FakeClock) -> Limit:
    """Past its first 429, at 16."""
    refuse(limit)
    clock.advance(COOL)
    return limit


def test_it_doubles_until_the_first_429(clock: FakeClock):
    """From twenty, a round each, up to a thousand."""
    limit, sizes = Limit(), [START]
    while limit.size < MOST:
        a_round(limit)
        sizes.append(limit.size)
    assert sizes == [20, 40, 80, 160, 320, 640, 1000]
    a_round(limit)
    assert limit.size == MOST


def test_it_grows_only_where_it_is_used(clock: FakeClock):
    """Below four fifths in flight nothing is learnt about more."""
    limit = Limit()
    for _ in range(10):
        a_round(limit, 15)
    assert limit.size == START
    a_round(limit, 16)
    assert limit.size == 2 * START


def test_a_429_takes_a_fifth_at_most_once_in_a_while(clock: FakeClock):
    """Then nothing more is taken for fifteen seconds, and no answer counts."""
    limit = Limit()
    for _ in range(10):
        refuse(limit)
    assert limit.size == 16
    a_round(limit)
    assert limit.size == 16
    clock.advance(COOL - 0.1)
    refuse(limit)
    assert limit.size == 16
    clock.advance(0.1)
    refuse(limit)
    assert limit.size == 12


def test_after_the_first_429_it_grows_by_a_twentieth(clock: FakeClock):
    """A round each, by one where that is less than one."""
    limit, sizes = found(Limit(), clock), []
    for _ in range(8):
        a_round(limit)
        sizes.append(limit.size)
    assert sizes == [17, 18, 19, 20, 21, 22, 23, 24]
    big = Limit()
    while big.size < 640:
        a_round(big)
    found(big, clock)
    a_round(big)
    assert big.size == 512 + 25


def test_what_it_goes_on_answering_is_the_limit(clock: FakeClock):
    """Of twenty at once a provider holds five: five it is, and no cut takes minutes to get there."""
    limit = Limit()
    for _ in range(20):
        limit.begin()
    for _ in range(15):
        limit.leave()
        limit.refused()
    assert (limit.size, limit.free) == (16, 0)
    limit.leave()
    limit.answered()
    assert (limit.size, limit.in_flight, limit.free) == (5, 4, 1)


def test_one_refusal_among_many_answers_is_no_measure(clock: FakeClock):
    """It costs the usual fifth and not the difference."""
    limit = Limit()
    for _ in range(20):
        limit.begin()
    limit.leave()
    limit.refused()
    for _ in range(19):
        limit.leave()
        limit.answered()
    assert (limit.size, limit.free) == (16, 16)


def test_one_refusal_is_no_measure_however_few_were_held(clock: FakeClock):
    """A 429 that has nothing to do with how many are in flight must not shut the door for a quarter of a minute."""
    limit = Limit()
    for _ in range(2):
        limit.begin()
    limit.leave()
    limit.refused()
    limit.leave()
    limit.answered()
    assert (limit.size, limit.free) == (16, 16)


def test_where_all_are_refused_one_call_finds_out(clock: FakeClock):
    """That says nothing about how many: its answer opens the door for all."""
    limit = Limit()
    for _ in range(20):
        limit.begin()
    for _ in range(20):
        limit.leave()
        limit.refused()
    assert (limit.size, limit.free) == (16, 1)
    assert limit.frozen == FIRST_FREEZE
    limit.begin()
    assert limit.free == 0
    limit.leave()
    limit.answered()
    assert (limit.size, limit.free) == (16, 16)


def test_a_refusal_of_all_waits_longer_each_time(clock: FakeClock):
    """A quarter of a second, doubled, up to the cool-down; an answer begins anew."""
    limit, waits = Limit(), []
    for _ in range(8):
        refuse(limit)
        waits.append(limit.frozen)
        clock.advance(limit.frozen)
    assert waits == [0.25, 0.5, 1, 2, 4, 8, 15, 15]
    limit.begin()
    limit.leave()
    limit.answered()
    refuse(limit)
    assert limit.frozen == pytest.approx(FIRST_FREEZE)


@pytest.mark.parametrize(("asked", "frozen"), [(7.0, 7.0), (0.01, 0.01), (86_400.0, LONGEST_FREEZE)])
def test_retry_after_freezes_new_starts(asked: float, frozen: float, clock: FakeClock):
    """For as long as asked, but never for hours; the longest of several counts."""
    limit = Limit()
    refuse(limit, asked)
    assert limit.frozen == pytest.approx(frozen)
    refuse(limit, asked / 2)
    assert limit.frozen == pytest.approx(frozen)
    clock.advance(frozen)
    assert limit.frozen == 0.0
    refuse(limit, asked)
    limit.thaw()
    assert limit.frozen == 0.0


def test_what_took_two_tries_says_nothing(clock: FakeClock):
    """An answer after a retry is neutral."""
    limit = Limit()
    for _ in range(5):
        a_round(limit, clean=False)
    assert limit.size == START


def test_a_failure_pauses_growth_and_cuts_nothing(clock: FakeClock):
    """The round begins anew."""
    limit = Limit()
    for _ in range(5):
        for _ in range(START):
            limit.begin()
        for _ in range(START - 1):
            limit.leave()
            limit.answered()
        limit.leave()
        limit.troubled()
    assert limit.size == START
    a_round(limit)
    assert limit.size == 2 * START


def test_a_429_that_is_not_for_the_number_takes_nothing_away(clock: FakeClock):
    """Calls wait, and what was taken away for others like it is sought again, by doubling."""
    limit = found(Limit(), clock)
    for _ in range(5):
        limit.begin()
    for _ in range(4):
        limit.leave()
        limit.refused()
    limit.leave()
    limit.answered()
    assert limit.size < START
    limit.hold(3.0)
    assert (limit.size, limit.frozen, limit.free) == (START, 3.0, START)
    clock.advance(COOL + 3.0)
    a_round(limit)
    assert limit.size == 2 * START
    limit.hold(0.0)
    assert (limit.size, limit.frozen) == (2 * START, 0.0)
    fixed = Limit(8)
    fixed.hold(1.0)
    assert (fixed.size, fixed.frozen) == (8, 1.0)


def test_what_was_answered_together_was_held_together(clock: FakeClock):
    """But for those that began before the last 429: some of theirs may be the ones turned away."""
    held = Held(news=10)
    held.answered(10, 30)
    held.answered(11, 8)
    held.answered(12, 7)
    assert (held.most, held.known(1e9)) == (8, 8)


def test_what_began_well_before_a_429_and_is_there_is_held(clock: FakeClock):
    """Less those that began meanwhile, of which nobody knows yet."""
    held = Held(news=50)
    held.refused(begun=60, in_flight=40, delay=0.25)
    assert held.most == 0
    clock.advance(0.3)
    held.refused(begun=65, in_flight=40, delay=0.25)
    assert (held.most, held.news) == (25, 65)


def test_calls_on_their_way_are_not_held(clock: FakeClock):
    """A quarter of them at most, and next to none where answers take long."""
    held = Held(news=0)
    held.answered(1, 40)
    assert [held.known(seconds) for seconds in (0.01, 1.0, 20.0)] == [30, 36, 40]


def test_what_was_held_is_forgotten(clock: FakeClock):
    """After a minute or two."""
    held = Held(news=0)
    held.answered(1, 40)
    clock.advance(RECENT + 1)
    held.answered(2, 5)
    assert held.most == 40
    clock.advance(RECENT + 1)
    held.answered(3, 6)
    assert held.most == 6


def test_a_fixed_number_is_honoured(clock: FakeClock):
    """Nothing moves it but a person; a 429 makes all wait all the same."""
    told: list[tuple[int, str]] = []
    limit = Limit(8, lambda before, reason: told.append((before, reason)))
    for _ in range(5):
        a_round(limit)
    refuse(limit, 3.0)
    assert (limit.size, limit.frozen, told) == (8, 3.0, [])
    limit.set(12)
    assert (limit.size, told) == (12, [(8, "set by `Pool(concurrency=...)`")])
    limit.set(None)
    a_round(limit)
    assert limit.size == 2 * START
    limit.set(None)
    assert limit.size == 2 * START, "what was found is kept where nothing changes"


def test_lowering_takes_nothing_from_those_in_flight(clock: FakeClock):
    """They end in their own time; meanwhile nobody starts."""
    limit = Limit()
    for _ in range(20):
        limit.begin()
    limit.set(3)
    assert (limit.in_flight, limit.free) == (20, 0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["begin", "answered", "again", "refused", "troubled", "cut", "wait"]),
            st.floats(0, 40),
        ),
        max_size=200,
    )
)
def test_it_stays_within_its_bounds_whatever_happens(steps: list[tuple[str, float]]):
    """At least one, at most a thousand; it moves only by its rules, and nobody is shut out for ever."""
    with FakeClock() as clock:
        moves: list[int] = []
        limit = Limit(changed=lambda before, _: moves.append(before))
        cuts = [-COOL]
        for what, seconds in steps:
            before, held = limit.size, limit._held
            if what == "wait":
                clock.advance(seconds)
            elif what == "begin":
                if limit.free:
                    limit.begin()
            elif limit.in_flight:
                limit.leave()
                if what == "refused":
                    limit.refused(seconds if seconds > 20 else 0.0)
                    if limit.size < before:
                        assert clock.monotonic() - cuts[-1] >= COOL
                        assert limit.size == max(1, int(before * 0.8))
                        cuts.append(clock.monotonic())
                elif what == "troubled":
                    limit.troubled()
                elif what != "cut":
                    limit.answered(clean=what == "answered")
                    if limit.size > before:
                        assert what == "answered"
                    if limit.size < before:
                        assert limit.size == held
            assert 1 <= limit.size <= MOST
            assert limit.in_flight or limit.free, "with nothing in flight somebody may start"
            assert 0.0 <= limit.frozen <= LONGEST_FREEZE
