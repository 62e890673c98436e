"""A cap holds whatever runs in parallel, and nobody waits for money that cannot come."""

from __future__ import annotations

import asyncio
import random
import threading
from concurrent.futures import Future

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dspex import _host
from dspex.errors import BudgetExceeded, SettingsError
from dspex.scope.budget import WARN_AT, Budget, Reservation, read_caps

LIMIT = 10
PENNIES = st.integers(0, 120).map(lambda n: n / 100)


class Spending(RuleBasedStateMachine):
    """Any order of reserving and settling, with calls that cost at most what was set aside."""

    def __init__(self) -> None:
        super().__init__()
        self.warned: list[float] = []
        self.budget = Budget(1.0, lambda share, spent, cap, kind: self.warned.append(share))
        self.open: list[Reservation] = []
        self.paid = 0.0

    @rule(usd=PENNIES)
    def reserve(self, usd: float) -> None:
        try:
            got = self.budget.try_reserve(usd)
        except BudgetExceeded:
            assert self.paid + usd > 1.0 - 1e-9
            return
        if got is None:
            assert self.paid + sum(r.usd for r in self.open) + usd > 1.0 - 1e-9
        else:
            self.open.append(got)

    @precondition(lambda self: self.open)
    @rule(share=st.floats(0, 1), data=st.data(), again=st.booleans())
    def settle(self, share: float, data: st.DataObject, again: bool) -> None:
        call = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        call.settle(call.usd * share)
        self.paid += call.usd * share
        if again:
            call.settle(1.0)

    @invariant()
    def the_cap_holds(self) -> None:
        assert self.budget.spent == pytest.approx(self.paid)
        assert self.budget.reserved == pytest.approx(sum(r.usd for r in self.open))
        assert self.budget.spent + self.budget.reserved <= 1.0 + 1e-9

    @invariant()
    def nothing_in_flight_is_nothing_set_aside(self) -> None:
        assert self.open or self.budget.reserved == 0.0

    @invariant()
    def warnings_come_once_and_in_order(self) -> None:
        assert self.warned == sorted(set(self.warned))
        assert all(self.budget.spent >= share for share in self.warned)
        assert not self.warned or self.warned[-1] == max(s for s in WARN_AT if self.budget.spent >= s)


TestSpending = Spending.TestCase


@pytest.mark.parametrize("usd", [0, 0.0, -1, float("nan"), -float("inf")])
def test_a_budget_that_allows_nothing_is_refused(usd: float) -> None:
    """It is told at once, in words, and not by a run that does nothing."""
    with pytest.raises(
        SettingsError, match=r"A budget of \$\S+ allows no call; give more than 0, or None for no cap"
    ):
        Budget(usd)


@pytest.mark.parametrize("usd", ["5", "$5", [5]])
def test_a_budget_that_is_no_number_is_refused_with_words(usd: object) -> None:
    """A text in place of a number is said to be one."""
    with pytest.raises(SettingsError, match="A budget is a number of US dollars"):
        Budget(usd)  # type: ignore[arg-type]


def test_without_a_cap_everything_fits() -> None:
    """No cap, no refusal, no warning; what is spent is counted all the same."""
    warned: list[object] = []
    budget = Budget(None, lambda *told: warned.extend(told))
    for _ in range(3):
        budget.reserve(1e9).settle(1e9)
    assert (budget.spent, budget.reserved, warned) == (3e9, 0.0, [])


def test_what_could_cross_the_cap_is_refused_and_nothing_is_set_aside() -> None:
    """Refusal leaves the books as they were and says what is spent of what."""
    budget = Budget(1.0)
    budget.reserve(0.5).settle(0.5)
    with pytest.raises(BudgetExceeded, match=r"budget of \$1.00 reached: \$0.5000 spent"):
        budget.reserve(0.51)
    assert (budget.spent, budget.reserved) == (0.5, 0.0)


def test_a_person_does_not_wait_for_calls_in_flight() -> None:
    """`reserve` refuses at once what `areserve` would wait for."""
    budget = Budget(1.0)
    budget.reserve(0.8)
    with pytest.raises(BudgetExceeded, match="taken up by calls in flight"):
        budget.reserve(0.5)


def test_warnings_come_at_half_and_four_fifths_once() -> None:
    """Each share is told with what is spent of what."""
    told: list[tuple[float, float, float, str]] = []
    budget = Budget(10.0, lambda *warned: told.append(warned))
    for _ in range(10):
        budget.reserve(1.0).settle(1.0)
    assert told == [(0.5, 5.0, 10.0, "usd"), (0.8, 8.0, 10.0, "usd")]


def waiting(budget: Budget, usd: float) -> Future[Reservation]:
    """Start `areserve` on the host and return once it waits."""
    future = _host.submit(budget.areserve(usd))
    for _ in range(1000):
        if budget._waiting or future.done():
            break
        _host.portal.run(asyncio.sleep(0))
    return future


def test_who_waits_goes_on_when_a_call_settled_for_less() -> None:
    """The true cost of a call is mostly below what was set aside, so the next one fits."""
    budget = Budget(1.0)
    first = budget.reserve(0.9)
    second = waiting(budget, 0.5)
    assert not second.done()
    first.settle(0.1)
    second.result(LIMIT).settle(0.5)
    assert (budget.spent, budget.reserved) == (pytest.approx(0.6), 0.0)


def test_who_waits_is_refused_when_the_money_is_gone() -> None:
    """Once it cannot fit any more whatever comes, waiting ends with the refusal."""
    budget = Budget(1.0)
    first = budget.reserve(0.9)
    second = waiting(budget, 0.5)
    first.settle(0.9)
    with pytest.raises(BudgetExceeded):
        second.result(LIMIT)


def test_a_plain_thread_waits_for_money_too() -> None:
    """Driven from a thread, `areserve` holds that thread until a call settles."""
    budget, got = Budget(1.0), threading.Event()
    first = budget.reserve(0.9)

    def spend() -> None:
        _host.drive(budget.areserve(0.5))
        got.set()

    thread = _host.spawn("spend", spend)
    for _ in range(1000):
        if budget._waiting:
            break
        _host.portal.run(asyncio.sleep(0))
    assert not got.is_set()
    first.settle(0.0)
    assert got.wait(LIMIT)
    thread.join(LIMIT)


def test_a_waiter_that_is_cancelled_is_forgotten() -> None:
    """Money goes to those who still want it."""
    budget = Budget(1.0)
    first = budget.reserve(0.9)
    gone, stays = waiting(budget, 0.5), waiting(budget, 0.6)
    gone.cancel()
    first.settle(0.0)
    assert stays.result(LIMIT).usd == 0.6


def test_sums_that_drift_leave_nobody_waiting() -> None:
    """Thousands of uneven amounts leave a trace in a float, but not a cent that seems set aside for ever."""
    budget, chance = Budget(1e6), random.Random(1)
    calls = [budget.reserve(chance.uniform(0, 300)) for _ in range(5000)]
    chance.shuffle(calls)
    for call in calls:
        call.settle(0.0)
    assert budget.reserved == 0.0
    assert _host.submit(budget.areserve(1e6)).result(LIMIT).usd == 1e6


def test_parallel_threads_never_cross_the_cap() -> None:
    """Eight threads that reserve and settle at once end with exactly what they paid, under the cap."""
    budget, most = Budget(1.0), []

    async def spend(seed: int) -> float:
        chance, paid = random.Random(seed), 0.0
        for _ in range(60):
            try:
                call = await budget.areserve(chance.uniform(0, 0.05))
            except BudgetExceeded:
                break
            most.append(budget.spent + budget.reserved)
            cost = call.usd * chance.random()
            call.settle(cost)
            paid += cost
        return paid

    paid: list[float] = []
    threads = [_host.spawn("spend", lambda n=n: paid.append(_host.drive(spend(n)))) for n in range(8)]
    for thread in threads:
        thread.join(LIMIT)
    assert budget.spent == pytest.approx(sum(paid))
    assert max(most) <= 1.0 + 1e-9
    assert budget.reserved == 0.0


def test_settling_from_many_threads_books_once() -> None:
    """A call that is settled twice at the same moment is paid once."""
    budget = Budget(1000.0)
    for _ in range(200):
        call, go = budget.reserve(1.0), threading.Barrier(2)

        def settle(call: Reservation = call, go: threading.Barrier = go) -> None:
            go.wait(LIMIT)
            call.settle(1.0)

        threads = [_host.spawn("settle", settle) for _ in "ab"]
        for thread in threads:
            thread.join(LIMIT)
    assert budget.spent == 200.0


@pytest.mark.parametrize("kind", ["tokens", "calls"])
def test_every_kind_of_cap_holds_on_its_own(kind: str) -> None:
    """What fits one cap is refused by another that it could cross, and the refusal says which."""
    budget = Budget(100.0, **{kind: 3})
    for _ in range(3):
        budget.reserve(0.01, tokens=1).settle(0.01, tokens=1)
    with pytest.raises(BudgetExceeded, match=rf"budget of 3 {kind} reached: 3 used") as refused:
        budget.reserve(0.01, tokens=1)
    assert (refused.value.what, refused.value.spent, refused.value.cap) == (kind, 3, 3)


def test_a_call_that_never_was_counts_nowhere() -> None:
    """Released money, tokens and calls are there again."""
    budget = Budget(1.0, tokens=10, calls=1)
    for _ in range(3):
        budget.reserve(1.0, tokens=10).release()
    assert budget.used == {"usd": 0.0, "tokens": 0, "calls": 0}


def test_a_higher_cap_lets_those_go_on_who_wait() -> None:
    """Nobody has to start anew because a person allowed more."""
    budget = Budget(1.0)
    first = budget.reserve(0.9)
    second = waiting(budget, 0.5)
    budget.change({"usd": 2.0})
    assert second.result(LIMIT).usd == 0.5
    first.settle(0.9)


def test_a_lower_cap_refuses_the_next_call_and_takes_nothing_back() -> None:
    """A cap below what is spent says so."""
    budget = Budget(1.0)
    budget.reserve(0.6).settle(0.6)
    budget.change({"usd": 0.5})
    with pytest.raises(BudgetExceeded, match=r"budget of \$0.50 reached: \$0.6000 spent"):
        budget.reserve(0.0)


def test_what_an_earlier_life_spent_is_spent() -> None:
    """A run that is resumed has no new money, and is not warned twice."""
    told: list[object] = []
    budget = Budget(1.0, lambda *warned: told.append(warned), calls=10)
    budget.resume_from({"usd": 0.7, "calls": 9})
    budget.reserve(0.2).settle(0.2)
    assert [warning[0] for warning in told] == [0.8]  # type: ignore[index]  # each is a tuple
    with pytest.raises(BudgetExceeded, match="budget of 10 calls reached"):
        budget.reserve(0.0)


@pytest.mark.parametrize(
    ("written", "caps"),
    [
        (None, {}),
        (2, {"usd": 2}),
        ({"calls": 5, "usd": None}, {"calls": 5}),
        ({"seconds": 60}, {"seconds": 60}),
    ],
)
def test_a_budget_is_dollars_or_caps_by_kind(written: object, caps: dict[str, float]) -> None:
    """Both ways to write it mean the same."""
    assert read_caps(written) == caps  # type: ignore[arg-type]  # any of the forms


def test_an_unknown_kind_of_cap_is_named() -> None:
    """A slip of the keyboard is told with the nearest kind."""
    with pytest.raises(SettingsError, match=r"A budget has no `token`. Did you mean `tokens`"):
        read_caps({"token": 5})
