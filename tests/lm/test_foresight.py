"""Laws of what a budget sets aside for answers of unknown length: learned fast, and at the price of few calls."""

from __future__ import annotations

import threading

import pytest

import dspex
from dspex import _host
from dspex.events.event import Log
from dspex.lm.foresight import ENOUGH, USUAL_MAX_TOKENS, Foresight
from dspex.lm.lm import LM
from dspex.lm.messages import Choice, Response, Usage
from dspex.testing.server import serving

PRICE = (10.0, 10.0)


def long_winded(tokens: int):
    text = "[[ ## answer ## ]]\nx\n\n[[ ## completed ## ]]"
    answer = Response(choices=(Choice(text=text),), usage=Usage(prompt_tokens=200, completion_tokens=tokens))
    return lambda _: answer


def spent(model: str, cap: float, tokens: int, count: int = 200, **given) -> tuple[float, int]:
    """Run an evaluation under a cap with 64 calls at once; return what it cost and the calls that were made."""
    with serving(long_winded(tokens), latency=0.005) as server:
        program = dspex.Predict("question -> answer")
        program.lm = LM(model, api_base=server.base_url, api_key="sk-x", cache=False, price=PRICE, **given)
        examples = [dspex.Example(question=f"q{k}", answer="x").with_inputs("question") for k in range(count)]
        how = dspex.Evaluate(devset=examples, metric=lambda *_: 1.0, num_threads=64)
        run = how.start(program, name=model, budget=cap)
        run.wait()
        return run.state.cost, server.hits


def test_calls_go_few_at_a_time_until_enough_have_ended():
    """One more for each that ended; then as many as there are."""
    seen = Foresight()
    assert [seen.enter(), seen.enter()] == [True, False]
    seen.leave()
    assert [seen.enter(), seen.enter(), seen.enter()] == [True, True, False]
    for _ in range(ENOUGH):
        seen.leave()
    assert all(seen.enter() for _ in range(1000))


def test_what_is_set_aside_is_more_than_the_longest_answer():
    """And never less than the usual."""
    seen = Foresight()
    seen.learn(10)
    assert seen.most == USUAL_MAX_TOKENS
    seen.learn(8000)
    seen.learn(20)
    assert seen.most == 10_000


def test_who_waits_goes_on_when_one_ended():
    """As many as there is room for, and nobody is forgotten."""
    seen = Foresight()
    assert seen.enter()
    began = threading.Barrier(9)
    ended: list[int] = []

    def one(number: int) -> None:
        began.wait()
        while not seen.enter():
            _host.portal.run(seen.turn())
        ended.append(number)
        seen.leave()

    threads = [threading.Thread(target=one, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    began.wait()
    seen.leave()
    for thread in threads:
        thread.join(10)
    assert sorted(ended) == list(range(8))


def test_one_that_goes_away_passes_its_turn_on():
    """A cancelled call keeps nobody waiting."""
    seen = Foresight()
    assert seen.enter()
    gone = _host.submit(seen.turn())
    stays = _host.submit(seen.turn())
    _host.portal.run(_nothing())
    gone.cancel()
    _host.portal.run(_nothing())
    seen.leave()
    stays.result(10)


async def _nothing() -> None:
    pass


@pytest.mark.parametrize("cap", [0.05, 1.0])
def test_a_cap_is_crossed_by_less_than_one_call_however_long_answers_are(cap: float):
    """64 at once, each eight times as long as the usual; without this, 64 of them were under way at once."""
    cost, calls = spent(f"openai/long-{cap}", cap, 8000)
    assert cost < cap + 8200 * 1e-5
    assert calls >= 1


def test_a_cap_is_used_up():
    """What is set aside for long answers is no reason to leave money that would pay for calls."""
    cost, _ = spent("openai/short", 0.05, 100)
    assert cost > 0.05 - 2 * (USUAL_MAX_TOKENS + 400) * 1e-5
    assert cost <= 0.05


def test_a_call_that_says_its_limit_waits_for_nobody():
    """It is known what it may cost."""
    cost, calls = spent("openai/bounded", 100.0, 100, count=80, max_tokens=200)
    assert (calls, round(cost, 6)) == (80, round(80 * 300e-5, 6))


def test_a_budget_in_dollars_that_cannot_hold_is_told_once(happened):
    """A model whose price nobody knows costs what it costs."""
    with serving(long_winded(10)) as server:
        program = dspex.Predict("question -> answer")
        program.lm = LM("openai/nobody-knows-this", api_base=server.base_url, api_key="sk-x", cache=False)
        examples = [dspex.Example(question=f"q{k}", answer="x").with_inputs("question") for k in range(5)]
        run = dspex.Evaluate(devset=examples, metric=lambda *_: 1.0).start(
            program, name="unpriced", budget=0.01
        )
        run.wait()
    texts = [event.text for event in happened() if isinstance(event, Log) and "price" in event.text]
    assert len(texts) == 1
    assert "price=(in, out)" in texts[0]
