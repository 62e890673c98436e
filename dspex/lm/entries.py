"""One call in a history: a dict under DSPy's names, written out only when somebody looks.

Every call is remembered and few are ever looked at. What a call was made of is frozen and mostly shared between
calls (instructions, demonstrations), so that keeping it costs little; its dicts cost more than the call's own work.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, cast

from dspex import _clock
from dspex.lm import asking
from dspex.lm.answers import outputs_of
from dspex.lm.forms import form_of_message, form_of_response, form_of_usage
from dspex.lm.messages import Request, Response

_lock = threading.Lock()


class Entry(dict[str, Any]):
    """A dict that is filled at the first look; from then on it is a dict like any other.

    Args:
        make: makes the dict of `parts`.
        parts: what the dict is made of; a tuple and no closure, for thousands of entries are kept.

    Example:
        >>> entry = Entry(lambda name: {"model": name}, ("m",))
        >>> entry["model"], len(entry)
        ('m', 1)
    """

    __slots__ = ("_make", "_parts")

    def __init__(self, make: Callable[..., dict[str, Any]], parts: tuple[Any, ...] = ()) -> None:
        # An empty dict is written by `json` without being asked for its items.
        super().__init__(model="")
        self._make: Callable[..., dict[str, Any]] | None = make
        self._parts = parts

    def __reduce__(self) -> Any:
        return dict, (dict(self),)

    def _fill(self) -> None:
        with _lock:
            if self._make is not None:
                made, self._make, self._parts = self._make(*self._parts), None, ()
                dict.clear(self)
                dict.update(self, made)


def _looking(name: str) -> Callable[..., Any]:
    plain = getattr(dict, name)

    def method(self: Entry, *args: Any, **kwargs: Any) -> Any:
        if self._make is not None:
            self._fill()
        return plain(self, *args, **kwargs)

    method.__name__, method.__doc__ = name, plain.__doc__
    return method


for _name in (
    "__getitem__", "__setitem__", "__delitem__", "__iter__", "__reversed__", "__len__", "__contains__", "__eq__",
    "__ne__", "__or__", "__ror__", "__ior__", "__repr__", "get", "keys", "values", "items", "pop", "popitem",
    "setdefault", "update", "copy", "clear",
):  # fmt: skip
    setattr(Entry, _name, _looking(_name))


def entry_of(
    request: Request,
    response: Response,
    *,
    prompt: str | None,
    parameters: Mapping[str, Any],
    model_type: str,
) -> dict[str, Any]:
    """Return the entry of one call.

    Args:
        request: what was asked.
        response: what came.
        prompt: what the user said, where it was no conversation.
        parameters: the model's and the call's.
        model_type: the model's.
    """
    return cast(
        dict[str, Any], Entry(_made, (request, response, prompt, parameters, model_type, _clock.now()))
    )


def _made(
    request: Request,
    response: Response,
    prompt: str | None,
    parameters: Mapping[str, Any],
    model_type: str,
    now: float,
) -> dict[str, Any]:
    import datetime  # like uuid below, some of the milliseconds that `import dspex` need not take

    return {
        "prompt": prompt,
        "messages": [form_of_message(message) for message in request.messages],
        "kwargs": asking.shown(parameters, request),
        "response": form_of_response(response),
        "outputs": outputs_of(response),
        "usage": form_of_usage(response),
        "cost": response.cost,
        "cached": response.cached,
        "timestamp": datetime.datetime.fromtimestamp(now).isoformat(),  # noqa: DTZ006 - as DSPy has it
        "uuid": _uuid(),
        "model": request.model,
        "response_model": response.model,
        "model_type": model_type,
    }


def _uuid() -> str:
    """Return a random UUID, without the five milliseconds that importing the library for it takes."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
