"""HTTP/1.1 as far as an answer needs it: bytes, in whatever pieces they come, become status, headers and body.

Pure, no socket. Own code, because a general client's work for each call costs more than all else we do for it.
Whatever is not exactly an answer is refused: a connection that was misread once would give one caller the answer
of another.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping

LONGEST_HEAD = 64 * 1024
LONGEST_BODY = 256 * 1024 * 1024
"""Bytes; no answer comes near, a broken server at once."""
LONGEST_UNZIPPED = 64 * 1024 * 1024
"""Bytes of a body that was zipped though we ask for plain ones: a few KB on the wire can be so many in memory."""
MOST_BEFORE = 16
"""Heads that may go before an answer's own."""
MANY = 4096
"""Chunks that come at once above which reading them holds others up."""
CRUMBS = 20_000
"""Chunks after which they must hold some bytes each."""
CRUMB = 8
_END = b"\r\n\r\n"
_HEX = frozenset(b"0123456789abcdefABCDEF")
_ZIPPED = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""The window bits that zlib knows each by."""
_HALF = re.compile("[\ud800-\udfff]")
_ONLY_ONCE = frozenset({"content-length", "transfer-encoding"})


class BadAnswer(ValueError):
    """The bytes are no HTTP answer; the message says why, as part of a sentence."""


class UnsendableError(ValueError):
    """A header cannot be sent; the message does not quote it, for it may be a key."""


class Answer:
    r"""One answer being read.

    Args:
        take: gets the body's pieces.

    Attributes:
        status: 0 until the head is there.
        headers: by lower-case name.
        done: whether all of it is there.
        keep: whether the connection may be used again after it.
        heavy: whether the bytes read last were many small chunks, so that others should have a turn.

    Example:
        >>> body = []
        >>> answer = Answer(body.append)
        >>> answer.feed(b"HTTP/1.1 200 OK\r\nContent-Le")
        >>> answer.feed(b"ngth: 2\r\n\r\nhi")
        >>> answer.status, body, answer.done
        (200, [b'hi'], True)
    """

    __slots__ = (
        "_before", "_chunks", "_left", "_pieces", "_rest", "_step", "_take", "_total", "done", "headers", "heavy", "keep", "status",
    )  # fmt: skip

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.done = False
        self.keep = False
        self.heavy = False
        self._take = take
        self._step: Callable[[bytes, int], int] = self._head
        self._pieces: list[bytes] = []
        self._rest = b""
        self._left = 0
        self._before = self._chunks = 0
        self._total = 0

    def feed(self, data: bytes) -> None:
        """Read further bytes.

        Raises:
            BadAnswer: they are none of an answer's.
        """
        rest, at = self._rest + data if self._rest else data, 0
        try:
            while not self.done:
                after = self._step(rest, at)
                if after < 0:
                    break
                at = after
        finally:
            self._hand_on()
        # By place and not by cutting: who sends a thousand tiny chunks would have all that follows copied each time.
        self._rest = rest[at:] if at else rest
        if self.done and self._rest:
            self.keep = False  # who knows what it belongs to

    def end(self) -> None:
        """Tell that the server has closed the connection.

        Raises:
            BadAnswer: before the answer was whole.
        """
        if self.done:
            return
        if self._step != self._until_closed:
            at = "in the midst of its answer" if self.status or self._rest else "without an answer"
            raise BadAnswer(f"the server closed the connection {at}")
        self.done = True

    def _head(self, rest: bytes, at: int) -> int:
        end = rest.find(_END, at)
        if (len(rest) if end < 0 else end) - at > LONGEST_HEAD or not b"HTTP/1.".startswith(
            rest[at : at + 7]
        ):
            raise BadAnswer("the server sent something that is no HTTP answer")
        if end < 0:
            return -1
        head = rest[at : end + 2]
        self.status, self.keep = _read_status(head)
        headers = _read_headers(head[:-2])
        if 100 <= self.status < 200:  # something goes before the answer itself
            self.status = 0
            self._before += 1
            if self._before > MOST_BEFORE:
                raise BadAnswer("the server goes on announcing an answer that does not come")
            return end + 4
        self.headers = headers
        words = headers.get("connection", "").lower()
        self.keep = (self.keep or "keep-alive" in words) and "close" not in words
        self._choose(headers)
        return end + 4

    def _choose(self, headers: Mapping[str, str]) -> None:
        """Find out how the body ends."""
        coding = headers.get("content-encoding", "identity").strip().lower()
        if coding in _ZIPPED:
            self._take = _unzipping(self._take, _ZIPPED[coding])
        elif coding not in ("identity", ""):
            raise BadAnswer(f"the answer is coded as `{coding[:20]}`, which was not asked for")
        length = headers.get("content-length")
        chunked = headers.get("transfer-encoding", "").strip().lower()
        if self.status in (204, 304):
            self.done = True
        elif chunked:
            if chunked != "chunked":
                raise BadAnswer(f"the answer is transferred as `{chunked[:20]}`, which was not asked for")
            self._step = self._size
        elif length is not None:
            self._left = _whole(length)
            self.done = self._left == 0
            self._step = self._counted
        else:
            self.keep = False
            self._step = self._until_closed

    def _counted(self, rest: bytes, at: int) -> int:
        if at == len(rest):
            return -1
        piece = rest[at : at + self._left]
        self._body(piece)
        self.done = self._left == 0
        return at + len(piece)

    def _until_closed(self, rest: bytes, at: int) -> int:
        if at == len(rest):
            return -1
        self._body(rest[at:])
        return len(rest)

    def _size(self, rest: bytes, at: int) -> int:
        end = _line_end(rest, at)
        if end < 0:
            return -1
        digits = rest[at:end].partition(b";")[0].strip()
        if not digits or len(digits) > 16 or not _HEX.issuperset(digits):
            raise BadAnswer("a piece of the answer has no length")
        self._left = int(digits, 16)
        self._step = self._chunk if self._left else self._trailer
        return end + 2

    def _chunk(self, rest: bytes, at: int) -> int:
        if at == len(rest):
            return -1
        piece = rest[at : at + self._left]
        self._body(piece)
        if self._left == 0:
            self._step = self._chunk_end
        return at + len(piece)

    def _chunk_end(self, rest: bytes, at: int) -> int:
        if len(rest) - at < 2:
            return -1
        if not rest.startswith(b"\r\n", at):
            raise BadAnswer("a piece of the answer is longer than it says")
        self._step = self._size
        return at + 2

    def _trailer(self, rest: bytes, at: int) -> int:
        end = _line_end(rest, at)
        if end < 0:
            return -1
        self.done = end == at
        self._total += end - at
        if self._total > LONGEST_BODY:
            raise BadAnswer("the answer is too long")
        return end + 2

    def _body(self, piece: bytes) -> None:
        self._left -= len(piece)
        self._total += len(piece)
        if self._total > LONGEST_BODY:
            raise BadAnswer("the answer is too long")
        self._pieces.append(piece)

    def _hand_on(self) -> None:
        """Hand on what came of the body, as one piece: a piece for each tiny chunk takes fifty times its room."""
        if self._pieces:
            piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._chunks += len(self._pieces)
            self.heavy = len(self._pieces) > MANY
            self._pieces.clear()
            if self._chunks > CRUMBS and self._total < CRUMB * self._chunks:
                raise BadAnswer("the answer comes in crumbs")
            self._take(piece)


def head_of(first: str, headers: Mapping[str, str]) -> bytes:
    r"""Return the lines before a body, up to and with the last header's line end.

    Raises:
        UnsendableError: a header holds a line end, or is no text that can be sent.

    Example:
        >>> head_of("POST / HTTP/1.1", {"Host": "x"})
        b'POST / HTTP/1.1\r\nHost: x\r\n'
    """
    lines = [first, *[f"{name}: {value}" for name, value in headers.items()], ""]
    text = "\r\n".join(lines)
    if text.count("\n") + 1 != len(lines) or text.count("\r") + 1 != len(lines) or "\0" in text:
        raise UnsendableError("it holds a line end")
    if not text.isascii() and _HALF.search(
        text
    ):  # an encoder's own error would carry the text, and with it the key
        raise UnsendableError("it holds half a character")
    return text.encode()


def _read_status(head: bytes) -> tuple[int, bool]:
    """Return the status, and whether this version of HTTP keeps connections open."""
    # `HTTP/1.1 200 OK`, of which the words at the end may be missing.
    digits = head[9:12]
    if (
        head[:7] != b"HTTP/1."
        or head[8:9] != b" "
        or not digits.isdigit()
        or head[12:13] not in (b" ", b"\r")
    ):
        raise BadAnswer("the server sent something that is no HTTP answer")
    return int(digits), head[7:8] == b"1"


def _read_headers(head: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name[-1] in " \t" or name[0] in " \t":
            raise BadAnswer("the server sent a header that is none")
        name = name.lower()
        if name in _ONLY_ONCE and name in headers and headers[name] != value.strip():
            raise BadAnswer(f"the server sent two different headers `{name}`")
        headers[name] = value.strip()
    return headers


def _whole(length: str) -> int:
    if not (length.isascii() and length.isdigit() and len(length) < 16):
        raise BadAnswer("the length of the answer is no number")
    return int(length)


def _line_end(rest: bytes, at: int) -> int:
    end = rest.find(b"\r\n", at)
    if (len(rest) if end < 0 else end) - at > LONGEST_HEAD:
        raise BadAnswer("a line of the answer is too long")
    return end


def _unzipping(take: Callable[[bytes], object], bits: int) -> Callable[[bytes], object]:
    unzip = zlib.decompressobj(bits)
    left = LONGEST_UNZIPPED

    def unzipped(piece: bytes) -> None:
        nonlocal left
        try:
            plain = unzip.decompress(piece, left + 1)
        except zlib.error:
            raise BadAnswer("the answer is not coded as it says") from None
        left -= len(plain)
        if left < 0:
            raise BadAnswer("the answer is too long")
        take(plain)

    return unzipped
