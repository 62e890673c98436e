"""Laws of the pace: which 429 it is for, when calls are tried again, and when it is given up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.lm.pace import FEW_QUIET, LONGEST_REST, QUIET, VAIN_EACH, VAIN_REST, VAIN_SHARE, Pace
from dspex.testing.clock import FakeClock


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    with FakeClock() as clock:
        yield clock


class Endpoint:
    """Calls to one endpoint that is refused or answers at once, one after the other or so many at a time."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.begun = 0
        self.told = 0
        self.pace: Pace | None = None

    def changed(self) -> None:
        self.told += 1

    def begin(self) -> int:
        self.begun += 1
        if self.pace is not None:
            self.pace.begin()
        return self.begun

    def ready(self) -> None:
        assert self.pace is not None
        while wait := self.pace.wait():
            self.clock.advance(wait)

    def accept(self, times: int = 1, among: int = 1, seconds: float = 0.0) -> None:
        for _ in range(times):
            self.clock.advance(seconds)
            if self.pace is not None:
                self.ready()
            nth = self.begin()
            if self.pace is not None:
                self.pace.answered(nth, among)

    def refuse(self, among: int = 1, retry_after: float = 0.0) -> float | None:
        nth = self.begin()
        if self.pace is None:
            self.pace = Pace(self.begun, 0.0, 0, self.changed)
        return self.pace.refused(nth, among, self.begun, among - 1, retry_after)

    def dark(self, rest: float | None, times: int = 0) -> None:
        """Wait the rests; so many scouts are refused, the next is accepted."""
        for _ in range(times):
            self.clock.advance(rest or 0.0)
            rest = self.refuse()
        self.clock.advance(rest or 0.0)
        self.accept()

    @property
    def rate(self) -> float:
        assert self.pace is not None
        return self.pace.rate


@pytest.fixture
def endpoint(clock: FakeClock) -> Endpoint:
    return Endpoint(clock)


@pytest.fixture
def paced(endpoint: Endpoint) -> Endpoint:
    """Found to take ten a second, in a hundred calls."""
    endpoint.accept(100, seconds=0.1)
    endpoint.dark(endpoint.refuse())
    assert endpoint.rate == pytest.approx(9.5, rel=0.05)
    return endpoint


def test_refused_among_many_it_only_watches(endpoint: Endpoint):
    """Nothing is known of how many are held: the number in flight explains it."""
    assert endpoint.refuse(among=20) is None
    assert (repr(endpoint.pace), endpoint.told) == ("<Pace: to be found out>", 0)
    assert endpoint.pace is not None
    assert (endpoint.pace.wait(), endpoint.pace.full) == (0.0, False)


def test_refused_alone_it_rests(endpoint: Endpoint):
    """No number in flight explains that."""
    assert endpoint.refuse(among=1) == 0.25


def test_refused_among_fewer_than_are_held_it_rests(endpoint: Endpoint):
    """Twenty were answered at once; that ten are too many has another reason."""
    endpoint.refuse(among=30)
    endpoint.accept(20, among=20, seconds=1.0)
    assert endpoint.refuse(among=21) is None
    endpoint.accept(1, among=20, seconds=1.0)
    assert endpoint.refuse(among=10) == 0.25


def test_a_long_retry_after_is_for_the_time(endpoint: Endpoint):
    """The end of another call would not take half a minute to wait for."""
    assert endpoint.refuse(among=20, retry_after=30.0) == 30.0


def test_each_rest_is_longer_until_one_is_accepted(endpoint: Endpoint):
    """Doubled, up to eight seconds; one call finds out each time, and nobody else begins."""
    rest, rests = endpoint.refuse(), []
    for _ in range(7):
        rests.append(rest)
        endpoint.clock.advance(rest or 0.0)
        nth = endpoint.begin()
        assert endpoint.pace is not None
        assert endpoint.pace.full
        assert endpoint.pace.wait() > 0.0, "the scout is under way"
        rest = endpoint.pace.refused(nth, 1, endpoint.begun, 0)
    assert rests == [0.25, 0.5, 1.0, 2.0, 4.0, LONGEST_REST, LONGEST_REST]


def test_a_retry_after_that_proves_too_short_is_not_believed(endpoint: Endpoint):
    """It is the least that is waited."""
    rest, rests = endpoint.refuse(retry_after=1.0), []
    for _ in range(4):
        rests.append(rest)
        endpoint.clock.advance(rest or 0.0)
        rest = endpoint.refuse(retry_after=1.0)
    assert rests == [1.0, 1.0, 1.0, 2.0]


def test_what_began_before_is_no_further_refusal(endpoint: Endpoint):
    """A burst that is turned away as a whole makes one rest."""
    numbers = [endpoint.begin() for _ in range(5)]
    endpoint.pace = Pace(5, 0.0)
    rests = [endpoint.pace.refused(nth, 1, 5, 5 - nth) for nth in numbers]
    assert rests == [0.25, 0.0, 0.0, 0.0, 0.0]


def test_the_time_of_the_refusals_is_part_of_the_measure(endpoint: Endpoint):
    """Six hundred in no time and then none for a minute are ten a second."""
    endpoint.accept(600, seconds=0.001)
    rest = endpoint.refuse(retry_after=59.0)
    endpoint.dark(rest)
    assert endpoint.rate == pytest.approx(9.5, rel=0.05)
    assert (repr(endpoint.pace)[:8], endpoint.told) == ("<Pace: 9", 1)


def test_that_all_wait_to_come_again_is_no_pause(endpoint: Endpoint):
    """What was accepted before the refusals counts, also where nobody was there meanwhile; after a long pause not."""
    endpoint.accept(600, seconds=0.001)
    endpoint.refuse(among=20)
    endpoint.clock.advance(10.0)
    assert endpoint.pace is not None
    endpoint.pace.wake()
    endpoint.dark(endpoint.refuse(retry_after=49.0))
    assert endpoint.rate == pytest.approx(9.5, rel=0.05)
    endpoint.clock.advance(1000.0)
    endpoint.pace.wake()
    endpoint.accept(60, seconds=0.2)
    endpoint.dark(endpoint.refuse())
    assert endpoint.rate == pytest.approx(4.75, rel=0.1)


def test_calls_start_evenly(paced: Endpoint):
    """Nobody starts before the tenth of a second that one takes."""
    at = paced.clock.monotonic()
    paced.accept(20)
    assert paced.clock.monotonic() - at == pytest.approx(20 / 9.5, rel=0.05)


def test_a_scout_without_an_answer_counts_as_accepted(endpoint: Endpoint):
    """Where an answer takes a minute, the others need not wait for it."""
    endpoint.accept(50, seconds=0.1)
    endpoint.clock.advance(endpoint.refuse() or 0.0)
    endpoint.begin()
    assert endpoint.pace is not None
    endpoint.clock.advance(endpoint.pace.wait())
    endpoint.pace.wait()
    assert endpoint.rate > 0.0


def test_a_scout_that_is_refused_late_was_none_that_was_accepted(endpoint: Endpoint):
    """The dark goes on, what was measured is taken back, and refusals are waited for longer."""
    endpoint.accept(50, seconds=0.1)
    endpoint.clock.advance(endpoint.refuse() or 0.0)
    nth = endpoint.begin()
    assert endpoint.pace is not None
    endpoint.clock.advance(endpoint.pace.wait())
    endpoint.pace.wait()
    endpoint.begin()
    endpoint.clock.advance(0.3)
    assert endpoint.pace.refused(nth, 1, endpoint.begun, 1) == 0.5
    assert endpoint.rate == 0.0
    endpoint.clock.advance(0.5)
    endpoint.begin()
    assert endpoint.pace.wait() > 1.0


def test_one_as_old_as_the_refused_is_no_new_storm(paced: Endpoint):
    """It took longer than the rest, and so others may; the rate stays."""
    old = paced.begin()
    rest = paced.refuse()
    paced.dark(rest)
    rate = paced.rate
    assert paced.pace is not None
    assert paced.pace.refused(old, 1, paced.begun, 0) == 0.0
    assert paced.rate == rate


def test_who_is_refused_however_slowly_is_not_slowed_for_ever(paced: Endpoint):
    """Every fifth is turned away by chance: the rate falls, and then it is what it was, for a minute and longer."""
    rates = [paced.rate]
    while rates[-1] <= rates[-2] if len(rates) > 1 else True:
        paced.accept(5)
        paced.dark(paced.refuse())
        rates.append(paced.rate)
    assert rates[-2] < VAIN_SHARE * rates[0]
    assert rates[-1] == pytest.approx(rates[0], rel=0.1)
    till = paced.clock.monotonic() + VAIN_REST - 5.0
    while paced.clock.monotonic() < till:
        paced.accept(5)
        paced.dark(paced.refuse())
        assert paced.rate == pytest.approx(rates[0], rel=0.1)


def test_a_storm_shows_soon_that_slowness_was_not_in_vain(paced: Endpoint):
    """Once more were refused than accepted, the rate is measured again."""
    before = paced.rate
    while paced.rate < before or paced.begun < 200:
        paced.accept(5)
        paced.dark(paced.refuse())
    for _ in range(6):
        paced.accept(1)
        paced.dark(paced.refuse(), times=4)
    assert paced.rate < before / 2.0


def test_long_times_without_a_refusal_are_no_proof_of_vanity(paced: Endpoint):
    """A limit that fell to a tenth is kept to, however many refusals there are by and by."""
    for _ in range(3):
        paced.accept(1)
        paced.dark(paced.refuse(), times=2)
    assert paced.rate < VAIN_SHARE * 9.5
    for _ in range(20):
        paced.accept(VAIN_EACH)
        paced.dark(paced.refuse())
        assert paced.rate < 0.5 * 9.5, "else it was taken for vain"


def test_a_long_time_without_a_429_ends_it(paced: Endpoint):
    """Or a shorter one in which far more was accepted."""
    assert paced.pace is not None
    assert not paced.pace.over
    paced.clock.advance(QUIET + 1)
    assert paced.pace.over


def test_an_endpoint_that_is_far_faster_has_no_pace_any_more(paced: Endpoint):
    """Not at once: what counts minutes says nothing for a minute."""
    assert paced.pace is not None
    at = paced.clock.monotonic()
    while not paced.pace.over:
        paced.ready()
        nth = paced.begin()
        paced.pace.answered(nth, 1)
    assert FEW_QUIET - 1 < paced.clock.monotonic() - at < QUIET / 2
    assert paced.rate > 70.0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["begin", "answered", "refused", "wait", "time"]),
            st.floats(0, 30),
        ),
        max_size=120,
    )
)
def test_nobody_waits_for_ever_whatever_happens(steps: list[tuple[str, float]]):
    """In any order of events some time is enough for the next call to start."""
    with FakeClock() as clock:
        flying: list[tuple[int, int]] = []
        begun, pace = 0, Pace(0, 0.0)
        for what, size in steps:
            if what == "begin" and not pace.wait():
                begun += 1
                pace.begin()
                flying.append((begun, len(flying) + 1))
            elif what in ("answered", "refused") and flying:
                nth, among = flying.pop(int(size) % len(flying))
                if what == "answered":
                    pace.answered(nth, among)
                else:
                    rest = pace.refused(nth, among, begun, len(flying), size if size > 20 else 0.0)
                    assert rest is None or 0.0 <= rest <= 60.0
            elif what == "time":
                clock.advance(size)
            assert 0.0 <= pace.rate < 1e6
            assert pace.wait() >= 0.0
        for _ in range(3):
            clock.advance(pace.wait() + 0.001)
        assert pace.wait() <= 0.001
