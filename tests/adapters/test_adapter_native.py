"""What a model does by itself: tools it is given, calls, reasoning and citations that come beside its text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dspex.adapters import Adapter, ChatAdapter, JSONAdapter
from dspex.adapters.native import arguments_of
from dspex.errors import AdapterParseError, SignatureError
from dspex.lm.lm import LM
from dspex.lm.messages import Call, Choice, Response
from dspex.lm.transport import Capabilities
from dspex.signatures import InputField, OutputField, Signature
from dspex.testing.scripted import Scripted, call
from dspex.tools import Tool, ToolCalls
from dspex.types import Citations, Reasoning

ABLE = Capabilities(function_calling=True, reasoning=True)


def weather(city: str) -> str:
    """Tell the weather."""
    return f"{city}: sun"


class Act(Signature):
    """Find out what is asked."""

    question: str = InputField()
    tools: list[Tool] = InputField()
    calls: ToolCalls = OutputField()


class Both(Signature):
    """Find out what is asked."""

    question: str = InputField()
    tool: Tool = InputField()
    calls: ToolCalls = OutputField()
    answer: str = OutputField()


class Think(Signature):
    """Think first."""

    question: str = InputField()
    reasoning: Reasoning = OutputField()
    answer: str = OutputField()


INPUTS = {"question": "Sun in Rome?", "tools": [Tool(weather)], "tool": Tool(weather)}
NATIVE = ChatAdapter(use_native_function_calling=True)
ROME = call("weather", city="Rome")


def run(
    adapter: Adapter, signature: type[Signature], *lines: Any, can: Capabilities = ABLE, model: str = "test/model", **options: Any
) -> tuple[list[dict[str, Any]], Scripted]:  # fmt: skip
    script = Scripted(*lines, capabilities=can)
    lm = LM(model, transport=script, num_retries=0)
    return adapter(lm, options, signature, [], INPUTS), script


def sent(script: Scripted, name: str) -> Any:
    raw = (script.requests[0].options or {}).get(name)
    return None if raw is None else json.loads(bytes(raw))


@pytest.mark.parametrize("adapter", [NATIVE, JSONAdapter()], ids=repr)
def test_tools_are_given_and_calls_come_back(adapter: Adapter) -> None:
    """The request carries the tools, the prompt does not, and calls are the output's value."""
    [row], script = run(adapter, Act, ROME)
    assert row == {
        "calls": ToolCalls.from_dict_list([{"id": ROME.id, "name": "weather", "args": {"city": "Rome"}}])
    }
    request = script.requests[0]
    assert [tool.name for tool in request.tools] == ["weather"]
    assert "weather" not in "".join(m.text for m in request.messages)
    assert request.response_format is None


def test_an_answer_without_calls_has_none() -> None:
    """A model that calls nothing and writes all the same gives no calls."""
    assert run(NATIVE, Act, "It is sunny.")[0] == [{"calls": None}]


def test_text_beside_calls_is_read_as_far_as_it_goes() -> None:
    """Calls are an answer by themselves; outputs that the text does not hold are None."""
    spoken = Choice(text="[[ ## answer ## ]]\nSun.\n\n[[ ## completed ## ]]", calls=(ROME,))
    [row], _ = run(NATIVE, Both, Response(choices=(spoken,)))
    assert (row["answer"], row["calls"].tool_calls[0].name) == ("Sun.", "weather")
    [row], _ = run(NATIVE, Both, ROME)
    assert (list(row), row["answer"]) == (["calls", "answer"], None)
    [row], _ = run(NATIVE, Both, "[[ ## answer ## ]]\nSun.")
    assert row == {"calls": None, "answer": "Sun."}


@pytest.mark.parametrize(
    ("adapter", "can"),
    [(NATIVE, Capabilities()), (ChatAdapter(), ABLE), (JSONAdapter(use_native_function_calling=False), ABLE)],
)
def test_tools_are_told_in_words_where_they_cannot_be_given(adapter: Adapter, can: Capabilities) -> None:
    """A model that takes no tools, or is not to get them, reads them in the prompt."""
    body = '{"tool_calls": [{"name": "weather", "args": {"city": "Rome"}}]}'
    answer = f'{{"calls": {body}}}' if isinstance(adapter, JSONAdapter) else f"[[ ## calls ## ]]\n{body}"
    [row], script = run(adapter, Act, answer, can=can, tools=[{"x": 1}], tool_choice="auto")
    assert row["calls"].tool_calls[0].args == {"city": "Rome"}
    assert (script.requests[0].tools, sent(script, "tool_choice")) == ((), None)
    assert "weather: Tell the weather." in script.requests[0].messages[-1].text


@pytest.mark.parametrize(("asked", "given"), [(None, None), (True, True), (False, False)])
def test_several_calls_at_once_can_be_asked_for(asked: bool | None, given: bool | None) -> None:
    """The provider's own default stands unless one is set; with one the choice stays the model's."""
    adapter = ChatAdapter(use_native_function_calling=True, parallel_tool_calls=asked)
    _, script = run(adapter, Act, ROME)
    assert sent(script, "parallel_tool_calls") is given
    assert sent(script, "tool_choice") == (None if given is None else "auto")


def test_calls_need_tools() -> None:
    """An output for calls without an input for tools is an error of the signature."""
    lost = Signature({"q": (str, InputField()), "calls": (ToolCalls, OutputField())})
    with pytest.raises(SignatureError, match="no input holds tools"):
        run(NATIVE, lost)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('{"a": 1}', {"a": 1}),
        ('{"a": [1, }', {"a": [1]}),
        ("", {}),
        ("[1]", {}),
        ("{" * 2000, {}),
        ("null", {}),
    ],
)
def test_arguments_are_repaired_and_never_raise(text: str, meant: dict[str, Any]) -> None:
    """What a model writes as arguments is an object, or nothing."""
    assert arguments_of(Call(id="1", name="f", arguments=text)) == meant


def test_a_models_own_reasoning_fills_the_field() -> None:
    """The prompt does not ask for what the model tells by itself, and the order of outputs stays."""
    thought = Response(choices=(Choice(text="[[ ## answer ## ]]\nYes.", reasoning="Hm."),))
    [row], script = run(NATIVE, Think, thought)
    assert list(row.items()) == [("reasoning", "Hm."), ("answer", "Yes.")]
    assert isinstance(row["reasoning"], Reasoning)
    assert sent(script, "reasoning_effort") == "low"
    assert "reasoning" not in script.requests[0].messages[0].text


@pytest.mark.parametrize(
    ("can", "model", "options"),
    [
        (Capabilities(), "test/model", {}),
        (ABLE, "test/gpt-5-mini", {}),
        (ABLE, "test/model", {"reasoning_effort": None}),
    ],
)
def test_other_models_reason_in_words(can: Capabilities, model: str, options: dict[str, Any]) -> None:
    """A model that cannot, does not tell, or is not to, is asked for its reasoning as text."""
    said = "[[ ## reasoning ## ]]\nHm.\n\n[[ ## answer ## ]]\nYes.\n\n[[ ## completed ## ]]"
    [row], script = run(ChatAdapter(), Think, said, can=can, model=model, **options)
    assert row == {"reasoning": "Hm.", "answer": "Yes."}
    assert isinstance(row["reasoning"], Reasoning)
    assert "`reasoning`" in script.requests[0].messages[0].text


def test_native_types_can_be_chosen() -> None:
    """With none of them everything is asked for in words."""
    said = Response(
        choices=(
            Choice(text="[[ ## reasoning ## ]]\nIn words.\n\n[[ ## answer ## ]]\nYes.", reasoning="Hm."),
        )
    )
    [row], _ = run(ChatAdapter(native_response_types=[]), Think, said)
    assert row["reasoning"] == "In words."
    with pytest.raises(AdapterParseError):
        run(
            ChatAdapter(native_response_types=[], use_json_adapter_fallback=False),
            Think,
            "[[ ## answer ## ]]\nYes.",
        )


def test_citations_come_beside_the_text() -> None:
    """A provider that cites by itself is not asked for it."""
    cite = Signature(
        {
            "question": (str, InputField()),
            "answer": (str, OutputField()),
            "sources": (Citations, OutputField()),
        }
    )
    found = {"cited_text": "Sun", "document_index": 0, "start_char_index": 0, "end_char_index": 3}
    said = Response(choices=(Choice(text="[[ ## answer ## ]]\nSun.", citations=(found,)),))
    [row], script = run(ChatAdapter(), cite, said, model="anthropic/claude")
    assert (row["answer"], row["sources"][0].cited_text) == ("Sun.", "Sun")
    assert "sources" not in script.requests[0].messages[0].text
