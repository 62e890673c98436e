"""Speak to any OpenAI-compatible endpoint: one request, one answer, no retries, no SDK.

Every failure becomes one of our errors here. It is raised outside of the handler that met it, so that no chain
leads to an object that holds a header; the key itself lives in no local variable of a frame that raises.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

import msgspec

from dspex import _clock
from dspex.errors import LMError
from dspex.lm import embedding, http, http1
from dspex.lm.failures import (
    Caller,
    broken,
    failure,
    given,
    missing_key,
    redirected,
    retry_after_seconds,
    timed_out,
    unreadable,
    unsendable,
)
from dspex.lm.messages import Request, Response
from dspex.lm.providers import Route
from dspex.lm.secret import Secret, keys_in_url, public_url
from dspex.lm.stream import Assembly, Events, StreamError
from dspex.lm.transport import OnChunk, piece_of
from dspex.lm.wire import UNREADABLE, NoAnswerError, body_of, response_of

STREAM_PATIENCE = 10
"""How many times `timeout` a streamed answer may take as a whole; its silences are held to `timeout` itself."""


class DirectTransport:
    """A Transport to one endpoint.

    Args:
        route: where the model lives.
        api_key: the key; None to read the provider's environment variable at each call.
        timeout: seconds for one try, from connecting to the last byte.
        headers: further headers, such as a gateway's own; values never show.
    """

    def __init__(
        self,
        route: Route,
        *,
        api_key: Secret | None = None,
        timeout: float = 60.0,
        headers: Mapping[str, Secret] | None = None,
    ) -> None:
        self._route = route
        self._api_key = api_key
        self._timeout = timeout
        self._headers = dict(headers or {})
        # A header of the user's own takes the place of ours, and so do a user and a password in the address.
        own = {name.lower() for name in self._headers}
        self._kept = (*self._headers.values(), *keys_in_url(route.base))
        self._says_type = "content-type" in own
        self._says_key = "authorization" in own or "@" in route.base.partition("://")[2].partition("/")[0]

    def __repr__(self) -> str:
        return f"DirectTransport({self._route.model!r} at {public_url(self._route.base)!r})"

    async def send(self, request: Request) -> Response:
        """Answer one request, once; on the host loop.

        Raises:
            LMError: what the status, the connection or the body stands for.
        """
        return given(await self._exchange(request, None))

    async def stream(self, request: Request, on_chunk: OnChunk) -> Response:
        """Answer one request, once, and hand over its pieces as they arrive.

        Raises:
            LMError: as `send` does, and where the stream breaks off.
        """
        return given(await self._exchange(request, on_chunk))

    async def _exchange(self, request: Request, on_chunk: OnChunk | None) -> Response | LMError | None:
        """Ask and read; None where the task was cancelled, whose own error would show the frames below."""
        if self._route.needs_key and not self._key() and not self._headers:
            return missing_key(self._caller(request), self._route.keys)
        path, asked = self._question(request, on_chunk is not None)
        url, body, began = _joined(self._route.base, path), b"", _clock.monotonic()
        try:
            if on_chunk is None:
                status, headers, body = await http.post(url, self._reveal(), asked, self._timeout)
            else:
                limits = self._timeout * STREAM_PATIENCE, self._timeout
                async with aclosing(http.pieces(url, self._reveal(), asked, *limits)) as pieces:
                    status, headers, _ = await anext(pieces)
                    if status == 200 and "json" not in headers.get("content-type", ""):
                        return await _assembled(pieces, on_chunk)
                    body = b"".join([piece.data async for piece in pieces])
            if status == 200:
                return _whole(body, request, on_chunk)
        except TimeoutError:
            whole = self._timeout * STREAM_PATIENCE
            # A loop counts in milliseconds, so that its timers may be early by one.
            over = on_chunk is not None and _clock.monotonic() - began > 0.99 * whole
            return timed_out(self._caller(request), whole if over else self._timeout)
        except StreamError as exc:
            caller = self._caller(request)
            return broken(caller, str(exc)) if exc.cut else _error_in_answer(caller, exc.body, str(exc))
        except NoAnswerError as exc:
            return _error_in_answer(self._caller(request), body, str(exc))
        except http1.UnsendableError as exc:
            return unsendable(self._caller(request), str(exc))
        except (OSError, ValueError) as exc:
            return broken(self._caller(request), http.why(exc))
        except asyncio.CancelledError:
            return None
        if 300 <= status < 400:
            return redirected(self._caller(request), status, headers.get("location", ""))
        wait = retry_after_seconds(headers.get("retry-after"))
        told = body.decode("utf-8", "replace")
        return failure(self._caller(request), status, told, retry_after=wait)

    def _question(self, request: Request, streams: bool) -> tuple[str, bytes]:
        """Return what follows the address, and the body."""
        if request.inputs:
            return embedding.PATH, embedding.embedding_body(request, self._route.model)
        return "/chat/completions", body_of(request, self._route.model, stream=streams)

    def _caller(self, request: Request) -> Caller:
        key = self._key()
        name = self._route.keys[0] if self._route.keys else ""
        return Caller(
            model=request.model,
            provider=self._route.provider,
            hint=f"check {name} or pass api_key=" if name else "pass api_key=",
            secrets=(*self._kept, *(() if key is None else (key,))),
        )

    def _key(self) -> Secret | None:
        if self._api_key is not None:
            return self._api_key
        found = (os.environ.get(name, "").strip() for name in self._route.keys)
        return next((Secret(value) for value in found if value), None)

    def _reveal(self) -> dict[str, str]:
        headers = {} if self._says_type else {"Content-Type": "application/json"}
        if not self._says_key and (key := self._key()):
            headers["Authorization"] = f"Bearer {key.reveal()}"
        return headers | {name: value.reveal() for name, value in self._headers.items()}


def _joined(base: str, path: str) -> str:
    """Return the address of an endpoint's path; what an address asks for besides stays at its end."""
    place, mark, query = base.partition("?")
    return f"{place.rstrip('/')}{path}{mark}{query}" if mark else base + path


async def _assembled(pieces: AsyncIterator[http.Piece], on_chunk: OnChunk) -> Response:
    events, assembly = Events(), Assembly(on_chunk)
    async for piece in pieces:
        for event in events.feed(piece.data):
            assembly.take(event)
        if assembly.done:
            break
    for event in events.end():
        assembly.take(event)
    return assembly.response()


def _whole(body: bytes, request: Request, on_chunk: OnChunk | None) -> Response:
    """Read an answer that came in one; also where pieces were asked for and the server has none."""
    if request.inputs:
        return embedding.embedding_response(body, len(request.inputs))
    response = response_of(body)
    if on_chunk is not None:
        on_chunk(piece_of(response))
    return response


class _Code(msgspec.Struct):
    code: object = None


class _Refusal(msgspec.Struct):
    error: _Code | str


_STATUSES = {
    "rate_limit_exceeded": 429, "rate_limit_error": 429, "insufficient_quota": 429, "invalid_api_key": 401,
    "authentication_error": 401, "model_not_found": 404, "context_length_exceeded": 400,
    "invalid_request_error": 400,
}  # fmt: skip
"""The status that an error without one stands for, by its code."""


def _error_in_answer(caller: Caller, body: bytes, why: str) -> LMError:
    """Read a status-200 answer that is no completion: some gateways put an error into it."""
    try:
        said = msgspec.json.decode(body, type=_Refusal).error
    except UNREADABLE:
        error = unreadable(caller, why)
        error.retryable = True  # mostly a gateway's page in place of the answer; the next may be one
        return error
    code = None if isinstance(said, str) else said.code
    if isinstance(code, str):
        code = _STATUSES.get(code) or (int(code) if code.isdecimal() and len(code) == 3 else None)
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    return failure(caller, status, body.decode("utf-8", "replace"))
