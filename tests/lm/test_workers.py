"""Laws of litellm in processes of its own: litellm as it is, real processes, real sockets.

One process serves most tests: it takes seconds to start. Where only the process matters and not what it runs,
another library of that name stands in its way, see `test_worker_process.py`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from array import array
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from dspex import _host
from dspex.errors import LMError
from dspex.events.event import AnyEvent, LMRetry
from dspex.lm import process, workers
from dspex.lm.litellm import LiteLLMTransport
from dspex.lm.lm import LM
from dspex.lm.messages import Chunk, Message, Request
from dspex.lm.providers import Route
from dspex.lm.secret import Secret
from dspex.lm.worker import WINDOW
from dspex.testing.server import Fault, Server, serving
from tests.lm.faults import CANARY, ECHO, FAULTS
from tests.lm.test_canary import whole

pytestmark = pytest.mark.timeout(120)
WORDS = " ".join(f"w{k}" for k in range(500))
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def a_request(text: str = "hi") -> Request:
    return Request(model="hosted_vllm/m", messages=(Message(role="user", content=text),), max_tokens=9)


def transport(
    server: Server, *, timeout: float = 30.0, provider: str = "hosted_vllm", key: str | None = CANARY
) -> LiteLLMTransport:
    way = Route(wire="litellm", provider=provider, model=f"{provider}/m", base=server.base_url)
    return LiteLLMTransport(way, api_key=Secret(key) if key else None, timeout=timeout)


def authorization(server: Server) -> str:
    """Return the header of the last request, whichever way its name is written."""
    return {name.lower(): value for name, value in server.headers[-1].items()}.get("authorization", "")


def on_host(work: Awaitable[None]) -> None:
    async def run() -> None:
        await work

    _host.portal.run(run())


async def until(true: Callable[[], object]) -> None:
    while not true():
        await asyncio.sleep(0.001)


def pids() -> list[int]:
    async def ask() -> list[int]:
        return workers.shared().pids

    return _host.portal.run(ask())


@pytest.fixture(autouse=True)
def _ready() -> Iterator[None]:
    """Have the process there before the test, and its ends forgotten: they are no crash loop."""

    async def forget() -> None:
        workers.shared()._ends.clear()

    _host.portal.run(forget())
    with serving() as server:
        _host.portal.run(transport(server, timeout=60).send(a_request()))
    yield
    _host.portal.run(forget())


def test_an_answer_comes_from_another_process():
    """Text, usage, parameters and key pass through it; nothing of litellm is imported here."""
    with serving(lambda messages: messages[-1].content.upper()) as server:
        response = _host.portal.run(transport(server).send(a_request()))
    assert (response.text, response.usage.total_tokens, response.cost) == ("HI", 15, None)
    assert server.requests[0]["max_tokens"] == 9
    assert authorization(server) == f"Bearer {CANARY}"
    assert len(pids()) == 1
    assert pids()[0] != os.getpid()


@pytest.mark.parametrize(("fault", "kind"), FAULTS, ids=lambda v: str(v)[:60])
def test_every_failure_is_one_of_ours_after_one_request(
    fault: Fault, kind: str, caplog: pytest.LogCaptureFixture
):
    """No hidden retries, one error with all its fields, and the key nowhere in what a person can see."""
    caplog.set_level(logging.DEBUG)
    with serving(always=fault) as server:
        there = transport(server, timeout=0.3 if fault.hang else 30.0)
        with pytest.raises(LMError) as caught:
            _host.portal.run(there.send(a_request()))
    # Without the test's own frame, which holds the server and all that came there.
    error = caught.value.with_traceback(caught.tb.tb_next)
    assert (error.kind, server.hits) == (kind, 1)
    assert error.retry_after == (fault.retry_after or 0.0)
    assert ("you sent ***" in str(error)) is (fault.message == ECHO)
    assert (error.model, error.provider) == ("hosted_vllm/m", "hosted_vllm")
    assert CANARY not in whole(error)
    assert CANARY not in caplog.text


@pytest.mark.parametrize("status", [400, 401, 408, 409, 429, 500, 503])
def test_the_sdk_below_litellm_tries_once_too(status: int):
    """Some of litellm's providers go through an SDK that tries thrice where nobody tells it not to."""
    with serving(always=Fault(status=status)) as server, pytest.raises(LMError):
        _host.portal.run(transport(server, provider="openai").send(a_request()))
    assert server.hits == 1


@pytest.mark.parametrize("fault", [Fault(status=429), Fault(status=500), Fault(cut=True)], ids=str)
def test_a_stream_that_fails_is_one_request_too(fault: Fault):
    """Before the first piece or after it; what had arrived is kept."""
    with serving(lambda messages: "one two three", always=fault) as server, pytest.raises(LMError) as caught:
        _host.portal.run(transport(server).stream(a_request(), lambda chunk: None))
    assert (server.hits, caught.value.retryable) == (1, True)
    assert caught.value.partial == ("one" if fault.cut else "")


def test_a_stream_comes_in_pieces():
    """As from any other transport, in order, in the caller's own context."""
    pieces: list[Chunk] = []
    with serving(lambda messages: WORDS) as server:
        response = _host.portal.run(transport(server).stream(a_request(), pieces.append))
    assert response.text == "".join(chunk.text for chunk in pieces) == WORDS
    assert len(pieces) > 400
    assert pieces[-1].finish == "stop"


def test_what_is_on_its_way_of_a_stream_is_bounded(monkeypatch: pytest.MonkeyPatch):
    """Where nobody says that pieces are dealt with, no further ones come; others are not held up."""
    monkeypatch.setattr(process, "TOOK", 10**9)
    pieces: list[Chunk] = []

    async def fill() -> None:
        task = asyncio.ensure_future(transport(server).stream(a_request(), pieces.append))
        await until(lambda: len(pieces) == WINDOW)
        for _ in range(3):
            await transport(other).send(a_request())
        assert len(pieces) == WINDOW
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with serving(lambda messages: WORDS) as server, serving() as other:
        on_host(fill())


@pytest.mark.parametrize("streaming", [False, True])
def test_cancel_closes_the_connection_within_100_ms(streaming: bool):
    """The server sees the client leave: what nobody waits for costs nothing."""
    took: list[float] = []

    async def leave(server: Server) -> None:
        there, arrived = transport(server), asyncio.Event()
        call = there.stream(a_request(), lambda _: arrived.set()) if streaming else there.send(a_request())
        task = asyncio.ensure_future(call)
        await (arrived.wait() if streaming else until(lambda: server.in_flight))
        begin = asyncio.get_running_loop().time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.__context__ is None
        await until(lambda: server.dropped)
        took.append(asyncio.get_running_loop().time() - begin)

    for _ in range(3):
        fault = None if streaming else Fault(hang=True)
        with serving(lambda messages: WORDS, always=fault, pause=0.01) as server:
            on_host(leave(server))
    assert min(took) < 0.1, took


def test_a_key_that_changes_in_the_environment_is_seen(monkeypatch: pytest.MonkeyPatch):
    """Set, changed or taken away while the process runs."""
    sent = []
    with serving() as server:
        for key in ("sk-first-123456", "sk-second-123456", None):
            if key is None:
                monkeypatch.delenv("HOSTED_VLLM_API_KEY")
            else:
                monkeypatch.setenv("HOSTED_VLLM_API_KEY", key)
            _host.portal.run(transport(server, key=None).send(a_request()))
            sent.append(authorization(server))
    assert sent[:2] == ["Bearer sk-first-123456", "Bearer sk-second-123456"]
    assert "sk-" not in sent[2]


@ON_LINUX
def test_no_key_stands_where_others_can_read_it(monkeypatch: pytest.MonkeyPatch):
    """Not on the command line, not in the repr of anything."""
    monkeypatch.setenv("HOSTED_VLLM_API_KEY", "sk-environment-0123456789")
    with serving() as server:
        there = transport(server)
        _host.portal.run(there.send(a_request()))

    async def shown() -> str:
        return f"{workers.shared()!r} {vars(workers.shared())} {[vars(w) for w in workers.shared()._all]}"

    seen = Path(f"/proc/{pids()[0]}/cmdline").read_text() + f"{there!r} {vars(there)}"
    assert "dspex.lm.worker" in seen
    assert CANARY not in seen
    assert "sk-environment" not in seen
    assert CANARY not in _host.portal.run(shown())


def test_vectors_cross():
    """They are bytes, and frames are JSON."""
    request = Request(model="hosted_vllm/m", messages=(), inputs=("blue", "red"))
    with serving(vectors=lambda texts: [[0.5, 1.0], [0.25, -1.0]]) as server:
        response = _host.portal.run(transport(server).send(request))
    assert [array("f", row).tolist() for row in response.vectors] == [[0.5, 1.0], [0.25, -1.0]]


def test_long_texts_cross():
    """Longer than any pipe holds, both ways."""
    text = "x" * 900_000
    with serving() as server:
        assert _host.portal.run(transport(server).send(a_request(text))).text == text


def test_half_a_character_is_refused_in_words():
    """It cannot be sent to anybody."""
    with serving() as server, pytest.raises(LMError, match="cannot be sent: its text holds half") as caught:
        _host.portal.run(transport(server).send(a_request("\ud800")))
    assert (caught.value.kind, server.hits) == ("invalid", 0)


def test_an_lm_speaks_anthropics_language_through_litellm():
    """The one `LM` takes any provider: here the server is asked at a path that only litellm would ask."""
    with serving() as server:
        lm = LM(
            "anthropic/claude-3-5-haiku-latest",
            api_key=CANARY,
            api_base=server.base_url,
            cache=False,
            num_retries=0,
        )
        with pytest.raises(LMError, match="unknown model `anthropic/claude-3-5-haiku-latest` at `anthropic`"):
            lm("hi")


def test_kill_9_in_mid_call_loses_no_request(happened: Callable[[], list[AnyEvent]]):
    """Each call is sent anew once, to a new process; the server sees none more than twice."""
    texts = [f"question {k}" for k in range(20)]

    async def killed(server: Server) -> None:
        there = transport(server)
        calls = [asyncio.ensure_future(there.send(a_request(text))) for text in texts]
        await until(lambda: server.in_flight == len(texts))
        [pid] = workers.shared().pids
        os.kill(pid, signal.SIGKILL)
        assert [(await call).text for call in calls] == texts
        assert workers.shared().pids != [pid]

    with serving(first=[Fault(hang=True)] * len(texts)) as server:
        on_host(killed(server))
    assert set(Counter(body["messages"][0]["content"] for body in server.requests).values()) == {2}
    told = [event for event in happened() if isinstance(event, LMRetry)]
    assert {(event.error, event.attempt, event.wait) for event in told} == {("worker", 1, 0.0)}
    assert len(told) == len(texts)


def test_a_kernel_that_used_litellm_ends_without_a_word_and_leaves_nothing():
    """Import, call and exit leave nothing on stdout or stderr, and no process."""
    code = (
        "import sys; from dspex import _host; from dspex.lm import workers\n"
        "from dspex.lm.litellm import LiteLLMTransport\n"
        "from dspex.lm.providers import Route; from dspex.lm.messages import *\n"
        "from dspex.testing.server import serving\n"
        "async def pids(): return workers.shared().pids\n"
        "with serving() as server:\n"
        "    way = Route(wire='litellm', provider='hosted_vllm', model='hosted_vllm/m', base=server.base_url)\n"
        "    ask = Request(model='hosted_vllm/m', messages=(Message(role='user', content='hi'),))\n"
        "    assert _host.portal.run(LiteLLMTransport(way).send(ask)).text == 'hi'\n"
        "    assert 'litellm' not in sys.modules\n"
        "    print(*_host.portal.run(pids()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_kill_9_in_mid_stream_keeps_what_had_arrived():
    """An answer of which pieces were shown is not begun anew."""
    pieces: list[Chunk] = []

    async def killed(server: Server) -> None:
        task = asyncio.ensure_future(transport(server).stream(a_request(), pieces.append))
        await until(lambda: len(pieces) > 3)
        os.kill(workers.shared().pids[0], signal.SIGKILL)
        await task

    with (
        serving(lambda messages: WORDS, pause=0.01) as server,
        pytest.raises(LMError, match="was ended by SIGKILL in the midst of the answer") as caught,
    ):
        on_host(killed(server))
    assert (caught.value.kind, server.hits) == ("transport", 1)
    assert caught.value.partial == "".join(chunk.text for chunk in pieces)
    assert caught.value.partial.startswith("w0 w1 w2")
