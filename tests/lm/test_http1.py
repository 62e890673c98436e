"""Laws of reading HTTP: however the bytes are cut, it is the answer or `BadAnswer`, and nothing is left for the next."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.lm import http1
from dspex.lm.http1 import Answer, BadAnswer, head_of

BODY = b'{"choices":[]}\r\n\r\nand more'


def lines(*headers: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([status, *headers, "", ""]).encode()


def chunked(body: bytes, size: int = 5, end: bytes = b"0\r\n\r\n") -> bytes:
    pieces = [body[k : k + size] for k in range(0, len(body), size)]
    return b"".join(b"%x;note=1\r\n%b\r\n" % (len(p), p) for p in pieces) + end


def read(pieces: list[bytes], *, closed: bool = False) -> tuple[Answer, bytes]:
    body: list[bytes] = []
    answer = Answer(body.append)
    for piece in pieces:
        answer.feed(piece)
    if closed:
        answer.end()
    return answer, b"".join(body)


WIRES = {
    "counted": lines(f"Content-Length: {len(BODY)}") + BODY,
    "chunked": lines("Transfer-Encoding: chunked") + chunked(BODY),
    "chunked with a trailer": lines("transfer-encoding: Chunked")
    + chunked(BODY, end=b"0\r\nX-Sum: 1\r\n\r\n"),
    "after a 100": lines(status="HTTP/1.1 100 Continue") + lines(f"Content-Length: {len(BODY)}") + BODY,
    "zipped": lines(f"Content-Length: {len(gzip.compress(BODY))}", "Content-Encoding: gzip")
    + gzip.compress(BODY),
    "deflated in chunks": lines("Content-Encoding: deflate", "Transfer-Encoding: chunked")
    + chunked(zlib.compress(BODY)),
}


@pytest.mark.parametrize("name", WIRES)
@given(cuts=st.lists(st.integers(0, 300), max_size=20))
def test_any_cut_of_the_bytes_is_the_same_answer(name: str, cuts: list[int]):
    """Heads, lengths and line ends may be split anywhere; the connection may be used again."""
    whole = WIRES[name]
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    answer, body = read([whole[a:b] for a, b in pairwise(places)])
    assert (answer.status, body, answer.done, answer.keep) == (200, BODY, True, True)


@pytest.mark.parametrize("name", WIRES)
def test_no_part_of_an_answer_is_taken_for_a_whole_one(name: str):
    """Cut off anywhere, it is an error."""
    whole = WIRES[name]
    for end in range(len(whole)):
        answer, _ = read([whole[:end]])
        assert not answer.done
        with pytest.raises(BadAnswer, match="closed the connection"):
            answer.end()


def test_an_answer_may_end_with_its_connection():
    """HTTP/1.0 knows nothing else; the connection is gone with it."""
    answer, body = read([lines(status="HTTP/1.0 200 OK"), BODY], closed=True)
    assert (body, answer.done, answer.keep) == (BODY, True, False)


@pytest.mark.parametrize(
    ("status", "headers", "keep"),
    [
        ("HTTP/1.1 200 OK", ["Connection: close"], False),
        ("HTTP/1.1 200", ["Connection: Keep-Alive"], True),
        ("HTTP/1.0 200 OK", ["Connection: keep-alive"], True),
        ("HTTP/1.0 200 OK", [], False),
    ],
)
def test_the_server_says_whether_the_connection_stays(status: str, headers: list[str], keep: bool):
    """By version and header."""
    answer, _ = read([lines(*headers, "Content-Length: 0", status=status)])
    assert (answer.done, answer.keep) == (True, keep)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_some_answers_have_no_body(status: str):
    """Whatever their headers say."""
    answer, body = read([lines("Content-Length: 10", status=f"HTTP/1.1 {status}")])
    assert (answer.done, body) == (True, b"")


def test_bytes_after_the_answer_end_the_connection():
    """Nobody knows what they belong to; the next caller must not get them."""
    answer, body = read([WIRES["counted"] + b"HTTP/1.1 200 OK\r\n"])
    assert (body, answer.done, answer.keep) == (BODY, True, False)


BAD = {
    "no HTTP": b"\x16\x03\x01 hello\r\n\r\n",
    "no HTTP, no end": b"SSH-2.0-OpenSSH",
    "a status that is none": lines(status="HTTP/1.1 2x0 OK"),
    "two lengths": lines("Content-Length: 3", "Content-Length: 4") + b"abcd",
    "a length that is none": lines("Content-Length: +3") + b"abc",
    "a length in other digits": lines("Content-Length: 3").replace(b"3", "³".encode()),
    "a huge length": lines("Content-Length: 99999999999999999999"),
    "a header without a name": lines(": 3"),
    "a header with a space": lines("Content-Length : 3") + b"abc",
    "a folded header": lines("X-A: 1", " 2"),
    "a coding nobody asked for": lines("Content-Encoding: br", "Content-Length: 1") + b"x",
    "a transfer nobody asked for": lines("Transfer-Encoding: gzip, chunked") + chunked(BODY),
    "a piece without a length": lines("Transfer-Encoding: chunked") + b"\r\nabc\r\n",
    "a negative piece": lines("Transfer-Encoding: chunked") + b"-1\r\nabc\r\n",
    "a piece in other words": lines("Transfer-Encoding: chunked") + b"0x3\r\nabc\r\n",
    "a piece that is longer": lines("Transfer-Encoding: chunked") + b"2\r\nabc\r\n",
    "zipped that is not": lines("Content-Encoding: gzip", "Content-Length: 3") + b"abc",
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_answer_is_refused(name: str):
    """One misread answer would shift all that follow."""
    with pytest.raises(BadAnswer):
        read([BAD[name]])


@given(
    st.lists(
        st.binary(max_size=40)
        | st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"\r\n\r\n", b"Content-Length: 3\r\n", b"3\r\n", b"0\r\n"])
        | st.sampled_from([b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n"]),
        max_size=12,
    )
)
def test_no_bytes_break_the_reader(pieces: list[bytes]):
    """Every wire is an answer, the beginning of one, or a `BadAnswer`."""
    with contextlib.suppress(BadAnswer):
        answer, _ = read(pieces)
        assert answer.done in (True, False)


def test_no_answer_takes_all_memory(monkeypatch: pytest.MonkeyPatch):
    """A head, a line, a body and an unzipped body without an end are each an error."""
    monkeypatch.setattr(http1, "LONGEST_BODY", 1000)
    monkeypatch.setattr(http1, "LONGEST_UNZIPPED", 1000)
    monkeypatch.setattr(http1, "LONGEST_HEAD", 500)
    endless = [
        (lines()[:-2], b"X-Header: abc\r\n"),
        (lines("Transfer-Encoding: chunked"), b"0" * 20),
        (lines("Transfer-Encoding: chunked") + b"ffffff\r\n", b"x" * 100),
        (lines(), b"x" * 100),
    ]
    for head, data in endless:
        answer = Answer(lambda _: None)
        with pytest.raises(BadAnswer):
            [answer.feed(piece) for piece in [head, *[data] * 100]]
    bomb = gzip.compress(bytes(10_000_000))
    kept: list[bytes] = []
    with pytest.raises(BadAnswer, match="too long"):
        Answer(kept.append).feed(lines("Content-Encoding: gzip", f"Content-Length: {len(bomb)}") + bomb[:900])
    assert sum(map(len, kept)) <= 1000


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"])
def test_a_header_cannot_bring_another(value: str):
    """Keys from the environment may hold anything; the error does not quote them."""
    with pytest.raises(ValueError, match="line end") as caught:
        head_of("POST / HTTP/1.1", {"Authorization": value})
    assert value not in str(caught.value)
