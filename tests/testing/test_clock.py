"""The fake clock: hours pass in no time, in order, and never by themselves unless asked."""

from __future__ import annotations

import asyncio

from dspex import _clock, _host
from dspex.testing.clock import FakeClock


async def nap(length: float) -> float:
    await _clock.sleep(length)
    return _clock.monotonic()


async def naps(seconds: list[float], woken: list[tuple[float, float]]) -> None:
    async def note(length: float) -> None:
        woken.append((length, await nap(length)))

    await asyncio.gather(*map(note, seconds))


def test_time_stands_still_until_it_is_let_pass() -> None:
    """By hand, a sleeper wakes only when its time has come."""
    with FakeClock() as clock:
        short, long = _host.submit(nap(1)), _host.submit(nap(10))
        assert clock.wait_for_sleepers(2)
        clock.advance(0.5)
        assert clock.sleeping == 2
        clock.advance(1)
        assert short.result(5) == 1.5
        assert (clock.sleeping, long.done()) == (1, False)
        clock.advance(100)
        assert long.result(5) == 101.5


def test_time_jumps_to_the_next_who_is_due_when_all_sleep() -> None:
    """An automatic clock wakes sleepers one due time after the other, at exactly that time."""
    woken: list[tuple[float, float]] = []
    with FakeClock(auto=True):
        _host.portal.run(naps([3600, 1, 60, 60], woken))
        asyncio.run(naps([5], woken))
    assert woken == [(1, 1), (60, 60), (60, 60), (3600, 3600), (5, 3605)]


def test_a_sleep_inside_a_sleep_takes_its_own_time() -> None:
    """What sleeps again after it woke wakes before those who sleep longer."""

    async def retries() -> list[float]:
        times = []
        for wait in (1, 2, 4):
            await _clock.sleep(wait)
            times.append(_clock.monotonic())
        return times

    async def both() -> tuple[list[float], None]:
        return await asyncio.gather(retries(), _clock.sleep(100))

    with FakeClock(auto=True):
        assert _host.portal.run(both())[0] == [1, 3, 7]


def test_a_cancelled_sleeper_is_forgotten() -> None:
    """Nobody is woken who no longer sleeps, and the machine's clock is back after the block."""

    async def cancel_one(clock: FakeClock) -> int:
        task = asyncio.ensure_future(_clock.sleep(10))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return clock.sleeping

    before = _clock._current
    with FakeClock() as clock:
        assert asyncio.run(cancel_one(clock)) == 0
        clock.advance(20)
    assert _clock._current is before
