"""Laws of the test server: it answers and fails in the way it is told, and counts."""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from dspex import _host
from dspex.errors import LMError, SettingsError
from dspex.lm.lm import LM
from dspex.lm.messages import Choice, Message
from dspex.lm.practice import PracticeTransport
from dspex.testing.clock import FakeClock
from dspex.testing.scripted import call
from dspex.testing.server import Fault, serving
from dspex.testing.server.faults import Script


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


def asked(base_url: str, calls: int) -> list[str]:
    """Ask that often at once and return each answer, or the kind of each error."""

    async def all_at_once() -> list[str]:
        lm = LM("openai/any", api_base=base_url, cache=False, num_retries=0)
        found = await asyncio.gather(*(lm.acall(str(k)) for k in range(calls)), return_exceptions=True)
        return [one.kind if isinstance(one, LMError) else one[0] for one in found]

    return _host.portal.run(all_at_once())


def test_more_than_its_limit_in_flight_are_refused():
    """At once, with what the provider says about coming again; below the limit all are answered."""
    with serving(lambda _: "blue", latency=0.3, limit=3, retry_after=7) as server:
        found = asked(server.base_url, 5)
        assert post(server.base_url)[0] == 200
    assert (sorted(found), server.refused) == (["blue"] * 3 + ["rate_limit"] * 2, 2)


def test_more_than_its_rate_are_refused():
    """Whoever comes in the next second is answered again."""
    with FakeClock() as clock:
        script = Script(per_second=2)
        assert [script.fate(k, 1) is None for k in (1, 2, 3)] == [True, True, False]
        clock.advance(1.0)
        assert script.fate(4, 1) is None


def test_faults_come_by_chance_as_often_as_they_should_and_the_same_in_every_run():
    """A share of the requests, by seed."""
    down, slow = Fault(status=503), Fault(latency=1.0)
    mix = [(0.2, down), (0.1, slow)]
    one, two = Script(mix=mix, seed=3), Script(mix=mix, seed=3)
    fates = [one.fate(k, 1) for k in range(1, 2001)]
    assert fates == [two.fate(k, 1) for k in range(1, 2001)]
    assert 0.17 < fates.count(down) / 2000 < 0.23
    assert 0.08 < fates.count(slow) / 2000 < 0.12


@pytest.mark.parametrize("mix", [[(1.2, Fault())], [(0.6, Fault()), (0.6, Fault())], [(-0.1, Fault())]])
def test_shares_that_are_none_are_refused(mix: list[tuple[float, Fault]]):
    """Before anything is served."""
    with pytest.raises(SettingsError, match="between 0 and 1"), serving(mix=mix):
        pass


def test_it_goes_down_and_comes_up_on_the_same_address():
    """Calls in flight break, new ones are refused; then all is as before, also where nobody may wait."""
    with serving(lambda _: "blue", first=[Fault(hang=True)]) as server:

        async def outage() -> str:
            lm = LM("openai/any", api_base=server.base_url, cache=False, num_retries=0)
            call = asyncio.ensure_future(lm.acall("hi"))
            while not server.in_flight:
                await asyncio.sleep(0.001)
            server.down()
            with pytest.raises(LMError, match="closed the connection"):
                await call
            with pytest.raises(LMError, match="connection"):
                await lm.acall("hi")
            server.up()
            return (await lm.acall("hi"))[0]

        assert _host.portal.run(outage()) == "blue"
        server.down()
        with pytest.raises(urllib.error.URLError):
            post(server.base_url)
        server.up()
        assert post(server.base_url)[0] == 200


def test_what_is_no_http_and_what_comes_in_drops():
    """Two more ways to be ill."""
    with serving(first=[Fault(garbage=True), Fault(status=500, body="x" * 40, pause=0.001)]) as server:
        with pytest.raises(http.client.HTTPException):
            post(server.base_url)
        assert post(server.base_url)[2] == "x" * 40


def test_a_slow_stream_is_whole():
    """A fault that only makes it slow."""
    with serving(lambda _: "one two", always=Fault(pause=0.001)) as server:
        chunks: list[str] = []
        lm = LM("openai/any", api_base=server.base_url, cache=False)
        work = lm.acomplete(
            [Message(role="user", content="hi")], on_chunk=lambda chunk: chunks.append(chunk.text)
        )
        assert _host.portal.run(work).text == "".join(chunks) == "one two"


def test_an_answer_that_raises_is_a_failure_of_the_server():
    """What the test's own function did wrong is in the body."""
    with serving(lambda _: 1 / 0) as server:
        assert post(server.base_url)[::2] == (500, "ZeroDivisionError: division by zero")


def test_unknown_paths_are_said_to_be_unknown():
    """And are no hits."""
    with serving() as server:
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{server.base_url}/models", timeout=5)
        with pytest.raises(urllib.error.HTTPError, match="405"):
            urllib.request.urlopen(f"{server.base_url}/chat/completions", timeout=5)
    assert server.hits == 0


def test_it_runs_in_a_process_of_its_own():
    """It says where it is, answers what it was told, and ends with whoever started it."""
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "dspex.testing.server",
        "--while-open",
        "--answer",
        "a\\nb",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        answer = json.loads(post(process.stdout.readline().strip())[2])
        process.communicate(timeout=10)
    assert answer["choices"][0]["message"]["content"] == "a\nb"
    assert process.returncode == 0
