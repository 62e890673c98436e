"""Laws of the litellm transport, with litellm as it is and in this process, against real sockets.

What changes where it runs in a process of its own is said in `test_workers.py`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess
import sys
import traceback
from array import array

import msgspec
import pytest

from dspex import _host
from dspex.errors import LMError
from dspex.lm.litellm import LiteLLMTransport
from dspex.lm.messages import Choice, Chunk, ImagePart, Message, Request, Response, TextPart, ToolSpec
from dspex.lm.providers import Route, route
from dspex.lm.secret import Secret
from dspex.lm.transport import OnChunk
from dspex.testing.scripted import call
from dspex.testing.server import Fault, Server, serving
from tests.lm.faults import CANARY, ECHO, FAULTS

pytestmark = [
    pytest.mark.timeout(120),
    # litellm's own stream handler looks at a pydantic model in a way that pydantic is about to change
    pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning"),
]
ASK = Request(model="hosted_vllm/m", messages=(Message(role="user", content="hi"),), max_tokens=9)


def transport(base_url: str, timeout: float = 5.0, provider: str = "hosted_vllm") -> LiteLLMTransport:
    way = Route(wire="litellm", provider=provider, model=f"{provider}/m", base=base_url)
    return LiteLLMTransport(way, api_key=Secret(CANARY), timeout=timeout, workers=0)


def authorization(server: Server) -> str:
    """Return the header of the last request, whichever way its name is written."""
    return {name.lower(): value for name, value in server.headers[-1].items()}.get("authorization", "")


def ask(
    base_url: str,
    timeout: float = 5.0,
    provider: str = "hosted_vllm",
    request: Request = ASK,
    on_chunk: OnChunk | None = None,
) -> Response:
    there = transport(base_url, timeout, provider)
    return _host.portal.run(there.send(request) if on_chunk is None else there.stream(request, on_chunk))


@pytest.fixture(autouse=True, scope="module")
def _imported() -> None:
    """Take litellm's seconds of import once, outside of any test's time."""
    with serving() as server:
        ask(server.base_url, timeout=60)


def test_an_answer_comes_back():
    """Text, usage and parameters pass through litellm; a price it does not know is None."""
    with serving(lambda messages: messages[-1].content.upper()) as server:
        response = ask(server.base_url)
    assert (response.text, response.usage.total_tokens, response.cost) == ("HI", 15, None)
    assert server.requests[0]["max_tokens"] == 9
    assert authorization(server) == f"Bearer {CANARY}"


@pytest.mark.parametrize(("fault", "kind"), FAULTS, ids=lambda v: str(v)[:60])
def test_every_failure_is_one_of_ours_after_one_request(fault: Fault, kind: str):
    """No hidden retries, one error of ours, and the key nowhere in it or in its chain."""
    with serving(always=fault) as server, pytest.raises(LMError) as caught:
        ask(server.base_url, timeout=0.3 if fault.hang else 5.0)
    # Without the test's own frame, which holds what the server is to say.
    error = caught.value.with_traceback(caught.tb.tb_next)
    assert (error.kind, server.hits) == (kind, 1)
    assert error.retry_after == (fault.retry_after or 0.0)
    assert ("you sent ***" in str(error)) is (fault.message == ECHO)
    assert error.__cause__ is None
    assert error.__context__ is None
    assert CANARY not in "".join(
        traceback.TracebackException.from_exception(error, capture_locals=True).format()
    )


@pytest.mark.parametrize("status", [400, 401, 408, 409, 429, 500, 503])
def test_the_sdk_below_litellm_tries_once_too(status: int):
    """Some of litellm's providers go through an SDK that tries thrice where nobody tells it not to."""
    with serving(always=Fault(status=status)) as server, pytest.raises(LMError):
        ask(server.base_url, provider="openai")
    assert server.hits == 1


@pytest.mark.parametrize("provider", ["ai21", "codestral", "nscale", "zai"])
@pytest.mark.parametrize("streaming", [False, True])
def test_providers_for_which_litellm_loses_that_wish_are_tried_once_too(provider: str, streaming: bool):
    """It keeps retries to itself for some; what counts is what arrives."""
    with serving(always=Fault(status=500)) as server, pytest.raises(LMError):
        ask(server.base_url, provider=provider, on_chunk=[].append if streaming else None)
    assert server.hits == 1


def test_a_package_that_litellm_lacks_is_no_matter_of_trying_again():
    """It calls that a connection error."""
    with serving() as server, pytest.raises(LMError, match="lacks a package for `gdc`") as caught:
        ask(server.base_url, provider="gdc")
    assert (caught.value.retryable, server.hits) == (False, 0)
    assert "Traceback" not in str(caught.value)


def test_a_cancelled_call_ends_at_once():
    """The error that ends it leads to no frame of litellm's."""

    async def cancelled(base_url: str) -> None:
        way = Route(wire="litellm", provider="hosted_vllm", model="hosted_vllm/m", base=base_url)
        task = asyncio.ensure_future(LiteLLMTransport(way, api_key=Secret(CANARY), workers=0).send(ASK))
        while not server.in_flight:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.__context__ is None

    with serving(always=Fault(hang=True)) as server:
        _host.portal.run(cancelled(server.base_url))


def test_a_missing_key_is_said_before_litellm_is_needed():
    """Where the key has one place to come from, its lack is known at once."""
    with pytest.raises(LMError, match="No key for `anthropic`: set ANTHROPIC_API_KEY or pass api_key="):
        _host.portal.run(LiteLLMTransport(route("anthropic/claude-haiku")).send(ASK))


def test_a_process_that_used_litellm_ends_without_a_word():
    """Import, call and exit leave nothing on stdout or stderr, and the host loop was free meanwhile."""
    code = (
        "import asyncio, sys; from dspex import _host; from dspex.lm.litellm import LiteLLMTransport\n"
        "from dspex.lm.providers import Route; from dspex.lm.messages import *\n"
        "from dspex.testing.server import serving\n"
        "async def beat():\n"
        "    beats = 0\n"
        "    while 'done' not in state:\n"
        "        await asyncio.sleep(0.01); beats += 'litellm' in sys.modules and not state\n"
        "    return beats\n"
        "state = set()\n"
        "with serving() as server:\n"
        "    watch = _host.submit(beat())\n"
        "    way = Route(wire='litellm', provider='hosted_vllm', model='hosted_vllm/m', base=server.base_url)\n"
        "    ask = Request(model='hosted_vllm/m', messages=(Message(role='user', content='hi'),))\n"
        "    assert 'litellm' not in sys.modules\n"
        "    assert _host.portal.run(LiteLLMTransport(way, workers=0).send(ask)).text == 'hi'\n"
        "    state.add('done'); assert watch.result() > 20, watch.result()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_parts_tools_and_format_go_out_and_calls_and_reasoning_come_back():
    """Litellm is asked in OpenAI's form, and gives it to an OpenAI-compatible server as it is."""
    said = Choice(text="", calls=(call("add", a=1),), finish="tool_calls", reasoning="hm")
    part = ImagePart("data:image/png;base64,AA==")
    request = Request(
        model="hosted_vllm/m",
        messages=(Message(role="user", content=(TextPart("what?"), part)),),
        tools=(ToolSpec(name="add", description="adds"),),
        response_format=msgspec.Raw(b'{"type":"json_object"}'),
    )
    with serving(lambda messages: said) as server:
        response = ask(server.base_url, request=request)
        pieces: list[Chunk] = []
        streamed = ask(server.base_url, request=request, on_chunk=pieces.append)
    assert response.choices == streamed.choices == (said,)
    for sent in server.requests:
        assert sent["messages"][0]["content"][1] == {"type": "image_url", "image_url": {"url": part.url}}
        assert sent["tools"][0]["function"]["name"] == "add"
        assert sent["response_format"] == {"type": "json_object"}
    assert "".join(chunk.reasoning for chunk in pieces) == "hm"
    assert pieces[-1].calls == said.calls


def test_a_stream_comes_in_pieces_with_its_tokens():
    """As from the direct transport."""
    pieces: list[Chunk] = []
    with serving(lambda messages: "one two three") as server:
        response = ask(server.base_url, on_chunk=pieces.append)
    assert (response.text, response.usage.total_tokens) == ("one two three", 15)
    assert "".join(chunk.text for chunk in pieces) == "one two three"
    assert len(pieces) > 2


@pytest.mark.parametrize("fault", [Fault(cut=True), Fault(status=503)])
def test_a_stream_that_breaks_is_an_error_of_ours(fault: Fault):
    """Before the first piece or after it."""
    with serving(lambda messages: "one two three", always=fault) as server, pytest.raises(LMError) as caught:
        ask(server.base_url, on_chunk=lambda chunk: None)
    assert caught.value.retryable
    assert caught.value.__cause__ is None


def test_a_cancelled_stream_closes_its_connection():
    """The server sees the client leave."""

    async def leave(base_url: str) -> None:
        arrived = asyncio.Event()
        task = asyncio.ensure_future(transport(base_url).stream(ASK, lambda chunk: arrived.set()))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with serving(lambda messages: "word " * 500, pause=0.02) as server:
        _host.portal.run(leave(server.base_url))

        async def gone() -> None:
            while not server.dropped:
                await asyncio.sleep(0.01)

        _host.portal.run(gone())
    assert server.dropped == 1


def test_a_cost_below_zero_is_not_known():
    """The library multiplies whatever the server counts; a budget must not grow by it."""
    counts = '{"prompt_tokens":-5000000,"completion_tokens":-5000000,"total_tokens":-10000000}'
    said = (
        '{"model":"gpt-4o-mini","choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":%s}'
    )
    way = Route(wire="litellm", provider="openai", model="openai/gpt-4o-mini")
    with serving(always=Fault(body=said % counts)) as server:
        there = LiteLLMTransport(
            dataclasses.replace(way, base=server.base_url), api_key=Secret(CANARY), workers=0
        )
        response = _host.portal.run(there.send(ASK))
    assert (response.text, response.cost, response.usage.total_tokens) == ("hi", None, 0)


@pytest.mark.parametrize("provider", ["hosted_vllm", "openai"])
def test_texts_are_embedded(provider: str):
    """One request with all texts, one vector for each, in order; options and headers go along."""
    request = Request(
        model="hosted_vllm/m", messages=(), inputs=("blue", "red"), options={"user": msgspec.Raw(b'"me"')}
    )
    rows = {"blue": [0.5, 1.0], "red": [0.25, -1.0]}
    with serving(vectors=lambda texts: [rows[text] for text in texts]) as server:
        response = ask(server.base_url, provider=provider, request=request)
    assert [array("f", row).tolist() for row in response.vectors] == list(rows.values())
    assert response.usage.prompt_tokens == 2
    assert (server.hits, server.requests[0]["input"], server.requests[0]["user"]) == (
        1,
        ["blue", "red"],
        "me",
    )
    assert authorization(server) == f"Bearer {CANARY}"


@pytest.mark.parametrize("status", [401, 429, 500])
def test_embedding_that_fails_is_tried_once(status: int):
    """As a conversation is."""
    request = Request(model="hosted_vllm/m", messages=(), inputs=("blue",))
    with serving(always=Fault(status=status)) as server, pytest.raises(LMError) as caught:
        ask(server.base_url, provider="openai", request=request)
    assert (server.hits, caught.value.status) == (1, status)
