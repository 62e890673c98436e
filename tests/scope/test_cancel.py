"""One token for each run: who may ask for what, who hears it, and whose cancellation is whose."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex import _host
from dspex.errors import CancelRequested, StopRequested
from dspex.scope.cancel import CancelToken

LIMIT = 10


async def hang(started: threading.Event | None = None) -> str:
    if started is not None:
        started.set()
    await asyncio.get_running_loop().create_future()
    return "never"


def test_a_fresh_token_lets_work_go_on() -> None:
    """Nothing is asked for, nothing raised."""
    token = CancelToken()
    token.check()
    token.checkpoint()
    assert (token.how, token.paused) == (None, False)


@given(st.lists(st.sampled_from(["pause", "resume", "stop", "cancel"]), max_size=12))
def test_the_token_follows_its_laws_whatever_is_asked(asked: list[str]) -> None:
    """Ends only grow, pausing is undone by any end, and an answer of False means nothing changed."""
    token = CancelToken()
    how: str | None = None
    paused = False
    for act in asked:
        if act == "pause":
            expected = how is None and not paused
            answer = token.pause()
            paused = paused or expected
        elif act == "resume":
            expected, answer = paused, token.resume()
            paused = False
        else:
            expected = how != act and how != "cancel"
            answer = token.request(act)  # type: ignore[arg-type]
            how = act if expected else how
            paused = False if expected else paused
        assert (answer, token.how, token.paused) == (expected, how, paused)
    if how is not None:
        with pytest.raises(StopRequested if how == "stop" else CancelRequested):
            token.check()


def test_the_end_is_told_with_the_error_it_was_asked_for_with() -> None:
    """A reason given with the request is what work raises; a later cancel has its own."""
    token = CancelToken()
    token.request("stop", StopRequested("enough"))
    with pytest.raises(StopRequested, match="enough"):
        token.check()
    token.request("cancel")
    with pytest.raises(CancelRequested, match="asked to cancel"):
        token.check()


@pytest.mark.parametrize(
    "wake", [CancelToken.resume, lambda t: t.request("stop"), lambda t: t.request("cancel")]
)
def test_whoever_is_paused_is_woken_by_what_comes_next(wake: Callable[[CancelToken], bool]) -> None:
    """Resuming and both ends let a waiting thread go."""
    token, woken = CancelToken(), threading.Event()
    token.pause()

    def work() -> None:
        try:
            token.checkpoint()
        except (StopRequested, CancelRequested):
            pass
        woken.set()

    thread = _host.spawn("work", work)
    assert not woken.is_set()
    wake(token)
    assert woken.wait(LIMIT)
    thread.join(LIMIT)


def test_listeners_hear_resume_and_end_until_they_leave() -> None:
    """Each change is told once, in the thread that asks, and nothing after removal."""
    token, told = CancelToken(), []
    remove = token.listen(lambda: told.append((token.how, token.paused)))
    token.pause()
    token.resume()
    token.resume()
    token.request("stop")
    token.request("stop")
    token.request("cancel")
    assert told == [(None, False), ("stop", False), ("cancel", False)]
    remove()
    remove()
    other = CancelToken()
    other.listen(remove)
    other.request("cancel")
    assert len(told) == 3


def test_guard_gives_what_it_guards() -> None:
    """Results and errors pass through unchanged."""

    async def give() -> int:
        return 7

    async def fail() -> None:
        raise LookupError("own")

    token = CancelToken()
    assert _host.portal.run(token.guard(give())) == 7
    with pytest.raises(LookupError, match="own"):
        _host.portal.run(token.guard(fail()))
    assert not token._listeners


def test_guard_cuts_on_cancel_and_not_on_stop() -> None:
    """A stop waits for what is paid for; a cancel raises at once."""
    token, started = CancelToken(), threading.Event()
    future = _host.submit(token.guard(hang(started)))
    assert started.wait(LIMIT)
    token.request("stop")

    async def turns() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    _host.portal.run(turns())
    assert not future.done()
    token.request("cancel")
    with pytest.raises(CancelRequested):
        future.result(LIMIT)
    assert not token._listeners


def test_guard_starts_nothing_after_a_cancel() -> None:
    """A call of a cancelled run is not even begun: it might cost."""
    token, started = CancelToken(), threading.Event()
    token.request("cancel")
    with pytest.raises(CancelRequested):
        _host.portal.run(token.guard(hang(started)))
    assert not started.is_set()


def test_guard_leaves_foreign_cancellation_alone() -> None:
    """A task cancelled by somebody else is cancelled, not "cancelled by the run"."""
    token = CancelToken()

    async def law() -> None:
        task = asyncio.ensure_future(token.guard(hang()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    _host.portal.run(law())


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_guard_lets_a_foreign_cancellation_win_over_its_own(first: str) -> None:
    """Where both come in the same turn the foreign one is not eaten."""
    token = CancelToken()

    async def law() -> None:
        task = asyncio.ensure_future(token.guard(hang()))
        await asyncio.sleep(0)
        if first == "ours":
            token.request("cancel")
            asyncio.get_running_loop().call_soon(task.cancel)
        else:
            task.cancel()
            token.request("cancel")
        with pytest.raises(asyncio.CancelledError):
            await task

    _host.portal.run(law())


def test_a_cut_leaves_no_trace_on_the_task() -> None:
    """After `CancelRequested` was caught the task can wait and time out as before."""
    token = CancelToken()

    async def law() -> bool:
        loop = asyncio.get_running_loop()
        loop.call_soon(token.request, "cancel")
        with pytest.raises(CancelRequested):
            await token.guard(hang())
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await hang()
        return True

    assert _host.portal.run(law())


def test_an_answer_that_came_in_spite_of_the_cut_is_kept() -> None:
    """What shields itself and answers is paid for; the answer is not thrown away and the task stays usable."""
    token = CancelToken()

    async def stubborn() -> str:
        try:
            await hang()
        except asyncio.CancelledError:
            return "answer"
        return "never"

    async def law() -> str:
        asyncio.get_running_loop().call_soon(token.request, "cancel")
        answer = await token.guard(stubborn())
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        return answer

    assert _host.portal.run(law()) == "answer"


def test_an_error_that_the_cut_caused_is_the_cut() -> None:
    """A client that turns cancellation into its own error does not hide who ended the call."""
    token = CancelToken()

    async def translating() -> None:
        try:
            await hang()
        except asyncio.CancelledError:
            raise ConnectionError("broken") from None

    async def law() -> None:
        asyncio.get_running_loop().call_soon(token.request, "cancel")
        await token.guard(translating())

    with pytest.raises(CancelRequested):
        _host.portal.run(law())


def test_a_cancel_reaches_every_guard_from_any_thread() -> None:
    """Hundreds of calls in flight end with one request."""
    token = CancelToken()

    async def many() -> list[object]:
        running = [asyncio.ensure_future(token.guard(hang())) for _ in range(300)]
        await asyncio.sleep(0)
        _host.spawn("cancel", lambda: token.request("cancel"))
        return list(await asyncio.gather(*running, return_exceptions=True))

    ended = _host.portal.run(many())
    assert [type(error) for error in ended] == [CancelRequested] * 300


def test_work_goes_on_when_the_last_hold_is_gone() -> None:
    """A person's pause outlives a provider's, and the other way round."""
    token = CancelToken()
    assert token.pause()
    assert token.pause("provider x")
    assert not token.pause("provider x")
    assert token.resume("provider x")
    assert token.paused
    assert token.holds == ("user",)
    assert token.resume()
    assert not token.paused
    assert not token.resume()


def test_an_end_takes_every_hold_away() -> None:
    """What must end is not held, and cannot be held again."""
    token = CancelToken()
    token.pause()
    token.pause("provider x", now=True)
    token.request("stop")
    assert not token.paused
    assert not token.held_now
    assert not token.pause()


def test_a_soft_hold_may_become_a_hard_one() -> None:
    """Pausing again with `now` holds calls in flight too; without it they are let go on."""
    token = CancelToken()
    token.pause()
    assert not token.held_now
    assert token.pause(now=True)
    assert token.held_now
    assert token.pause(now=False)
    assert not token.held_now
    assert token.paused


async def held(token: CancelToken) -> asyncio.Task[None]:
    """Return a task that waits to be admitted."""
    task = asyncio.create_task(token.admitted())
    await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_calls_in_flight_wait_while_held_now() -> None:
    """They go on with the resume, and a stop lets them go on too: they are paid for."""
    for let_go in (lambda token: token.resume(), lambda token: token.request("stop")):
        token = CancelToken()
        token.pause(now=True)
        task = await held(token)
        let_go(token)
        await asyncio.wait_for(task, 5)


async def test_a_cancel_ends_calls_that_are_held() -> None:
    """Who is held is cut off like any other call."""
    token = CancelToken()
    token.pause(now=True)
    task = await held(token)
    token.request("cancel")
    with pytest.raises(CancelRequested):
        await asyncio.wait_for(task, 5)
