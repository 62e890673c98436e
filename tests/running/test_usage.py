"""Tokens: counted by model while somebody wants to know, and given with the answer."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from dspex.utils.usage_tracker import UsageTracker
from pydantic import BaseModel

import dspex
from dspex.testing.scripted import Scripted, answer

ONE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def times(n: int) -> dict[str, int]:
    return {name: count * n for name, count in ONE.items()}


def scripted(name: str = "openai/a", *, cache: bool = False) -> dspex.LM:
    return dspex.LM(name, transport=Scripted("[[ ## team ## ]]\nbug", repeat=True), cache=cache)


def test_a_block_counts_its_calls_by_model() -> None:
    """Programs and bare models alike; calls outside the block are not counted."""
    a, b = scripted("openai/a"), scripted("openai/b")
    a("before")
    with dspex.track_usage() as tracker:
        a("one")
        b("two")
        with dspex.context(lm=a):
            dspex.Predict("ticket -> team")(ticket="x")
    a("after")
    assert tracker.get_total_tokens() == {"openai/a": times(2), "openai/b": times(1)}


def test_an_outer_block_counts_what_inner_ones_counted() -> None:
    """Nested trackers: the inner one sees its own, the outer one all."""
    lm = scripted()
    with dspex.track_usage() as outer:
        lm("one")
        with dspex.track_usage() as inner:
            lm("two")
    assert inner.get_total_tokens() == {"openai/a": times(1)}
    assert outer.get_total_tokens() == {"openai/a": times(2)}


def test_kept_answers_cost_nothing() -> None:
    """A second, cached call adds no tokens."""
    lm = scripted("openai/usage-cache", cache=True)
    with dspex.track_usage() as tracker:
        lm("same")
        lm("same")
    assert tracker.get_total_tokens() == {"openai/usage-cache": times(1)}


class Both(dspex.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = dspex.Predict("ticket -> team"), dspex.Predict("ticket -> team")

    def forward(self, ticket: str) -> dspex.Prediction:
        self.one(ticket=ticket)
        return self.two(ticket=ticket)


def test_answers_carry_their_tokens_where_that_is_configured() -> None:
    """The outermost program's prediction has the sum; each call its own; without the setting there is nothing."""
    dspex.configure(lm=scripted(), track_usage=True)
    program = Both()
    assert program(ticket="a").get_lm_usage() == {"openai/a": times(2)}
    assert program(ticket="b").get_lm_usage() == {"openai/a": times(2)}
    with dspex.context(track_usage=False):
        assert program(ticket="a").get_lm_usage() == {}


def test_many_threads_and_tasks_count_apart() -> None:
    """Programs side by side each know their own tokens; a tracker around them knows all."""
    dspex.configure(lm=scripted(), track_usage=True)

    async def several() -> list[Any]:
        return await asyncio.gather(*(Both().acall(ticket=str(k)) for k in range(5)))

    with ThreadPoolExecutor(4) as pool:
        answers = [row for rows in pool.map(lambda _: asyncio.run(several()), range(4)) for row in rows]
    assert [a.get_lm_usage() for a in answers] == [{"openai/a": times(2)}] * 20
    with dspex.track_usage() as tracker:
        dspex.Evaluate(
            devset=[dspex.Example(ticket=str(k), team="bug").with_inputs("ticket") for k in range(5)],
            metric=dspex.exact("team"),
        )(Both())
    assert tracker.get_total_tokens() == {"openai/a": times(10)}


def test_a_tracker_of_ones_own_can_be_laid() -> None:
    """context(usage_tracker=...) counts into the given one, and `settings.usage_tracker` is it."""
    tracker = UsageTracker()
    with dspex.context(usage_tracker=tracker):
        assert dspex.settings.usage_tracker is tracker
        scripted()("x")
    assert tracker.usage_data == {"openai/a": [ONE]}


def test_entries_of_any_shape_add_up() -> None:
    """Nested counts add, models are unpacked, None gives way, and a flag is no number."""

    class Details(BaseModel):
        cached: int

    tracker = UsageTracker()
    tracker.add_usage("m", {"total_tokens": 1, "details": Details(cached=2), "flag": True, "later": None})
    tracker.add_usage("m", {"total_tokens": 2, "details": {"cached": 3, "new": 4}, "flag": True, "later": 5})
    tracker.add_usage("m", {})
    assert tracker.get_total_tokens() == {
        "m": {"total_tokens": 3, "details": {"cached": 5, "new": 4}, "flag": True, "later": 5}
    }
    assert len(tracker.usage_data["m"]) == 2


def test_nobody_counting_costs_no_entry() -> None:
    """Without a tracker nothing is kept anywhere."""
    scripted()("x")
    assert dspex.settings.usage_tracker is None


def test_an_answer_without_tokens_is_counted_as_none() -> None:
    """A provider that tells no usage adds zeros, not an error."""
    lm = dspex.LM(
        "openai/z", transport=Scripted(answer("x", prompt_tokens=0, completion_tokens=0)), cache=False
    )
    with dspex.track_usage() as tracker:
        lm("x")
    assert sum(tracker.get_total_tokens()["openai/z"].values()) == 0


@pytest.mark.parametrize("value", [None, 3, "text"])
def test_an_answer_that_is_no_prediction_stays_as_it_is(value: object) -> None:
    """A module that returns something else is left alone."""

    class Other(dspex.Module):
        def forward(self) -> object:
            return value

    with dspex.context(track_usage=True):
        assert Other()() == value
