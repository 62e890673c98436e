"""BestOfN and Refine: several attempts, the best of which counts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import dspex
from dspex.errors import LMAuthError, LMServerError, ProgramError
from dspex.modules import trace
from dspex.modules.prompts import HINT
from tests.programs import Sort, an_lm, said


def a_reply(text: str) -> str:
    """Return a reply in the chat layout."""
    return f"[[ ## reply ## ]]\n{text}\n\n[[ ## completed ## ]]"


def advice(steps: dict[str, str]) -> str:
    """Return the advising model's answer."""
    import json

    return f"[[ ## discussion ## ]]\nToo long.\n\n[[ ## advice ## ]]\n{json.dumps(steps)}\n\n[[ ## completed ## ]]"


def in_turn(*texts: Any):
    """Return an answering function that gives these in turn."""
    left = iter(texts)
    return lambda request: next(left)


def short(inputs: dict[str, Any], prediction: dspex.Prediction) -> float:
    """Score a reply by how short it is."""
    return -len(prediction.reply)


def test_the_best_attempt_is_the_answer() -> None:
    """Without one that is good enough all attempts are made, and the best is returned."""
    lm, transport = an_lm(in_turn(a_reply("aaaa"), a_reply("a"), a_reply("aa")))
    with dspex.context(lm=lm):
        answer = dspex.BestOfN(dspex.Predict("ticket -> reply"), N=3, reward_fn=short, threshold=0.0)(
            ticket="x"
        )
    assert answer.reply == "a"
    assert len(transport.requests) == 3


def test_an_attempt_that_is_good_enough_ends_the_search() -> None:
    """Nothing is asked after the threshold is reached."""
    lm, transport = an_lm(in_turn(a_reply("aaaa"), a_reply("a"), a_reply("")))
    with dspex.context(lm=lm):
        dspex.BestOfN(dspex.Predict("ticket -> reply"), N=3, reward_fn=short, threshold=-2)(ticket="x")
    assert len(transport.requests) == 2


def test_attempts_differ_in_rollout_and_are_warm() -> None:
    """Each attempt has its own rollout id and temperature 1.0, unless the predictor says otherwise."""
    lm, transport = an_lm(lambda _: a_reply("a"))
    with dspex.context(lm=lm):
        dspex.BestOfN(dspex.Predict("ticket -> reply"), N=2, reward_fn=short, threshold=0)(ticket="x")
        dspex.BestOfN(dspex.Predict("t -> reply", temperature=0.2, rollout_id=5), 2, short, 0)(t="x")
    assert [(r.rollout_id, r.temperature) for r in transport.requests] == [
        (0, 1.0),
        (1, 1.0),
        (5, 0.2),
        (6, 0.2),
    ]


def test_the_program_itself_stays_as_it_was() -> None:
    """Attempts are made by copies."""
    lm, _ = an_lm(lambda _: a_reply("a"))
    inner = dspex.Predict("ticket -> reply")
    with dspex.context(lm=lm):
        dspex.Refine(inner, N=1, reward_fn=short, threshold=0)(ticket="x")
    assert inner.config == {}
    assert [path for path, _ in dspex.BestOfN(inner, 2, short, 0).named_predictors()] == ["module"]


def test_on_record_is_the_best_attempt_of_the_programs_own_predictors() -> None:
    """A trace holds the winning steps alone, under the predictors that learn, and nothing the reward asked."""
    lm, _ = an_lm(in_turn(a_reply("aaaa"), said("tool"), a_reply("a"), said("tool")))
    inner, judge = dspex.Predict("ticket -> reply"), dspex.Predict(Sort)

    def reward(inputs: dict[str, Any], prediction: dspex.Prediction) -> float:
        judge(word="x")
        return -len(prediction.reply)

    kept: list[Any] = []
    with dspex.context(lm=lm, trace=kept), trace.recording() as steps:
        dspex.BestOfN(inner, N=2, reward_fn=reward, threshold=0)(ticket="x")
    assert [(step.predictor, step.prediction.reply) for step in steps] == [(inner, "a")]
    assert [(predictor, prediction.reply) for predictor, _, prediction in kept] == [(inner, "a")]


def test_failed_attempts_are_passed_over_up_to_fail_count() -> None:
    """An attempt that fails is one of those that may."""
    program = dspex.Predict("ticket -> reply")
    lm, _ = an_lm(in_turn(LMServerError("down"), a_reply("a")))
    with dspex.context(lm=lm):
        assert dspex.BestOfN(program, N=2, reward_fn=short, threshold=-9)(ticket="x").reply == "a"
    lm, transport = an_lm(lambda _: LMServerError("down"))
    with dspex.context(lm=lm), pytest.raises(LMServerError):
        dspex.BestOfN(program, N=5, reward_fn=short, threshold=-9, fail_count=1)(ticket="x")
    assert len(transport.requests) == 2


def test_where_all_attempts_fail_the_last_error_is_raised() -> None:
    """No answer is never a None."""
    lm, _ = an_lm(lambda _: LMServerError("down"))
    with dspex.context(lm=lm), pytest.raises(LMServerError, match="down"):
        dspex.BestOfN(dspex.Predict("ticket -> reply"), N=2, reward_fn=short, threshold=0)(ticket="x")


def test_what_cannot_get_better_ends_at_once() -> None:
    """A wrong key is asked about once."""
    lm, transport = an_lm(lambda _: LMAuthError("no key"))
    with dspex.context(lm=lm), pytest.raises(LMAuthError):
        dspex.BestOfN(dspex.Predict("ticket -> reply"), N=4, reward_fn=short, threshold=0)(ticket="x")
    assert len(transport.requests) == 1


def test_a_reward_that_is_no_number_is_said() -> None:
    """The error names the type."""
    lm, _ = an_lm(lambda _: a_reply("a"))
    with dspex.context(lm=lm), pytest.raises(ProgramError, match="returned a `str`"):
        dspex.BestOfN(dspex.Predict("t -> reply"), 2, lambda i, p: "good", 0)(t="x")


@pytest.mark.parametrize("wrong", [{"N": 0}, {"module": "q -> a"}, {"reward_fn": 3}])
def test_impossible_arguments_are_refused(wrong: dict[str, Any]) -> None:
    """At once, where they are written."""
    with pytest.raises(ProgramError):
        dspex.BestOfN(
            **{"module": dspex.Predict("q -> a"), "N": 2, "reward_fn": short, "threshold": 0, **wrong}
        )


def test_refine_turns_a_failed_attempt_into_advice_for_the_next() -> None:
    """After a weak attempt a model is asked for advice, and the step finds it in its prompt."""
    lm, transport = an_lm(in_turn(a_reply("aaaa"), advice({"write": "Be shorter."}), a_reply("a")))

    class Desk(dspex.Module):
        def __init__(self) -> None:
            self.write = dspex.Predict("ticket -> reply")

        def forward(self, ticket: str) -> dspex.Prediction:
            return self.write(ticket=ticket)

    program = Desk()
    with dspex.context(lm=lm), trace.recording() as steps:
        answer = dspex.Refine(program, N=2, reward_fn=short, threshold=-1)(ticket="x")
    first, asked, second = transport.requests
    assert answer.reply == "a"
    assert "Be shorter." not in str(first.messages)
    assert "class Desk" in str(asked.messages)
    assert "def short" in str(asked.messages)
    assert "Be shorter." in str(second.messages[-1])
    assert [(s.predictor, dict(s.inputs)) for s in steps] == [(program.write, {"ticket": "x"})]


def test_refine_gives_no_hint_to_a_step_that_is_not_to_blame() -> None:
    """`none` is no advice."""
    lm, transport = an_lm(in_turn(a_reply("aaaa"), advice({"self": "None."}), a_reply("a")))
    with dspex.context(lm=lm):
        dspex.Refine(dspex.Predict("ticket -> reply"), N=2, reward_fn=short, threshold=-1)(ticket="x")
    assert HINT not in str(transport.requests[-1].messages)


def test_no_advice_is_asked_for_after_the_last_attempt() -> None:
    """What nobody can use is not paid for."""
    lm, transport = an_lm(lambda _: a_reply("aaaa"))
    with dspex.context(lm=lm):
        dspex.Refine(dspex.Predict("ticket -> reply"), N=1, reward_fn=short, threshold=0)(ticket="x")
    assert len(transport.requests) == 1


async def test_both_run_on_any_loop_around_a_users_coroutine() -> None:
    """A program and a reward that await something of their own work in async code and in plain code."""
    lm, _ = an_lm(lambda _: a_reply("a"))

    class Own(dspex.Module):
        def __init__(self) -> None:
            self.write = dspex.Predict("ticket -> reply")

        async def aforward(self, ticket: str) -> dspex.Prediction:
            await asyncio.sleep(0)
            return await self.write.acall(ticket=ticket)

    async def reward(inputs: dict[str, Any], prediction: dspex.Prediction) -> float:
        await asyncio.sleep(0)
        return 1.0

    program = dspex.BestOfN(Own(), N=2, reward_fn=reward, threshold=1.0)
    with dspex.context(lm=lm):
        assert (await program.acall(ticket="x")).reply == "a"
        assert (await asyncio.to_thread(program, ticket="x")).reply == "a"
