"""The OpenAI-compatible wire: a Request as a JSON body, a JSON answer as a Response. Pure, no network.

Apart from the transport so that the shape of the wire can be read and tested without a socket.
"""

from __future__ import annotations

import re

import msgspec

from dspex.lm.messages import Choice, FinishReason, Request, Response, Usage

_REASONING = re.compile(r"(?:^|/)(?:o[1-9](?![a-z0-9])|gpt-5(?!-chat))")
_FINISH: dict[str | None, FinishReason] = {
    None: "stop",
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}


class _Part(msgspec.Struct):
    type: str = ""
    text: str = ""


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None
    model: str | None = None


_decoder = msgspec.json.Decoder(_Answer)


class NoAnswerError(ValueError):
    """The body is not a chat completion; the message says what it lacks."""


def is_reasoning(model: str) -> bool:
    """Tell whether the model takes `max_completion_tokens` in place of `max_tokens`.

    Example:
        >>> is_reasoning("o3-mini"), is_reasoning("openai/gpt-5"), is_reasoning("gpt-4o")
        (True, True, False)
    """
    return _REASONING.search(model) is not None


def body_of(request: Request, model: str) -> bytes:
    """Return the JSON body that asks `model` this request.

    Example:
        >>> from dspex.lm.messages import Message
        >>> body_of(Request(model="openai/m", messages=(Message(role="user", content="hi"),)), "m")
        b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
    """
    body: dict[str, object] = {"model": model, "messages": request.messages}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.max_tokens is not None:
        body["max_completion_tokens" if is_reasoning(model) else "max_tokens"] = request.max_tokens
    if request.n != 1:
        body["n"] = request.n
    if request.stop:
        body["stop"] = request.stop
    return msgspec.json.encode(body | (request.options or {}))


def response_of(body: bytes) -> Response:
    """Return the Response a body holds.

    Raises:
        NoAnswerError: it holds none.
    """
    try:
        answer = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise NoAnswerError(str(exc)) from None
    if not answer.choices:
        raise NoAnswerError("`choices` is empty")
    usage = answer.usage or _Usage()
    return Response(
        choices=tuple(
            Choice(text=_text(c.message), finish=finish_of(c.finish_reason)) for c in answer.choices
        ),
        usage=Usage(prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens),
        model=answer.model or "",
    )


def finish_of(word: str | None) -> FinishReason:
    """Return our word for a provider's finish reason."""
    return _FINISH.get(word, "other")


def _text(message: _Message) -> str:
    if isinstance(message.content, list):
        return "".join(part.text for part in message.content if part.type == "text")
    return message.content or ""
