"""What the kernel and a worker process say to each other: JSON in frames that tell their length. Pure, no process.

Apart from both sides because they must agree. Errors cross as their fields, never as stored objects; whatever
carries a key shows none of it, as a frame may stand in somebody's traceback.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from dspex import errors
from dspex.errors import LMError
from dspex.lm.messages import Chunk, Request, Response
from dspex.lm.providers import Route

LONGEST = 1 << 30
"""Bytes of one frame; what claims to be longer is none."""
_HEAD = 4
_KINDS = {
    kind.kind: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, LMError)
}


class FrameError(ValueError):
    """The bytes are no frames."""


class _Masked(msgspec.Struct):
    """Shows its name alone."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"


class Ask(_Masked, kw_only=True, tag="ask", omit_defaults=True):
    """Kernel: answer this request, once."""

    id: int = 0
    """Given when it is sent."""
    route: Route
    request: Request
    """Without its `response_format`."""
    response_format: str = ""
    """Apart as text: msgspec writes raw JSON that may be missing, but cannot read it."""
    timeout: float
    stream: bool = False
    api_key: str | None = None
    headers: dict[str, str] = {}
    credentials: dict[str, str] = {}

    def asked(self) -> Request:
        """Return the request as it was."""
        if not self.response_format:
            return self.request
        raw = msgspec.Raw(self.response_format.encode())
        return msgspec.structs.replace(self.request, response_format=raw)


class Surroundings(_Masked, kw_only=True, tag="environment"):
    """Kernel: these environment variables changed; None stands for one that is gone."""

    values: dict[str, str | None]


class Took(msgspec.Struct, kw_only=True, tag="took"):
    """Kernel: so many more pieces of this stream are dealt with."""

    id: int
    pieces: int


class Leave(msgspec.Struct, kw_only=True, tag="leave"):
    """Kernel: nobody waits for this any more."""

    id: int


class Ping(msgspec.Struct, tag="ping"):
    """Kernel: are you there?"""


class Pong(msgspec.Struct, tag="pong"):
    """Worker: I am."""


class Ready(msgspec.Struct, tag="ready"):
    """Worker: litellm is imported."""


class Piece(msgspec.Struct, kw_only=True, tag="piece"):
    """Worker: a piece of a streamed answer."""

    id: int
    chunk: Chunk


class Answer(msgspec.Struct, kw_only=True, tag="answer"):
    """Worker: the whole answer."""

    id: int
    response: Response


class Failure(msgspec.Struct, kw_only=True, tag="failure", omit_defaults=True):
    """Worker: the error in place of an answer."""

    id: int
    kind: str
    message: str
    model: str = ""
    provider: str = ""
    status: int = 0
    retry_after: float = 0.0
    request_id: str = ""


FromKernel = Ask | Surroundings | Took | Leave | Ping
FromWorker = Pong | Ready | Piece | Answer | Failure

of_kernel = msgspec.json.Decoder(FromKernel)
of_worker = msgspec.json.Decoder(FromWorker)
_encoder = msgspec.json.Encoder()


def pack(frame: FromKernel | FromWorker) -> bytes:
    """Return a frame's bytes.

    Raises:
        FrameError: it holds text that no UTF-8 can write.
    """
    try:
        body = _encoder.encode(frame)
    except UnicodeEncodeError:
        raise FrameError("its text holds half a character (a lone surrogate)") from None
    return len(body).to_bytes(_HEAD, "big") + body


class Frames:
    r"""Cuts bytes, in whatever pieces they come, into frames.

    Example:
        >>> frames = Frames()
        >>> one = pack(Leave(id=7))
        >>> list(frames.feed(one[:3])), list(frames.feed(one[3:] + one[:1]))
        ([], [b'{"type":"leave","id":7}'])
    """

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the frames that are complete now.

        Raises:
            FrameError: what follows them is none.
        """
        rest, at = self._rest, 0
        rest += data
        try:
            while len(rest) - at >= _HEAD:
                begin = at + _HEAD
                size = int.from_bytes(rest[at:begin], "big")
                if size > LONGEST:
                    raise FrameError(f"a frame cannot be {size} bytes long")
                if len(rest) - begin < size:
                    break
                at = begin + size
                yield bytes(rest[begin:at])
        finally:
            del rest[:at]


class _Asked(msgspec.Struct, tag="ask"):
    id: int


def asked_in(frame: bytes) -> int | None:
    """Return the id of a request that cannot be read for what it asks; None where it is no request at all."""
    try:
        return msgspec.json.decode(frame, type=_Asked).id
    except (msgspec.DecodeError, RecursionError):
        return None


def failure_of(id: int, error: LMError) -> Failure:
    """Return an error's fields."""
    return Failure(
        id=id, kind=error.kind, message=error.message, model=error.model, provider=error.provider,
        status=error.status, retry_after=error.retry_after, request_id=error.request_id,
    )  # fmt: skip


def error_of(failure: Failure) -> LMError:
    """Return the error that has these fields.

    Example:
        >>> error_of(Failure(id=1, kind="rate_limit", message="slow down", retry_after=2.0))
        LMRateLimitError('slow down')
    """
    return _KINDS.get(failure.kind, LMError)(
        failure.message,
        model=failure.model,
        provider=failure.provider,
        status=failure.status,
        retry_after=failure.retry_after,
        request_id=failure.request_id,
    )
