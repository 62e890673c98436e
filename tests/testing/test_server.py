"""Laws of the test server: it answers and fails in the way it is told, and counts."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request

import pytest

from dspex.lm.lm import LM
from dspex.lm.messages import Choice
from dspex.lm.practice import PracticeTransport
from dspex.testing.scripted import call
from dspex.testing.server import Fault, serving


def post(base_url: str, **changes: object) -> tuple[int, dict[str, str], str]:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **changes}
    request = urllib.request.Request(f"{base_url}/chat/completions", json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:
            return reply.status, dict(reply.headers), reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read().decode()


def test_it_speaks_the_wire_to_any_client():
    """A client that is not ours gets a chat completion."""
    with serving(lambda messages: f"{len(messages)} {messages[0].role}") as server:
        status, headers, text = post(server.base_url, n=2)
    answer = json.loads(text)
    assert status == 200
    assert headers["Content-Type"].startswith("application/json")
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["1 user", "1 user"]
    assert answer["usage"]["total_tokens"] == 15


def test_faults_come_in_order_then_answers():
    """The first requests fail as listed; every one is counted."""
    with serving(first=[Fault(status=429, retry_after=3), Fault(status=500, body="oops")]) as server:
        first, second, third = (post(server.base_url) for _ in range(3))
    assert (first[0], first[1]["Retry-After"], json.loads(first[2])["error"]["code"]) == (
        429,
        "3",
        "some_error",
    )
    assert (second[0], second[2]) == (500, "oops")
    assert third[0] == 200
    assert (server.hits, server.in_flight) == (3, 0)


@pytest.mark.parametrize("fault", [Fault(drop=True), Fault(cut=True)])
def test_a_broken_connection_is_broken(fault: Fault):
    """A client sees the break, not an answer."""
    with serving(always=fault) as server, pytest.raises((OSError, http.client.HTTPException)):
        post(server.base_url)
    assert server.hits == 1


def test_a_transport_may_give_the_answers():
    """The practice model behind a real socket answers as it does without one."""
    with serving(PracticeTransport()) as server:
        there = LM("openai/any", api_base=server.base_url, cache=False)("Hello.")
    assert there == LM("practice")("Hello.")


def test_it_ends_with_requests_in_the_air():
    """Nobody waits for a request that hangs; the port is free afterwards."""
    with serving(always=Fault(hang=True)) as server, pytest.raises(TimeoutError):
        urllib.request.urlopen(f"{server.base_url}/chat/completions", b"{}", timeout=0.2)
    with pytest.raises(urllib.error.URLError):
        post(server.base_url)


def test_it_streams_what_it_would_answer():
    """Pieces in OpenAI's form, the tokens at the end, and the mark of the end."""
    said = Choice(text="one two", calls=(call("f", a=1),), finish="tool_calls")
    with serving(lambda messages: said) as server:
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True})
        with urllib.request.urlopen(f"{server.base_url}/chat/completions", body.encode()) as reply:
            assert reply.headers["Content-Type"] == "text/event-stream"
            lines = [line.removeprefix(b"data: ") for line in reply.read().split(b"\n\n") if line]
    assert lines[-1] == b"[DONE]"
    events = [json.loads(line) for line in lines[:-1]]
    deltas = [event["choices"][0]["delta"] for event in events[:-1]]
    assert [delta["content"] for delta in deltas if "content" in delta] == ["", "one", " two"]
    assert [delta["tool_calls"][0]["function"].get("name") for delta in deltas if "tool_calls" in delta] == [
        "f",
        None,
    ]
    assert (events[-1]["choices"], events[-1]["usage"]["total_tokens"]) == ([], 15)


def test_requests_are_recorded_as_they_came():
    """Parts, tools and further fields included, for a test to look at."""
    part = {"type": "image_url", "image_url": {"url": "https://example.org/1.png"}}
    tool = {"type": "function", "function": {"name": "f", "description": "", "parameters": {}}}
    messages = [{"role": "user", "content": [part, {"type": "text", "text": "what?"}]}]
    with serving() as server:
        lm = LM("openai/any", api_base=server.base_url, cache=False)
        assert lm(messages=messages, tools=[tool]) == ["what?"]
    assert server.requests[0]["messages"] == messages
    assert server.requests[0]["tools"][0]["function"]["name"] == "f"
