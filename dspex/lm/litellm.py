"""Speak to every provider that is not OpenAI-compatible, through litellm; the only file that imports it.

It usually runs in processes of its own (`workers.py`); with `workers=0` it is imported here, in a worker thread at
the first call. It is asked for one try and nothing else: retries, prices and cache are ours. Its errors keep the
request with its key in their chain, so ours are raised outside of the handler that met them.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import msgspec

from dspex import _host
from dspex.errors import LMError, LMInvalidRequestError, LMUnavailableError
from dspex.lm import workers
from dspex.lm.embedding import embedding_from
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
from dspex.lm.forms import form_of_message, form_of_tool
from dspex.lm.frames import Ask
from dspex.lm.messages import Chunk, Request, Response
from dspex.lm.providers import Route
from dspex.lm.secret import Secret
from dspex.lm.stream import Assembly, StreamError
from dspex.lm.transport import OnChunk
from dspex.lm.wire import NoAnswerError, is_reasoning, response_from

_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or it fetches the price table at import
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOG": "ERROR",
}
_WRAPPING = re.compile(r"^(?:(?:litellm\.)?\w+(?:Error|Exception)(?:: | - ))+")
_WITHOUT_RETRIES = {"gradient_ai"}
"""Providers for which litellm never tries again and refuses to be told not to."""
_WITHOUT_COUNTS = {"bytez", "oci"}
"""Providers for which it refuses to be asked for the tokens of a stream."""
_loaded: list[ModuleType] = []
STREAM_PATIENCE = 10
"""How many times `timeout` a streamed answer may take as a whole; its silences are held to `timeout` itself."""

LONGEST = 1e6
"""Seconds for one try; no frame can say that it is for ever."""


@runtime_checkable
class Windowed(Protocol):
    """Takes pieces, and may have the stream wait."""

    def __call__(self, chunk: Chunk) -> None:
        """Take a piece."""
        ...

    async def room(self) -> None:
        """Wait until a further piece may come."""
        ...


class LiteLLMTransport:
    """A Transport to any provider litellm knows.

    Args:
        route: where the model lives.
        api_key: the key; None to have litellm read the provider's environment variables at each call.
        timeout: seconds for one try.
        headers: further headers, such as a gateway's own; values never show.
        credentials: further secrets of the provider, such as `aws_session_token`.
        workers: how many processes there may be for litellm, shared by all models; 0 to run it in this one.
    """

    def __init__(
        self,
        route: Route,
        *,
        api_key: Secret | None = None,
        timeout: float = 60.0,
        headers: Mapping[str, Secret] | None = None,
        credentials: Mapping[str, Secret] | None = None,
        workers: int = 1,
    ) -> None:
        self._route = route
        self._api_key = api_key
        self._timeout = timeout
        self._headers = dict(headers or {})
        self._credentials = dict(credentials or {})
        self._workers = workers

    def __repr__(self) -> str:
        return f"LiteLLMTransport({self._route.model!r})"

    async def send(self, request: Request) -> Response:
        """Answer one request, once; on the host loop.

        Raises:
            LMError: what the status or the connection stands for.
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
        if self._route.needs_key and not self._has_key():
            return missing_key(caller, self._route.keys)
        if not self._workers:
            return await self._here(request, caller, on_chunk)
        ask = self._frame(request, stream=on_chunk is not None)
        try:
            return await workers.shared().answer(
                ask, caller, limit=self._workers, seconds=self._seconds(on_chunk), on_chunk=on_chunk
            )
        except asyncio.CancelledError:
            return None

    async def _here(
        self, request: Request, caller: Caller, on_chunk: OnChunk | None
    ) -> Response | LMError | None:
        try:
            its = await library()
        except ImportError as exc:
            return caller.error(LMUnavailableError, "litellm cannot be imported; install it", str(exc))
        except asyncio.CancelledError:
            return None
        try:
            # Its own limits begin anew with each byte that comes.
            async with asyncio.timeout(self._seconds(on_chunk)):
                return await self._asked(its, request, on_chunk)
        except asyncio.CancelledError:
            return None
        except NoAnswerError as exc:
            cut = isinstance(exc, StreamError) and exc.cut
            return broken(caller, str(exc)) if cut else unreadable(caller, str(exc))
        except Exception as exc:  # litellm raises its own, openai's, httpx's and builtin errors alike
            return self._failure(exc, caller)

    async def _asked(self, its: ModuleType, request: Request, on_chunk: OnChunk | None) -> Response:
        if request.inputs:
            vectors = await its.aembedding(**self._reaching(request), input=list(request.inputs))
            return embedding_from(_form(vectors), len(request.inputs))
        arguments = self._arguments(request, stream=on_chunk is not None) | _without_mcp(its, request)
        if on_chunk is not None:
            return await _pieces(its, arguments, on_chunk)
        return _response(await its.acompletion(**arguments))

    def _seconds(self, on_chunk: OnChunk | None) -> float:
        """Return what an answer may take as a whole."""
        return self._timeout * (1 if on_chunk is None else STREAM_PATIENCE)

    def _frame(self, request: Request, *, stream: bool) -> Ask:
        form = request.response_format
        return Ask(
            route=self._route, timeout=min(self._timeout, LONGEST), stream=stream,
            request=request if form is None else msgspec.structs.replace(request, response_format=None),
            response_format="" if form is None else bytes(form).decode(),
            api_key=None if self._api_key is None else self._api_key.reveal(),
            headers={name: value.reveal() for name, value in self._headers.items()},
            credentials={name: value.reveal() for name, value in self._credentials.items()},
        )  # fmt: skip

    def _arguments(self, request: Request, *, stream: bool) -> dict[str, Any]:
        limit = "max_completion_tokens" if is_reasoning(self._route.model) else "max_tokens"
        counts = self._route.provider not in _WITHOUT_COUNTS
        asked = {
            "temperature": request.temperature,
            limit: request.max_tokens,
            "n": request.n if request.n != 1 else None,
            "stop": list(request.stop) or None,
            "tools": [form_of_tool(tool) for tool in request.tools] or None,
            "response_format": None
            if request.response_format is None
            else msgspec.json.decode(request.response_format),
            "stream": stream or None,
            "stream_options": {"include_usage": True} if stream and counts else None,
        }
        return {
            "messages": [form_of_message(message) for message in request.messages],
            **{name: value for name, value in asked.items() if value is not None},
            **self._reaching(request),
        }

    def _reaching(self, request: Request) -> dict[str, Any]:
        """Return what every kind of call takes; the user's own options have the last word."""
        options = {name: msgspec.json.decode(raw) for name, raw in (request.options or {}).items()}
        given = {
            "api_base": self._route.base or None,
            "api_key": self._api_key.reveal() if self._api_key else None,
            "extra_headers": {name: value.reveal() for name, value in self._headers.items()} or None,
            # Its default is two hidden retries; `num_retries` would add another layer that also retries 4xx.
            "max_retries": None if self._route.provider in _WITHOUT_RETRIES else 0,
        }
        return {
            "model": self._route.model,
            "timeout": self._timeout,
            **{name: value for name, value in given.items() if value is not None},
            **{name: secret.reveal() for name, secret in self._credentials.items()},
            **options,
        }

    def _failure(self, exc: BaseException, caller: Caller) -> LMError:
        name = type(exc).__name__
        status = getattr(exc, "status_code", None)
        status = status if isinstance(status, int) else 0
        text = _WRAPPING.sub("", str(getattr(exc, "message", "") or exc))
        text = text.partition("\nTraceback (most")[0]
        if any(isinstance(seen, ImportError) for seen in _chain(exc)):
            words = f"litellm lacks a package for `{caller.provider}`; install it where the kernel runs"
            return caller.error(LMInvalidRequestError, words, text)
        if name == "ContextWindowExceededError":
            return failure(caller, 400, text, code="context_length_exceeded")
        if isinstance(exc, TimeoutError) or name == "Timeout":
            return timed_out(caller, self._timeout)
        if name == "APIConnectionError" or isinstance(exc, OSError) or _never_arrived(exc):
            return broken(caller, text)
        if status < 400:
            return unreadable(caller, f"{name}: {text}", status)
        return failure(
            caller, status, text, retry_after=retry_after_seconds(_retry_after(exc)), code=_code(exc)
        )

    def _has_key(self) -> bool:
        return bool(self._api_key or self._credentials) or any(
            os.environ.get(name) for name in self._route.keys
        )

    def _caller(self, model: str) -> Caller:
        name = self._route.keys[0] if self._route.keys else ""
        return Caller(
            model=model,
            provider=self._route.provider,
            hint=f"check {name} or pass api_key=" if name else "check its key",
            secrets=(
                *self._headers.values(),
                *self._credentials.values(),
                *((self._api_key,) if self._api_key else ()),
            ),
        )


def _response(answer: Any) -> Response:
    try:
        cost = float((getattr(answer, "_hidden_params", None) or {}).get("response_cost") or 0.0)
        # Zero is what litellm says where it knows no price, and less where a server counts less than no tokens.
        return msgspec.structs.replace(
            response_from(_form(answer)), cost=cost if 0.0 < cost < math.inf else None
        )
    except (AttributeError, TypeError, ValueError) as exc:
        raise NoAnswerError(str(exc)) from None


async def _pieces(its: ModuleType, arguments: dict[str, Any], on_chunk: OnChunk) -> Response:
    assembly = Assembly(on_chunk)
    async with aclosing(await its.acompletion(**arguments)) as stream:
        async for piece in stream:
            assembly.take_form(_form(piece))
            if isinstance(on_chunk, Windowed):
                await on_chunk.room()
        if not _ended(stream):
            raise StreamError("the stream ended before the answer did", cut=True)
    return assembly.response()


def _ended(stream: Any) -> bool:
    """Tell whether the provider said that its answer is over: where it did not, litellm says so in its place."""
    names = ("received_finish_reason", "intermittent_finish_reason")
    known = [getattr(stream, name) for name in names if hasattr(stream, name)]
    return not known or any(known)


def _without_mcp(its: ModuleType, request: Request) -> dict[str, Any]:
    """Return what keeps litellm from looking for MCP servers among tools: it would import a package we lack."""
    handler = Path(its.__file__ or "").parent / "responses" / "mcp" / "chat_completions_handler.py"
    # Versions that do not look for them would send the word to the provider.
    return {"_skip_mcp_handler": True} if request.tools and handler.is_file() else {}


def _form(answer: Any) -> object:
    form: object = answer.model_dump(warnings=False)
    return form


def _retry_after(exc: BaseException) -> str | None:
    headers = getattr(getattr(exc, "response", None), "headers", None) or getattr(
        exc, "litellm_response_headers", None
    )
    value = headers.get("retry-after") if headers is not None else None
    return None if value is None else str(value)


def _never_arrived(exc: BaseException) -> bool:
    """Tell a connection that failed: litellm calls it a 500, only the context behind knows better."""
    words = {"APIConnectionError", "ConnectError", "ServerDisconnectedError", "ClientConnectorError"}
    return any(isinstance(seen, ConnectionError) or type(seen).__name__ in words for seen in _chain(exc))


def _code(exc: BaseException) -> str:
    """Return the provider's word for the error, such as `insufficient_quota`."""
    for seen in _chain(exc):
        body = getattr(seen, "body", None)
        for code in (getattr(seen, "code", None), body.get("code") if isinstance(body, dict) else None):
            if isinstance(code, str):
                return code
    return ""


def _chain(exc: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = exc
    for _ in range(8):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__


async def library() -> ModuleType:
    """Return litellm, imported in a worker thread at first use."""
    return _loaded[0] if _loaded else await _host.in_worker(_load)


def _try_once() -> None:
    """Have the SDK below litellm try once: for some providers our wish is lost on the way to it."""
    try:
        from litellm.llms.openai.openai import OpenAIChatCompletion
    except ImportError:
        return  # in another version of it there may be nothing to mend
    made = getattr(OpenAIChatCompletion, "_get_openai_client", None)
    if made is None:
        return

    def once(*args: Any, **options: Any) -> Any:
        return made(*args, **options | ({"max_retries": 0} if "max_retries" in options else {}))

    OpenAIChatCompletion._get_openai_client = once


def _load() -> ModuleType:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # What litellm's own code is told by its dependencies is no news for our users.
    warnings.filterwarnings("ignore", module=r"litellm\b")
    warnings.filterwarnings("ignore", message=r"Item '\w+' on TypedDict class")
    import litellm
    from litellm.types.utils import Delta

    Delta()  # built at first use, with that warning; better here than in the midst of a stream
    its: ModuleType = litellm
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.ERROR)
    _try_once()
    # Its embeddings read a wish for no retries as none given, and then take this.
    vars(its).update(suppress_debug_info=True, telemetry=False, DEFAULT_MAX_RETRIES=0)
    _loaded.append(its)
    return its
