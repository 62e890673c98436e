"""Laws of a streamed answer, without a socket: however its bytes are cut, it is the answer or our own error."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.lm import stream
from dspex.lm.messages import Call, Choice, Chunk, Response, Usage
from dspex.lm.stream import Assembly, Events, StreamError
from dspex.testing.server.bodies import events as _events

ANSWER = Response(
    choices=(
        Choice(
            text="Blue is the\ncolour. ",
            finish="tool_calls",
            calls=(
                Call(id="c1", name="look", arguments='{"at":"sky"}'),
                Call(id="c2", name="end", arguments="{}"),
            ),
            reasoning="The sky, then.",
        ),
        Choice(text="grün"),
    ),
    usage=Usage(prompt_tokens=3, completion_tokens=4),
    model="m-1",
)


def wire(end: bytes = b"\n", done: bool = True) -> bytes:
    """Return the answer as a server sends it, with a comment, an unknown field and a named event between."""
    events = [b"data: " + msgspec.json.encode(event) for event in _events(ANSWER, "m-1")]
    events[1:1] = [b": still here", b"event: piece" + end + b"id: 7" + end + b"retry: 3"]
    return b"".join(event + end + end for event in [*events, *([b"data: [DONE]"] if done else [])])


def read(pieces: list[bytes]) -> tuple[Response, list[Chunk]]:
    chunks: list[Chunk] = []
    events, assembly = Events(), Assembly(chunks.append)
    for piece in pieces:
        for event in events.feed(piece):
            assembly.take(event)
    for event in events.end():
        assembly.take(event)
    return assembly.response(), chunks


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@given(cuts=st.lists(st.integers(0, 3000), max_size=30))
def test_any_cut_of_the_bytes_is_the_same_answer(end: bytes, cuts: list[int]):
    """Lines, characters and line ends may be split anywhere."""
    whole = wire(end)
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    response, chunks = read([whole[a:b] for a, b in pairwise(places)])
    assert response == ANSWER
    first = ANSWER.choices[0]
    assert "".join(chunk.text for chunk in chunks) == first.text
    assert "".join(chunk.reasoning for chunk in chunks) == first.reasoning
    assert (chunks[-1].calls, chunks[-1].finish) == (first.calls, "tool_calls")
    assert [chunk.finish for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


def test_a_mark_before_the_first_line_takes_no_piece_away():
    """Some servers say so that what follows is UTF-8."""
    assert read([b"\xef\xbb\xbf" + wire()])[0] == ANSWER


def test_one_byte_at_a_time():
    """The slowest network there is."""
    whole = wire(b"\r\n")
    assert read([bytes([byte]) for byte in whole])[0] == ANSWER


def test_the_end_needs_no_mark_where_the_answer_says_it_is_over():
    """Some servers send no `[DONE]`, and some no last blank line."""
    assert read([wire(done=False)])[0] == ANSWER
    assert read([wire().rstrip()])[0] == ANSWER


def test_a_stream_that_ends_before_the_answer_is_cut():
    """Half an answer is never taken for a whole one."""
    with pytest.raises(StreamError, match="ended before") as caught:
        read([wire()[:700].rpartition(b"\n\n")[0]])
    assert caught.value.cut


def piece(**choice: object) -> bytes:
    return b"data: " + msgspec.json.encode({"choices": [{"index": 0, **choice}]}) + b"\n\n"


def test_calls_without_numbers_are_told_apart_by_their_ids():
    """Some servers send whole calls, one after the other, and an object for the arguments."""
    one = {"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}
    two = {"id": "b", "function": {"name": "g", "arguments": ""}}
    response, _ = read(
        [piece(delta={"tool_calls": [one]}), piece(delta={"tool_calls": [two]}, finish_reason="stop")]
    )
    assert response.choices[0].calls == (
        Call(id="a", name="f", arguments='{"x":1}'),
        Call(id="b", name="g", arguments="{}"),
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"data: {\n\n",
        b"data: [1]\n\n",
        b'data: {"error": {"message": "no", "code": 500}}\n\n',
        b"",
        b"<html>",
        b"data: [DONE]\n\n",
    ],
)
def test_what_is_no_stream_is_refused(raw: bytes):
    """Garbage, an error in a status-200 stream, and nothing at all."""
    with pytest.raises(StreamError):
        read([raw])


@given(
    st.lists(
        st.binary(max_size=60) | st.sampled_from([b"data: ", b"\n\n", b'{"choices":[{}]}', b"\r"]),
        max_size=12,
    )
)
def test_no_bytes_break_the_reader(pieces: list[bytes]):
    """Every stream is an answer or a `StreamError`."""
    with contextlib.suppress(StreamError):
        assert read(pieces)[0].choices


def test_no_stream_takes_all_memory(monkeypatch: pytest.MonkeyPatch):
    """A line without an end, an event without an end and a stream without an end are each an error."""
    monkeypatch.setattr(stream, "LONGEST_EVENT", 1000)
    monkeypatch.setattr(stream, "LONGEST_ANSWER", 5000)
    endless = {
        "line": b"x" * 100,
        "event": b"data: " + b"x" * 100 + b"\n",
        "stream": piece(delta={"content": "x"}),
    }
    for data in endless.values():
        events = Events()
        with pytest.raises(StreamError, match="too long"):
            [list(events.feed(data)) for _ in range(200)]
