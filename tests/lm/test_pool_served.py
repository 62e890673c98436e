"""The pool over real sockets: servers that fail, die, come back and turn calls away."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator

import pytest

from dspex import _host
from dspex.errors import LMAuthError, LMServerError, LMUnavailableError, SettingsError
from dspex.events.event import AnyEvent, BreakerChanged, LMEnd, LMRetry, LMStart, RunPaused, RunResumed
from dspex.lm import endpoint
from dspex.lm.lm import LM
from dspex.lm.messages import Message
from dspex.lm.pool import Pool, reset
from dspex.scope.budget import Budget
from dspex.scope.cancel import CancelToken
from dspex.scope.scope import Scope, enter
from dspex.testing.scripted import Scripted
from dspex.testing.server import Fault, Server, serving

HI = [Message(role="user", content="hi")]
Happened = Callable[[], list[AnyEvent]]


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    endpoint.registry.forget()
    yield
    endpoint.registry.forget()


def lm_at(server: Server, **given: object) -> LM:
    return LM("openai/m", api_base=server.base_url, cache=False, api_key="sk-test", **given)  # type: ignore[arg-type]


def burst(lm: LM, n: int, scope: Scope | None = None) -> list[object]:
    """Ask n times at once, as a run's work does on the host loop."""

    async def all_of_them() -> list[object]:
        with enter(scope or Scope()):
            return list(await asyncio.gather(*(lm.acomplete(HI) for _ in range(n)), return_exceptions=True))

    return _host.portal.run(all_of_them())


def test_models_that_reach_the_same_endpoint_share_it():
    """Copies and equal ones, under one key; another key is another endpoint."""
    with serving(latency=0.05) as server:
        one, two = lm_at(server, pool=Pool(concurrency=3)), lm_at(server, temperature=0.5)

        async def both() -> None:
            await asyncio.gather(
                *(lm.acomplete(HI) for lm in (one, two, one.copy(), two.copy()) for _ in range(5))
            )

        _host.portal.run(both())
        assert server.peak == 3
        assert repr(two.pool) == "<Pool openai/m: 0 of 3 in flight, closed>"
        assert (
            repr(lm_at(server).copy(api_key="sk-other").pool) == "<Pool openai/m: 0 of 20 in flight, closed>"
        )


def test_a_fixed_number_bounds_what_is_in_flight():
    """However many ask."""
    with serving(latency=0.02) as server:
        burst(lm_at(server, pool=Pool(concurrency=4)), 40)
    assert (server.hits, server.peak) == (40, 4)


def test_the_limit_is_found_by_trying():
    """It starts at twenty and grows where all is answered."""
    with serving(latency=0.02) as server:
        burst(lm_at(server), 150)
    assert 20 < server.peak <= 80


def test_calls_are_spread_and_fail_over():
    """Two servers share; when one is down the other does it all, and no call fails."""
    with serving(lambda _: "a", latency=0.02) as one, serving(lambda _: "b", latency=0.02) as two:
        lm = LM("openai/m", cache=False, api_key="sk-x", pool=Pool([one.base_url, two.base_url]))
        burst(lm, 30)
        assert (one.hits, two.hits) == (15, 15)
    with serving(always=Fault(status=503)) as bad, serving(lambda _: "b", latency=0.02) as good:
        lm = LM(
            "openai/m", cache=False, api_key="sk-x", num_retries=0, pool=Pool([bad.base_url, good.base_url])
        )
        assert not [r for r in burst(lm, 60) if isinstance(r, BaseException)]
    assert good.hits == 60
    assert bad.hits <= 40, "its breaker opened"


def test_a_person_s_calls_fail_fast_and_a_reset_tries_again(happened: Happened):
    """Five failures open it; then nothing is sent until it has rested, or a person says so."""
    with serving(first=[Fault(status=503)] * 5) as server:
        lm = lm_at(server, num_retries=0)
        for _ in range(5):
            with pytest.raises(LMServerError):
                lm("hi")
        with pytest.raises(
            LMUnavailableError, match=r"5 of the last 5 calls failed. It is tried again in 1 s"
        ):
            lm("hi")
        assert server.hits == 5
        assert reset("openai/m") == ["openai/m"]
        assert lm("hi") == ["hi"]
        assert reset() == []
    states = [e.state for e in happened() if isinstance(e, BreakerChanged)]
    assert states == ["open", "half_open", "closed"]


def test_a_run_outlives_its_provider(happened: Happened):
    """It dies in mid-run and comes back: the run pauses with the reason, goes on, and every call is answered."""
    down = [Fault(status=503)] * 20
    with serving(latency=0.01, first=down) as server:
        scope = Scope(run="r1", patient=True, cancel=CancelToken())
        answers = burst(lm_at(server), 20, scope)
    assert not [a for a in answers if isinstance(a, BaseException)]
    events = happened()
    assert [type(e) for e in events if isinstance(e, RunPaused | RunResumed)] == [RunPaused, RunResumed]
    assert [e.state for e in events if isinstance(e, BreakerChanged)][-1] == "closed"
    assert server.hits < 60


def test_a_wrong_key_is_said_at_once_and_another_key_is_another_endpoint(monkeypatch: pytest.MonkeyPatch):
    """One line; the provider is not asked again with what it refused, and a new key needs no reset."""
    refuse = Fault(status=401, message="bad key {authorization}")
    with serving(first=[refuse]) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-wrong")
        lm = LM("openai/m", api_base=server.base_url, cache=False)
        for _ in range(2):
            with pytest.raises(LMAuthError, match="refused the key") as caught:
                lm("hi")
            assert "canary" not in f"{caught.value}{lm!r}{lm.pool!r}"
        assert server.hits == 1
        monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-right")
        assert lm("hi") == ["hi"]
    assert "canary" not in repr(vars(endpoint.registry))


def test_a_fallback_answers_under_its_own_name_and_at_its_own_price(happened: Happened):
    """Its money is in the books, the dearest was set aside, and no call stays in flight."""
    with serving(always=Fault(status=500)) as bad, serving(lambda _: "ok") as good:
        dear = {"model": "openai/gpt-4o", "api_base": good.base_url}
        lm = LM(
            "openai/gpt-4o-mini",
            api_base=bad.base_url,
            api_key="sk-x",
            cache=False,
            num_retries=0,
            fallbacks=[dear],
        )
        scope = Scope(budget=Budget(1.0))

        async def one() -> float | None:
            with enter(scope):
                return (await lm.acomplete(HI, max_tokens=100)).cost

        cost = _host.portal.run(one())
    assert cost == pytest.approx(10 * 2.5e-6 + 5 * 1e-5)
    assert scope.budget.spent == pytest.approx(cost)
    assert good.requests[0]["model"] == "gpt-4o"
    books = [
        (type(e).__name__, e.model, getattr(e, "error", ""))
        for e in happened()
        if isinstance(e, LMStart | LMEnd)
    ]
    assert books == [
        ("LMStart", "openai/gpt-4o-mini", ""),
        ("LMEnd", "openai/gpt-4o-mini", "cancelled"),
        ("LMStart", "openai/gpt-4o", ""),
        ("LMEnd", "openai/gpt-4o", ""),
    ]
    with enter(Scope(budget=Budget(0.0005))), pytest.raises(Exception, match="budget"):
        lm("hi", max_tokens=100)  # the small one would fit, the dear one would not


def test_a_key_goes_only_to_whom_it_belongs(monkeypatch: pytest.MonkeyPatch):
    """The model's own key goes to its addresses, not to another provider that stands in."""
    monkeypatch.setenv("GROQ_API_KEY", "gsk-of-groq")
    with serving(always=Fault(status=500)) as bad, serving() as good:
        other = {"model": "groq/x", "api_base": good.base_url}
        lm = LM("openai/m", api_base=bad.base_url, api_key="sk-of-openai", cache=False, fallbacks=[other])
        assert lm("hi") == ["hi"]
    assert good.headers[0]["Authorization"] == "Bearer gsk-of-groq"
    assert bad.headers[0]["Authorization"] == "Bearer sk-of-openai"


def test_a_storm_of_429_over_sockets_fails_no_call(happened: Happened):
    """A server that takes few at once turns some away at first; the limit finds them, and all are answered."""
    with serving(latency=0.02, first=[Fault(status=429)] * 15) as server:
        scope = Scope(run="r1", patient=True, cancel=CancelToken())
        answers = burst(lm_at(server), 60, scope)
    assert not [a for a in answers if isinstance(a, BaseException)]
    assert server.hits == 75
    assert sum(isinstance(e, LMRetry) for e in happened()) == 15


def test_saved_and_loaded_it_is_reached_in_the_same_way():
    """Without keys; an address on another machine only where the file is known."""
    lm = LM(
        "openai/m",
        api_key="sk-canary",
        pool=Pool(["http://localhost:8000/v1", "groq/x"], concurrency=8, rpm=60),
        fallbacks=["openai/other", {"model": "groq/y", "api_key": "gsk-canary"}],
    )
    state = lm.dump_state()
    assert "canary" not in f"{state}{lm!r}"
    assert LM.load_state(state).dump_state() == state
    assert lm.copy(temperature=1.0).dump_state() == {**state, "temperature": 1.0}
    for part in (
        {"pool": {"endpoints": ["http://evil.example/v1"]}},
        {"fallbacks": ["http://evil.example/v1"]},
    ):
        with pytest.raises(SettingsError, match="If you know it"):
            LM.load_state({"model": "openai/m", **part})
        assert LM.load_state({"model": "openai/m", **part}, allow_unsafe_lm_state=True)
    for wrong in ({"pool": 3}, {"pool": {"speed": 1}}, {"fallbacks": [{"model": "groq/y", "api_key": "k"}]}):
        with pytest.raises(SettingsError):
            LM.load_state({"model": "openai/m", **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"pool": 3},
        {"fallbacks": "openai/x"},
        {"fallbacks": ["nobody/x"]},
        {"api_base": "http://h/v1", "pool": Pool(["http://i/v1"])},
        {"pool": Pool(["nowhere"])},
    ],
)
def test_an_impossible_way_is_refused_where_it_is_written(wrong: dict[str, object]):
    """In one line, when the model is made."""
    with pytest.raises(SettingsError) as caught:
        LM("openai/m", **wrong)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_the_practice_model_needs_no_pool():
    """Nor does a transport of one's own, unless one is asked for."""
    assert LM("practice").pool is None
    assert LM("practice", fallbacks=["openai/m"]).pool is not None
    alone = LM("openai/m", transport=Scripted("blue", repeat=True))
    assert alone.pool is None
    asked = LM("openai/m", transport=Scripted("blue", repeat=True), pool=Pool(concurrency=2))
    assert asked("hi") == alone("hi") == ["blue"]
    assert repr(asked.pool) == "<Pool openai/m: 0 of 2 in flight, closed>"


def test_an_hour_of_requests_per_minute_takes_its_time():
    """Known limits are kept: five seconds' worth at once, then one after the other."""
    with serving() as server:
        began = time.monotonic()
        burst(lm_at(server, pool=Pool(rpm=1200)), 110)
        assert time.monotonic() - began > 0.4
    assert server.hits == 110
    assert os.environ.get("OPENAI_API_KEY") is None
