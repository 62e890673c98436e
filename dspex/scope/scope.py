"""Where am I, and may I go on: what every long act carries with it, in one ContextVar.

Threads and tasks started for a run inherit its scope; code outside of any run sees the root scope, which has no
run, no cap and is never cancelled.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from dspex.events.bus import bus
from dspex.events.event import Event, LMRole
from dspex.scope.budget import Budget
from dspex.scope.cancel import CancelToken


class Tally:
    """Counts what was called and spent within a scope and all below it."""

    def __init__(self, above: Tally | None = None) -> None:
        self.calls = 0
        self.cost = 0.0
        self._above = above
        self._lock = threading.Lock()

    def add(self, cost: float) -> None:
        """Count one LM call here and in every scope above."""
        with self._lock:
            self.calls += 1
            self.cost += cost
        if self._above is not None:
            self._above.add(cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The place of an act: its run, its span, its rights."""

    run: str = ""
    span: str = ""
    parent: str = ""
    role: LMRole = "task"
    """Who asks the model: the task itself, an optimizer's proposal, a judge."""
    patient: bool = False
    """True in runs: a call may wait for money or a provider; a person's own call may not."""
    cancel: CancelToken = field(default_factory=CancelToken)
    budget: Budget = field(default_factory=Budget)
    rng: random.Random = field(default_factory=random.Random)
    tally: Tally = field(default_factory=Tally)

    def emit(self, event: Event) -> None:
        """Complete the event with this place and put it on the bus; it belongs to the bus from here on."""
        bus.emit(event, run=self.run, span=self.span, parent=self.parent)

    def checkpoint(self) -> None:
        """Wait while the run is paused; raise where it was asked to end. For plain code in a run's thread."""
        self.cancel.checkpoint()


_root = Scope()
_scope: ContextVar[Scope] = ContextVar("dspex_scope", default=_root)


def current() -> Scope:
    """Return the scope of the running code; the root scope outside of any run."""
    return _scope.get()


@contextmanager
def enter(scope: Scope) -> Iterator[Scope]:
    """Run the `with` block in this scope."""
    token = _scope.set(scope)
    try:
        yield scope
    finally:
        _scope.reset(token)


@contextmanager
def within(span: str, *, role: LMRole | None = None) -> Iterator[Scope]:
    """Run the `with` block one level deeper, with a tally of its own.

    Example:
        >>> with within("candidate c01") as scope:
        ...     current() is scope
        True
    """
    outer = current()
    inner = replace(outer, span=span, parent=outer.span, role=role or outer.role, tally=Tally(outer.tally))
    with enter(inner):
        yield inner
