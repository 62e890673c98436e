"""What a user says in one call -> one Request: options sorted into fields, and everything in its JSON form.

Apart from the model, because models of users' own are asked with the same words as ours.
"""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from dspex import _canon
from dspex.errors import DataError, SettingsError
from dspex.lm.forms import form_of_tool, plain_text, tools_of
from dspex.lm.messages import Message, Request
from dspex.lm.secret import is_credential, without_credentials

_OF_THE_MODEL = frozenset({"headers", "extra_headers", "api_base", "base_url"})
"""Where and how a model is reached: in a call it would go to the provider, and into caches and histories, as text."""
_NOT_SENT = ("cache",)
"""What an option of a call says to us and not to the provider."""
_NO_PARAMETERS = {
    "stream": "`dspex.streamify(program)` hands over answers in pieces",
    "messages": "give them with the call, as `lm(messages=[...])`",
}


def request_of(
    model: str, messages: tuple[Message, ...], usual: Mapping[str, Any], options: Mapping[str, Any]
) -> Request:
    """Return the request that asks `model` with its usual parameters and those of this call.

    Raises:
        SettingsError: a parameter has no JSON form, cannot be, or is a key.
    """
    asked = {name: value for name, value in usual.items() if value is not None}
    for name, value in options.items():
        if is_credential(name) or name in _OF_THE_MODEL:
            raise SettingsError(
                f"`{name}` belongs to the model, not to a call: write `dspex.LM(..., {name}=...)`."
            )
        if value is not None and name not in _NOT_SENT:
            asked[name] = value
    _one_limit(asked, options)
    for name, instead in _NO_PARAMETERS.items():
        if name in asked:
            raise SettingsError(f"`{name}` is no parameter of a model's: {instead}.")
    own: dict[str, Any] = {name: read(asked.pop(name)) for name, read in _FIELDS.items() if name in asked}
    if "tools" in own and own["tools"] is None:
        # A provider's own kind of tool goes to it as it is.
        asked["tools"] = {**usual, **options}["tools"]
        del own["tools"]
    further = {name: _raw(name, asked[name]) for name in sorted(asked)} if asked else None
    return Request(model=model, messages=messages, options=further, **own)


def shown(options: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """Return the parameters of a call as plain values, for its history."""
    kept = {
        name: value
        for name, value in options.items()
        if value is not None and not (name.startswith("api_") or is_credential(name))
    }
    return without_credentials(plain(kept, request))  # type: ignore[no-any-return]  # a dict stays one


def plain(options: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """Return the options of a call with tools and format as dicts, as users' own models know them."""
    kept = dict(options)
    if request.tools and "tools" in kept:
        kept["tools"] = [form_of_tool(tool) for tool in request.tools]
    if request.response_format is not None and "response_format" in kept:
        kept["response_format"] = msgspec.json.decode(request.response_format)
    return kept


def _one_limit(asked: dict[str, Any], options: Mapping[str, Any]) -> None:
    """Join OpenAI's two words for the same limit; what the call says wins."""
    if "max_completion_tokens" in asked:
        other = asked.pop("max_completion_tokens")
        if options.get("max_tokens") is None:
            asked["max_tokens"] = other


def _stop(stop: Any) -> tuple[str, ...]:
    words = (stop,) if isinstance(stop, str) else stop
    if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
        raise SettingsError(f"`stop` is a text or a list of texts, not {stop!r}.")
    return tuple(map(plain_text, words))


def _tools(tools: Sequence[Any]) -> Any:
    if isinstance(tools, (str, Mapping)) or not isinstance(tools, Iterable):
        raise SettingsError(f"`tools` is a list of tools, not a `{type(tools).__name__}`.")
    return tools_of(list(tools))


def _temperature(value: Any) -> Any:
    number: Any = value if not isinstance(value, bool) and isinstance(value, numbers.Real) else -1
    if not 0 <= number < math.inf:
        raise SettingsError(f"`temperature` is a number of at least 0, not {value!r}.")
    return number if type(number) is int else float(number)  # other libraries' have no JSON form


def _whole(name: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**63:
            raise SettingsError(f"`{name}` is a whole number of at least 1, not {value!r}.")
        return value

    return read


def _format(wanted: Any) -> msgspec.Raw:
    if isinstance(wanted, msgspec.Raw):
        return wanted
    schema = getattr(wanted, "model_json_schema", None)
    if isinstance(wanted, type) and callable(schema):
        form = {"type": "json_schema", "json_schema": {"name": wanted.__name__, "schema": schema()}}
        return _raw("response_format", form)
    if not isinstance(wanted, Mapping):
        raise SettingsError(
            '`response_format` is a dict such as {"type": "json_object"}, or a pydantic model, '
            f"not a `{type(wanted).__name__}`."
        )
    return _raw("response_format", wanted)


def _rollout(value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise SettingsError(f"`rollout_id` is a whole number, not {value!r}.") from None


_FIELDS: dict[str, Callable[[Any], Any]] = {
    "temperature": _temperature, "max_tokens": _whole("max_tokens"), "n": _whole("n"), "stop": _stop, "rollout_id": _rollout, "tools": _tools,
    "response_format": _format,
}  # fmt: skip
"""Options that a Request has a field for; all others go to the provider as they are."""


def _raw(name: str, value: object) -> msgspec.Raw:
    try:
        return msgspec.Raw(_canon.canonical(value).encode())
    except DataError as exc:
        raise SettingsError(f"The parameter `{name}` of the LM cannot be sent: {exc}") from None
