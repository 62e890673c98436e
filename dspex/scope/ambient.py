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


class _Layer:
    """What a `with` block changes, and the value that makes of the process's."""

    __slots__ = ("base", "changes", "value")

    def __init__(self, changes: Mapping[str, Any]) -> None:
        self.changes = changes
        self.base: Ambient | None = None
        self.value: Ambient | None = None


_process = Ambient()
_layer: ContextVar[_Layer | None] = ContextVar("dspex_settings", default=None)


def ambient() -> Ambient:
    """Return the value of the running code."""
    layer = _layer.get()
    if layer is None:
        return _process
    if layer.base is not _process:
        base = _process
        # The value first: whoever sees the new base must find its value.
        layer.value, layer.base = replace(base, **layer.changes), base
    assert layer.value is not None
    return layer.value


def set_process(value: Ambient) -> None:
    """Replace the process's value."""
    global _process
    _process = value


def process() -> Ambient:
    """Return the process's value, without what `with` blocks change."""
    return _process


def lay(changes: Mapping[str, Any]) -> Token[_Layer | None]:
    """Lay changes over the value in this thread or task; `lift` takes them away."""
    over = _layer.get()
    return _layer.set(_Layer({**over.changes, **changes} if over is not None else dict(changes)))


def lift(token: Token[_Layer | None]) -> None:
    """Take away what `lay` laid."""
    _layer.reset(token)
