"""A streamed answer put together: bytes -> server-sent events -> pieces -> one Response. Pure, no network.

Nothing of a stream is dropped in silence: what cannot be read is an error, a stream that ends before the answer
does is one too, and every buffer has an end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from dspex.lm.messages import Call, Choice, Chunk, Response, Usage
from dspex.lm.transport import OnChunk
from dspex.lm.wire import UNREADABLE, NoAnswerError, WireCall, WireMessage, WireUsage, finish_of

LONGEST_EVENT = 8 * 1024 * 1024
LONGEST_ANSWER = 64 * 1024 * 1024
"""Bytes; a model writes for hours before it reaches them, a broken server at once."""
_DONE = b"[DONE]"
_MARK = b"\xef\xbb\xbf"
"""What some servers write before their first line to say that it is UTF-8."""


class StreamError(NoAnswerError):
    """The stream is no chat completion; the message says where it fails.

    Attributes:
        body: the event that says so itself, where it is a provider's error.
        cut: whether it is fine but ends too early.
    """

    def __init__(self, message: str, body: bytes = b"", *, cut: bool = False) -> None:
        super().__init__(message)
        self.body = body
        self.cut = cut


class Events:
    r"""Cuts bytes, in whatever pieces they come, into the data of server-sent events.

    Example:
        >>> events = Events()
        >>> [*events.feed(b"data: on"), *events.feed(b"e\n\n: still here\ndata: two\n\n")]
        [b'one', b'two']
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._waiting = 0
        self._total = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the data of each event that is complete now.

        Raises:
            StreamError: an event, or all of them, are longer than any answer.
        """
        self._total += len(data)
        # In a long line that is still coming, only what is new is looked at.
        start = max(0, len(self._rest) - 1)
        self._rest += data
        if self._rest.find(b"\n", start) >= 0 or self._rest.find(b"\r", start) >= 0:
            *lines, self._rest = self._lines()
            for line in lines:
                yield from self._take(bytes(line))
        if self._total > LONGEST_ANSWER or self._waiting + len(self._rest) > LONGEST_EVENT:
            raise StreamError("it is too long")

    def end(self) -> Iterator[bytes]:
        """Yield the data of an event whose closing blank line never came."""
        yield from self._take(bytes(self._rest))
        yield from self._take(b"")

    def _lines(self) -> list[bytearray]:
        # A carriage return at the very end may be the first half of a line end.
        tail = b"\r" if self._rest.endswith(b"\r") else b""
        text = self._rest[: len(self._rest) - len(tail)]
        lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        return [*lines[:-1], lines[-1] + tail]

    def _take(self, line: bytes) -> Iterator[bytes]:
        line = line.rstrip(b"\r").removeprefix(_MARK)
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
            self._waiting += len(line)
        elif not line and self._data:
            yield b"\n".join(self._data)
            self._data, self._waiting = [], 0


class _PieceChoice(msgspec.Struct):
    index: int = 0
    delta: WireMessage | None = None
    finish_reason: str | None = None


class _Piece(msgspec.Struct):
    choices: list[_PieceChoice] | None = None
    usage: WireUsage | None = None
    model: str | None = None
    error: object = None


class _Uncounted(msgspec.Struct):
    choices: list[_PieceChoice] | None = None
    model: str | None = None
    error: object = None


_decoder = msgspec.json.Decoder(_Piece)
_uncounted = msgspec.json.Decoder(_Uncounted)


@dataclass(slots=True)
class _Calling:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)

    def call(self) -> Call:
        return Call(id=self.id, name=self.name, arguments="".join(self.arguments) or "{}")


@dataclass(slots=True)
class _Writing:
    """One completion while it is being written."""

    text: list[str] = field(default_factory=list)
    thought: list[str] = field(default_factory=list)
    calls: dict[int, _Calling] = field(default_factory=dict)
    citations: list[dict[str, object]] = field(default_factory=list)
    finish: str | None = None

    def take(self, delta: WireMessage) -> tuple[str, str]:
        """Add a piece; return what it says and what it thinks."""
        text, thought = delta.text(), delta.thought()
        if text:
            self.text.append(text)
        if thought:
            self.thought.append(thought)
        for call in delta.tool_calls or ():
            self._take_call(call)
        self.citations.extend(delta.citations())
        return text, thought

    def choice(self) -> Choice:
        return Choice(
            text="".join(self.text),
            finish=finish_of(self.finish),
            calls=self.said(),
            reasoning="".join(self.thought),
            citations=tuple(self.citations),
        )

    def said(self) -> tuple[Call, ...]:
        return tuple(calling.call() for _, calling in sorted(self.calls.items()))

    def _take_call(self, piece: WireCall) -> None:
        last = max(self.calls, default=-1)
        index = piece.index
        if index is None:
            # Some servers do not number calls; a new id is a new call.
            index = last + 1 if last < 0 or (piece.id and piece.id != self.calls[last].id) else last
        calling = self.calls.setdefault(index, _Calling())
        calling.id = calling.id or piece.id or ""
        calling.name = calling.name or piece.function.name or ""
        calling.arguments.append(piece.function.text())


class Assembly:
    """Puts pieces together, and hands on those of the first completion as they come.

    Args:
        on_chunk: takes them.
    """

    def __init__(self, on_chunk: OnChunk) -> None:
        self._on_chunk = on_chunk
        self._writing: dict[int, _Writing] = {}
        self._usage = Usage()
        self._model = ""
        self.done = False

    def take(self, data: bytes) -> None:
        """Add the data of one event.

        Raises:
            StreamError: it is no piece of a completion, or it is the provider's error.
        """
        if self.done:
            return
        if data.strip() == _DONE:
            self.done = True
            return
        try:
            piece = _decoder.decode(data)
        except UNREADABLE as exc:
            piece = _without_counts(data, str(exc))
        self._take(piece, data)

    def take_form(self, form: object) -> None:
        """Add a piece that is a dict already.

        Raises:
            StreamError: it is none.
        """
        try:
            self._take(msgspec.convert(form, _Piece), b"")
        except msgspec.ValidationError as exc:
            raise StreamError(f"a piece of the stream cannot be read ({exc})") from None

    def response(self) -> Response:
        """Return the whole answer.

        Raises:
            StreamError: the stream ended before the answer did.
        """
        complete = self._writing and all(writing.finish is not None for writing in self._writing.values())
        if not complete and not (self.done and self._writing):
            raise StreamError("the stream ended before the answer did", cut=True)
        choices = tuple(writing.choice() for _, writing in sorted(self._writing.items()))
        return Response(choices=choices, usage=self._usage, model=self._model)

    def _take(self, piece: _Piece, data: bytes) -> None:
        if piece.error is not None:
            raise StreamError("the provider broke off with an error", data)
        self._model = self._model or piece.model or ""
        if piece.usage is not None:
            self._usage = piece.usage.usage()
        for part in piece.choices or ():
            writing = self._writing.setdefault(part.index, _Writing())
            text, thought = writing.take(part.delta) if part.delta is not None else ("", "")
            ended = part.finish_reason is not None and writing.finish is None
            writing.finish = writing.finish or part.finish_reason
            if part.index == 0 and (text or thought or ended):
                self._on_chunk(
                    Chunk(
                        text=text,
                        reasoning=thought,
                        calls=writing.said() if ended else (),
                        finish=finish_of(part.finish_reason) if ended else None,
                    )
                )


def _without_counts(data: bytes, why: str) -> _Piece:
    """Read a piece whose tokens are counted strangely: what it says is paid for."""
    try:
        rest = _uncounted.decode(data)
    except UNREADABLE:
        raise StreamError(f"a piece of the stream cannot be read ({why})", data) from None
    return _Piece(choices=rest.choices, model=rest.model, error=rest.error)


class Delivery:
    """Hands pieces on to somebody who may leave before the answer is there, and knows what it handed on.

    Attributes:
        any: whether there was a piece yet.
    """

    def __init__(self, on_chunk: OnChunk) -> None:
        self._on_chunk: OnChunk | None = on_chunk
        self._said: list[str] = []
        self.any = False

    def __call__(self, chunk: Chunk) -> None:
        """Hand on a piece."""
        if self._on_chunk is not None:
            self.any = True
            self._said.append(chunk.text)
            self._on_chunk(chunk)

    @property
    def text(self) -> str:
        """What was handed on so far."""
        return "".join(self._said)

    def close(self) -> None:
        """Hand on nothing more."""
        self._on_chunk = None


class Tolerant:
    """Hands pieces to a user's function, which may raise: the answer is paid for and is read to its end.

    Attributes:
        error: what the function raised; it gets nothing more.
    """

    def __init__(self, on_chunk: OnChunk) -> None:
        self._on_chunk = on_chunk
        self.error: Exception | None = None

    def __call__(self, chunk: Chunk) -> None:
        """Hand on a piece."""
        if self.error is None:
            try:
                self._on_chunk(chunk)
            except Exception as exc:  # the user's own; raised to the user when the answer is there
                self.error = exc
