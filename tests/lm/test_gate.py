"""Laws of the door: first come, first served, and nobody who leaves takes a place along."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.lm.buckets import Bucket
from dspex.lm.gate import Gate
from dspex.lm.limit import Limit
from dspex.lm.pace import QUIET
from dspex.testing.clock import FakeClock


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def leave(gate: Gate) -> None:
    gate.leave()
    gate.let_in()


async def test_first_come_first_served():
    """In the order they came, and none past the limit."""
    gate, order = Gate(Limit(2)), []

    async def call(k: int) -> None:
        assert await gate.enter()
        order.append(k)

    tasks = [asyncio.ensure_future(call(k)) for k in range(6)]
    await settled()
    assert (order, repr(gate)) == ([0, 1], "<Gate: 2 of 2 in flight, 4 waiting>")
    for _ in range(6):
        leave(gate)
        await settled()
    assert order == [0, 1, 2, 3, 4, 5]
    assert gate.limit.in_flight == 0
    await asyncio.gather(*tasks)


async def test_who_waits_may_leave():
    """A cancelled caller holds no place: not in the queue, and not where it was just let in."""
    gate = Gate(Limit(1))
    await gate.enter()
    first, second, third = (asyncio.ensure_future(gate.enter()) for _ in range(3))
    await settled()
    second.cancel()
    await settled()
    assert gate.waiting == 2
    leave(gate)
    first.cancel()  # let in already, and not yet told
    await settled()
    assert first.cancelled()
    assert await third
    assert (gate.limit.in_flight, gate.waiting) == (1, 0)


async def test_a_freeze_holds_new_calls_and_its_end_lets_them_in():
    """Without anybody looking: time alone opens the door."""
    with FakeClock() as clock:
        gate = Gate(Limit(8))
        gate.limit.begin()
        gate.limit.leave()
        gate.limit.refused(10.0)
        gate.limit._held = None
        tasks = [asyncio.ensure_future(gate.enter()) for _ in range(3)]
        await settled()
        clock.advance(9.9)
        await settled()
        assert not any(task.done() for task in tasks)
        clock.advance(0.2)
        await settled()
        assert all(task.done() for task in tasks)
        assert clock.sleeping == 0


async def test_a_timer_for_nobody_is_none():
    """When all who waited have gone, nothing sleeps on."""
    with FakeClock() as clock:
        gate = Gate(Limit(1), rpm=Bucket(1))
        assert await gate.enter()
        leave(gate)
        gate.rpm = Bucket(1)
        gate.rpm.take(1)
        task = asyncio.ensure_future(gate.enter())
        await settled()
        assert clock.sleeping == 1
        task.cancel()
        await settled()
        assert clock.sleeping == 0


async def test_requests_and_tokens_are_paced():
    """Each start takes one request and its tokens; whoever used less gives back."""
    with FakeClock(auto=True) as clock:
        gate = Gate(Limit(100), rpm=Bucket(60), tpm=Bucket(6000))
        starts = []
        for _ in range(30):
            assert await gate.enter(100)
            starts.append(clock.monotonic())
            gate.limit.leave()
            gate.settle(50)
            gate.let_in()
        assert starts[4] == 0.0
        assert 25 <= starts[-1] <= 30


async def test_all_who_wait_can_be_sent_away():
    """They are told so and hold nothing."""
    gate = Gate(Limit(1))
    await gate.enter()
    waiting = [asyncio.ensure_future(gate.enter()) for _ in range(3)]
    await settled()
    gate.send_away()
    assert await asyncio.gather(*waiting) == [False, False, False]
    assert (gate.limit.in_flight, gate.waiting) == (1, 0)


async def refuse(gate: Gate, retry_after: float = 0.0) -> None:
    """Have a call start, and turn it away."""
    assert await gate.enter()
    start = gate.set_out()
    gate.limit.leave()
    gate.refused(start, retry_after)
    gate.let_in()


async def answer(gate: Gate) -> None:
    assert await gate.enter()
    start = gate.set_out()
    gate.limit.leave()
    gate.answered(start)
    gate.let_in()


async def test_after_a_429_alone_calls_start_at_the_pace_that_was_accepted():
    """Ten a second were, and so it goes on; a person may end that."""
    told = []
    with FakeClock(auto=True) as clock:
        gate = Gate(Limit(), paced=lambda: told.append(gate.pace and gate.pace.rate))
        gate.wake()
        for _ in range(100):
            await answer(gate)
            await clock.sleep(0.1)
        assert gate.pace is None, "no 429, no pace"
        await refuse(gate)
        await answer(gate)
        at = clock.monotonic()
        await asyncio.gather(*(answer(gate) for _ in range(15)))
        assert 15 / 11 < clock.monotonic() - at < 15 / 9
        assert told == [pytest.approx(9.5, rel=0.05)]
        assert gate.room == 0
        gate.thaw()
        assert (gate.pace, gate.room, told[1:]) == (None, gate.limit.size, [None])
        at = clock.monotonic()
        await asyncio.gather(*(answer(gate) for _ in range(15)))
        assert clock.monotonic() == at


async def test_a_pace_that_was_never_found_ends_in_silence():
    """Nobody was told of one."""
    told: list[int] = []
    with FakeClock():
        gate = Gate(Limit(), paced=lambda: told.append(1))
        gate.thaw()
        await refuse(gate)
        gate.thaw()
        assert (gate.pace, told) == (None, [])


async def test_a_pace_is_forgotten_after_a_long_time_without_a_429():
    """The next call is not held back by it."""
    with FakeClock(auto=True) as clock:
        gate = Gate(Limit())
        await refuse(gate)
        await answer(gate)
        clock.advance(QUIET + 1)
        await answer(gate)
        assert gate.pace is None


async def test_how_many_were_in_flight_is_counted_as_they_set_out():
    """Not as they are let in: who was let in first may set out last."""
    gate = Gate(Limit(1))
    assert await gate.enter()
    assert gate.set_out() == (1, 1)
    tasks = [asyncio.ensure_future(gate.enter()) for _ in range(2)]
    await settled()
    gate.limit.set(3)
    gate.let_in()
    assert gate.set_out() == (2, 1), "the other two have yet to go"
    await settled()
    assert gate.set_out() == (3, 3)
    assert all(task.result() for task in tasks)


@pytest.mark.parametrize("width", [1, 3])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["come", "cut", "end", "away", "refuse", "time"]), st.integers(0, 5)),
        max_size=60,
    )
)
def test_no_place_is_lost_or_made(steps: list[tuple[str, int]], width: int):
    """Whatever order calls come, end and are cut off in: at the end all places are free, and all were served."""

    async def play() -> None:
        gate, inside, waiting = Gate(Limit(width)), 0, []
        for what, k in steps:
            if what == "come":
                waiting.append(asyncio.ensure_future(gate.enter()))
            elif what == "cut" and waiting:
                waiting[k % len(waiting)].cancel()
            elif what == "away":
                gate.send_away()
            elif what == "time":
                clock.advance(k)
            elif inside:
                inside -= 1
                start = gate.set_out()
                gate.limit.leave()
                if what == "refuse":
                    gate.refused(start)
                else:
                    gate.answered(start)
                gate.let_in()
            await settled()
            inside += sum(1 for task in waiting if task.done() and not task.cancelled() and task.result())
            waiting = [task for task in waiting if not task.done()]
            assert gate.limit.in_flight == inside <= width
            assert gate.waiting == len(waiting)
        idle = 0
        while inside or waiting:
            for _ in range(inside):
                start = gate.set_out()
                gate.limit.leave()
                gate.answered(start)
            gate.let_in()
            clock.advance(20.0)
            await settled()
            inside = sum(1 for task in waiting if task.done() and task.result())
            idle = 0 if inside else idle + 1
            assert idle < 5 or not waiting, "nobody waits for ever"
            waiting = [task for task in waiting if not task.done()]
        assert gate.limit.in_flight == 0

    with FakeClock() as clock:
        asyncio.run(play())
