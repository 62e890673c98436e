"""Callbacks in DSPy's shape: who is told what, in which order, with which parent, and that they break nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from dspex.utils.callback import ACTIVE_CALL_ID, BaseCallback, with_callbacks

import dspex
from dspex.errors import LMServerError
from dspex.testing.scripted import Scripted

KINDS = ("module", "lm", "adapter_format", "adapter_parse", "tool", "evaluate")


class Notes(BaseCallback):
    """Notes every call: what, id, parent, and what was given."""

    def __init__(self) -> None:
        self.starts: list[tuple[str, str, str | None, Any, dict[str, Any]]] = []
        self.ends: list[tuple[str, str, Any, BaseException | None]] = []
        for kind in KINDS:
            setattr(self, f"on_{kind}_start", lambda call_id, instance, inputs, kind=kind: self.starts.append(
                (kind, call_id, ACTIVE_CALL_ID.get(), instance, inputs)))  # fmt: skip
            setattr(self, f"on_{kind}_end", lambda call_id, outputs, exception, kind=kind: self.ends.append(
                (kind, call_id, outputs, exception)))  # fmt: skip

    @property
    def order(self) -> list[str]:
        return [kind for kind, *_ in self.starts]


def dummy(*teams: str) -> dspex.LM:
    return dspex.utils.DummyLM([{"team": team} for team in teams])


def test_a_call_is_told_from_the_module_to_the_parser() -> None:
    """Module, format, model, parse: each with its instance and inputs, then its outputs."""
    notes, lm = Notes(), dummy("bug")
    predict = dspex.Predict("ticket -> team")
    with dspex.context(lm=lm, callbacks=[notes]):
        answer = predict(ticket="It crashes.")
    assert notes.order == ["module", "adapter_format", "lm", "adapter_parse"]
    told = {kind: (instance, inputs) for kind, _, _, instance, inputs in notes.starts}
    assert told["module"] == (predict, {"args": (), "kwargs": {"ticket": "It crashes."}})
    assert told["lm"][0] is lm
    assert told["lm"][1]["messages"][-1]["role"] == "user"
    assert told["adapter_format"][1]["inputs"] == {"ticket": "It crashes."}
    assert told["adapter_parse"][1]["completion"] == "[[ ## team ## ]]\nbug"
    outputs = {kind: given for kind, _, given, _ in notes.ends}
    assert outputs["module"] is answer
    assert outputs["lm"] == ["[[ ## team ## ]]\nbug"]
    assert outputs["adapter_parse"] == {"team": "bug"}
    assert {exception for *_, exception in notes.ends} == {None}


def test_nested_calls_know_their_parent() -> None:
    """In a start handler ACTIVE_CALL_ID is the call around; every end has its start's id; afterwards it is None."""
    notes = Notes()
    with dspex.context(lm=dspex.utils.DummyLM([{"reasoning": "r", "team": "bug"}]), callbacks=[notes]):
        dspex.ChainOfThought("ticket -> team")(ticket="x")
    ids = {kind: call for kind, call, *_ in reversed(notes.starts)}
    parents = [(kind, parent) for kind, _, parent, *_ in notes.starts]
    outer, inner = (call for kind, call, *_ in notes.starts if kind == "module")
    assert parents[0] == ("module", None)
    assert parents[1] == ("module", outer)
    assert dict(parents)["lm"] == inner
    assert {call for _, call, *_ in notes.ends} == {call for _, call, *_ in notes.starts}
    assert ids
    assert ACTIVE_CALL_ID.get() is None


async def test_tasks_keep_their_own_parents() -> None:
    """Two programs at once on one loop: each model call has its own program's predictor as parent."""
    notes = Notes()

    async def one(name: str) -> None:
        with dspex.context(lm=dummy(name), callbacks=[notes]):
            await dspex.Predict("ticket -> team").acall(ticket=name)

    await asyncio.gather(one("a"), one("b"))
    modules = {
        call: inputs["kwargs"]["ticket"] for kind, call, _, _, inputs in notes.starts if kind == "module"
    }
    for kind, _, parent, instance, _ in notes.starts:
        if kind == "lm":
            assert instance.history[-1]["outputs"] == [f"[[ ## team ## ]]\n{modules[parent]}"]


def test_an_own_callback_hears_its_own_object_only() -> None:
    """callbacks= on a module, a model, an adapter or a tool; both kinds add up."""
    notes, everywhere = Notes(), Notes()
    program = dspex.Predict("ticket -> team", callbacks=[notes])
    with dspex.context(lm=dummy("bug", "bug"), callbacks=[everywhere]):
        program(ticket="x")
        dspex.Predict("ticket -> team")(ticket="x")
    assert notes.order == ["module"]
    assert everywhere.order.count("module") == 2
    lm = dspex.LM("practice", callbacks=[notes])
    lm("Hello")
    assert notes.starts[-1][4] == {"prompt": "Hello", "messages": None, "kwargs": {}}
    adapter_notes = Notes()
    with dspex.context(lm=dummy("bug"), adapter=dspex.ChatAdapter(callbacks=[adapter_notes])):
        dspex.Predict("ticket -> team")(ticket="x")
    assert adapter_notes.order == ["adapter_format", "adapter_parse"]


def test_tools_and_evaluations_are_told() -> None:
    """A tool with its arguments and value; an evaluation with its program and result, its calls below it."""
    notes = Notes()

    def word_count(text: str) -> int:
        return len(text.split())

    tool = dspex.Tool(word_count)
    rows = [dspex.Example(ticket=str(k), team="bug").with_inputs("ticket") for k in range(3)]
    with dspex.context(lm=dummy(*["bug"] * 3), callbacks=[notes]):
        assert tool(text="one two") == 2
        result = dspex.Evaluate(devset=rows, metric=dspex.exact("team"))(dspex.Predict("ticket -> team"))
    assert notes.starts[0][0] == "tool"
    assert notes.starts[0][4] == {"kwargs": {"text": "one two"}}
    assert notes.ends[0][2] == 2
    [evaluation] = [start for start in notes.starts if start[0] == "evaluate"]
    assert isinstance(evaluation[4]["program"], dspex.Predict)
    assert notes.ends[-1][0] == "evaluate"
    assert notes.ends[-1][2] is result
    assert [parent for kind, _, parent, *_ in notes.starts if kind == "module"] == [evaluation[1]] * 3


def test_an_error_is_told_and_goes_on() -> None:
    """The end handlers get the exception, and the caller gets it too."""
    notes = Notes()
    lm = dspex.LM("openai/any", transport=Scripted(LMServerError("down")), num_retries=0, cache=False)
    with dspex.context(lm=lm, callbacks=[notes]), pytest.raises(LMServerError):
        dspex.Predict("ticket -> team")(ticket="x")
    assert [(kind, type(exc).__name__) for kind, _, out, exc in notes.ends if exc and out is None] == [
        ("lm", "LMServerError"),
        ("module", "LMServerError"),
    ]


def test_a_failing_callback_breaks_nothing_and_is_told() -> None:
    """The work goes on, the other callbacks are called, and the bus carries a warning."""

    class Fails(BaseCallback):
        def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            raise RuntimeError("no disk")

    notes, logs = Notes(), []
    with (
        dspex.events.subscribe("log", logs.append),
        dspex.context(lm=dummy("bug"), callbacks=[Fails(), notes]),
    ):
        assert dspex.Predict("ticket -> team")(ticket="x").team == "bug"
        dspex.events.drain()
    assert "lm" in notes.order
    assert [log.text for log in logs] == ["The callback `Fails.on_lm_start` raised RuntimeError: no disk"]


def test_the_decorator_tells_of_any_method() -> None:
    """with_callbacks on a method of a user's own: as a module, or as what `callback_kind` says; sync and async."""

    class Search:
        callback_kind = "tool"
        name = "search"

        @with_callbacks
        def __call__(self, query: str, k: int = 3) -> str:
            return query * k

        @with_callbacks
        async def later(self, query: str) -> str:
            await asyncio.sleep(0)
            return query

    notes = Notes()
    with dspex.context(callbacks=[notes]):
        assert Search()("a") == "aaa"
        assert asyncio.run(Search().later("b")) == "b"
    assert [(kind, inputs) for kind, _, _, _, inputs in notes.starts] == [
        ("tool", {"query": "a", "k": 3}),
        ("tool", {"query": "b"}),
    ]
    assert [outputs for _, _, outputs, _ in notes.ends] == ["aaa", "b"]


def test_configure_sets_them_for_good_and_twice_is_harmless() -> None:
    """Configuring the same callbacks again does not call them twice."""
    notes = Notes()
    for _ in range(2):
        dspex.configure(lm=dummy("bug"), callbacks=[notes])
    dspex.Predict("ticket -> team")(ticket="x")
    assert notes.order.count("lm") == 1
    assert dspex.settings.callbacks == [notes]
