"""Laws of retry: what may pass is tried again, with waits that a test can read."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from dspex.errors import (
    CancelRequested,
    LMAuthError,
    LMError,
    LMRateLimitError,
    LMServerError,
    LMTimeoutError,
)
from dspex.events.event import AnyEvent, LMRetry
from dspex.lm.messages import Message, Request, Response
from dspex.lm.retry import BASE_SECONDS, LONGEST_BACKOFF, PATIENCE, Retry
from dspex.lm.transport import OnChunk
from dspex.scope.scope import Scope, enter
from dspex.testing.scripted import Scripted

ASK = Request(model="openai/m", messages=(Message(role="user", content="hi"),))


async def test_what_may_pass_is_tried_again(waits: list[float], happened: Callable[[], list[AnyEvent]]):
    """Two failures and an answer: two waits, two events, one answer."""
    script = Scripted(LMServerError("a", status=500), LMTimeoutError("b"), "blue")
    response = await Retry(script, rng=random.Random(0)).send(ASK)
    assert response.text == "blue"
    assert len(waits) == 2
    told = [event for event in happened() if isinstance(event, LMRetry)]
    assert [(e.model, e.error, e.attempt, e.wait) for e in told] == [
        ("openai/m", "server", 1, waits[0]),
        ("openai/m", "timeout", 2, waits[1]),
    ]


@pytest.mark.parametrize("num_retries", [0, 1, 3])
async def test_not_more_often_than_asked(num_retries: int, waits: list[float]):
    """The last error is the caller's."""
    script = Scripted(*(LMServerError(str(k)) for k in range(9)))
    with pytest.raises(LMServerError, match=str(num_retries)) as caught:
        await Retry(script, num_retries=num_retries).send(ASK)
    assert len(script.requests) == num_retries + 1
    assert len(waits) == num_retries
    assert caught.value.__context__ is None


async def test_what_cannot_pass_is_not_tried_again(waits: list[float]):
    """A wrong key stays wrong."""
    script = Scripted(LMAuthError("no"), "never said")
    with pytest.raises(LMAuthError):
        await Retry(script).send(ASK)
    assert waits == []


async def test_the_wait_grows_with_full_jitter(waits: list[float]):
    """Each wait is drawn between zero and a bound that doubles up to a limit."""
    errors: list[LMError] = [LMServerError("x") for _ in range(12)]
    with pytest.raises(LMServerError):
        await Retry(Scripted(*errors), num_retries=11, rng=random.Random(1)).send(ASK)
    bounds = [min(LONGEST_BACKOFF, BASE_SECONDS * 2**k) for k in range(11)]
    draw = random.Random(1)
    assert waits == [draw.uniform(0.0, bound) for bound in bounds]


async def test_retry_after_is_taken_at_its_word(waits: list[float]):
    """Never earlier than asked, and hardly later."""
    script = Scripted(LMRateLimitError("slow", status=429, retry_after=7.0), "blue")
    await Retry(script).send(ASK)
    assert 7.0 <= waits[0] <= 7.0 + BASE_SECONDS


async def test_nobody_waits_for_hours(waits: list[float]):
    """A provider that asks for more than our patience gets no second call."""
    script = Scripted(LMRateLimitError("tomorrow", retry_after=PATIENCE + 1), "never said")
    with pytest.raises(LMRateLimitError):
        await Retry(script).send(ASK)
    assert waits == []


async def test_a_run_that_ends_tries_no_more(waits: list[float]):
    """Asked to end, a run pays for no further try."""
    script = Scripted(LMServerError("x"), "never said")
    scope = Scope()
    scope.cancel.request("cancel")
    with enter(scope), pytest.raises(CancelRequested):
        await Retry(script).send(ASK)
    assert waits == []


async def test_a_wait_can_be_cancelled():
    """Cancelling the caller ends the wait at once."""
    script = Scripted(LMRateLimitError("slow", retry_after=100.0), "never said")
    task = asyncio.ensure_future(Retry(script).send(ASK))
    while not script.requests:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_in_a_run_a_429_is_a_turn_to_wait_for(waits: list[float]):
    """It is no failed try, as long as patience lasts; outside of a run it is one."""
    script = Scripted(*(LMRateLimitError("slow", status=429) for _ in range(8)), "blue")
    with enter(Scope(patient=True)):
        assert (await Retry(script, num_retries=1).send(ASK)).text == "blue"
    assert len(script.requests) == 9
    for_ever = Scripted(LMRateLimitError("slow", status=429, retry_after=30.0), repeat=True)
    with enter(Scope(patient=True)), pytest.raises(LMRateLimitError):
        await Retry(for_ever, num_retries=1).send(ASK)
    assert PATIENCE <= sum(wait for wait in waits if 30 <= wait < 31) <= PATIENCE + 3 * 31
    alone = Scripted(LMRateLimitError("slow", status=429), repeat=True)
    with pytest.raises(LMRateLimitError):
        await Retry(alone, num_retries=1).send(ASK)
    assert len(alone.requests) == 2


async def test_who_wants_to_know_is_told_which_calls_failed_before(waits: list[float]):
    """An answer after a retry says less about how much a provider takes."""
    told: list[bool] = []

    class Curious(Scripted):
        async def attempt(self, request: Request, on_chunk: OnChunk | None, *, again: bool) -> Response:
            told.append(again)
            return await self.send(request)

    await Retry(Curious(LMServerError("a"), LMServerError("b"), "blue")).send(ASK)
    assert told == [False, True, True]
