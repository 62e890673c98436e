"""Users' own code where a model is asked: a `forward` of theirs as a Transport, or work of theirs around the model.

Apart from the model, because both have one question to answer that ours never have: who runs this, in which
thread, and did it ask the model at all?
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from dspex import _host
from dspex.errors import ProgramError
from dspex.lm import asking
from dspex.lm.answers import response_of_value
from dspex.lm.forms import form_of_message
from dspex.lm.messages import Request, Response
from dspex.lm.meter import Meter
from dspex.lm.transport import OnChunk, piece_of
from dspex.scope.scope import Tally, current, enter

if TYPE_CHECKING:
    from dspex.lm.base import BaseLM


def overrides(cls: type, name: str) -> bool:
    """Tell whether a user's class, not one of ours, says what a method does."""
    owner = next((base for base in cls.__mro__ if name in vars(base)), cls)
    return "_builtin" not in vars(owner)


class Forward:
    """A user's `forward` as a Transport: in the caller's thread, or off the loop where there is one."""

    waits = False

    def __init__(self, lm: BaseLM, prompt: str | None, options: dict[str, Any]) -> None:
        self._lm = lm
        self._prompt = prompt
        self._options = options

    async def send(self, request: Request) -> Response:
        """Answer one request."""
        work = run_forward(self._lm, request, self._prompt, self._options)
        # On the host loop a cancel cuts the wait; what a thread of the user's does cannot be cut.
        given = await (current().cancel.guard(work) if _host.on_host() else work)
        return response_of_value(given, self._lm.model)


class _Given:
    """An answer that is there already."""

    waits = False

    def __init__(self, response: Response) -> None:
        self._response = response

    async def send(self, request: Request) -> Response:
        return self._response


async def run_forward(lm: BaseLM, request: Request, prompt: str | None, options: dict[str, Any]) -> Any:
    """Return what a user's `forward` or `aforward` returns.

    Raises:
        ProgramError: there is neither.
    """
    kind = type(lm)
    forms = [form_of_message(message) for message in request.messages]
    given = asking.plain(options, request)
    if kind._own_aforward and not (kind._own_forward and _host.is_driving()):
        return await _host.native(lm.aforward(prompt=prompt, messages=forms, **given))
    if not kind._own_forward:
        raise ProgramError(f"`{kind.__name__}` has no `forward` method; write how the model answers there.")
    return await _host.in_worker(lambda: lm.forward(prompt=prompt, messages=forms, **given))


async def run_call(lm: BaseLM, request: Request, options: dict[str, Any]) -> Any:
    """Return what a user's own `__call__` or `acall` returns."""
    forms = [form_of_message(message) for message in request.messages]
    given = asking.plain(options, request)
    if overrides(type(lm), "__call__"):
        return await _host.in_worker(lambda: lm(messages=forms, **given))
    return await _host.native(lm.acall(messages=forms, **given))


async def around(
    lm: BaseLM, request: Request, work: Callable[[], Awaitable[Any]], on_chunk: OnChunk | None
) -> Response:
    """Do a user's work around a model; where it never asked the model, count it as the call."""
    scope = current()
    # A tally of its own tells whether the model itself was asked.
    with enter(replace(scope, tally=Tally(scope.tally))) as inner:
        response = response_of_value(await work(), lm.model)
    if not inner.tally.calls:
        response = await Meter(_Given(response), lm.model).send(request)
    if on_chunk is not None:
        on_chunk(piece_of(response))
    return response
