"""Streams that are left and streams that break: the provider is told at once, and what was shown stays shown."""

from __future__ import annotations

import asyncio
import time

import pytest

from dspex import LM, _host
from dspex.errors import CancelRequested, LMError
from dspex.lm.messages import Chunk, Message
from dspex.scope.cancel import CancelToken
from dspex.scope.scope import Scope, enter
from dspex.testing.server import Fault, Server, serving
from tests.chaos.running import lm_at

WAYS = ["openai/m", "custom_openai/m"]
HI = [Message(role="user", content="hi")]
SAID = "one two three four " * 200


@pytest.mark.parametrize("model", WAYS)
@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
@pytest.mark.timeout(60)  # the first to come may take litellm's seconds of import
def test_cancel_closes_the_connection_within_100_ms(model: str, whole: bool) -> None:
    """From the moment a run is cancelled to the moment the provider sees its client gone."""
    fault = Fault(hang=True) if whole else None
    with serving(lambda _: SAID, pause=0.005, first=[Fault(status=400)], always=fault) as server:
        lm = lm_at(server, model=model, timeout=60.0)
        with pytest.raises(LMError):
            lm("hi")  # litellm is imported by now
        took = [_host.portal.run(left(lm, server, whole)) for _ in range(3)]
    assert min(took) < 0.1, took  # a busy machine may hold up one of them, but not all


async def left(lm: LM, server: Server, whole: bool) -> float:
    """Cancel a call in the midst of its answer; return the seconds until the server knows."""
    token, begun, dropped = CancelToken(), asyncio.Event(), server.dropped

    def on_chunk(chunk: Chunk) -> None:
        begun.set()

    with enter(Scope(run="r1", patient=True, cancel=token)):
        call = asyncio.ensure_future(lm.acomplete(HI, on_chunk=None if whole else on_chunk))
    while whole and not server.in_flight:
        await asyncio.sleep(0.001)
    if not whole:
        await begun.wait()
    began = time.monotonic()
    token.request("cancel")
    while server.dropped == dropped:
        await asyncio.sleep(0.001)
    took = time.monotonic() - began
    with pytest.raises(CancelRequested):
        await call
    assert server.in_flight == 0
    return took


@pytest.mark.parametrize("model", WAYS)
@pytest.mark.parametrize("fault", [Fault(cut=True), Fault(cut=True, pause=0.02)], ids=["at once", "slowly"])
@pytest.mark.timeout(60)
def test_a_cut_stream_keeps_its_beginning_and_is_not_begun_anew(model: str, fault: Fault) -> None:
    """Whoever reads would read the beginning twice; the error has what was there, and says that it broke."""
    pieces: list[str] = []
    with serving(lambda _: SAID, always=fault, pause=0.01) as server:
        lm = lm_at(server, model=model, num_retries=3, timeout=60.0)
        with pytest.raises(LMError) as caught:
            _host.drive(lm.acomplete(HI, on_chunk=lambda chunk: pieces.append(chunk.text)))
        assert server.hits == 1
    assert caught.value.partial == "".join(pieces) == "one"
    assert caught.value.kind in ("transport", "server")


@pytest.mark.parametrize("model", WAYS)
@pytest.mark.parametrize("rest", ["", "data: {broken\n\n"], ids=["ends early", "turns to garbage"])
@pytest.mark.timeout(60)
def test_half_an_answer_is_never_taken_for_a_whole_one(model: str, rest: str) -> None:
    """Also where the connection ends in good order, as a proxy ends it whose patience is over."""
    half = 'data: {"choices":[{"index":0,"delta":{"content":"The answer is no"}}]}\n\n'
    fault = Fault(body=half + rest, headers={"Content-Type": "text/event-stream"})
    pieces: list[str] = []
    with serving(always=fault) as server:
        lm = lm_at(server, model=model, timeout=60.0)
        with pytest.raises(LMError) as caught:
            _host.drive(lm.acomplete(HI, on_chunk=lambda chunk: pieces.append(chunk.text)))
    assert caught.value.partial == "".join(pieces) == "The answer is no"
    assert server.hits == 1
