"""The OpenAI-compatible wire: a Request as a JSON body, a JSON answer as a Response. Pure, no network.

Apart from the transport so that the shape of the wire can be read and tested without a socket.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from dspex import _canon
from dspex.lm.forms import form_of_message, form_of_tool
from dspex.lm.messages import Call, Choice, FinishReason, Request, Response, Usage

MOST_TOKENS = 2**53
"""What every machine that reads a journal can still count."""
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


class WirePart(msgspec.Struct):
    """A piece of content; of all kinds only text is read."""

    type: str = ""
    text: str = ""


class WireFunction(msgspec.Struct, frozen=True):
    """What is called, or a piece of it."""

    name: str | None = None
    arguments: str | dict[str, object] | None = None

    def text(self) -> str:
        """Return the arguments as JSON text, also where a server sends them as an object."""
        given = self.arguments
        return (
            given if isinstance(given, str) else "" if given is None else msgspec.json.encode(given).decode()
        )


class WireCall(msgspec.Struct):
    """A model's wish to have a tool called, or a piece of it."""

    index: int | None = None
    id: str | None = None
    function: WireFunction = WireFunction()


class WireMessage(msgspec.Struct):
    """A completion's content, or a piece of it: the same names serve both."""

    content: str | list[WirePart] | None = None
    tool_calls: list[WireCall] | None = None
    reasoning_content: str | None = None
    reasoning: object = None
    provider_specific_fields: object = None

    def text(self) -> str:
        """Return the text of the content."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content if part.type == "text")
        return self.content or ""

    def thought(self) -> str:
        """Return what the model thought, under whichever of the two names in use."""
        return self.reasoning_content or (self.reasoning if isinstance(self.reasoning, str) else "")

    def citations(self) -> tuple[dict[str, object], ...]:
        """Return where the text was taken from, where the provider says it."""
        fields = self.provider_specific_fields
        if not isinstance(fields, dict):
            return ()
        found = [*_listed(fields.get("citations")), *_listed(fields.get("citation"))]
        return tuple(citation for citation in found if isinstance(citation, dict))


class WireUsage(msgspec.Struct):
    """Tokens, as providers count them."""

    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0

    def usage(self) -> Usage:
        """Return the tokens as ours."""
        return Usage(
            prompt_tokens=count_of(self.prompt_tokens), completion_tokens=count_of(self.completion_tokens)
        )


class _Choice(msgspec.Struct):
    message: WireMessage
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    usage: WireUsage | None = None
    model: str | None = None


class _Uncounted(msgspec.Struct):
    choices: list[_Choice]
    usage: object = None
    model: str | None = None


_decoder = msgspec.json.Decoder(_Answer)
_uncounted = msgspec.json.Decoder(_Uncounted)


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading a stranger's JSON may raise."""


class NoAnswerError(ValueError):
    """The body is not a chat completion; the message says what it lacks."""


def is_reasoning(model: str) -> bool:
    """Tell whether the model takes `max_completion_tokens` in place of `max_tokens`.

    Example:
        >>> is_reasoning("o3-mini"), is_reasoning("openai/gpt-5"), is_reasoning("gpt-4o")
        (True, True, False)
    """
    return _REASONING.search(model) is not None


def body_of(request: Request, model: str, *, stream: bool = False) -> bytes:
    """Return the JSON body that asks `model` this request.

    Example:
        >>> from dspex.lm.messages import Message
        >>> body_of(Request(model="openai/m", messages=(Message(role="user", content="hi"),)), "m")
        b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
    """
    body: dict[str, Any] = {"model": model, "messages": [form_of_message(m) for m in request.messages]}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.max_tokens is not None:
        body["max_completion_tokens" if is_reasoning(model) else "max_tokens"] = request.max_tokens
    if request.n != 1:
        body["n"] = request.n
    if request.stop:
        body["stop"] = request.stop
    if request.tools:
        body["tools"] = [form_of_tool(tool) for tool in request.tools]
    if request.response_format is not None:
        body["response_format"] = request.response_format
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    body |= request.options or {}
    if (
        "extra_body" in body
    ):  # OpenAI's own client takes further parameters under this name and sends them as the others
        body |= msgspec.json.decode(body.pop("extra_body"), type=dict[str, msgspec.Raw])
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:  # half a character, which no provider can read
        return msgspec.json.encode(_canon.legible(body))


def response_of(body: bytes) -> Response:
    """Return the Response a body holds.

    Raises:
        NoAnswerError: it holds none.
    """
    try:
        return _response(_decoder.decode(body))
    except UNREADABLE as exc:
        said = str(exc)
    try:
        # An answer that was paid for is not thrown away because its tokens are counted strangely.
        rest = _uncounted.decode(body)
    except UNREADABLE:
        raise NoAnswerError(said) from None
    return _response(_Answer(choices=rest.choices, model=rest.model))


def response_from(form: object) -> Response:
    """Return the Response that a chat completion's dict holds.

    Raises:
        NoAnswerError: it holds none.
    """
    try:
        return _response(msgspec.convert(form, _Answer))
    except msgspec.ValidationError as exc:
        raise NoAnswerError(str(exc)) from None


def finish_of(word: str | None) -> FinishReason:
    """Return our word for a provider's finish reason."""
    return _FINISH.get(word, "other")


def _response(answer: _Answer) -> Response:
    if not answer.choices:
        raise NoAnswerError("`choices` is empty")
    return Response(
        choices=tuple(_choice(choice.message, choice.finish_reason) for choice in answer.choices),
        usage=(answer.usage or WireUsage()).usage(),
        model=answer.model or "",
    )


def _choice(message: WireMessage, finish: str | None) -> Choice:
    return Choice(
        text=message.text(),
        finish=finish_of(finish),
        calls=tuple(
            Call(id=call.id or "", name=call.function.name or "", arguments=call.function.text() or "{}")
            for call in message.tool_calls or ()
        ),
        reasoning=message.thought(),
        citations=message.citations(),
    )


def count_of(tokens: int | None) -> int:
    """Return a count of tokens that can be; one that cannot is none: by one below zero a budget would grow."""
    return tokens if tokens is not None and 0 < tokens < MOST_TOKENS else 0


def _listed(value: object) -> list[object]:
    if not isinstance(value, list):
        return [] if value is None else [value]
    return [one for group in value for one in _listed(group)]
