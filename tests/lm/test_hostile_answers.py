"""Laws of answers nobody should send: each ends in one error of ours, soon, and with a bound on what it takes."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

import dspex
from dspex import _host
from dspex.errors import LMError, LMTransportError, LMUnexpectedError
from dspex.lm import http, http1
from dspex.lm.failures import Caller, read_error, redirected
from dspex.lm.http1 import Answer, BadAnswer, UnsendableError, head_of
from dspex.lm.lm import LM
from dspex.lm.messages import Message
from dspex.lm.stream import Assembly, StreamError
from dspex.lm.wire import NoAnswerError, response_of
from dspex.testing.server import Fault, serving
from dspex.testing.server.sockets import Asked, Sockets

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
DEEP = "[" * 100_000
SAID = '{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":%s}'


def at(server: Any, **given: Any) -> LM:
    return LM(
        "openai/m",
        **{"api_base": server.base_url, "api_key": "sk-x", "cache": False, "num_retries": 0, **given},
    )


def refusal(body: str, **given: Any) -> LMError:
    with serving(always=Fault(body=body, **given)) as server, pytest.raises(LMError) as caught:
        at(server)("hi")
    return caught.value


def test_many_small_chunks_are_read_in_proportion():
    """Eight times as many take no sixty times as long: nothing that follows a chunk is copied for it."""

    def seconds(count: int) -> float:
        answer = Answer(lambda _: None)
        answer.feed(CHUNKED)
        wire = b"10\r\n" + b"x" * 16 + b"\r\n"
        began = time.process_time()
        answer.feed(wire * count)
        return time.process_time() - began

    few, many = (min(seconds(count) for _ in range(3)) for count in (8_000, 64_000))
    assert many < 30 * max(few, 0.001)


def test_an_answer_in_crumbs_is_refused():
    """A chunk of one byte costs a hundred times its room; what sends only such is no model."""
    answer = Answer(lambda _: None)
    answer.feed(CHUNKED)
    answer.feed(b"1\r\n \r\n" * http1.CRUMBS)
    with pytest.raises(BadAnswer, match="crumbs"):
        answer.feed(b"1\r\n \r\n")


def test_chunks_that_come_at_once_are_handed_on_as_one():
    """And who reads them is told that they were many, to let others have a turn."""
    pieces: list[bytes] = []
    answer = Answer(pieces.append)
    answer.feed(CHUNKED + b"10\r\n" + b"x" * 16 + b"\r\n")
    assert (len(pieces), answer.heavy) == (1, False)
    answer.feed((b"10\r\n" + b"x" * 16 + b"\r\n") * (http1.MANY + 1))
    assert (len(pieces), answer.heavy) == (2, True)
    answer.feed(b"0\r\n\r\n")
    assert (answer.done, answer.keep) == (True, True)


def test_announcements_end():
    """Heads that go before an answer are as many as somebody may mean, not as many as somebody sends."""
    answer = Answer(lambda _: None)
    with pytest.raises(BadAnswer, match="announcing"):
        answer.feed(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000)


def test_a_zipped_answer_takes_little_more_than_its_bound(monkeypatch: pytest.MonkeyPatch):
    """Half a megabyte on the wire is no reason for half a gigabyte in memory."""
    monkeypatch.setattr(http1, "LONGEST_UNZIPPED", 1 << 20)
    bomb = gzip.compress(bytes(1 << 25), 9)
    tracemalloc.start()
    answer = Answer(lambda _: None)
    with pytest.raises(BadAnswer, match="too long"):
        answer.feed(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(bomb), bomb)
        )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * http1.LONGEST_UNZIPPED


@pytest.mark.parametrize(
    "read",
    [
        lambda: response_of(f'{{"choices":[{{"message":{{"content":"x","reasoning":{DEEP}'.encode()),
        lambda: response_of(f'{{"choices":[{{"message":{{"content":"x","further":{DEEP}'.encode()),
        lambda: Assembly(lambda _: None).take(f'{{"error":{DEEP}'.encode()),
    ],
)
def test_an_answer_a_hundred_thousand_deep_is_unreadable(read: Callable[[], object]):
    """It is an error of the provider's like any other, and no `RecursionError` of ours."""
    with pytest.raises(NoAnswerError):
        read()


def test_an_error_a_hundred_thousand_deep_is_told_as_text():
    """Its beginning says what came."""
    assert read_error('{"error":{"message":' + DEEP)[0].startswith('{"error"')
    error = refusal(f'{{"error":{{"message":{DEEP}', status=500)
    assert (error.kind, len(error.message) < 700) == ("server", True)
    assert isinstance(refusal(f'{{"error":{{"message":{DEEP}'), LMUnexpectedError)


@pytest.mark.parametrize(
    "usage", ["[]", '{"prompt_tokens":"5"}', '{"prompt_tokens":1.5,"completion_tokens":2}']
)
def test_an_answer_that_was_paid_for_outlives_strange_counts(usage: str):
    """Whole or in pieces: what it says is there, and its tokens are not known."""
    response = response_of((SAID % usage).encode())
    assert (response.text, response.usage.total_tokens) == ("hi", 0)
    assembly = Assembly(lambda _: None)
    assembly.take(b'{"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}')
    assembly.take(b'{"choices":[],"usage":%b}' % usage.encode())
    assert assembly.response().text == "hi"


def test_a_piece_that_is_none_is_still_an_error():
    """Only the counts may be strange."""
    with pytest.raises(StreamError, match="cannot be read"):
        Assembly(lambda _: None).take(b'{"choices":5,"usage":[]}')


def test_tokens_below_zero_are_none():
    """A server cannot refill a budget."""
    usage = response_of((SAID % '{"prompt_tokens":-5000000,"completion_tokens":-1}').encode()).usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (0, 0)
    with serving(always=Fault(body=SAID % '{"prompt_tokens":-5000000,"completion_tokens":-1}')) as server:
        lm = at(server, price=(1.0, 1.0))
        lm("hi")
    assert not lm.history[-1]["cost"] or lm.history[-1]["cost"] >= 0


@pytest.mark.parametrize("tokens", [2**53, 2**64, 10**400])
def test_more_tokens_than_there_can_be_are_none(tokens: int):
    """Neither a budget nor a journal is to hold what no machine's number can."""
    usage = response_of((SAID % f'{{"prompt_tokens":{tokens},"completion_tokens":{tokens}}}').encode()).usage
    assert usage.total_tokens == 0


def test_a_number_of_any_size_ends_no_run():
    """A citation may hold what it likes: the answer beside it is kept, and a run goes on."""
    fields = {"citations": [{"page": 10**30}]}
    message = {"content": "[[ ## answer ## ]]\nblue", "provider_specific_fields": fields}
    body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]})
    rows = [dspex.Example(question="q", answer="blue").with_inputs("question")]
    program = dspex.Predict("question -> answer")
    with serving(always=Fault(body=body)) as server:
        program.lm = at(server)
        run = dspex.Evaluate(devset=rows, metric=dspex.exact("answer")).start(program)
        assert run.result(timeout=20).score == 100.0


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": "no such thing"}, "server"),
        ({"error": {"code": "401", "message": "no"}}, "auth"),
        ({"error": {"code": "rate_limit_exceeded", "message": "slow"}}, "rate_limit"),
        ({"error": {"code": "insufficient_quota", "message": "none left"}}, "quota"),
        ({"error": {"code": 429, "message": "slow"}}, "rate_limit"),
        ({"error": {"code": "something", "message": "odd"}}, "server"),
    ],
)
def test_an_error_under_status_200_says_what_it_is(body: dict[str, Any], kind: str):
    """By its code, a number or a word; and its text is shown."""
    error = refusal(json.dumps(body))
    said = body["error"]
    assert (error.kind, (said if isinstance(said, str) else said["message"]) in error.message) == (kind, True)


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_through_a_proxy_has_an_end(status: int, monkeypatch: pytest.MonkeyPatch):
    """In one or in pieces: whoever sends without end is left, also where another client reads it."""
    monkeypatch.setattr(http, "LONGEST_BODY", 1 << 20)

    async def handle(asked: Asked) -> None:
        asked.begin(status, {"Content-Type": "application/json"})
        for _ in range(64):
            await asked.piece(bytes(1 << 16))

    sockets = Sockets(handle)
    _host.portal.run(sockets.listen())
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{sockets.port}")
    http.target_of.cache_clear()
    http.proxy_for.cache_clear()
    try:
        lm = LM("openai/m", api_base="http://nowhere.test/v1", cache=False, num_retries=0)
        for on_chunk in (None, lambda _: None):
            with pytest.raises(LMTransportError, match="too long"):
                _host.drive(lm.acomplete([Message(role="user", content="hi")], on_chunk=on_chunk))
    finally:
        _host.portal.run(_stopped(sockets))
        http.target_of.cache_clear()
        http.proxy_for.cache_clear()


async def _stopped(sockets: Sockets) -> None:
    sockets.stop()


def test_a_redirect_names_the_other_address_and_is_not_followed():
    """Neither the key nor the prompt goes there, and what the address asks with is not shown."""
    with serving() as other:
        fault = Fault(status=307, headers={"Location": f"{other.base_url}/x?key=abcdefghi"})
        with serving(always=fault) as server, pytest.raises(LMUnexpectedError, match="api_base=") as caught:
            at(server, num_retries=3)("hi")
        assert (server.hits, other.hits) == (1, 0)
    assert f"{other.base_url}/x" in caught.value.message
    assert "abcdefghi" not in caught.value.message
    assert len(redirected(Caller(model="m", provider="p"), 302, "http://h/" + "x" * 9999).message) < 500


def test_a_proxy_that_wants_a_password_is_named():
    """407 is said by nobody but a proxy."""
    assert "proxy" in refusal("", status=407).message


def test_a_stream_that_goes_on_too_long_says_how_long():
    """Ten times the timeout for the whole of it, and the message names that number."""
    with serving(lambda _: "a " * 400, pause=0.01) as server:
        lm = at(server, timeout=0.15)
        asked = (Message(role="user", content="hi"),)
        with pytest.raises(LMError, match=r"within 1\.5 s") as caught:
            _host.drive(lm.acomplete(asked, on_chunk=lambda _: None), "a test")
    assert caught.value.partial


def test_a_header_with_half_a_character_is_not_quoted():
    """An encoder's error would carry the whole text, and with it the key."""
    with pytest.raises(UnsendableError, match="half a character") as caught:
        head_of("POST / HTTP/1.1", {"Authorization": "Bearer sk-secret\udc80"})
    assert caught.value.__context__ is None
    assert head_of("POST / HTTP/1.1", {"X": "ü"}).endswith("X: ü\r\n".encode())
