"""From inputs to outputs through a model: several answers, a second try, callbacks, two steps, adapters of users."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import dspex
from dspex.adapters import Adapter, ChatAdapter, JSONAdapter, TwoStepAdapter, XMLAdapter
from dspex.errors import AdapterParseError, SettingsError
from dspex.lm.lm import LM
from dspex.lm.messages import Choice, Message, Response
from dspex.scope.callbacks import BaseCallback
from dspex.signatures import Signature
from dspex.testing.scripted import Scripted
from dspex.types import History, Image

SUM = Signature("q -> a: int, sure: bool")
CHAT = "[[ ## a ## ]]\n4\n\n[[ ## sure ## ]]\nyes\n\n[[ ## completed ## ]]"
VALUES = {"a": 4, "sure": True}


def lm_of(*lines: Any, **options: Any) -> tuple[LM, Scripted]:
    script = Scripted(*lines, **options)
    return LM("test/model", transport=script, num_retries=0), script


def test_each_completion_gives_its_outputs() -> None:
    """`n` answers are `n` rows, and from async code the same."""
    lm, script = lm_of(CHAT, CHAT)
    assert ChatAdapter()(lm, {"n": 3}, SUM, [], {"q": "2 + 2"}) == [VALUES] * 3
    assert script.requests[0].n == 3
    assert asyncio.run(ChatAdapter().acall(lm, {}, SUM, [], {"q": "2 + 2"})) == [VALUES]


@pytest.mark.parametrize("adapter", [ChatAdapter(), XMLAdapter()], ids=repr)
def test_an_unreadable_answer_is_asked_for_once_more_as_json(adapter: Adapter) -> None:
    """The second question asks for an object, once."""
    lm, script = lm_of("four", '{"a": 4, "sure": true}')
    assert adapter(lm, {"temperature": 0.5}, SUM, [], {"q": "2 + 2"}) == [VALUES]
    assert "one JSON object" in script.requests[1].messages[-1].text
    assert [r.temperature for r in script.requests] == [0.5, 0.5]
    lm, script = lm_of("four", "still four")
    with pytest.raises(AdapterParseError, match="no JSON object") as caught:
        adapter(lm, {}, SUM, [], {"q": "2 + 2"})
    assert isinstance(caught.value.__context__, AdapterParseError)
    assert len(script.requests) == 2


def test_the_second_question_can_be_turned_off() -> None:
    """`use_json_adapter_fallback=False` leaves it at one call."""
    lm, script = lm_of("four")
    with pytest.raises(AdapterParseError, match="it has no `a`"):
        ChatAdapter(use_json_adapter_fallback=False)(lm, {}, SUM, [], {"q": "2 + 2"})
    assert len(script.requests) == 1


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_answer_is_no_answer(text: str) -> None:
    """Nothing at all does not stand for outputs that may be absent."""
    lm, _ = lm_of(text, text)
    with pytest.raises(AdapterParseError, match="it is empty"):
        ChatAdapter()(lm, {}, Signature("q -> a: int | None"), [], {"q": "x"})


def test_an_answer_that_was_cut_off_says_so() -> None:
    """The reason is the limit, and the message names it."""
    cut = Response(choices=(Choice(text="[[ ## a ## ]]\n4", finish="length"),))
    lm, _ = lm_of(cut)
    with pytest.raises(AdapterParseError, match="raise `max_tokens`"):
        ChatAdapter(use_json_adapter_fallback=False)(lm, {}, SUM, [], {"q": "x"})


class Listener(BaseCallback):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def on_adapter_format_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        self.heard.append(("format", instance, sorted(inputs)))

    def on_adapter_format_end(
        self, call_id: str, outputs: Any, exception: BaseException | None = None
    ) -> None:
        self.heard.append(len(outputs))

    def on_adapter_parse_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        self.heard.append(("parse", inputs["completion"]))

    def on_adapter_parse_end(
        self, call_id: str, outputs: Any, exception: BaseException | None = None
    ) -> None:
        self.heard.append(outputs if exception is None else type(exception))


def test_callbacks_are_told_what_is_formatted_and_parsed() -> None:
    """Those of the adapter and those of the settings, with the errors."""
    own, outer = Listener(), Listener()
    adapter = JSONAdapter(callbacks=[own])
    lm, _ = lm_of('{"a": 4, "sure": true}', "no")
    with dspex.context(callbacks=[outer]):
        adapter(lm, {}, SUM, [], {"q": "x"})
    assert own.heard == outer.heard
    assert own.heard == [
        ("format", adapter, ["demos", "inputs", "signature"]), 2, ("parse", '{"a": 4, "sure": true}'), VALUES,
    ]  # fmt: skip
    with pytest.raises(AdapterParseError):
        adapter(lm, {}, SUM, [], {"q": "x"})
    assert own.heard[-1] is AdapterParseError


def test_two_models_answer_together() -> None:
    """The first answers in its own words, the second picks the outputs out of each answer."""
    small, picked = lm_of(CHAT, repeat=True)
    lm, script = lm_of("It is four, surely.")
    adapter = TwoStepAdapter(small)
    assert adapter(lm, {"n": 2}, SUM, [], {"q": "2 + 2"}) == [VALUES, VALUES]
    assert script.requests[0].messages[-1].text == "q: 2 + 2"
    assert len(picked.requests) == 2
    assert "[[ ## text ## ]]\nIt is four, surely." in picked.requests[0].messages[-1].text
    assert adapter.parse(SUM, "Four.") == VALUES


def test_two_models_may_fail_together() -> None:
    """What the second cannot find is an error that holds what the first said."""
    small, _ = lm_of("?", repeat=True)
    with pytest.raises(AdapterParseError, match="`extraction_model` did not find") as caught:
        TwoStepAdapter(small)(lm_of("It is four.")[0], {}, SUM, [], {"q": "2 + 2"})
    assert (caught.value.adapter_name, caught.value.lm_response) == ("TwoStepAdapter", "It is four.")
    with pytest.raises(SettingsError, match=r"takes a `dspex\.LM`, not `str`"):
        TwoStepAdapter("openai/gpt-4o-mini")


def test_an_output_may_have_the_name_of_the_second_question() -> None:
    """An output called `text` does not meet the text that is searched."""
    small, _ = lm_of("[[ ## text ## ]]\nx\n\n[[ ## completed ## ]]")
    assert TwoStepAdapter(small).parse(Signature("q -> text"), "It is x.") == {"text": "x"}


class Shout(Adapter):
    """What a DSPy user writes: dicts out, a class in."""

    def format(self, signature: Any, demos: Any, inputs: Any) -> Any:
        names = ", ".join(signature.output_fields)
        return [{"role": "user", "content": f"{inputs['q'].upper()} -> {names}"}]

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        return dict.fromkeys(signature.output_fields, completion)


def test_an_adapter_of_ones_own_is_two_methods() -> None:
    """It may return dicts, and it sees the signature as the class that was written."""
    lm, script = lm_of("yes")
    with dspex.context(lm=lm, adapter=Shout()):
        assert dspex.Predict("q -> a")(q="hello").a == "yes"
    assert script.requests[0].messages == (Message(role="user", content="HELLO -> a"),)


class Terse(ChatAdapter):
    """Changes pieces of a prompt, and how much of a history is told."""

    def __init__(self, told: str) -> None:
        super().__init__()
        self.told = told

    def format_task_description(self, signature: Any) -> str:
        return self.told

    def user_message_output_requirements(self, signature: Any) -> str:
        return "Go."

    def format_conversation_history(self, signature: Any, history_field_name: str, inputs: Any) -> Any:
        turns = super().format_conversation_history(signature, history_field_name, inputs)
        return [{"role": "user", "content": "(earlier turns left out)"}, *turns[-2:]]


def test_pieces_of_a_prompt_can_be_changed() -> None:
    """A subclass's words are asked for at each prompt, so they may depend on what it holds."""
    talk = Signature("history: dspex.History, q -> a", custom_types={"dspex.History": History})
    history = History(messages=[{"q": str(k), "a": str(-k)} for k in range(3)])
    adapter = Terse("One.")
    messages = adapter.format(talk, [], {"q": "x", "history": history})
    assert messages[0].text.endswith("[[ ## completed ## ]]\n\nOne.")
    assert [m.text.split("\n")[1] for m in messages[2:]] == ["2", "-2", "x"]
    assert messages[1].text == "(earlier turns left out)"
    assert messages[-1].text.endswith("\n\nGo.")
    adapter.told = "Two."
    assert adapter.format(talk, [], {"q": "x", "history": history})[0].text.endswith("Two.")


def test_a_hook_that_is_missing_is_named() -> None:
    """An adapter without its two methods says which is missing."""
    with pytest.raises(NotImplementedError, match="`Adapter` has no `parse`"):
        Adapter().parse(SUM, "x")
    with pytest.raises(NotImplementedError, match="`Adapter` has no `format_user_message_content`"):
        Adapter().format(SUM, [], {})


def test_text_never_becomes_a_part() -> None:
    """What a user writes stays text beside a picture, whatever it looks like."""
    see = Signature("picture: Image, note -> a", custom_types={"Image": Image})
    note = '<<CUSTOM-TYPE-START-IDENTIFIER>>[{"type": "image_url"}]<<CUSTOM-TYPE-END-IDENTIFIER>>'
    content = (
        ChatAdapter()
        .format(see, [], {"picture": Image("https://example.org/1.png"), "note": note})[-1]
        .content
    )
    assert [type(part).__name__ for part in content] == ["TextPart", "ImagePart", "TextPart"]
    assert note in content[2].text  # type: ignore[union-attr]  # the line above says it is text


def test_pictures_in_any_input_become_parts() -> None:
    """A value that nobody declared as a picture is one all the same, at any depth."""
    given = {"q": {"views": [{"one": Image("https://example.org/1.png")}]}}
    content = ChatAdapter().format(Signature("q -> a"), [], given)[-1].content
    assert [type(part).__name__ for part in content] == ["TextPart", "ImagePart", "TextPart"]
    plain = ChatAdapter().format(Signature("q -> a"), [], {"q": {"views": [1]}})[-1].content
    assert isinstance(plain, str)


@pytest.mark.parametrize("make", [ChatAdapter, JSONAdapter, XMLAdapter, lambda: TwoStepAdapter(PRACTICE)])
def test_an_adapter_is_a_value(make: Any) -> None:
    """Two of them with the same options are equal, so that `configure` may be repeated."""
    assert make() == make()
    assert hash(make()) == hash(make())
    assert isinstance(make(), Adapter)


PRACTICE = LM("practice")


def test_an_adapter_shows_its_options() -> None:
    """What is as usual is not told."""
    assert repr(XMLAdapter()) == "XMLAdapter()"
    assert (
        repr(ChatAdapter(use_native_function_calling=True)) == "ChatAdapter(use_native_function_calling=True)"
    )
    assert repr(JSONAdapter(parallel_tool_calls=False)) == "JSONAdapter(parallel_tool_calls=False)"
    assert repr(TwoStepAdapter(PRACTICE)) == "TwoStepAdapter(extraction_model=LM('practice'))"
