"""Laws of OpenAI's forms: what we write we read back, and what we do not know goes through untouched."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.errors import SettingsError
from dspex.lm.forms import (
    Form,
    call_of,
    conversation,
    form_of_message,
    form_of_tool,
    message_of,
    part_of,
    tools_of,
)
from dspex.lm.messages import AudioPart, Call, FilePart, ImagePart, Message, OtherPart, TextPart, ToolSpec

texts = st.text(max_size=20)
parts = st.one_of(
    st.builds(TextPart, texts),
    st.builds(ImagePart, texts, st.none() | st.just("low")),
    st.builds(AudioPart, texts, st.just("wav")),
    st.builds(FilePart, st.none() | texts, st.none() | texts, st.none() | texts),
)
messages = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=texts | st.lists(parts, min_size=1, max_size=3).map(tuple),
    calls=st.lists(st.builds(Call, id=texts, name=texts, arguments=texts), max_size=2).map(tuple),
    call_id=texts,
)


@given(messages)
def test_what_is_written_is_read_back(message: Message):
    """Also through JSON, where a history or a server has it."""
    assert message_of(json.loads(json.dumps(form_of_message(message)))) == message


DOCUMENT = {"type": "document", "source": {"type": "text", "data": "x"}, "citations": {"enabled": True}}
MARKED = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}


@pytest.mark.parametrize("form", [DOCUMENT, MARKED])
def test_a_provider_s_own_part_goes_through(form: dict[str, Any]):
    """What we have no name for loses nothing."""
    part = part_of(form)
    assert isinstance(part, OtherPart)
    assert form_of_message(Message(role="user", content=(part,)))["content"] == [form]


@pytest.mark.parametrize("form", [{}, {"text": "x"}, 3, None, {"type": "x", "of": object()}, {"type": None}])
def test_what_is_no_part_is_refused(form: Any):
    """The error shows one."""
    with pytest.raises(SettingsError, match="type"):
        part_of(form)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"role": "user"}, "role"),
        ({"content": "x"}, "Unknown `role` None"),
        ({"role": "robot", "content": "x"}, "Unknown `role` 'robot'"),
        ({"role": "user", "content": 3}, "a text or a list of parts"),
        ({"role": "user", "content": "x", "cache_control": {}}, "cannot hold `cache_control`"),
        ({"role": "assistant", "tool_calls": [{}]}, "tool call"),
        ("hi", "role"),
    ],
)
def test_what_is_no_message_is_refused(message: Any, words: str):
    """Nothing of a message is lost in silence."""
    with pytest.raises(SettingsError, match=words):
        conversation(None, [message])


def test_an_answer_may_be_said_again():
    """A completion's message, as a dict of OpenAI's client, is a message of the next call."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None, "annotations": []}
    told = {"role": "tool", "content": "4", "tool_call_id": "c1", "name": "f"}
    assert conversation(None, [said, told]) == (
        Message(role="assistant", calls=(Call(id="c1", name="f"),)),
        Message(role="tool", content="4", call_id="c1"),
    )
    assert call_of(Form(id="c1", function=Form(name="f", arguments={"x": 1}))).arguments == '{"x":1}'


def test_tools_are_read_and_written():
    """A function is ours; a provider's own kind is not, and goes through as it is."""
    form = {
        "type": "function",
        "function": {"name": "f", "description": "does", "parameters": {"type": "object", "properties": {}}},
    }
    (tool,) = tools_of([form]) or ()
    assert form_of_tool(tool) == form
    assert tools_of([tool, {"type": "web_search"}]) is None
    assert tools_of([{"type": "function", "function": {"name": "f", "strict": True}}]) is None
    assert tools_of([ToolSpec(name="g")]) == (ToolSpec(name="g"),)
