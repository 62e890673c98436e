"""Speak to any OpenAI-compatible endpoint: one request, one answer, no retries, no SDK.

Every failure becomes one of our errors here. It is raised outside of the handler that met it, so that no chain
leads to an object that holds a header; the key itself lives in no local variable of a frame that raises.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from dspex.errors import LMError
from dspex.lm import http
from dspex.lm.failures import (
    Caller,
    broken,
    failure,
    given,
    missing_key,
    retry_after_seconds,
    timed_out,
    unreadable,
)
from dspex.lm.messages import Request, Response
from dspex.lm.providers import Route
from dspex.lm.secret import Secret, public_url
from dspex.lm.stream import Assembly, Events, StreamError
from dspex.lm.transport import OnChunk, piece_of
from dspex.lm.wire import NoAnswerError, body_of, response_of

if TYPE_CHECKING:
    import aiohttp

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

    def __repr__(self) -> str:
        return f"DirectTransport({self._route.model!r} at {public_url(self._route.base)!r})"

    async def send(self, request: Request) -> Response:
        """Answer one request, once; on the host loop.

        Raises:
            LMError: what the status, the connection or the body stands for.
        """
        return given(await self._exchange(request, self._caller(request.model), None))

    async def stream(self, request: Request, on_chunk: OnChunk) -> Response:
        """Answer one request, once, and hand over its pieces as they arrive.

        Raises:
            LMError: as `send` does, and where the stream breaks off.
        """
        return given(await self._exchange(request, self._caller(request.model), on_chunk))

    async def _exchange(
        self, request: Request, caller: Caller, on_chunk: OnChunk | None
    ) -> Response | LMError | None:
        """Ask and read; None where the task was cancelled, whose own error would show the frames below."""
        if self._route.needs_key and not self._key() and not self._headers:
            return missing_key(caller, self._route.keys)
        session = await http.session()
        import aiohttp

        streams, body = on_chunk is not None, b""
        whole = aiohttp.ClientTimeout(total=self._timeout)
        pieces = aiohttp.ClientTimeout(total=self._timeout * STREAM_PATIENCE, sock_read=self._timeout)
        try:
            async with session.post(
                f"{self._route.base}/chat/completions",
                data=body_of(request, self._route.model, stream=streams),
                headers=self._reveal(),
                proxy=http.proxy_for(self._route.base),
                timeout=pieces if streams else whole,
                # A redirect would carry key and prompt to an address nobody chose.
                allow_redirects=False,
            ) as reply:
                if on_chunk is not None and reply.status == 200 and "json" not in reply.content_type:
                    return await _pieces(reply, on_chunk)
                body, status = await reply.read(), reply.status
                wait = retry_after_seconds(reply.headers.get("Retry-After"))
            if status == 200:
                return _whole(body, on_chunk)
        except TimeoutError:
            return timed_out(caller, self._timeout)
        except StreamError as exc:
            return broken(caller, str(exc)) if exc.cut else _error_in_answer(caller, exc.body, str(exc))
        except NoAnswerError as exc:
            return _error_in_answer(caller, body, str(exc))
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return broken(caller, str(exc) or type(exc).__name__)
        except asyncio.CancelledError:
            return None
        return failure(caller, status, body.decode("utf-8", "replace"), retry_after=wait)

    def _caller(self, model: str) -> Caller:
        key = self._key()
        name = self._route.keys[0] if self._route.keys else ""
        return Caller(
            model=model,
            provider=self._route.provider,
            hint=f"check {name} or pass api_key=" if name else "pass api_key=",
            secrets=(*self._headers.values(), *(() if key is None else (key,))),
        )

    def _key(self) -> Secret | None:
        if self._api_key is not None:
            return self._api_key
        found = (os.environ.get(name, "").strip() for name in self._route.keys)
        return next((Secret(value) for value in found if value), None)

    def _reveal(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if key := self._key():
            headers["Authorization"] = f"Bearer {key.reveal()}"
        return headers | {name: value.reveal() for name, value in self._headers.items()}


async def _pieces(reply: aiohttp.ClientResponse, on_chunk: OnChunk) -> Response:
    events, assembly = Events(), Assembly(on_chunk)
    async for data in reply.content.iter_any():
        for event in events.feed(data):
            assembly.take(event)
        if assembly.done:
            break
    for event in events.end():
        assembly.take(event)
    return assembly.response()


def _whole(body: bytes, on_chunk: OnChunk | None) -> Response:
    """Read an answer that came in one; also where pieces were asked for and the server has none."""
    response = response_of(body)
    if on_chunk is not None:
        on_chunk(piece_of(response))
    return response


class _Code(msgspec.Struct):
    code: object = None


class _Refusal(msgspec.Struct):
    error: _Code


def _error_in_answer(caller: Caller, body: bytes, why: str) -> LMError:
    """Read a status-200 answer that is no completion: some gateways put an error into it."""
    try:
        code = msgspec.json.decode(body, type=_Refusal).error.code
    except (msgspec.DecodeError, UnicodeDecodeError):
        return unreadable(caller, why)
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    return failure(caller, status, body.decode("utf-8", "replace"))
