"""Laws of the pool: which endpoint is asked, what passes on to the next, who waits, and what a run is told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dspex import _clock
from dspex.errors import (
    ContextWindowExceededError,
    LMAuthError,
    LMError,
    LMInvalidRequestError,
    LMRateLimitError,
    LMServerError,
    LMTransportError,
    LMUnavailableError,
    SettingsError,
    StopRequested,
)
from dspex.events.event import AnyEvent, BreakerChanged, Event, LimitChanged, RunPaused, RunResumed
from dspex.lm.doors import Door
from dspex.lm.endpoint import registry
from dspex.lm.messages import Chunk, Message, Request, Response
from dspex.lm.pool import Pool, reset
from dspex.lm.pooled import Pooled
from dspex.lm.retry import Retry
from dspex.lm.transport import OnChunk
from dspex.scope.cancel import CancelToken
from dspex.scope.scope import Scope, enter
from dspex.testing.clock import FakeClock
from dspex.testing.scripted import Scripted, answer, cut_off, never

ASK = Request(model="openai/m", messages=(Message(role="user", content="hi"),))
DOWN = LMServerError("`openai` failed (503): down.", status=503, model="openai/m", provider="openai")
REFUSED = LMAuthError("`openai` refused the key (401); pass api_key=.", status=401, provider="openai")
Happened = Callable[[], list[AnyEvent]]


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    with FakeClock(auto=True) as clock:
        yield clock


class Provider:
    """Answers after a while, unless it was told how it feels."""

    def __init__(self, name: str = "m", latency: float = 0.1) -> None:
        self.name = name
        self.latency = latency
        self.ill: LMError | None = None
        self.hits = 0
        self.at: list[float] = []

    async def send(self, request: Request) -> Response:
        self.hits += 1
        self.at.append(_clock.monotonic())
        self.asked = request
        await _clock.sleep(self.latency)
        if self.ill is not None:
            raise type(self.ill)(self.ill.message, status=self.ill.status, retry_after=self.ill.retry_after)
        return answer(self.name)


def door(transport: Any, model: str = "openai/m", **given: Any) -> Door:
    return Door(model, transport, address=given.pop("address", ""), **given)


def pooled(*tiers: Any, patience: float = 3600.0) -> Pooled:
    """Make a pool: each argument is a tier, a provider or a list of them."""
    return Pooled(
        [[door(one) for one in (tier if isinstance(tier, list) else [tier])] for tier in tiers],
        patience=patience,
    )


def a_run(name: str = "r1") -> Scope:
    return Scope(run=name, patient=True, cancel=CancelToken())


def told(events: list[AnyEvent], *kinds: type[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kinds)]


async def ask(transport: Any, scope: Scope | None = None) -> str:
    with enter(scope or Scope()):
        return str((await transport.send(ASK)).text)


async def break_it(pool: Pooled, provider: Provider, error: LMError = DOWN) -> None:
    provider.ill = error
    while pool._tiers[0][0].endpoint.breaker.state == "closed":
        with pytest.raises(type(error)):
            await ask(pool)


# ------------------------------------------------------------------------------------------- choosing


async def test_calls_go_where_there_is_most_room(clock: FakeClock):
    """Equal endpoints share what comes at once."""
    one, two, three = Provider(), Provider(), Provider()
    pool = pooled([one, two, three])
    await asyncio.gather(*(ask(pool) for _ in range(30)))
    assert [p.hits for p in (one, two, three)] == [10, 10, 10]
    for _ in range(9):
        await ask(pool)
    assert [p.hits for p in (one, two, three)] == [13, 13, 13]


async def test_an_answer_says_how_long_it_took_by_itself(clock: FakeClock):
    """Not how long it waited for its turn, nor what failed before it."""
    provider = Provider(latency=0.5)
    pool = pooled(provider)
    pool._tiers[0][0].endpoint.bound(1, None, None)
    answers = await asyncio.gather(*(pool.send(ASK) for _ in range(3)))
    assert [response.seconds for response in answers] == [pytest.approx(0.5)] * 3
    assert clock.monotonic() == pytest.approx(1.5)


async def test_a_failing_endpoint_passes_the_call_on_at_once(clock: FakeClock):
    """Within the same attempt, each asked at most once, without a wait."""
    bad, good = Provider("bad"), Provider("good")
    bad.ill = DOWN
    pool = pooled([bad, good])
    assert await asyncio.gather(*(ask(pool) for _ in range(8))) == ["good"] * 8
    assert (bad.hits, good.hits) == (4, 8)
    assert clock.monotonic() == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize(
    "error",
    [DOWN, LMTransportError("gone"), LMRateLimitError("slow", status=429), REFUSED],
    ids=lambda error: error.kind,
)
async def test_where_all_fail_the_call_says_so(error: LMError, clock: FakeClock):
    """Each once; the error is one that a further try may help, where there is such."""
    one, two = Provider(), Provider()
    one.ill, two.ill = REFUSED, error
    with pytest.raises(type(error)):
        await ask(pooled([one], [two]))
    assert (one.hits, two.hits) == (1, 1)


async def test_what_the_request_is_to_blame_for_is_not_passed_on(clock: FakeClock):
    """Another endpoint would refuse it as well; only a longer prompt may fit another model."""
    one, two, other = Provider(), Provider(), Provider("long")
    one.ill = two.ill = LMInvalidRequestError("no such field", status=400)
    pool = Pooled([[door(one), door(two)], [door(other, "openai/long")]])
    with pytest.raises(LMInvalidRequestError):
        await ask(pool)
    assert one.hits + two.hits == 1
    one.ill = two.ill = ContextWindowExceededError("too long", status=400)
    assert await ask(pool) == "long"
    assert one.hits + two.hits == 2


async def test_a_fallback_is_asked_only_where_the_first_cannot_be(clock: FakeClock):
    """It answers under its own name, and the first is asked again as soon as it may be well."""
    first, other = Provider("first"), Provider("other")
    pool = Pooled([[door(first)], [door(other, "groq/other")]])
    response = await pool.send(ASK)
    assert (response.text, response.by, other.hits) == ("first", "", 0)
    first.ill = DOWN
    for _ in range(12):
        response = await pool.send(ASK)
        assert (response.text, response.by, other.asked.model) == ("other", "groq/other", "groq/other")
    assert first.hits < 10, "its breaker is open"
    first.ill = None
    clock.advance(5)
    assert (await pool.send(ASK)).text == "first"


async def test_a_provider_that_asks_for_time_is_stood_in_for(clock: FakeClock):
    """A long Retry-After sends calls to the fallback; a short one is waited for."""
    first, other = Provider("first"), Provider("other")
    pool = Pooled([[door(first)], [door(other, "openai/other")]])
    first.ill = LMRateLimitError("slow", status=429, retry_after=30.0)
    assert await ask(pool) == "other"
    first.ill = None
    assert await ask(pool) == "other"
    clock.advance(29)
    assert await ask(pool) == "first"


async def test_an_answer_that_has_begun_is_not_begun_anew(clock: FakeClock):
    """Once a piece was handed over, no other endpoint says the beginning again."""

    class Broken(Scripted):
        async def stream(self, request: Request, on_chunk: OnChunk) -> Response:
            on_chunk(Chunk(text="the beg"))
            raise LMTransportError("gone")

    second, pieces = Scripted("whole", repeat=True), []
    pool = pooled([Broken(), second])
    with pytest.raises(LMTransportError):
        await pool.stream(ASK, pieces.append)
    assert [piece.text for piece in pieces] == ["the beg"]
    assert second.requests == []
    fresh = pooled([Scripted(cut_off("", DOWN)), second])
    assert (await fresh.stream(ASK, pieces.append)).text == "whole"


# ------------------------------------------------------------------------------------------- open breakers


async def test_a_person_s_call_fails_fast_and_says_when(clock: FakeClock):
    """No wait, no request: one line with the cause, the time and what to do."""
    provider = Provider()
    pool = pooled(provider)
    await break_it(pool, provider)
    hits = provider.hits
    with pytest.raises(LMUnavailableError) as caught:
        await ask(Retry(pool))
    assert provider.hits == hits
    assert str(caught.value) == (
        "`openai` does not answer (503): 5 of the last 5 calls failed. It is tried again in 1 s. "
        "`lm.pool.reset()` has the next call try at once."
    )
    assert repr(pool) == "<Pool openai/m: 0 of 20 in flight, open, tried again in 1 s>"
    provider.ill = None
    clock.advance(1.3)
    assert await ask(pool) == "m"
    assert repr(pool) == "<Pool openai/m: 0 of 20 in flight, closed>"


async def test_a_run_waits_and_goes_on(clock: FakeClock, happened: Happened):
    """Paused with its reason while calls wait, one probe at a time, resumed when it answers; no call fails."""
    provider, scope = Provider(), a_run()
    pool = Retry(pooled(provider), num_retries=3)

    async def heal() -> None:
        await _clock.sleep(600)
        provider.ill = None

    assert await ask(pool, scope) == "m"
    provider.ill = DOWN
    healing = asyncio.ensure_future(heal())
    answers = await asyncio.gather(*(ask(pool, scope) for _ in range(64)))
    await healing
    assert answers == ["m"] * 64
    assert provider.hits < 1 + 64 + 20 + 64 + 10, "an outage of ten minutes costs a handful of probes"
    assert not scope.cancel.paused
    events = happened()
    pause, resume = told(events, RunPaused, RunResumed)
    assert (pause.by, pause.hold, pause.run) == ("provider", "provider openai", "r1")
    assert "`openai` does not answer (503)" in pause.reason
    assert (resume.by, resume.hold) == ("provider", "provider openai")
    states = [event.state for event in told(events, BreakerChanged)]
    assert states[:3] == ["open", "half_open", "open"]
    assert states[-2:] == ["half_open", "closed"]
    assert all(event.run == "r1" for event in told(events, BreakerChanged))


async def test_patience_ends(clock: FakeClock):
    """A call waits so long and no longer; then it says for how long it waited."""
    provider, scope = Provider(), a_run()
    pool = pooled(provider, patience=100.0)
    await break_it(pool, provider)
    began = clock.monotonic()
    with pytest.raises(LMUnavailableError, match="This call waited 100 s for it"):
        await ask(pool, scope)
    assert 100 <= clock.monotonic() - began < 101
    assert not scope.cancel.paused


async def test_nobody_is_held_when_nobody_waits(clock: FakeClock, happened: Happened):
    """A waiting call that is cancelled takes its hold along."""
    provider, scope = Provider(), a_run()
    pool = pooled(provider)
    await break_it(pool, provider)
    provider.ill = None
    provider.latency = 10_000.0
    with enter(scope):
        tasks = [asyncio.ensure_future(pool.send(ASK)) for _ in range(2)]
    while not scope.cancel.paused:
        await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.wait(tasks[:1])
    assert scope.cancel.holds == ("provider openai",)
    tasks[1].cancel()
    await asyncio.wait(tasks)
    assert not scope.cancel.paused
    assert [type(e).__name__ for e in told(happened(), RunPaused, RunResumed)] == ["RunPaused", "RunResumed"]


async def test_a_run_that_is_stopped_waits_no_more(clock: FakeClock):
    """What waits is not paid for: a stop ends it."""
    provider, scope = Provider(), a_run()
    pool = pooled(provider)
    await break_it(pool, provider)
    with enter(scope):
        task = asyncio.ensure_future(pool.send(ASK))
    while not scope.cancel.paused:
        await asyncio.sleep(0)
    scope.cancel.request("stop")
    with pytest.raises(StopRequested):
        await task


async def test_a_wrong_key_at_the_start_is_said_at_once(clock: FakeClock):
    """To a run as to a person: there is nothing to wait for, and one call at a time finds out whether that changed."""
    provider = Provider()
    provider.ill = REFUSED
    pool = pooled(provider)
    for scope in (Scope(), a_run(), Scope(), a_run()):
        with pytest.raises(LMAuthError, match="refused the key"):
            await ask(Retry(pool), scope)
    assert provider.hits == 1
    provider.ill = None
    clock.advance(2)
    assert await ask(pool, a_run()) == "m"


async def test_a_key_that_is_refused_later_pauses_the_run(clock: FakeClock, happened: Happened):
    """Where it had answered before, a run waits for a person, whose reset goes on where it stopped."""
    provider, scope = Provider(), a_run()
    pool = pooled(provider)
    assert await ask(pool, scope) == "m"
    provider.ill = REFUSED
    with enter(scope):
        task = asyncio.ensure_future(Retry(pool).send(ASK))
    while not scope.cancel.paused:
        await asyncio.sleep(0)
    await _clock.sleep(900)
    assert not task.done()
    assert provider.hits == 2, "time alone tries nothing"
    provider.ill = None
    pool._tiers[0][0].endpoint.reset()
    assert (await task).text == "m"
    (pause,) = told(happened(), RunPaused)
    assert pause.reason == "`openai` refused the key (401); pass api_key="
    assert not scope.cancel.paused


async def test_a_new_key_in_the_environment_is_another_endpoint(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
):
    """A run that waits for a person notices it by itself."""
    provider, scope = Provider(), a_run()
    monkeypatch.setenv("SOME_API_KEY", "old")
    keyed = Door("some/m", provider, lambda key: ("test", "m", key), keys=("SOME_API_KEY",))
    pool = Pooled([[keyed]])
    ask_it = Request(model="some/m", messages=ASK.messages)
    with enter(scope):
        await pool.send(ask_it)
        provider.ill = REFUSED
        task = asyncio.ensure_future(pool.send(ask_it))
    while not scope.cancel.paused:
        await asyncio.sleep(0)
    provider.ill = None
    monkeypatch.setenv("SOME_API_KEY", "new")
    assert (await task).text == "m"
    assert [endpoint.breaker.state for endpoint in registry.all("some/m")] == ["open", "closed"]
    registry.forget()


async def test_a_cancelled_probe_is_followed_by_another(clock: FakeClock):
    """Those who wait are woken; nobody waits for an answer that never comes."""
    script = Scripted(*[DOWN] * 5, never(), "blue")
    pool = pooled(script)
    for _ in range(5):
        with pytest.raises(LMServerError):
            await ask(pool)
    with enter(a_run()):
        probe = asyncio.ensure_future(pool.send(ASK))
        while not script.waiting:
            await asyncio.sleep(0)
        other = asyncio.ensure_future(pool.send(ASK))
    await asyncio.sleep(0)
    probe.cancel()
    assert (await other).text == "blue"


async def test_a_probe_is_let_through_where_all_places_hang(clock: FakeClock):
    """Calls that hang from before must not keep it out."""
    script = Scripted(never(), *[DOWN] * 5, "blue")
    pool = Pooled([[Door("openai/m", script, pool=Pool(concurrency=2))]])
    hung = asyncio.ensure_future(pool.send(ASK))
    while not script.waiting:
        await asyncio.sleep(0)
    for _ in range(5):
        with pytest.raises(LMServerError):
            await ask(pool)
    pool._tiers[0][0].endpoint.bound(1, None, None)
    clock.advance(2)
    assert await ask(pool) == "blue"
    hung.cancel()
    await asyncio.wait([hung])


async def test_what_refuses_a_request_is_there(clock: FakeClock):
    """A 400 or a 429 to a probe closes the breaker: whoever refuses, answers."""
    for error in (LMInvalidRequestError("no", status=400), LMRateLimitError("slow", status=429)):
        provider = Provider()
        pool = pooled(provider)
        await break_it(pool, provider)
        provider.ill = error
        clock.advance(2)
        with pytest.raises(type(error)):
            await ask(pool)
        assert pool._tiers[0][0].endpoint.breaker.state == "closed"


@pytest.mark.parametrize(
    ("error", "opens"),
    [
        (LMServerError("x", status=500), True),
        (LMServerError("x", status=529), True),
        (LMServerError("x", status=409), False),
        (LMRateLimitError("x", status=429), False),
        (LMInvalidRequestError("x", status=404), False),
        (LMTransportError("x"), True),
    ],
    ids=lambda value: str(getattr(value, "status", value)),
)
async def test_what_counts_for_the_breaker(error: LMError, opens: bool, clock: FakeClock):
    """The provider's failures do; what is about one request, or about pace, does not."""
    provider = Provider()
    provider.ill = error
    pool = pooled(provider)
    for _ in range(20):
        with pytest.raises(LMError):
            await ask(pool)
    assert (pool._tiers[0][0].endpoint.breaker.state == "open") is opens


# ------------------------------------------------------------------------------------------- who is told


async def test_each_run_there_is_told_once_of_each_change(clock: FakeClock, happened: Happened):
    """Those with calls in flight or waiting; whoever comes later learns it when its first call has to wait."""
    provider = Provider()
    pool = pooled(provider)
    first, second, third = a_run("r1"), a_run("r2"), a_run("r3")
    provider.ill = DOWN
    with enter(first):
        calls = [asyncio.ensure_future(Retry(pool).send(ASK)) for _ in range(10)]
    with enter(second):
        calls += [asyncio.ensure_future(Retry(pool).send(ASK)) for _ in range(2)]
    await _clock.sleep(20)
    with enter(third):
        calls.append(asyncio.ensure_future(pool.send(ASK)))
    await _clock.sleep(40)
    provider.ill = None
    await asyncio.gather(*calls)
    events = told(happened(), BreakerChanged)
    of = {run: [e.state for e in events if e.run == run] for run in ("r1", "r2", "r3", "")}
    assert of["r1"] == of["r2"]
    assert of["r1"][:2] == ["open", "half_open"]
    assert of["r1"][-1] == "closed"
    assert of["r3"][0] in ("open", "half_open")
    assert of["r3"] == of["r1"][-len(of["r3"]) :]
    assert of[""] == []
    assert all((e.span, e.parent) == ("", "") for e in events)


async def test_outside_of_runs_it_is_told_once(clock: FakeClock, happened: Happened):
    """However many calls fail together."""
    provider = Provider()
    provider.ill = DOWN
    pool = pooled(provider)
    await asyncio.gather(*(ask(pool) for _ in range(10)), return_exceptions=True)
    (event,) = told(happened(), BreakerChanged)
    assert (event.run, event.state, event.model) == ("", "open", "openai/m")
    assert 0.8 <= event.wait <= 1.2
    assert event.reason == "`openai` does not answer (503): 5 of the last 5 calls failed"


async def test_a_run_is_told_its_limit_and_how_it_changes(clock: FakeClock, happened: Happened):
    """At its first call, and at each change while it is there."""
    provider, scope = Provider(), a_run()
    pool = pooled(provider)
    await asyncio.gather(*(ask(pool, scope) for _ in range(40)))
    events = told(happened(), LimitChanged)
    assert [(e.run, e.before, e.limit) for e in events] == [("r1", 0, 20), ("r1", 20, 40)]


async def test_a_storm_of_429_settles_below_what_the_provider_holds(clock: FakeClock):
    """In a run no call fails by it, and after ten seconds hardly one is turned away."""
    log: list[tuple[float, bool]] = []
    flying = 0

    class Narrow:
        async def send(self, request: Request) -> Response:
            nonlocal flying
            log.append((_clock.monotonic(), flying < 10))
            if flying >= 10:
                raise LMRateLimitError("slow", status=429)
            flying += 1
            try:
                await _clock.sleep(0.5)
            finally:
                flying -= 1
            return answer("x")

    stack = Retry(pooled(Narrow()))
    scope = a_run()

    async def caller() -> None:
        while _clock.monotonic() < 120:
            assert await ask(stack, scope) == "x"

    await asyncio.gather(*(caller() for _ in range(64)))
    late = [held for at, held in log if at > 10]
    assert late.count(False) < 0.05 * len(late)
    assert len(late) > 0.8 * 10 / 0.5 * 110, "and its room is used"


async def test_a_run_is_told_at_which_pace_it_goes(clock: FakeClock, happened: Happened):
    """Where a provider counts calls per time; a reset ends it."""
    accepted = 0.0

    class Counting:
        async def send(self, request: Request) -> Response:
            nonlocal accepted
            await _clock.sleep(0.01)
            if accepted > 5.0 * _clock.monotonic() + 5.0:
                raise LMRateLimitError("slow", status=429)
            accepted += 1
            return answer("x")

    pool = pooled(Counting())
    endpoint = pool._tiers[0][0].endpoint
    stack = Retry(pool)
    scope = a_run()

    async def caller() -> None:
        while _clock.monotonic() < 60:
            await ask(stack, scope)

    await asyncio.gather(*(caller() for _ in range(8)))
    events = [e for e in told(happened(), LimitChanged) if "paced" in e.reason]
    assert {(e.run, e.before) for e in events} == {("r1", 0)}
    assert re.fullmatch(r"paced at (4|5)(\.\d)? a second \(429\)", events[-1].reason)
    assert re.search(r" in flight, paced at (4|5)(\.\d)? a second, closed", repr(pool))
    endpoint.reset()
    assert "paced" not in repr(pool)
    assert told(happened(), LimitChanged)[-1].reason == "no longer paced"


async def test_calls_go_where_nobody_keeps_to_a_pace(clock: FakeClock):
    """An endpoint that is paced has no room until the next call may start."""
    slow, free = Provider("slow"), Provider("free")
    pool = pooled([slow, free])
    slow.ill = LMRateLimitError("slow", status=429, retry_after=6.0)
    await ask(pool)
    slow.ill = None
    await _clock.sleep(6.0)
    await asyncio.gather(*(ask(pool) for _ in range(10)))
    assert slow.hits < free.hits


# ------------------------------------------------------------------------------------------- what is written


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoints": []},
        {"endpoints": "http://a/v1"},
        {"endpoints": [3]},
        {"endpoints": [{"base": "x"}]},
        {"endpoints": [{}]},
        {"concurrency": 0},
        {"concurrency": "all"},
        {"concurrency": True},
        {"rpm": 0},
        {"tpm": "many"},
        {"workers": -1},
        {"patience": -1},
    ],
)
def test_an_impossible_pool_is_refused_where_it_is_written(wrong: dict[str, Any]):
    """In one line."""
    with pytest.raises(SettingsError) as caught:
        Pool(**wrong)
    assert "\n" not in str(caught.value)


def test_a_pool_shows_no_key():
    """Neither its line nor what is saved of it."""
    pool = Pool([{"model": "groq/x", "api_key": "sk-canary-1", "api_base": "http://u:canary@h/v1"}], rpm=60)
    assert "canary" not in f"{pool!r}{pool.state()}{pool}"
    assert repr(pool) == "Pool([{'model': 'groq/x', 'api_base': 'http://h/v1'}], rpm=60)"


def test_nothing_known_is_nothing_to_reset():
    """It says whose endpoints it had tried again."""
    assert reset("openai/never-asked") == []
