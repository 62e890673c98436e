"""Laws of models that users write: wherever an LM is used, theirs is too, whichever way it is asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy
import pytest

import dspex
from dspex.errors import LMServerError, LMUnexpectedError, ProgramError, SettingsError
from dspex.events.event import AnyEvent, LMEnd
from dspex.lm.base import BaseLM
from dspex.lm.lm import LM
from dspex.lm.messages import Choice, Message, Response
from dspex.testing.scripted import Scripted
from tests.programs import Sort, said

Happened = Callable[[], list[AnyEvent]]


class Echo(BaseLM):
    """Says the last message again, in whatever form a test wants."""

    def __init__(self, form: Callable[[str], Any] = lambda text: [text], **settings: Any) -> None:
        super().__init__("echo/1", **settings)
        self.form = form
        self.threads: list[str] = []
        self.asked: list[dict[str, Any]] = []

    def forward(self, prompt: str | None = None, messages: Any = None, **kwargs: Any) -> Any:
        self.threads.append(threading.current_thread().name)
        self.asked.append(kwargs)
        return self.form(messages[-1]["content"])


def openai(text: str) -> dict[str, Any]:
    return {
        "model": "echo-1",
        "choices": [{"message": {"content": text}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }


def objects(text: str) -> Any:
    message = SimpleNamespace(content=text, tool_calls=None, reasoning_content="hm")
    usage = SimpleNamespace(prompt_tokens=3, completion_tokens=2)
    return SimpleNamespace(
        choices=[SimpleNamespace(message=message, finish_reason="stop")], usage=usage, model="e"
    )


@pytest.mark.parametrize(
    ("form", "outputs"),
    [
        (lambda text: text, ["hi"]),
        (lambda text: [text, text], ["hi", "hi"]),
        (openai, ["hi"]),
        (objects, [{"text": "hi", "reasoning_content": "hm"}]),
        (lambda text: Response(choices=(Choice(text=text),)), ["hi"]),
        (lambda text: {"choices": [{"text": text}]}, ["hi"]),
        (lambda text: [{"text": text, "citations": [{"a": 1}]}], [{"text": "hi", "citations": [{"a": 1}]}]),
    ],
)
def test_every_form_of_answer_is_read(form: Callable[[str], Any], outputs: list[Any]):
    """Texts, dicts and objects of any client."""
    assert Echo(form)("hi") == outputs


@pytest.mark.parametrize("given", [None, 3, [], [3], {}, {"choices": []}, object()])
def test_what_is_no_answer_is_said(given: Any):
    """The error names what came and what should."""
    with pytest.raises(LMUnexpectedError, match="holds no answer"):
        Echo(lambda _: given)("hi")


@pytest.mark.parametrize("cost", [-5.0, float("nan"), float("inf")])
@pytest.mark.parametrize("tokens", [-5, 10**30])
def test_odd_counts_and_costs_are_not_known(cost: float, tokens: int):
    """They refill no budget, and a run that met them can be read."""

    def odd(_: str) -> dict[str, Any]:
        usage = {"prompt_tokens": tokens, "completion_tokens": tokens}
        return {
            **openai("[[ ## answer ## ]]\nblue"),
            "usage": usage,
            "_hidden_params": {"response_cost": cost},
        }

    program = dspex.Predict("question -> answer")
    program.lm = Echo(odd)
    rows = [dspex.Example(question="q", answer="blue").with_inputs("question")]
    run = dspex.Evaluate(devset=rows, metric=dspex.exact("answer")).start(program)
    assert run.result(timeout=20).score == 100.0
    (model,) = run.state.lm
    assert (model.prompt_tokens, model.completion_tokens, model.cost) == (0, 0, 0.0)


def test_texts_of_other_libraries_are_texts():
    """As an array of answers holds them."""
    answers = Echo(lambda _: list(numpy.array(["blue", "red"])))("hi")
    assert (answers, [type(text) for text in answers]) == (["blue", "red"], [str, str])


def test_a_program_asks_it(happened: Happened):
    """Modules, history, events and usage know no difference."""
    lm = Echo(lambda _: {**openai(said("fruit")), "choices": [{"message": {"content": said("fruit")}}]})
    with dspex.context(lm=lm):
        answer = dspex.Predict(Sort, temperature=0.5)(word="apple")
    assert answer.kind == "fruit"
    assert lm.asked == [{"temperature": 0.5}]
    assert lm.threads == [threading.current_thread().name]
    entry = lm.history[-1]
    assert (entry["model"], entry["response_model"], entry["usage"]["total_tokens"]) == (
        "echo/1",
        "echo-1",
        5,
    )
    (end,) = [event for event in happened() if isinstance(event, LMEnd)]
    assert (end.model, end.prompt_tokens, end.priced) == ("echo/1", 3, False)


async def test_on_a_loop_a_plain_forward_blocks_a_thread_of_its_own():
    """The loop goes on; the context is the caller's."""
    lm = Echo(lambda _: [dspex.settings.lm.model])
    with dspex.context(lm=lm):
        assert await lm.acall("hi") == ["echo/1"]
    assert lm.threads != [threading.current_thread().name]


class Later(BaseLM):
    """Has a coroutine only; it tells the loop it ran on."""

    loop: Any = None

    async def aforward(self, prompt: str | None = None, messages: Any = None, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        self.loop = asyncio.get_running_loop()
        return [messages[-1]["content"]]


def test_a_coroutine_of_ones_own_runs_for_sync_and_async_callers():
    """On the caller's loop where there is one."""
    lm = Later("later")
    assert lm("hi") == ["hi"]

    async def ask() -> bool:
        assert await lm.acall("ho") == ["ho"]
        return lm.loop is asyncio.get_running_loop()

    assert asyncio.run(ask())


def test_a_model_without_forward_says_so():
    """One line about what to write."""
    with pytest.raises(ProgramError, match="`forward`"):
        BaseLM("x")("hi")


def test_its_own_error_is_the_user_s():
    """Whatever the code raises arrives as it is; nothing is tried again."""
    lm = Echo(lambda text: {}[text])
    with pytest.raises(KeyError):
        lm("hi")
    assert len(lm.asked) == 1


class Shouting(LM):
    """Does something around the real model's `forward`."""

    def forward(self, prompt: str | None = None, messages: Any = None, **kwargs: Any) -> Any:
        form = super().forward(prompt, messages, **kwargs)
        form.choices[0].message["content"] = form.choices[0].message.content.upper()
        return form


def test_an_lm_s_forward_may_be_wrapped(happened: Happened):
    """The model is asked, and booked, once; the answer is the wrapped one."""
    lm = Shouting("openai/m", transport=Scripted("blue", repeat=True), price=(1.0, 1.0))
    assert lm("hi") == ["BLUE"]
    assert lm.copy()("hi") == ["BLUE"]
    ends = [event for event in happened() if isinstance(event, LMEnd)]
    assert [(end.prompt_tokens, end.completion_tokens) for end in ends] == [(10, 5)] * 2
    assert lm.history[0]["usage"]["total_tokens"] == 15
    assert lm.history[0]["cost"] == pytest.approx(15e-6)


class Canned(LM):
    """Answers calls without asking the model."""

    def __call__(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> list[str]:
        self.seen = (prompt, messages[-1]["role"], kwargs)
        return [said("tool")]


class Counting(LM):
    """Counts calls and lets the model answer."""

    count = 0

    def __call__(self, *args: Any, **kwargs: Any) -> list[str]:
        self.count += 1
        return super().__call__(*args, **kwargs)


def test_calls_may_be_overridden(happened: Happened):
    """Modules go by the user's own `__call__`, and each call is in the books once."""
    canned = Canned("openai/m", transport=Scripted())
    with dspex.context(lm=canned):
        assert dspex.Predict(Sort, temperature=0.5)(word="saw").kind == "tool"
    assert canned.seen == (None, "user", {"temperature": 0.5})
    counting = Counting("openai/m", transport=Scripted(said("fruit")))
    with dspex.context(lm=counting):
        assert dspex.Predict(Sort)(word="saw").kind == "fruit"
    assert counting.count == 1
    assert len([event for event in happened() if isinstance(event, LMEnd)]) == 2


def test_a_copy_has_parameters_and_a_history_of_its_own():
    """Everything else is shared: clients above all."""
    lm = Echo(top_p=0.5)
    lm("hi")
    other = lm.copy(rollout_id=1, temperature=1.0, model="echo/2", top_p=None)
    assert (other.model, other.history, other.form is lm.form) == ("echo/2", [], True)
    assert other.kwargs == {"temperature": 1.0, "max_tokens": None, "rollout_id": 1}
    assert (lm.model, lm.kwargs["temperature"]) == ("echo/1", None)


def test_a_saved_model_of_ones_own_is_made_only_if_that_is_allowed():
    """A file may name any class; making it runs that class's code."""
    state = Later("later", temperature=0.3).dump_state()
    assert state["_dspy_lm_class"] == f"{__name__}.Later"
    with pytest.raises(SettingsError, match="allow_custom_lm_class"):
        BaseLM.load_state(state)
    assert type(Later.load_state(state)) is Later
    assert BaseLM.load_state({"model": "practice"}).dump_state() == LM("practice").dump_state()
    dspys = {"_dspy_lm_class": "dspy.clients.lm.LM", "model": "openai/m", "model_type": "chat", "cache": True,
             "num_retries": 3, "finetuning_model": None, "launch_kwargs": {}, "train_kwargs": {}, "engine": "auto",
             "temperature": None, "max_tokens": 100}  # fmt: skip
    assert BaseLM.load_state(dspys).kwargs["max_tokens"] == 100


@pytest.mark.parametrize("path", ["os.system", "no.such.Class", "x", "dspex.errors.LMError"])
def test_a_class_that_is_no_model_is_refused(path: str):
    """Even where classes of one's own are allowed."""
    with pytest.raises(SettingsError):
        BaseLM.load_state({"model": "m", "_dspy_lm_class": path}, allow_custom_lm_class=True)


def test_callbacks_are_told_of_each_call():
    """With the model, what it was asked, and what came."""
    told: list[Any] = []

    class Watch(dspex.utils.callback.BaseCallback):  # type: ignore[misc, name-defined]
        def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            told.append((instance, inputs))

        def on_lm_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
            told.append(outputs if exception is None else type(exception))

    lm = LM("openai/m", transport=Scripted("blue", LMServerError("x")), callbacks=[Watch()], num_retries=0)
    lm("hi", n=1)
    with pytest.raises(LMServerError):
        lm(messages=[Message(role="user", content="hi")])
    asked = [{"role": "user", "content": "hi"}]
    assert told[:2] == [(lm, {"prompt": "hi", "messages": None, "kwargs": {"n": 1}}), ["blue"]]
    assert told[2:] == [(lm, {"prompt": None, "messages": asked, "kwargs": {}}), LMServerError]
