"""Laws of a request that a worker cannot read: it is answered with its reason, and those beside it are answered too."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from dspex import _host
from dspex.lm import litellm
from dspex.lm.frames import (
    Answer,
    Ask,
    Failure,
    FrameError,
    Frames,
    Ping,
    Pong,
    Ready,
    asked_in,
    of_worker,
    pack,
)
from dspex.lm.messages import Choice, Message, Request, Response
from dspex.lm.providers import Route
from dspex.lm.worker import Serving


def an_ask(id: int, **given: object) -> bytes:
    ask = Ask(
        id=id, route=Route(wire="litellm", provider="p", model="p/m"), timeout=1.0,
        request=Request(model="p/m", messages=(Message(role="user", content="hi"),), **given),
    )  # fmt: skip
    return pack(ask)[4:]


async def said_to(frames: list[bytes]) -> list[object]:
    """Return what a worker says to these frames."""
    said: list[object] = []
    wire = Frames()
    serving = Serving(lambda data: said.extend(of_worker.decode(frame) for frame in wire.feed(data)))
    await serving.begin()
    serving.take(frames)
    for _ in range(20):
        await asyncio.sleep(0)
    return [one for one in said if not isinstance(one, Ready)]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    async def library() -> object:
        return object()

    async def send(self: object, request: Request) -> Response:
        return Response(choices=(Choice(text="fine"),))

    monkeypatch.setattr(litellm, "library", library)
    monkeypatch.setattr(litellm.LiteLLMTransport, "send", send)
    monkeypatch.setattr("gc.freeze", lambda: None)


def test_a_request_that_cannot_be_read_is_answered(answering: None):
    """With what is wrong in it; the frames behind it are taken as if it had not been."""
    frames = [an_ask(1, n="x"), an_ask(2), an_ask(3, rollout_id=1.5), pack(Ping())[4:]]
    said = _host.portal.run(said_to(frames))
    failures = {one.id: one for one in said if isinstance(one, Failure)}
    assert sorted(failures) == [1, 3]
    assert failures[1].kind == "invalid"
    assert "$.request.n" in failures[1].message
    assert [one.id for one in said if isinstance(one, Answer)] == [2]
    assert any(isinstance(one, Pong) for one in said)


def test_what_is_no_request_has_no_answer():
    """Only who asked waits for one."""
    assert asked_in(an_ask(7, n="x")) == 7
    assert asked_in(pack(Ping())[4:]) is None
    assert asked_in(b"[" * 100_000) is None
    with pytest.raises(FrameError, match="nobody can read"):
        Serving(lambda _: None).take([b'{"type":"took"}'])
    assert msgspec.json.decode(an_ask(7))["id"] == 7
