"""Laws of the meter: every call is in the books once, whatever ended it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from dspex import _clock, _host
from dspex.errors import BudgetExceeded, CancelRequested, LMQuotaError, StopRequested
from dspex.events.event import AnyEvent, LMEnd, LMStart
from dspex.lm.cache import Cached
from dspex.lm.messages import Message, Request, Response, Usage
from dspex.lm.meter import Meter
from dspex.lm.prices import Price
from dspex.lm.store import Store
from dspex.runs.latency import quantile
from dspex.runs.state import RunState, apply
from dspex.scope.budget import Budget
from dspex.scope.cancel import CancelToken
from dspex.scope.scope import Scope, enter
from dspex.testing.clock import FakeClock
from dspex.testing.scripted import Scripted, answer, never

Happened = Callable[[], list[AnyEvent]]
ASK = Request(model="m", messages=(Message(role="user", content="hi"),), max_tokens=100)
PRICE = Price(1e-3, 2e-3)


def state_of(events: list[AnyEvent]) -> RunState:
    state = RunState()
    for seq, event in enumerate(events, start=1):
        apply(state, msgspec.structs.replace(event, seq=seq))
    return state


async def test_a_call_is_priced_and_booked(happened: Happened):
    """Tokens times price, in the answer, in the event, in the budget and in the tally."""
    scope = Scope(budget=Budget(1.0), role="judge")
    with enter(scope):
        response = await Meter(Scripted("blue"), "m", PRICE).send(ASK)
    assert response.cost == pytest.approx(0.02)
    assert (scope.budget.spent, scope.budget.reserved) == (pytest.approx(0.02), 0.0)
    assert (scope.tally.calls, scope.tally.cost) == (1, pytest.approx(0.02))
    start, end = happened()
    assert isinstance(start, LMStart)
    assert isinstance(end, LMEnd)
    assert (end.model, end.role, end.prompt_tokens, end.completion_tokens) == ("m", "judge", 10, 5)
    assert (end.cost, end.priced, end.cached, end.error) == (pytest.approx(0.02), True, False, "")


async def test_waiting_is_no_part_of_how_long_an_answer_took(happened: Happened):
    """Two seconds of which the answer itself took half a one; the answer says no more of it, whoever keeps that."""

    class Late:
        async def send(self, request: Request) -> Response:
            await _clock.sleep(2.0)
            return msgspec.structs.replace(answer("blue"), seconds=0.5)

    with FakeClock(auto=True):
        response = await Meter(Late(), "m", PRICE).send(ASK)
    assert response.seconds == 0.0
    end = happened()[-1]
    assert isinstance(end, LMEnd)
    assert (end.seconds, end.waited) == (pytest.approx(2.0), pytest.approx(1.5))
    (model,) = state_of(happened()).lm
    assert quantile(model.latency, 0.5) == pytest.approx(500, rel=0.03)


async def test_a_kept_answer_is_free_and_starts_nothing(happened: Happened):
    """No start, no money, one end that says so; even where the budget is gone."""
    scope = Scope(budget=Budget(0.3))
    meter = Meter(Cached(Scripted("blue"), Store()), "m", PRICE)
    with enter(scope):
        await meter.send(ASK)
        scope.budget.reserve(0.0).settle(0.28)
        assert (await meter.send(ASK)).cached
        with pytest.raises(BudgetExceeded):
            await meter.send(msgspec.structs.replace(ASK, rollout_id=1))
    kinds = [
        (type(e).__name__, getattr(e, "cached", None)) for e in happened() if isinstance(e, LMStart | LMEnd)
    ]
    assert kinds == [("LMStart", None), ("LMEnd", False), ("LMEnd", True)]
    assert scope.tally.calls == 2


async def test_the_most_it_can_cost_is_set_aside_first():
    """While the call is in the air, its worst case is reserved."""
    scope = Scope(budget=Budget(1.0))
    script = Scripted(never())
    with enter(scope):
        task = asyncio.ensure_future(Meter(script, "m", PRICE).send(ASK))
        while not script.waiting:
            await asyncio.sleep(0)
        assert scope.budget.reserved == pytest.approx(9 * 1e-3 + 100 * 2e-3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (scope.budget.spent, scope.budget.reserved) == (0.0, 0.0)


async def test_a_call_that_could_cross_the_cap_is_refused(happened: Happened):
    """Nobody is asked and nothing is booked."""
    script = Scripted("blue")
    with enter(Scope(budget=Budget(0.1))), pytest.raises(BudgetExceeded):
        await Meter(script, "m", PRICE).send(ASK)
    assert script.requests == []
    assert not [e for e in happened() if isinstance(e, LMStart | LMEnd)]


async def test_an_unknown_price_is_said(happened: Happened):
    """The cost is None, never zero, and the event says that it is no statement."""
    response = await Meter(Scripted("blue"), "openai/unheard-of").send(ASK)
    assert response.cost is None
    end = happened()[-1]
    assert isinstance(end, LMEnd)
    assert not end.priced


async def test_an_endpoint_that_counts_no_tokens_tells_no_cost():
    """A price without usage is no cost; what was set aside stands for it, so that the cap holds."""
    scope = Scope(budget=Budget(1.0))
    with enter(scope):
        response = await Meter(Scripted(Response(choices=answer("x").choices)), "m", PRICE).send(ASK)
    assert response.cost is None
    assert scope.budget.spent == pytest.approx(0.209)


async def test_a_price_of_ones_own_wins():
    """The user's price counts, not what the provider says."""
    told = Response(choices=answer("x").choices, usage=Usage(prompt_tokens=10), cost=99.0)
    assert (await Meter(Scripted(told), "m", PRICE).send(ASK)).cost == pytest.approx(0.01)
    assert (await Meter(Scripted(told), "m").send(ASK)).cost == 99.0


@pytest.mark.parametrize(
    ("line", "error", "kind"),
    [
        (LMQuotaError("no credit"), LMQuotaError, "quota"),
        (StopRequested("stop"), StopRequested, "cancelled"),
        (ZeroDivisionError("a fault of the transport"), ZeroDivisionError, "error"),
    ],
)
async def test_a_call_that_fails_is_over(
    line: BaseException, error: type[BaseException], kind: str, happened: Happened
):
    """Nothing stays in flight or set aside."""
    scope = Scope(budget=Budget(1.0))
    with enter(scope), pytest.raises(error):
        await Meter(Scripted(line), "m", PRICE).send(ASK)
    (model,) = state_of(happened()).lm
    assert (model.in_flight, model.calls, model.failed, model.cost) == (0, 1, kind != "cancelled", 0.0)
    assert [e.error for e in happened() if isinstance(e, LMEnd)] == [kind]
    assert (scope.budget.spent, scope.budget.reserved) == (0.0, 0.0)


async def test_a_cancelled_call_is_over(happened: Happened):
    """A task that is cancelled leaves the books closed."""
    script = Scripted(never())
    task = asyncio.ensure_future(Meter(script, "m").send(ASK))
    while not script.waiting:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (model,) = state_of(happened()).lm
    assert (model.in_flight, model.calls, model.failed) == (0, 1, 0)


async def test_cancelling_the_run_cuts_a_call(happened: Happened):
    """The run's own word ends a call in the air, as the run's own error."""
    script, scope = Scripted(never()), Scope()
    with enter(scope):
        task = asyncio.ensure_future(Meter(script, "m").send(ASK))
        while not script.waiting:
            await asyncio.sleep(0)
        scope.cancel.request("cancel")
        with pytest.raises(CancelRequested):
            await task
    assert state_of(happened()).lm[0].in_flight == 0


async def test_a_stopped_run_starts_no_call():
    """Stop lets nothing new begin."""
    script, scope = Scripted("blue"), Scope()
    scope.cancel.request("stop")
    with enter(scope), pytest.raises(StopRequested):
        await Meter(script, "m").send(ASK)
    assert script.requests == []


async def test_equal_calls_in_the_air_are_paid_once(happened: Happened):
    """All end, nothing stays in flight, and one of them is paid."""
    scope = Scope(budget=Budget(10.0))
    meter = Meter(Cached(Scripted("blue"), Store()), "m", PRICE)
    with enter(scope):
        await asyncio.gather(*(meter.send(ASK) for _ in range(5)))
    (model,) = state_of(happened()).lm
    assert (model.in_flight, model.calls, model.failed) == (0, 5, 0)
    assert model.cost == pytest.approx(0.02)
    assert scope.budget.spent == pytest.approx(0.02)


def test_a_patient_call_waits_for_money():
    """In a run, a call whose money is only set aside by others waits for them to settle."""
    scope = Scope(budget=Budget(0.3), patient=True)
    meter = Meter(Scripted("a", "b", "c"), "m", PRICE)

    async def three() -> list[Any]:
        with enter(scope):
            return list(await asyncio.gather(*(meter.send(ASK) for _ in range(3))))

    assert len(_host.portal.run(three())) == 3
    assert scope.budget.spent == pytest.approx(0.06)


def test_a_run_that_is_held_now_makes_no_further_call():
    """A call waits before it is made, and goes on when the last hold is taken away."""
    script, scope = Scripted("blue"), Scope(cancel=CancelToken())
    scope.cancel.pause(now=True)

    async def call() -> str:
        with enter(scope):
            task = asyncio.ensure_future(Meter(script, "m").send(ASK))
        for _ in range(10):
            await asyncio.sleep(0)
        assert script.requests == []
        scope.cancel.resume()
        return (await task).text

    assert _host.portal.run(call()) == "blue"


async def test_tokens_and_calls_are_booked_as_money_is():
    """What failed is none of them."""
    scope = Scope(budget=Budget(tokens=500, calls=2))
    with enter(scope):
        await Meter(Scripted("blue"), "m").send(ASK)
        with pytest.raises(LMQuotaError):
            await Meter(Scripted(LMQuotaError("no credit")), "m").send(ASK)
        assert (scope.budget.used["tokens"], scope.budget.used["calls"]) == (15, 1)
        await Meter(Scripted("blue"), "m").send(ASK)
        with pytest.raises(BudgetExceeded, match="2 calls"):
            await Meter(Scripted("blue"), "m").send(ASK)


async def test_the_dearest_who_may_answer_is_set_aside(monkeypatch: pytest.MonkeyPatch):
    """A fallback that costs more must fit under the cap as well."""
    scope = Scope(budget=Budget(1.0))
    monkeypatch.setattr("dspex.lm.meter.price_of", {"m": Price(1e-6, 1e-6), "dear": PRICE}.get)
    script = Scripted(never())
    with enter(scope):
        task = asyncio.ensure_future(Meter(script, "m", others=("dear", "unknown")).send(ASK))
        while not script.waiting:
            await asyncio.sleep(0)
        assert scope.budget.reserved == pytest.approx(9 * 1e-3 + 100 * 2e-3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
