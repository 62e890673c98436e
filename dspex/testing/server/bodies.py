"""The provider's side of the OpenAI-compatible wire: a body as a Request, an answer as JSON or as a stream's events.

Apart from the server, because it knows no socket, and tests of the client's reading use it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from dspex.lm.forms import form_of_call, form_of_response, message_of, tools_of
from dspex.lm.messages import Request, Response
from dspex.testing.scripted import words
from dspex.testing.server.faults import Fault

Vectors = Callable[[Sequence[str]], Sequence[Sequence[float]]]


def request_of_body(body: dict[str, Any]) -> Request:
    """Return what a client asks."""
    texts = body.get("input")
    if texts is not None:
        inputs = (texts,) if isinstance(texts, str) else tuple(texts)
        return Request(model=body["model"], messages=(), inputs=inputs)
    return Request(
        model=body["model"],
        messages=tuple(message_of(message) for message in body["messages"]),
        temperature=body.get("temperature"),
        max_tokens=body.get("max_tokens") or body.get("max_completion_tokens"),
        n=body.get("n") or 1,
        tools=tools_of(body.get("tools") or ()) or (),
    )


def read_body(raw: bytes) -> dict[str, Any]:
    """Return what a client sent; nothing where it is no JSON object."""
    try:
        return msgspec.json.decode(raw, type=dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def request_in(body: dict[str, Any]) -> Request:
    """Return what a client asks.

    Raises:
        ValueError: nothing that can be answered; a provider says so with status 400.
    """
    try:
        request = request_of_body(body)
    except KeyError as exc:
        raise ValueError(f"`{exc.args[0]}` is missing") from None
    except (TypeError, AttributeError) as exc:
        raise ValueError(f"the request cannot be read: {exc}") from None
    if not (request.messages or request.inputs):
        raise ValueError("`messages` is empty")
    return request


def completion(response: Response, model: str) -> bytes:
    """Return an answer as the JSON of a chat completion."""
    form = form_of_response(response)
    return msgspec.json.encode({**form, "id": "chatcmpl-test", "created": 0, "model": model})


def embeddings(asked: Request, vectors: Vectors | None) -> bytes:
    """Return the JSON of the vectors of a request's texts; None for those of the practice model."""
    from dspex.lm.practice.vectors import vector_of

    rows = [vector_of(text) for text in asked.inputs] if vectors is None else vectors(asked.inputs)
    tokens = sum(len(text.split()) for text in asked.inputs)
    data = [{"object": "embedding", "index": k, "embedding": list(row)} for k, row in enumerate(rows)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": asked.model, "usage": usage})


def error(fault: Fault, authorization: str = "") -> bytes:
    """Return the body of a fault."""
    if fault.body is not None:
        return fault.body.encode()
    message = fault.message.replace("{authorization}", authorization)
    return msgspec.json.encode({"error": {"message": message, "type": fault.code, "code": fault.code}})


def events(response: Response, model: str) -> Iterator[dict[str, Any]]:
    """Yield the pieces of an answer as OpenAI's streams have them: role, words, calls, end, usage."""

    def event(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choices = [{"index": index, "delta": delta, "finish_reason": finish}]
        return {"id": "chatcmpl-test", "object": "chat.completion.chunk", "created": 0, "model": model,
                "choices": choices}  # fmt: skip

    for k, choice in enumerate(response.choices):
        yield event(k, {"role": "assistant", "content": ""})
        yield from (event(k, {"reasoning_content": word}) for word in words(choice.reasoning))
        yield from (event(k, {"content": word}) for word in words(choice.text))
        for i, call in enumerate(choice.calls):
            half = len(call.arguments) // 2
            function = {"name": call.name, "arguments": call.arguments[:half]}
            yield event(k, {"tool_calls": [{"index": i, **form_of_call(call), "function": function}]})
            yield event(k, {"tool_calls": [{"index": i, "function": {"arguments": call.arguments[half:]}}]})
        yield event(k, {}, choice.finish)
    yield {**event(0, {}), "choices": [], "usage": form_of_response(response)["usage"]}
