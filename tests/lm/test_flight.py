"""Laws of single flight: equal work once, and nobody's end takes it from the others."""

from __future__ import annotations

import asyncio

import pytest

from dspex.errors import CancelRequested, LMServerError, LMTransportError
from dspex.lm.flight import Flights


class Work:
    """Work that a test lets go."""

    def __init__(self) -> None:
        self.started = 0
        self.cancelled = 0
        self.gate = asyncio.Event()
        self.errors: list[BaseException] = []

    async def __call__(self) -> str:
        self.started += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.errors:
            raise self.errors.pop()
        return "done"


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def join(flights: Flights[str], work: Work, count: int) -> list[asyncio.Task[tuple[str, bool]]]:
    tasks = [asyncio.ensure_future(flights.join("k", work)) for _ in range(count)]
    await settle()
    return tasks


async def test_equal_work_is_done_once():
    """One works, all get the result, one of them as its own."""
    flights, work = Flights[str](), Work()
    tasks = await join(flights, work, 4)
    work.gate.set()
    results = await asyncio.gather(*tasks)
    assert work.started == 1
    assert [shared for _, shared in results] == [False, True, True, True]
    assert len(flights) == 0


async def test_the_first_ones_cancellation_is_its_own():
    """The others get the answer of the same work, and one of them as the one who pays."""
    flights, work = Flights[str](), Work()
    first, *others = await join(flights, work, 3)
    first.cancel()
    await settle()
    assert work.cancelled == 0
    work.gate.set()
    results = await asyncio.gather(*others)
    assert [shared for _, shared in results] == [False, True]
    assert first.cancelled()
    assert work.started == 1


async def test_work_ends_when_all_have_gone():
    """Nobody waits: the work is cut, and the next one starts it anew."""
    flights, work = Flights[str](), Work()
    for task in await join(flights, work, 3):
        task.cancel()
    await settle()
    assert (work.started, work.cancelled, len(flights)) == (1, 1, 0)
    (again,) = await join(flights, work, 1)
    work.gate.set()
    assert await again == ("done", False)
    assert work.started == 2


async def test_errors_are_shared():
    """All who wait get the error; it was tried again inside where that made sense."""
    flights, work = Flights[str](), Work()
    work.errors = [LMServerError("down")]
    tasks = await join(flights, work, 3)
    work.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(r) for r in results] == [LMServerError] * 3
    assert work.started == 1


async def test_the_end_of_the_first_ones_run_is_not_shared():
    """A run that was asked to end takes nobody else's call with it."""
    flights, work = Flights[str](), Work()
    work.errors = [CancelRequested("the first one's run")]
    tasks = await join(flights, work, 2)
    work.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], CancelRequested)
    assert results[1] == ("done", False)
    assert work.started == 2


async def test_the_end_of_a_run_that_has_left_is_not_shared():
    """The first one has gone already, its work goes on in its name: whoever stays starts it anew."""
    flights, work = Flights[str](), Work()
    work.errors = [CancelRequested("the first one's run")]
    first, *others = await join(flights, work, 3)
    first.cancel()
    await settle()
    work.gate.set()
    results = await asyncio.gather(*others)
    assert sorted(results) == [("done", False), ("done", True)]
    assert work.started == 2


async def test_an_answer_that_broke_off_is_begun_anew_for_who_read_nothing_of_it():
    """Only the first one has shown its beginning; all others can still be given a whole one."""
    flights, work = Flights[str](), Work()
    broken = LMTransportError("the connection broke")
    broken.partial = "The answer is no"
    work.errors = [broken]
    tasks = await join(flights, work, 3)
    work.gate.set()
    first, *others = await asyncio.gather(*tasks, return_exceptions=True)
    assert first is broken
    assert sorted(others) == [("done", False), ("done", True)]
    assert work.started == 2


@pytest.mark.parametrize("count", [1, 3])
async def test_an_error_nobody_waited_for_is_not_reported_by_asyncio(count: int):
    """A cut flight leaves no `Task exception was never retrieved` behind."""
    reports: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    flights = Flights[str]()

    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise LMServerError("while closing") from None
        return ""

    tasks = [asyncio.ensure_future(flights.join("k", stubborn)) for _ in range(count)]
    await settle()
    for task in tasks:
        task.cancel()
    await settle()
    import gc

    gc.collect()
    assert reports == []
