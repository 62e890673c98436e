"""Laws of the OpenAI-compatible wire, without a socket."""

from __future__ import annotations

import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.lm.messages import (
    AudioPart,
    Call,
    FilePart,
    ImagePart,
    Message,
    OtherPart,
    Request,
    TextPart,
    ToolSpec,
)
from dspex.lm.wire import NoAnswerError, body_of, response_of

ASK = Request(model="openai/m", messages=(Message(role="user", content="hi"),))


def body(**changes: object) -> dict[str, object]:
    request = msgspec.structs.replace(ASK, **changes)
    return json.loads(body_of(request, "m"))


def test_what_is_not_set_is_not_sent():
    """A plain request holds model and messages only; the number of a rollout stays with us."""
    assert body(rollout_id=3) == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_what_is_set_is_sent():
    """Each field goes under the provider's name for it."""
    sent = body(temperature=0.0, max_tokens=5, n=2, stop=("END",), options={"top_p": msgspec.Raw(b"0.5")})
    assert sent["temperature"] == 0.0
    assert (sent["max_tokens"], sent["n"], sent["stop"], sent["top_p"]) == (5, 2, ["END"], 0.5)


def test_what_is_extra_goes_where_all_else_is():
    """As OpenAI's own client and litellm send it."""
    extra = msgspec.Raw(b'{"top_k":5,"template":{"think":false}}')
    sent = body(options={"extra_body": extra, "top_p": msgspec.Raw(b"0.5")})
    assert (sent["top_k"], sent["template"], sent["top_p"]) == (5, {"think": False}, 0.5)
    assert "extra_body" not in sent


def test_parts_go_in_openai_s_form():
    """Each kind of content as the providers document it."""
    parts = (
        TextPart("what?"),
        ImagePart("data:image/png;base64,AA=="),
        ImagePart("https://example.org/1.png", "low"),
        AudioPart("AA==", "wav"),
        FilePart("data:application/pdf;base64,AA==", name="a.pdf"),
        FilePart(id="file-1"),
        OtherPart(msgspec.Raw(b'{"type":"document","data":"x"}')),
    )
    sent = body(messages=(Message(role="user", content=parts),))
    assert sent["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                {"type": "image_url", "image_url": {"url": "https://example.org/1.png", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
                {
                    "type": "file",
                    "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"},
                },
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "document", "data": "x"},
            ],
        }
    ]


def test_tools_calls_and_format_go_in_openai_s_form():
    """A whole turn with a tool: offered, asked for, answered."""
    spec = ToolSpec(name="add", description="adds", parameters=msgspec.Raw(b'{"type":"object"}'))
    said = Message(role="assistant", calls=(Call(id="c1", name="add", arguments='{"a":1}'),))
    sent = body(
        messages=(said, Message(role="tool", content="2", call_id="c1")),
        tools=(spec,),
        response_format=msgspec.Raw(b'{"type":"json_object"}'),
        options={"tool_choice": msgspec.Raw(b'"auto"')},
    )
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
    assert sent["messages"] == [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "2", "tool_call_id": "c1"},
    ]
    function = {"name": "add", "description": "adds", "parameters": {"type": "object"}}
    assert sent["tools"] == [{"type": "function", "function": function}]
    assert (sent["response_format"], sent["tool_choice"]) == ({"type": "json_object"}, "auto")


@pytest.mark.parametrize("model", ["o1", "o3-mini", "gpt-5", "gpt-5-mini", "openai/o4-mini"])
def test_reasoning_models_get_max_completion_tokens(model: str):
    """They refuse `max_tokens`."""
    sent = json.loads(body_of(msgspec.structs.replace(ASK, max_tokens=5), model))
    assert sent["max_completion_tokens"] == 5
    assert "max_tokens" not in sent


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5-chat-latest", "olmo", "o1a", "foo-o1"])
def test_other_models_get_max_tokens(model: str):
    """A name that only begins alike is no reasoning model."""
    assert "max_tokens" in json.loads(body_of(msgspec.structs.replace(ASK, max_tokens=5), model))


def test_an_answer_is_read():
    """Texts, finish reasons, usage and the provider's name for the model arrive."""
    response = response_of(
        b'{"model":"m-1","choices":[{"message":{"content":"a"},"finish_reason":"length"},'
        b'{"message":{"content":[{"type":"thinking","thinking":[]},{"type":"text","text":"b"}]}},'
        b'{"message":{"content":null},"finish_reason":"new_reason"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}'
    )
    assert [(c.text, c.finish) for c in response.choices] == [("a", "length"), ("b", "stop"), ("", "other")]
    assert (response.usage.total_tokens, response.model, response.cost) == (7, "m-1", None)


def test_calls_reasoning_and_citations_are_read():
    """What a model gives beside its text, under the names in use."""
    response = response_of(
        b'{"choices":[{"message":{"content":null,"tool_calls":[{"id":"c1","type":"function",'
        b'"function":{"name":"add","arguments":"{\\"a\\":1}"}}],"reasoning_content":"hm"},'
        b'"finish_reason":"tool_calls"},{"message":{"content":"x","reasoning":"ah",'
        b'"provider_specific_fields":{"citations":[[{"cited_text":"y"}]]}}}]}'
    )
    first, second = response.choices
    assert (first.text, first.finish, first.reasoning) == ("", "tool_calls", "hm")
    assert first.calls == (Call(id="c1", name="add", arguments='{"a":1}'),)
    assert (second.reasoning, second.citations) == ("ah", ({"cited_text": "y"},))


@pytest.mark.parametrize(
    "raw", [b"", b"<html>", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[{}]}', b"\xff\xfe"]
)
def test_what_is_no_answer_is_refused(raw: bytes):
    """A body without a completion is an error, never an empty answer."""
    with pytest.raises(NoAnswerError):
        response_of(raw)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(raw: bytes):
    """Every body is an answer or a `NoAnswerError`."""
    with contextlib.suppress(NoAnswerError):
        assert response_of(raw).choices
