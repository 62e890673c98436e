"""Laws of the direct transport, over real sockets: one call is one request, every end is one error of ours."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys

import pytest

from dspex import _host
from dspex.errors import LMError, LMTransportError
from dspex.lm.direct import DirectTransport
from dspex.lm.messages import Message, Request, Response
from dspex.lm.providers import route
from dspex.lm.secret import Secret
from dspex.testing.server import Fault, serving

ASK = Request(model="openai/m", messages=(Message(role="user", content="hi"),))


def ask(base_url: str, timeout: float = 5.0, request: Request = ASK) -> Response:
    transport = DirectTransport(
        route("openai/m", base_url), api_key=Secret("sk-test-123456"), timeout=timeout
    )
    return _host.portal.run(transport.send(request))


def test_an_answer_comes_back():
    """Text, usage and the provider's model arrive, and the request went out as written."""
    with serving(lambda messages: messages[-1].content.upper()) as server:
        response = ask(server.base_url)
    assert (response.text, response.usage.prompt_tokens, response.model) == ("HI", 10, "m")
    assert server.requests == [{"model": "m", "messages": [{"role": "user", "content": "hi"}]}]
    assert server.headers[0]["Authorization"] == "Bearer sk-test-123456"


TABLE = [
    (Fault(status=400), "invalid", 400),
    (Fault(status=422), "invalid", 422),
    (Fault(status=400, code="context_length_exceeded"), "context_window", 400),
    (Fault(status=401), "auth", 401),
    (Fault(status=403), "auth", 403),
    (Fault(status=402), "quota", 402),
    (Fault(status=429, code="insufficient_quota"), "quota", 429),
    (Fault(status=404), "invalid", 404),
    (Fault(status=408), "timeout", 408),
    (Fault(status=504), "timeout", 504),
    (Fault(status=413), "invalid", 413),
    (Fault(status=409), "server", 409),
    (Fault(status=429), "rate_limit", 429),
    (Fault(status=500), "server", 500),
    (Fault(status=502, body="<html>bad gateway</html>"), "server", 502),
    (Fault(status=503), "server", 503),
    (Fault(status=529), "server", 529),
    (Fault(status=302, headers={"Location": "http://127.0.0.1:9/"}), "unexpected", 302),
    (Fault(status=200, body="<html>hello</html>"), "unexpected", 200),
    (Fault(status=200, body='{"choices": []}'), "unexpected", 200),
    (Fault(status=200, body='{"error": {"message": "x", "code": 429}}'), "rate_limit", 429),
    (Fault(drop=True), "transport", 0),
    (Fault(cut=True), "transport", 0),
]


@pytest.mark.parametrize(("fault", "kind", "status"), TABLE, ids=lambda v: str(v)[:60])
def test_every_failure_is_one_of_ours_after_one_request(fault: Fault, kind: str, status: int):
    """The table of failures; nothing below us tries again; no chain leads to a header."""
    with serving(always=fault) as server, pytest.raises(LMError) as caught:
        ask(server.base_url)
    assert (caught.value.kind, caught.value.status, server.hits) == (kind, status, 1)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_an_answer_that_does_not_come_is_a_timeout():
    """The time limit is for the whole try, and the server sees its client go."""
    with serving(always=Fault(hang=True)) as server, pytest.raises(LMError, match=r"within 0\.1 s") as caught:
        ask(server.base_url, timeout=0.1)
    assert (caught.value.kind, server.hits) == ("timeout", 1)


def test_nobody_listens():
    """A refused connection is a broken transport, which may be tried again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(LMTransportError) as caught:
        ask(f"http://127.0.0.1:{port}/v1")
    assert caught.value.retryable


@pytest.mark.parametrize("value", [2, 0.5])
def test_retry_after_arrives(value: float):
    """The provider's wish is in the error."""
    with serving(always=Fault(status=429, retry_after=value)) as server, pytest.raises(LMError) as caught:
        ask(server.base_url)
    assert caught.value.retry_after == value


def test_a_cancelled_call_closes_its_connection():
    """The provider need not write an answer nobody waits for."""

    async def cancelled(base_url: str) -> None:
        transport = DirectTransport(route("openai/m", base_url))
        task = asyncio.ensure_future(transport.send(ASK))
        while not server.in_flight:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.__context__ is None
        while server.in_flight:
            await asyncio.sleep(0.001)

    with serving(always=Fault(hang=True)) as server:
        _host.portal.run(cancelled(server.base_url))
    assert server.dropped == 1


def test_many_calls_are_in_flight_at_once():
    """No small pool of connections holds calls back."""

    async def many(base_url: str) -> None:
        transport = DirectTransport(route("openai/m", base_url))
        tasks = [asyncio.ensure_future(transport.send(ASK)) for _ in range(200)]
        while server.in_flight < 200:
            await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with serving(always=Fault(hang=True)) as server:
        _host.portal.run(many(server.base_url))
    assert server.peak == 200


def test_a_missing_key_is_said_before_any_network():
    """Nobody is connected to; the error names the variable."""
    transport = DirectTransport(route("openai/m"))
    with pytest.raises(LMError, match="No key for `openai`: set OPENAI_API_KEY or pass api_key=") as caught:
        _host.portal.run(transport.send(ASK))
    assert caught.value.kind == "auth"


def test_the_key_is_read_at_each_call(monkeypatch: pytest.MonkeyPatch):
    """A key set after the LM was made is used; a local server needs none."""
    with serving() as server:
        transport = DirectTransport(route("openai/m", server.base_url))
        _host.portal.run(transport.send(ASK))
        monkeypatch.setenv("OPENAI_API_KEY", " sk-later-123456\n")
        _host.portal.run(transport.send(ASK))
    assert [headers.get("Authorization") for headers in server.headers] == [None, "Bearer sk-later-123456"]


def test_a_process_that_asked_ends_without_a_word():
    """Session and connections are closed at exit: nothing on stderr, even in development mode."""
    code = (
        "import sys; from dspex.lm.lm import LM; from dspex.testing.server import serving\n"
        "with serving() as server: LM('openai/m', api_base=server.base_url, cache=False)('hi')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
