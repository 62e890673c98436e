"""What the code that runs has around it: the frozen value that `configure` and `context` set, seen from below.

`settings.py` knows models and adapters and stands above them; who listens, who counts tokens and how much history
is kept concerns the floors below too. They see the same value through this base class, in one ContextVar.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dspex.scope.usage import UsageTracker


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambient:
    """The settings that every floor may read."""

    callbacks: tuple[Any, ...] = ()
    """Who is told when modules, models, adapters, tools and evaluations start and end."""
    track_usage: bool = False
    """Whether every answer of a program carries the tokens it took."""
    usage_tracker: UsageTracker | None = None
    """Who counts tokens now."""
    max_history_size: int = 10_000
    """Calls that a model, a module and the process remember at most."""
    disable_history: bool = False
    """Whether calls are not remembered at all."""
    allow_tool_async_sync_conversion: bool = False
    """Whether a sync call may run a tool that is a coroutine function."""
    rm: Any = None
    """What `Retrieve` asks for passages: a retriever, or any function from a query and `k` to passages."""


class Layer:
    """What a `with` block changes, over what it stands on, and the value that makes of the process's."""

    __slots__ = ("changes", "over", "stamp", "value")

    def __init__(self, changes: Mapping[str, Any], over: Layer | None) -> None:
        self.changes = dict(changes)
        self.over = over
        self.stamp: object = None
        self.value: Ambient | None = None

    def change(self, **changes: Any) -> None:
        """Change it while it lies, for all code that runs inside of it, also where that runs elsewhere by now."""
        global _stamp
        self.changes.update(changes)
        _stamp = object()

    def whole(self) -> dict[str, Any]:
        """Return all that is changed here and below."""
        return {**(self.over.whole() if self.over is not None else {}), **self.changes}


_process = Ambient()
_stamp = object()
"""Another one whenever a value below or a layer changes: values made before are made anew."""
_layer: ContextVar[Layer | None] = ContextVar("dspex_settings", default=None)


def ambient() -> Ambient:
    """Return the value of the running code."""
    layer = _layer.get()
    if layer is None:
        return _process
    if layer.stamp is not _stamp:
        stamp = _stamp
        # The value first: whoever sees the new stamp must find its value.
        layer.value, layer.stamp = replace(_process, **layer.whole()), stamp
    assert layer.value is not None
    return layer.value


def set_process(value: Ambient) -> None:
    """Replace the process's value."""
    global _process, _stamp
    _process = value
    _stamp = object()


def process() -> Ambient:
    """Return the process's value, without what `with` blocks change."""
    return _process


def lay(changes: Mapping[str, Any]) -> Token[Layer | None]:
    """Lay changes over the value in this thread or task; `lift` takes them away."""
    return _layer.set(Layer(changes, _layer.get()))


def lift(token: Token[Layer | None]) -> None:
    """Take away what `lay` laid."""
    _layer.reset(token)


def top() -> Layer | None:
    """Return what was laid last around the running code."""
    return _layer.get()
