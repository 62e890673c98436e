"""Laws of `on_chunk` through the whole stack, over real sockets: pieces come once, the answer comes whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from dspex import _host
from dspex.errors import CancelRequested, LMError, LMServerError
from dspex.events.event import AnyEvent, LMEnd
from dspex.lm.cache import Cached
from dspex.lm.lm import LM
from dspex.lm.messages import Call, Choice, Chunk, Message, Request, Response
from dspex.lm.store import Store
from dspex.scope.scope import Scope, enter
from dspex.testing.scripted import Scripted, answer, call, cut_off, never
from dspex.testing.server import Fault, Server, serving

ASK = (Message(role="user", content="Which colour is the sky?"),)
SAID = Choice(
    text="It is blue, mostly.", reasoning="Look up.", calls=(Call(id="c", name="f", arguments="{}"),)
)


def ask(lm: LM, on_chunk: Callable[[Chunk], None], **options: Any) -> Response:
    return _host.drive(lm.acomplete(ASK, on_chunk=on_chunk, **options))


def at(server: Server, **settings: Any) -> LM:
    return LM("openai/m", api_base=server.base_url, **{"cache": False, **settings})


def test_the_pieces_are_the_answer(happened: Callable[[], list[AnyEvent]]):
    """Text and reasoning come bit by bit, calls with the end; the whole has its tokens and is booked once."""
    chunks: list[Chunk] = []
    with serving(lambda _: SAID) as server:
        response = ask(at(server, price=(1.0, 1.0)), chunks.append)
    assert response.choices == (SAID,)
    assert response.usage.total_tokens == 15
    assert server.requests[0]["stream"] is True
    assert len([chunk for chunk in chunks if chunk.text]) == 4
    assert "".join(chunk.text for chunk in chunks) == SAID.text
    assert "".join(chunk.reasoning for chunk in chunks) == SAID.reasoning
    assert (chunks[-1].calls, chunks[-1].finish) == (SAID.calls, "stop")
    (end,) = [event for event in happened() if isinstance(event, LMEnd)]
    assert (end.prompt_tokens, end.completion_tokens, end.error) == (10, 5, "")


def test_of_several_completions_the_first_is_handed_over():
    """All come back at the end."""
    chunks: list[Chunk] = []
    with serving(Scripted(Response(choices=(Choice(text="a b"), Choice(text="c d"))))) as server:
        response = ask(at(server), chunks.append, n=2)
    assert [choice.text for choice in response.choices] == ["a b", "c d"]
    assert "".join(chunk.text for chunk in chunks) == "a b"


def test_a_kept_answer_is_one_piece():
    """The second time nobody is asked."""
    first: list[Chunk] = []
    second: list[Chunk] = []
    with serving(lambda _: "one two three") as server:
        lm = at(server, cache=True, seed=31)
        ask(lm, first.append)
        response = ask(lm, second.append)
    assert (server.hits, response.cached) == (1, True)
    assert second == [Chunk(text="one two three", finish="stop")]
    assert len(first) == 4


@pytest.mark.parametrize("fault", [Fault(status=503, retry_after=0.01), Fault(drop=True)])
def test_before_the_first_piece_it_is_tried_again(fault: Fault):
    """Nothing was handed over, so nothing would come twice."""
    chunks: list[Chunk] = []
    with serving(lambda _: "one two", first=[fault]) as server:
        ask(at(server), chunks.append)
    assert (server.hits, "".join(chunk.text for chunk in chunks)) == (2, "one two")


def test_after_the_first_piece_it_is_not():
    """The error carries what had arrived."""
    chunks: list[Chunk] = []
    with (
        serving(lambda _: "one two three", always=Fault(cut=True), pause=0.05) as server,
        pytest.raises(LMError) as caught,
    ):
        ask(at(server), chunks.append)
    assert server.hits == 1
    assert (caught.value.kind, caught.value.partial) == ("transport", "one")
    assert "".join(chunk.text for chunk in chunks) == "one"


def events(*texts: str) -> Fault:
    return Fault(body="".join(f"{text}\n\n" for text in texts), headers={"Content-Type": "text/event-stream"})


HELLO = 'data: {"choices":[{"index":0,"delta":{"content":"he"}}]}'


@pytest.mark.parametrize(
    ("fault", "kind", "partial"),
    [
        (events(HELLO), "transport", "he"),
        (events(HELLO, "data: {broken"), "unexpected", "he"),
        (events(HELLO, 'data: {"error":{"message":"busy","code":503}}'), "server", "he"),
        (events('data: {"error":{"message":"slow down","code":429}}'), "rate_limit", ""),
        (events("data: [DONE]"), "transport", ""),
        (Fault(body="<html>", headers={"Content-Type": "text/html"}), "transport", ""),
        (Fault(status=401), "auth", ""),
    ],
)
def test_every_broken_stream_is_one_error_of_ours(fault: Fault, kind: str, partial: str):
    """Never half an answer, never a foreign error."""
    with serving(always=fault) as server, pytest.raises(LMError) as caught:
        ask(at(server, num_retries=0), lambda chunk: None)
    assert (caught.value.kind, caught.value.partial) == (kind, partial)
    assert caught.value.__cause__ is None


def test_a_server_that_does_not_stream_is_read_whole():
    """Its one answer is the one piece."""
    chunks: list[Chunk] = []
    body = '{"choices":[{"message":{"content":"all at once"}}]}'
    with serving(always=Fault(body=body)) as server:
        assert ask(at(server), chunks.append).text == "all at once"
    assert chunks == [Chunk(text="all at once", finish="stop")]


def test_a_cancel_closes_the_connection():
    """The server sees the client leave in the midst of the answer."""
    scope = Scope()

    def on_chunk(chunk: Chunk) -> None:
        scope.cancel.request("cancel")

    with serving(lambda _: "word " * 500, pause=0.02) as server:
        with enter(scope), pytest.raises(CancelRequested):
            ask(at(server), on_chunk)

        async def gone() -> None:
            while not server.dropped:
                await asyncio.sleep(0.01)

        _host.portal.run(gone())
    assert server.dropped == 1


def test_what_the_taker_raises_is_raised_when_the_answer_is_there():
    """The answer is paid for: it is booked and kept, and the taker gets nothing more."""
    chunks: list[Chunk] = []

    def on_chunk(chunk: Chunk) -> None:
        chunks.append(chunk)
        raise KeyError("mine")

    with serving(lambda _: "one two three") as server:
        lm = at(server, cache=True, seed=32)
        with pytest.raises(KeyError, match="mine"):
            ask(lm, on_chunk)
        assert ask(lm, lambda chunk: None).cached
    assert (len(chunks), server.hits, len(lm.history)) == (1, 1, 2)


async def test_whoever_leaves_gets_nothing_more():
    """A flight that goes on for others hands its pieces to nobody who has left."""
    chunks: list[Chunk] = []
    script = Scripted(never())
    cached = Cached(script, Store())
    request = Request(model="m", messages=ASK)
    task = asyncio.ensure_future(cached.stream(request, chunks.append))
    while not script.waiting:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert chunks == []


async def test_who_joins_a_flight_gets_its_answer_as_one_piece():
    """One request, one payer, and each taker has the whole text."""
    script = Scripted("one two three")
    cached = Cached(script, Store())
    request = Request(model="m", messages=ASK)
    takers: list[list[Chunk]] = [[], [], []]
    await asyncio.gather(*(cached.stream(request, taker.append) for taker in takers))
    assert len(script.requests) == 1
    assert ["".join(chunk.text for chunk in taker) for taker in takers] == ["one two three"] * 3
    assert sorted(len(taker) for taker in takers) == [1, 1, 4]


def test_a_transport_without_pieces_gives_one():
    """Whoever can only send still answers who wants pieces."""
    chunks: list[Chunk] = []

    class Plain:
        async def send(self, request: Any) -> Response:
            return answer(call("look", at="sky"))

    response = ask(LM("test/m", transport=Plain()), chunks.append)
    assert chunks == [Chunk(calls=response.choices[0].calls, finish="tool_calls")]


def test_a_script_may_break_off():
    """What users' own tests need: some words, then an error."""
    chunks: list[Chunk] = []
    lm = LM("test/m", transport=Scripted(cut_off("one two", LMServerError("down")), repeat=True))
    with pytest.raises(LMServerError) as caught:
        ask(lm, chunks.append)
    assert (caught.value.partial, [chunk.text for chunk in chunks]) == ("one two", ["one", " two"])
