"""What it would take: counted from real prompts, and nothing is sent."""

from __future__ import annotations

from typing import Any

import pytest

import dspex
from dspex.errors import DataError, SettingsError
from dspex.lm.messages import Request, Response
from tests.programs import Sort, an_lm, rows

KIND = dspex.exact("kind")
MINI = "openai/gpt-4o-mini"


class Refusing:
    """A Transport that nobody may ask."""

    waits = False

    def __init__(self) -> None:
        self.asked = 0

    async def send(self, request: Request) -> Response:
        """Count, and refuse."""
        self.asked += 1
        raise AssertionError("it was sent")


def a_model(name: str = MINI, **options: Any) -> tuple[dspex.LM, Refusing]:
    """Return a model that nobody may ask."""
    transport = Refusing()
    return dspex.LM(name, transport=transport, **options), transport


def estimated(lm: dspex.LM | None, program: Any = None, metric: Any = KIND, **options: Any) -> Any:
    """Estimate on eighty words."""
    with dspex.context(lm=lm):
        return dspex.Evaluate(devset=rows(10), metric=metric, **options).estimate(
            program or dspex.Predict(Sort)
        )


def test_nothing_is_sent_told_or_remembered() -> None:
    """No call, no event, no history, no run."""
    lm, transport = a_model()
    told: list[object] = []
    before = len(dspex.runs.list())
    with dspex.events.subscribe("lm_*", told.append):
        cost = estimated(lm)
    assert (transport.asked, lm.history, told) == (0, [], [])
    assert len(dspex.runs.list()) == before
    assert (cost.calls, cost.examples) == (80, 80)


def test_the_numbers_hold_those_of_the_evaluation_itself() -> None:
    """What is spent in the end lies between from and to."""
    practice = dspex.LM("practice")
    with dspex.context(lm=practice):
        evaluator = dspex.Evaluate(devset=rows(10), metric=KIND)
        cost = evaluator.estimate(dspex.Predict(Sort))
        run = evaluator.start(dspex.Predict(Sort))
        run.result()
    [used] = run.state.lm
    assert cost.calls == used.calls == 80
    assert cost.tokens_in[0] * 0.98 <= used.prompt_tokens <= cost.tokens_in[1]
    assert cost.tokens_out[0] * 0.98 <= used.completion_tokens <= cost.tokens_out[1]
    assert cost.dollars[0] * 0.98 <= run.state.cost <= cost.dollars[1]


def test_an_unknown_price_is_said_to_be_unknown() -> None:
    """It is never taken for zero; what is known stands beside it."""
    cost = estimated(a_model("openai/a-model-of-my-own")[0])
    assert cost.dollars is None
    assert cost.unpriced == ("openai/a-model-of-my-own",)
    assert "the price of `openai/a-model-of-my-own` is unknown" in repr(cost)
    told = estimated(a_model("openai/a-model-of-my-own", price=(1.0, 2.0))[0])
    assert told.dollars == pytest.approx(
        tuple(ins * 1e-6 + out * 2e-6 for ins, out in zip(told.tokens_in, told.tokens_out, strict=True)),
        rel=1e-3,
    )


def test_each_models_share_is_told_apart() -> None:
    """A program with two models and a metric with the usual one."""

    class Two(dspex.Module):
        def __init__(self) -> None:
            self.first, self.second = dspex.Predict("word -> idea"), dspex.Predict("idea -> kind")
            self.second.lm = other

        async def aforward(self, word: str) -> Any:
            return await self.second.acall(idea=(await self.first.acall(word=word)).idea)

    def judge(example: dspex.Example, prediction: dspex.Prediction) -> bool:
        return bool(dspex.Predict("kind -> good: bool")(kind=prediction.kind).good)

    usual, _ = a_model()
    other, _ = a_model("openai/a-model-of-my-own")
    cost = estimated(usual, Two(), judge)
    assert {share.model: share.calls for share in cost.models} == {MINI: 160, "openai/a-model-of-my-own": 80}
    assert not cost.problems
    assert cost.dollars is None
    assert "the others $" in repr(cost)


def test_a_model_that_only_the_code_knows_is_not_asked_and_told() -> None:
    """A judge of the metric's own, say: not even then is anything sent."""
    own, transport = a_model()

    def judge(example: dspex.Example, prediction: dspex.Prediction) -> bool:
        with dspex.context(lm=own):
            return bool(dspex.Predict("kind -> good: bool")(kind=prediction.kind).good)

    cost = estimated(a_model()[0], metric=judge)
    assert transport.asked == 0
    assert cost.calls == 80
    assert cost.problems == ("a model that the code brings itself was not asked, and is not counted",)


def test_a_program_that_fails_on_the_way_is_told() -> None:
    """What it asked until then is counted."""

    class Odd(dspex.Module):
        def __init__(self) -> None:
            self.sort = dspex.Predict(Sort)

        async def aforward(self, word: str) -> Any:
            await self.sort.acall(word=word)
            raise RuntimeError("no such table")

    cost = estimated(a_model()[0], Odd())
    assert cost.calls == 80
    assert cost.problems == ("not followed to the end: RuntimeError: no such table",)


def test_limits_on_answers_limit_the_estimate() -> None:
    """Nobody pays for tokens that are not written."""
    free, short = estimated(a_model()[0]), estimated(a_model(max_tokens=10)[0])
    assert short.tokens_out[1] == 800 < free.tokens_out[1]
    assert short.tokens_in == free.tokens_in


def test_goes_and_length_of_the_data_multiply() -> None:
    """Three goes are three times; of data of unknown length the estimate is for one example."""
    lm, _ = a_model()
    assert estimated(lm, n=3).calls == 240

    class Endless:
        def __iter__(self) -> Any:
            return iter(rows(2))

    with dspex.context(lm=lm):
        cost = dspex.Evaluate(devset=Endless(), metric=KIND).estimate(dspex.Predict(Sort))
        with pytest.raises(DataError, match="can be read only once"):
            dspex.Evaluate(devset=iter(rows()), metric=KIND).estimate(dspex.Predict(Sort))
    assert (cost.examples, cost.calls) == (1, 1)


def test_without_a_model_it_says_what_to_set() -> None:
    """As the evaluation itself would."""
    with pytest.raises(SettingsError, match="model"):
        estimated(None)


def test_optimizers_tell_from_the_candidates_they_try() -> None:
    """Teachers' calls are from .. to, demonstrations make the higher prompts longer, and nothing is sent."""
    lm, transport = a_model()
    with dspex.context(lm=lm):
        program = dspex.Predict(Sort)
        labeled = dspex.LabeledFewShot(k=8, metric=KIND).estimate(program, trainset=rows(2), valset=rows(3))
        search = dspex.BootstrapRS(metric=KIND, num_candidate_programs=2, max_labeled_demos=4)
        searched = search.estimate(program, trainset=rows(2), valset=rows(3))
        silent = dspex.LabeledFewShot(k=8).estimate(program, trainset=rows(2))
    assert labeled.calls == 2 * 24
    assert labeled.tokens_in[1] > 2 * labeled.tokens_in[0]
    assert searched.calls == 5 * 24 + 3 * 16
    assert searched.dollars[0] < searched.dollars[1]
    assert (silent.calls, silent.dollars) == (0, (0.0, 0.0))
    assert transport.asked == 0


@pytest.mark.parametrize("wrong", [{"trainset": []}, {"trainset": rows(), "valset": [3]}])
def test_an_optimizers_estimate_refuses_what_its_start_would(wrong: dict[str, Any]) -> None:
    """In the same words."""
    search = dspex.BootstrapFewShot(metric=KIND)
    with dspex.context(lm=an_lm()[0]), pytest.raises(DataError) as caught:
        search.estimate(dspex.Predict(Sort), **wrong)
    with dspex.context(lm=an_lm()[0]), pytest.raises(DataError) as started:
        search.start(dspex.Predict(Sort), **wrong)
    assert str(caught.value) == str(started.value)
