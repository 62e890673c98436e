"""Speak to every provider that is not OpenAI-compatible, through litellm; the only file that imports it.

litellm takes seconds to import, so that happens in a worker thread at the first call. It is asked for one try and
nothing else: retries, prices and cache are ours. Its errors keep the request with its key in their chain, so ours
are raised outside of the handler that met them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from dspex import _host
from dspex.errors import LMError
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
from dspex.lm.messages import Request, Response
from dspex.lm.providers import Route
from dspex.lm.secret import Secret
from dspex.lm.stream import Assembly, StreamError
from dspex.lm.transport import OnChunk
from dspex.lm.wire import is_reasoning, response_from

_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or it fetches the price table at import
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOG": "ERROR",
}
_WRAPPING = re.compile(r"^(?:(?:litellm\.)?\w+(?:Error|Exception)(?:: | - ))+")
_loaded: list[ModuleType] = []


class LiteLLMTransport:
    """A Transport to any provider litellm knows.

    Args:
        route: where the model lives.
        api_key: the key; None to have litellm read the provider's environment variables at each call.
        timeout: seconds for one try.
        headers: further headers, such as a gateway's own; values never show.
        credentials: further secrets of the provider, such as `aws_session_token`.
    """

    def __init__(
        self,
        route: Route,
        *,
        api_key: Secret | None = None,
        timeout: float = 60.0,
        headers: Mapping[str, Secret] | None = None,
        credentials: Mapping[str, Secret] | None = None,
    ) -> None:
        self._route = route
        self._api_key = api_key
        self._timeout = timeout
        self._headers = dict(headers or {})
        self._credentials = dict(credentials or {})

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
        library = await _library()
        try:
            if on_chunk is not None:
                arguments = self._arguments(request, stream=True) | _without_mcp(library, request)
                return await _pieces(library, arguments, on_chunk)
            answer = await library.acompletion(**self._arguments(request), **_without_mcp(library, request))
        except asyncio.CancelledError:
            return None
        except StreamError as exc:
            return broken(caller, str(exc)) if exc.cut else unreadable(caller, str(exc))
        except Exception as exc:  # litellm raises its own, openai's, httpx's and builtin errors alike
            return self._failure(exc, caller)
        try:
            return _response(answer)
        except (AttributeError, TypeError, ValueError) as exc:
            return unreadable(caller, str(exc))

    def _arguments(self, request: Request, *, stream: bool = False) -> dict[str, Any]:
        options = {name: msgspec.json.decode(raw) for name, raw in (request.options or {}).items()}
        limit = "max_completion_tokens" if is_reasoning(self._route.model) else "max_tokens"
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
            "stream_options": {"include_usage": True} if stream else None,
            "api_base": self._route.base or None,
            "api_key": self._api_key.reveal() if self._api_key else None,
            "extra_headers": {name: value.reveal() for name, value in self._headers.items()} or None,
        }
        return {
            "model": self._route.model,
            "messages": [form_of_message(message) for message in request.messages],
            "timeout": self._timeout,
            # Its default is two hidden retries; `num_retries` would add another layer that also retries 4xx.
            "max_retries": 0,
            **{name: value for name, value in asked.items() if value is not None},
            **{name: secret.reveal() for name, secret in self._credentials.items()},
            **options,
        }

    def _failure(self, exc: BaseException, caller: Caller) -> LMError:
        name = type(exc).__name__
        status = getattr(exc, "status_code", None)
        status = status if isinstance(status, int) else 0
        text = _WRAPPING.sub("", str(getattr(exc, "message", "") or exc))
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
    cost = (getattr(answer, "_hidden_params", None) or {}).get("response_cost")
    # Zero is what litellm says where it knows no price.
    return msgspec.structs.replace(response_from(_form(answer)), cost=float(cost) if cost else None)


async def _pieces(library: ModuleType, arguments: dict[str, Any], on_chunk: OnChunk) -> Response:
    assembly = Assembly(on_chunk)
    async with aclosing(await library.acompletion(**arguments)) as stream:
        async for piece in stream:
            assembly.take_form(_form(piece))
    return assembly.response()


def _without_mcp(library: ModuleType, request: Request) -> dict[str, Any]:
    """Return what keeps litellm from looking for MCP servers among tools: it would import a package we lack."""
    handler = Path(library.__file__ or "").parent / "responses" / "mcp" / "chat_completions_handler.py"
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


async def _library() -> ModuleType:
    """Return litellm, imported in a worker thread at first use."""
    return _loaded[0] if _loaded else await _host.in_worker(_load)


def _load() -> ModuleType:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # What litellm's own code is told by its dependencies is no news for our users.
    warnings.filterwarnings("ignore", module=r"litellm\b")
    warnings.filterwarnings("ignore", message=r"Item '\w+' on TypedDict class")
    import litellm
    from litellm.types.utils import Delta

    Delta()  # built at first use, with that warning; better here than in the midst of a stream
    library: ModuleType = litellm
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.ERROR)
    vars(library).update(suppress_debug_info=True, telemetry=False)
    _loaded.append(library)
    return library
