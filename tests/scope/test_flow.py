"""Work flows on demand: never more than `width` at hand, nothing lost, nothing twice, and an end that ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspex import _host
from dspex.errors import BudgetExceeded, CancelRequested, SettingsError, StopRequested
from dspex.scope.cancel import CancelToken
from dspex.scope.flow import flow
from dspex.scope.scope import Scope, enter
from tests.scope.collecting import run_all

LIMIT = 10


class Counted:
    """A source that counts how many items were asked of it."""

    def __init__(self, items: int) -> None:
        self.items, self.asked = items, 0

    def __iter__(self) -> Iterator[int]:
        for n in range(self.items):
            self.asked += 1
            yield n


class Gate:
    """Work that is let go item by item, and counts who is inside."""

    def __init__(self) -> None:
        self.inside: dict[int, asyncio.Future[None]] = {}
        self.most = self.cut = 0

    async def work(self, item: int) -> int:
        self.inside[item] = asyncio.get_running_loop().create_future()
        self.most = max(self.most, len(self.inside))
        try:
            await self.inside[item]
        except asyncio.CancelledError:
            self.cut += 1
            raise
        finally:
            del self.inside[item]
        return item * 10

    def let_go(self, item: int) -> None:
        self.inside[item].set_result(None)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def on_host(law: Callable[[CancelToken], Any]) -> None:
    """Run an async law on the host loop, inside a scope whose token it is given."""
    scope = Scope(run="r-flow")
    with enter(scope):
        _host.submit(law(scope.cancel)).result(LIMIT)


async def collect(found: Any, into: list[Any]) -> None:
    async with aclosing(found) as results:
        async for pair in results:
            into.append(pair)  # noqa: PERF401 - what came before an error counts


@settings(max_examples=60)
@given(
    items=st.integers(0, 40),
    width=st.integers(1, 9),
    waits=st.lists(st.integers(0, 6), min_size=40, max_size=40),
    slow=st.integers(0, 3),
)
def test_everything_comes_once_and_never_more_than_width_is_at_hand(
    items: int, width: int, waits: list[int], slow: int
) -> None:
    """In flight and unread together stay within `width`, the source is never read ahead, results are complete."""
    source, at_hand, most = Counted(items), 0, 0

    async def work(item: int) -> int:
        nonlocal at_hand, most
        at_hand += 1
        most = max(most, at_hand)
        await turns(waits[item])
        return item * 10

    async def law() -> list[tuple[int, int]]:
        nonlocal at_hand
        got = []
        async with aclosing(flow(source, work, width)) as results:
            async for pair in results:
                assert source.asked - len(got) <= width
                got.append(pair)
                await turns(slow)
                at_hand -= 1
        return got

    got = _host.submit(law()).result(LIMIT)
    assert sorted(got) == [(n, n * 10) for n in range(items)]
    assert most <= width
    assert source.asked == items


def test_a_consumer_that_takes_three_makes_little_work() -> None:
    """The source is asked only for what there is room for, and closing ends what runs, before it returns."""

    async def law(_: CancelToken) -> None:
        gate, source, got = Gate(), Counted(1000), []
        found = flow(source, gate.work, 4)
        async with aclosing(found) as results:
            taking = asyncio.ensure_future(anext(results))
            await turns()
            assert (source.asked, sorted(gate.inside)) == (4, [0, 1, 2, 3])
            gate.let_go(2)
            got.append(await taking)
            assert source.asked == 4  # room is filled when the next one is asked for
        assert got == [(2, 20)]
        assert (gate.inside, gate.cut, source.asked) == ({}, 3, 4)

    on_host(law)


def test_results_come_as_they_are_ready_and_carry_their_place() -> None:
    """The slow do not hold up the fast."""

    async def law(_: CancelToken) -> None:
        gate, got = Gate(), []
        task = asyncio.ensure_future(collect(flow(range(3), gate.work, 3), got))
        await turns()
        for item in (1, 2, 0):
            gate.let_go(item)
            await turns()
        await task
        assert got == [(1, 10), (2, 20), (0, 0)]

    on_host(law)


def test_a_paused_run_starts_nothing_and_loses_nothing() -> None:
    """What is in flight comes to its end and is handed over; after resuming all the rest follows."""

    async def law(token: CancelToken) -> None:
        gate, got = Gate(), []
        task = asyncio.ensure_future(collect(flow(range(5), gate.work, 2), got))
        await turns()
        token.pause()
        gate.let_go(0)
        gate.let_go(1)
        await turns()
        assert (sorted(got), gate.inside) == ([(0, 0), (1, 10)], {})
        _host.spawn("resume", token.resume)
        while len(got) < 5:
            for item in list(gate.inside):
                gate.let_go(item)
            await turns()
        await task
        assert gate.most == 2

    on_host(law)


def test_a_stopped_run_takes_what_is_paid_for_and_starts_no_more() -> None:
    """Calls in flight end and are handed over, then the stop is told."""

    async def law(token: CancelToken) -> None:
        gate, source, got = Gate(), Counted(100), []
        task = asyncio.ensure_future(collect(flow(source, gate.work, 3), got))
        await turns()
        token.request("stop")
        await turns()
        assert not task.done()
        for item in (2, 0, 1):
            gate.let_go(item)
            await turns()
        with pytest.raises(StopRequested):
            await task
        assert (got, source.asked, gate.cut) == ([(2, 20), (0, 0), (1, 10)], 3, 0)

    on_host(law)


@pytest.mark.parametrize("before", ["nothing", "pause", "stop"])
def test_a_cancelled_run_cuts_at_once(before: str) -> None:
    """Within a few turns of the loop nothing is in flight any more, whatever was asked before."""

    async def law(token: CancelToken) -> None:
        gate, got = Gate(), []
        task = asyncio.ensure_future(collect(flow(range(100), gate.work, 3), got))
        await turns()
        if before == "pause":
            token.pause()
        elif before == "stop":
            token.request("stop")
        await turns()
        token.request("cancel")
        await turns()
        assert task.done()
        with pytest.raises(CancelRequested):
            await task
        assert (got, gate.inside, gate.cut) == ([], {}, 3)

    on_host(law)


def test_a_run_ended_before_it_flows_starts_nothing() -> None:
    """The source is not even asked."""

    async def law(token: CancelToken) -> None:
        gate, source = Gate(), Counted(5)
        token.request("stop")
        with pytest.raises(StopRequested):
            await collect(flow(source, gate.work, 2), [])
        assert source.asked == 0

    on_host(law)


def test_when_the_money_is_gone_the_paid_ones_are_handed_over() -> None:
    """One refused call starts no more, waits for those in flight, and is told at the end."""

    async def law(_: CancelToken) -> None:
        gate, source, got = Gate(), Counted(100), []

        async def work(item: int) -> int:
            if item == 1:
                raise BudgetExceeded("spent")
            return await gate.work(item)

        task = asyncio.ensure_future(collect(flow(source, work, 3), got))
        await turns()
        assert not task.done()
        gate.let_go(0)
        gate.let_go(2)
        with pytest.raises(BudgetExceeded, match="spent"):
            await task
        assert (sorted(got), source.asked, gate.cut) == ([(0, 0), (2, 20)], 3, 0)

    on_host(law)


def test_the_first_error_ends_all() -> None:
    """An error of the work comes out as it is and nothing is left in flight."""

    async def law(_: CancelToken) -> None:
        gate = Gate()

        async def work(item: int) -> int:
            if item == 2:
                raise LookupError("lost")
            return await gate.work(item)

        with pytest.raises(LookupError, match="lost"):
            await collect(flow(range(9), work, 3), [])
        assert (gate.inside, gate.cut) == ({}, 2)

    on_host(law)


def test_an_error_of_the_source_ends_all() -> None:
    """A generator that fails is told, and what it gave before is not left running."""

    async def law(_: CancelToken) -> None:
        gate = Gate()

        def source() -> Iterator[int]:
            yield 0
            raise OSError("no more")

        with pytest.raises(OSError, match="no more"):
            await collect(flow(source(), gate.work, 3), [])
        assert gate.inside == {}

    on_host(law)


def test_cancelling_the_consumer_takes_its_work_along() -> None:
    """A foreign cancellation reaches all that is in flight and stays what it is."""

    async def law(_: CancelToken) -> None:
        gate = Gate()
        task = asyncio.ensure_future(collect(flow(range(9), gate.work, 3), []))
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (gate.inside, gate.cut) == ({}, 3)

    on_host(law)


def test_flows_leave_no_listener_on_the_token() -> None:
    """A run of thousands of evaluations does not grow."""

    async def law(token: CancelToken) -> None:
        for _ in range(3):
            await collect(flow(range(3), turns, 2), [])
        assert not token._listeners

    on_host(law)


@pytest.mark.parametrize("width", [0, -1])
def test_a_width_that_starts_nothing_is_refused(width: int) -> None:
    """Instead of waiting for ever."""
    with pytest.raises(SettingsError, match="At least 1 must be in flight at once"):
        run_all(range(3), turns, width)


def test_all_results_in_the_sources_order() -> None:
    """From a plain thread, with work that ends out of order."""

    async def work(item: int) -> int:
        await turns(10 - item)
        return item

    assert run_all(range(10), work, 4) == list(range(10))


def test_a_thread_may_steer_while_work_flows() -> None:
    """Pausing and resuming at any moment neither loses nor repeats a result."""
    scope, over = Scope(run="r-flow"), threading.Event()

    def fidget() -> None:
        while not over.is_set():
            scope.cancel.pause()
            scope.cancel.resume()

    async def work(item: int) -> int:
        await turns(item % 3)
        return item

    thread = _host.spawn("fidget", fidget)
    try:
        with enter(scope):
            assert run_all(range(400), work, 8) == list(range(400))
    finally:
        over.set()
        thread.join(LIMIT)
