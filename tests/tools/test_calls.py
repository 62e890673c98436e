"""Laws of ToolCalls and ToolCallResults, fixed as DSPy 3.4.1 has them."""

from __future__ import annotations

import json
from typing import Any

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspex.errors import ContentError, StopRequested, ToolError
from dspex.lm.messages import Call, Choice
from dspex.tools import Tool, ToolCallResults, ToolCalls

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
CALLS = st.lists(
    st.fixed_dictionaries({"name": st.text(), "args": st.dictionaries(st.text(), JSON)}), max_size=4
)


def search(q: str) -> str:
    return f"found {q}"


def calls_of(value: Any) -> list[tuple[str | None, str, dict[str, Any]]]:
    return [(c.id, c.name, c.args) for c in ToolCalls.model_validate(value).tool_calls]


@pytest.mark.parametrize(
    ("form", "calls"),
    [
        ({"name": "a", "args": {}}, [(None, "a", {})]),
        ([{"name": "a", "arguments": {"x": 1}}], [(None, "a", {"x": 1})]),
        (
            [{"id": "i", "type": "function", "function": {"name": "a", "arguments": '{"x":1}'}}],
            [("i", "a", {"x": 1})],
        ),
        ([{"call_id": "i", "name": "a", "args": '{"x": 1}'}], [("i", "a", {"x": 1})]),
        ([{"function": {"name": "a", "arguments": "{x:1"}}], [(None, "a", {"x": 1})]),
        ([{"function": {"name": "a", "arguments": ""}}], [(None, "a", {})]),
        ({"tool_calls": [{"name": "a", "args": {"x": 1}}]}, [(None, "a", {"x": 1})]),
        ({"tool_calls": []}, []),
    ],
)
def test_calls_read_from_each_form(form: Any, calls: list[Any]):
    """Our form, OpenAI's, one call, a list, an object with the list; broken JSON is repaired."""
    assert calls_of(form) == calls


@pytest.mark.parametrize(
    "form", [{"x": 1}, [{"x": 1}], [{"name": "a"}], "abc", None, [3], [{"function": 3}], {"tool_calls": 3}]
)
def test_what_is_no_call_is_refused(form: Any):
    """Pydantic's error holds ours."""
    with pytest.raises(pydantic.ValidationError):
        calls_of(form)


@settings(max_examples=40)
@given(CALLS)
def test_calls_read_back(items: list[dict[str, Any]]):
    """What is written, into a prompt, an answer or a file, reads back as the same calls."""
    calls = ToolCalls.from_dict_list(items)
    assert calls.format() == calls.model_dump() == {"tool_calls": items}
    assert ToolCalls.model_validate(calls.model_dump()) == calls
    assert ToolCalls.from_completion(calls.completion_form()) == calls
    assert ToolCalls.model_validate_json(calls.model_dump_json()) == calls


@given(st.text() | JSON.map(json.dumps))
def test_no_text_brings_another_error_than_a_value_error(text: str):
    """Reading a completion either gives calls or a ValueError."""
    try:
        assert isinstance(ToolCalls.from_completion(text), ToolCalls)
    except ValueError:
        pass


@given(st.text())
def test_native_calls_become_tool_calls(arguments: str):
    """A model's own calls are taken with their ids; arguments that are no object are refused."""
    choice = Choice(calls=(Call(id="c1", name="a", arguments=arguments),))
    try:
        found = ToolCalls.parse_lm_response(choice)
    except ContentError:
        return
    assert found is not None
    assert (found.tool_calls[0].id, found.tool_calls[0].name) == ("c1", "a")


def test_an_answer_without_calls_has_none():
    """No calls are None, not an empty list."""
    assert ToolCalls.parse_lm_response(Choice(text="a")) is None
    assert ToolCalls.parse_lm_response({"tool_calls": []}) is None


def test_the_schema_is_what_a_model_writes():
    """Ids and results are ours to fill: the model is asked for names and arguments alone."""
    schema = ToolCalls.model_json_schema()
    assert list(schema["properties"]) == ["tool_calls"]
    assert schema["$defs"]["ToolCall"]["required"] == ["name", "args"]
    assert list(schema["$defs"]["ToolCall"]["properties"]) == ["name", "args"]
    assert "description" not in schema
    assert "tool_calls" in ToolCalls.description()


def test_execute_finds_the_function():
    """By name in a dict, in a list of tools or functions, or where `execute` is called."""
    call = ToolCalls.from_dict_list([{"name": "search", "args": {"q": "x"}}]).tool_calls[0]
    for functions in ({"search": search}, [Tool(search)], [search], {"search": Tool(search)}, None):
        assert call.execute(functions=functions) == "found x"

    def inner() -> str:
        search = str.upper  # noqa: F841  # the nearest of this name is meant
        return call.model_copy(update={"args": {}}).execute(functions={"search": lambda: "given"})

    assert inner() == "given"


def test_execute_converts_arguments_for_tools():
    """A tool's types hold for a call of it."""

    def double(n: int) -> int:
        return n * 2

    call = ToolCalls.ToolCall(name="double", args={"n": "2"})
    assert call.execute(functions=[Tool(double)]) == 4
    assert call.execute(functions={"double": double}) == "22"


def test_execute_says_what_went_wrong():
    """A missing tool and a failing one are told apart; the failing one's error is the cause."""
    call = ToolCalls.ToolCall(name="serch", args={"q": "x"})
    with pytest.raises(ContentError, match=r"no tool `serch`\. Did you mean `search`\?"):
        call.execute(functions={"search": search})
    with pytest.raises(ContentError):
        call.execute()
    with pytest.raises(ToolError, match="ZeroDivisionError") as error:
        call.execute(functions={"serch": lambda q: 1 / 0})
    assert isinstance(error.value, RuntimeError)
    assert isinstance(error.value.__cause__, ZeroDivisionError)


def test_execute_lets_a_run_end():
    """A stop that was asked for inside a tool is no failure of the tool."""

    def stop() -> None:
        raise StopRequested("enough")

    with pytest.raises(StopRequested):
        ToolCalls.ToolCall(name="stop", args={}).execute(functions=[stop])


def test_results_go_with_their_calls():
    """Each result carries its call's id and name, and whether it is an error."""
    calls = ToolCalls.from_dict_list([{"id": "1", "name": "a", "args": {}}, {"name": "b", "args": {}}])
    results = ToolCallResults.from_tool_calls_and_values(calls, [1, "no"], is_errors=[False, True])
    assert results.model_dump() == {
        "tool_call_results": [
            {"call_id": "1", "name": "a", "value": 1, "is_error": False},
            {"call_id": None, "name": "b", "value": "no", "is_error": True},
        ]
    }
    assert (
        ToolCallResults.from_tool_calls_and_values(calls.tool_calls, [1, 2]).tool_call_results[1].value == 2
    )
    assert json.loads(results.prompt_form()) == results.model_dump()
    for values, errors in (([1], None), ([1, 2], [True])):
        with pytest.raises(ContentError, match="2 calls"):
            ToolCallResults.from_tool_calls_and_values(calls, values, errors)


def test_results_read_from_each_form():
    """A list, an object with the list and one result are read."""
    one = {"name": "a", "value": 1}
    whole = ToolCallResults.model_validate(one)
    assert (
        whole == ToolCallResults.model_validate([one]) == ToolCallResults.model_validate(whole.model_dump())
    )
    with pytest.raises(pydantic.ValidationError):
        ToolCallResults.model_validate("x")


def test_calls_carry_their_results():
    """Results set on calls are saved with them and read back."""
    calls = ToolCalls.from_dict_list([{"name": "a", "args": {}}])
    results = ToolCallResults.from_tool_calls_and_values(calls, [1])
    whole = ToolCalls(tool_calls=calls.tool_calls, tool_call_results=results)
    saved = whole.model_dump()
    assert saved["tool_call_results"] == results.model_dump()
    assert ToolCalls.model_validate(saved).model_dump() == saved
