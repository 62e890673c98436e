"""Laws of the breaker: when it opens, who may try, and whose results count."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dspex.errors import LMAuthError, LMError, LMQuotaError, LMServerError, LMUnavailableError
from dspex.lm.breaker import ENOUGH, FIRST_REST, JITTER, LONGEST_AFTER, LONGEST_REST, WINDOW, Breaker, Permit
from dspex.testing.clock import FakeClock

DOWN = LMServerError("down", status=503)


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    with FakeClock() as clock:
        yield clock


def results(breaker: Breaker, text: str) -> None:
    """Let one call after the other end: `.` is answered, `x` failed."""
    for sign in text:
        permit = breaker.admit()
        breaker.success(permit) if sign == "." else breaker.failure(permit, DOWN)


def opened(error: LMError = DOWN) -> Breaker:
    breaker = Breaker(rng=random.Random(0))
    while breaker.state == "closed":
        breaker.failure(breaker.admit(), error)
    return breaker


def rest(breaker: Breaker, clock: FakeClock) -> float:
    """Let it rest until it may be tried, and return for how long that was."""
    wait = breaker.wait
    clock.advance(wait)
    return wait


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("xxxx", "closed"),
        ("xxxxx", "open"),
        ("....", "closed"),
        ("..xx.x", "open"),
        ("...xx.x", "closed"),
        ("." * 20 + "x" * 9, "closed"),
        ("." * 20 + "x" * 10, "open"),
        ("." * 100 + "x" * 10, "open"),
        ("..x" * 30, "closed"),
    ],
)
def test_half_of_the_last_twenty_open_it_but_never_fewer_than_five(text: str, state: str, clock: FakeClock):
    """The window slides: what was long ago is forgotten."""
    breaker = Breaker()
    results(breaker, text)
    assert breaker.state == state


def test_an_open_one_lets_nobody_through_until_it_has_rested(clock: FakeClock):
    """Then exactly one, whose answer closes it."""
    breaker = opened()
    assert breaker.admit() is None
    wait = breaker.wait
    assert FIRST_REST * (1 - JITTER) <= wait <= FIRST_REST * (1 + JITTER)
    clock.advance(wait - 0.01)
    assert breaker.admit() is None
    clock.advance(0.01)
    probe = breaker.admit()
    assert (breaker.state, probe is not None and probe.probe) == ("half_open", True)
    assert [breaker.admit() for _ in range(50)] == [None] * 50
    breaker.success(probe)
    assert (breaker.state, breaker.error, breaker.wait) == ("closed", None, 0.0)
    results(breaker, "xxxx")
    assert breaker.state == "closed", "the window begins anew"


def test_a_failed_probe_doubles_the_rest_up_to_a_minute(clock: FakeClock):
    """With a fifth of jitter both ways; an answer takes it back to the beginning."""
    breaker, waits = opened(), []
    for _ in range(10):
        waits.append(rest(breaker, clock))
        breaker.failure(breaker.admit(), DOWN)
    nominal = [min(LONGEST_REST, FIRST_REST * 2**k) for k in range(10)]
    assert all(n * 0.8 <= wait <= n * 1.2 for n, wait in zip(nominal, waits, strict=True))
    assert len({round(wait / n, 6) for n, wait in zip(nominal, waits, strict=True)}) > 5
    rest(breaker, clock)
    breaker.success(breaker.admit())
    results(breaker, "x" * ENOUGH)
    assert breaker.wait <= FIRST_REST * 1.2


def test_a_provider_s_retry_after_is_the_least_it_rests(clock: FakeClock):
    """It is taken at its word where it asks for longer."""
    assert opened(LMServerError("down", retry_after=30.0)).wait == 30.0
    assert opened(LMServerError("down", retry_after=0.1)).wait >= FIRST_REST * 0.8


@pytest.mark.parametrize("seconds", [3600.0, 1e10, 1e300])
def test_nobody_is_left_alone_for_years(seconds: float, clock: FakeClock):
    """A number that is none (milliseconds, a broken clock) costs one probe in ten minutes, and not the endpoint."""
    assert opened(LMServerError("down", retry_after=seconds)).wait == LONGEST_AFTER


def test_results_of_an_older_state_are_nobody_s(clock: FakeClock):
    """What began before it opened neither closes it nor opens it again."""
    breaker = Breaker()
    late = [breaker.admit() for _ in range(3)]
    results(breaker, "xxxxx")
    rest(breaker, clock)
    probe = breaker.admit()
    breaker.success(late[0])
    assert breaker.state == "half_open"
    breaker.failure(late[1], DOWN)
    assert breaker.state == "half_open"
    breaker.success(probe)
    breaker.failure(late[2], DOWN)
    results(breaker, "xxxx")
    assert breaker.state == "closed"


def test_a_cancelled_probe_returns_its_place(clock: FakeClock):
    """The next call is the probe; nothing was learnt."""
    breaker = opened()
    rest(breaker, clock)
    breaker.ignore(breaker.admit())
    assert breaker.state == "half_open"
    probe = breaker.admit()
    assert probe is not None
    breaker.failure(probe, DOWN)
    assert breaker.state == "open"


@pytest.mark.parametrize("error", [LMAuthError("no key", status=401), LMQuotaError("no credit", status=402)])
def test_a_refused_key_opens_it_at_once_and_for_a_person(error: LMError, clock: FakeClock):
    """No time closes it: only `reset`, or a call of a person's own that tries."""
    breaker = Breaker()
    results(breaker, "." * 20)
    breaker.failure(breaker.admit(), error)
    assert (breaker.state, breaker.rests, breaker.wait) == ("open", False, 0.0)
    assert breaker.admit(person=True) is None, "not in the same breath"
    clock.advance(10_000)
    assert breaker.admit() is None
    assert breaker.ready(person=True)
    breaker.reset()
    breaker.success(breaker.admit())
    assert breaker.state == "closed"


def test_a_provider_that_says_it_is_gone_is_left_alone_at_once(clock: FakeClock):
    """One error of the kind `unavailable` is enough, and it rests for as long as that says."""
    breaker = Breaker()
    breaker.failure(breaker.admit(), LMUnavailableError("its process ended", retry_after=42.0))
    assert (breaker.state, breaker.rests, breaker.wait) == ("open", True, 42.0)


def test_a_person_s_reset_has_the_next_call_try(clock: FakeClock):
    """One call, not all: it may still be down."""
    breaker = opened()
    breaker.reset()
    assert (breaker.state, breaker.wait) == ("open", 0.0)
    assert breaker.admit() is not None
    assert breaker.admit() is None
    calm = Breaker()
    calm.reset()
    assert calm.state == "closed"


def test_a_reset_waits_for_no_probe_that_hangs(clock: FakeClock):
    """The next call is the probe then; what the other comes back with, if ever, counts no more."""
    states: list[str] = []
    breaker = Breaker(lambda: states.append(breaker.state), rng=random.Random(0))
    results(breaker, "xxxxx")
    rest(breaker, clock)
    hangs = breaker.admit()
    assert breaker.admit() is None
    breaker.reset()
    probe = breaker.admit()
    assert probe is not None
    assert breaker.admit() is None
    breaker.failure(hangs, DOWN)
    breaker.ignore(hangs)
    assert (breaker.state, breaker.admit()) == ("half_open", None)
    breaker.success(probe)
    assert states == ["open", "half_open", "closed"]


def test_every_change_is_told_once(clock: FakeClock):
    """And its state is one that a person can read."""
    states: list[str] = []
    breaker = Breaker(lambda: states.append(breaker.state), rng=random.Random(0))
    results(breaker, "xxxxxxx")
    assert repr(breaker) == "<Breaker: open, tried again in 1 s>"
    rest(breaker, clock)
    breaker.success(breaker.admit())
    breaker.failure(breaker.admit(), LMAuthError("no"))
    assert states == ["open", "half_open", "closed", "open"]
    assert repr(breaker) == "<Breaker: open, waits for a person>"


class AnyOrder(RuleBasedStateMachine):
    """Calls begin and end in any order while time passes; a plain model says what must hold."""

    @initialize()
    def start(self) -> None:
        self.clock = FakeClock()
        self.clock.__enter__()
        self.breaker = Breaker(rng=random.Random(0))
        self.flying: list[Permit] = []

    def teardown(self) -> None:
        if hasattr(self, "clock"):
            self.clock.__exit__(None, None, None)

    @rule(seconds=st.floats(0, 100))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(person=st.booleans())
    def asks(self, person: bool) -> None:
        ready = self.breaker.ready(person=person)
        permit = self.breaker.admit(person=person)
        assert ready is (permit is not None)
        if permit is not None:
            self.flying.append(permit)

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), how=st.sampled_from(["answered", "failed", "refused", "cut"]))
    def ends(self, data: st.DataObject, how: str) -> None:
        permit = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        current = permit.generation == self.breaker._permit.generation
        before, window = self.breaker.state, list(self.breaker._results)[-WINDOW + 1 :]
        if how == "answered":
            self.breaker.success(permit)
        elif how == "cut":
            self.breaker.ignore(permit)
        else:
            self.breaker.failure(permit, DOWN if how == "failed" else LMAuthError("no"))
        if not current:
            assert self.breaker.state == before
        elif before == "half_open":
            assert self.breaker.state == {"answered": "closed", "cut": "half_open"}.get(how, "open")
        elif how == "refused":
            assert self.breaker.state == "open"
        elif how == "failed" and before == "closed":
            failed, counted = sum(window) + 1, len(window) + 1
            assert self.breaker.state == ("open" if counted >= ENOUGH and failed * 2 >= counted else "closed")
        elif how == "answered":
            assert self.breaker.state == "closed"

    @rule()
    def person_says_so(self) -> None:
        self.breaker.reset()
        assert self.breaker.ready()

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "breaker"):
            return
        breaker = self.breaker
        probes = [p for p in self.flying if p.generation == breaker._permit.generation and p.probe]
        assert len(probes) <= 1
        assert 0.0 <= breaker.wait <= LONGEST_REST * 1.2
        assert (breaker.error is None) == (breaker.state == "closed")
        assert len(breaker._results) <= (WINDOW if breaker.state == "closed" else 0)


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestAnyOrder = AnyOrder.TestCase
