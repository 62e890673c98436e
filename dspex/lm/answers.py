"""What a user's own model returns -> a Response, and a Response -> what `lm(...)` returns.

Both in DSPy's shapes: a list of texts, with a dict where a completion holds more than text; or a chat completion,
as a dict or as an object of some client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dspex.errors import LMUnexpectedError, SettingsError
from dspex.lm.forms import call_of, form_of_choice, look, plain_text
from dspex.lm.messages import Choice, Response, Usage
from dspex.lm.wire import count_of, finish_of


def outputs_of(response: Response) -> list[Any]:
    """Return the completions as `lm(...)` gives them: texts, or dicts if any holds more than text.

    Example:
        >>> outputs_of(Response(choices=(Choice(text="blue"),)))
        ['blue']
    """
    outputs = [form_of_choice(choice) for choice in response.choices]
    if any(isinstance(output, dict) for output in outputs):
        return [output if isinstance(output, dict) else {"text": output} for output in outputs]
    return outputs


def response_of_value(value: Any, model: str) -> Response:
    """Return what a user's `forward` or `__call__` gave as a Response.

    Raises:
        LMUnexpectedError: it is no answer.

    Example:
        >>> response_of_value(["blue"], "mine").text
        'blue'
    """
    if isinstance(value, Response):
        return value
    given = [value] if isinstance(value, str) else value
    try:
        if isinstance(given, (list, tuple)):
            response = Response(choices=tuple(_output(one) for one in given), model=model)
        else:
            response = _completion(given, model)
    except (SettingsError, TypeError, ValueError):
        response = Response(choices=())
    if not response.choices:
        raise LMUnexpectedError(
            f"`{model}` returned a `{type(value).__name__}` that holds no answer; return a text, a list of texts "
            "or a chat completion.",
            model=model,
        )
    return response


def _output(one: Any) -> Choice:
    if isinstance(one, str) or one is None:
        return Choice(text=plain_text(one or ""))
    if not isinstance(one, Mapping):
        raise TypeError("an output is a text or a dict")
    return _choice(one, one.get("text"), None)


def _completion(value: Any, model: str) -> Response:
    choices = tuple(
        _choice(
            message if (message := look(choice, "message")) is not None else {},
            look(message, "content") if message is not None else look(choice, "text"),
            look(choice, "finish_reason"),
        )
        for choice in look(value, "choices") or ()
    )
    counted = look(value, "usage")
    cost = look(look(value, "_hidden_params") or {}, "response_cost")
    return Response(
        choices=choices,
        usage=Usage(
            prompt_tokens=count_of(int(look(counted, "prompt_tokens") or 0)),
            completion_tokens=count_of(int(look(counted, "completion_tokens") or 0)),
        ),
        model=str(look(value, "model") or model),
        cost=float(cost) if cost else None,
        cached=bool(look(value, "cache_hit")),
    )


def _choice(message: Any, text: Any, finish: Any) -> Choice:
    citations = look(message, "citations") or look(
        look(message, "provider_specific_fields") or {}, "citations"
    )
    calls = tuple(call_of(call) for call in look(message, "tool_calls") or ())
    word = finish if isinstance(finish, str) else None
    return Choice(
        text=str(text or ""),
        finish="tool_calls" if calls and word is None else finish_of(word),
        calls=calls,
        reasoning=str(look(message, "reasoning_content") or ""),
        citations=tuple(one for one in citations or () if isinstance(one, dict)),
    )
