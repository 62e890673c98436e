"""Laws of the OpenAI-compatible wire, without a socket."""

from __future__ import annotations

import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.lm.messages import Message, Request
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
