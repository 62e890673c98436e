"""Where am I, and may I go on: what every long act carries with it, in one ContextVar.

Threads and tasks started for a run inherit its scope; code outside of any run sees the root scope, which has no
run, no cap and is never cancelled.
"""

from __future__ import annotations

import random
import threading
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from typing import Any

import msgspec
from msgspec.structs import replace

from dspex.events.bus import bus
from dspex.events.event import Event, LMRole
from dspex.scope.budget import Budget
from dspex.scope.cancel import CancelToken
from dspex.scope.ledger import Ledger


class Tally:
    """Counts what was called and spent within a scope and all below it."""

    __slots__ = ("_above", "_lock", "calls", "cost")

    def __init__(self, above: Tally | None = None, *, calls: int = 0, cost: float = 0.0) -> None:
        self.calls = calls
        self.cost = cost
        self._above = above
        self._lock: threading.Lock = threading.Lock() if above is None else above._lock

    def add(self, cost: float) -> None:
        """Count one LM call here and in every scope above."""
        self._count(self, 1, cost)

    def take(self, calls: int, cost: float) -> None:
        """Count what an earlier life of the run did, here and above but for the run's own tally: it began with it."""
        self._count(self, calls, cost, but_the_top=True)

    def _count(self, tally: Tally | None, calls: int, cost: float, *, but_the_top: bool = False) -> None:
        with self._lock:
            while tally is not None:
                if not (but_the_top and tally._above is None):
                    tally.calls += calls
                    tally.cost += cost
                tally = tally._above


class Scope(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The place of an act: its run, its span, its rights.

    A struct of msgspec's because one is made at each level of each call; `msgspec.structs.replace` makes another.
    """

    run: str = ""
    span: str = ""
    parent: str = ""
    role: LMRole = "task"
    """Who asks the model: the task itself, an optimizer's proposal, a judge."""
    patient: bool = False
    """True in runs: a call may wait for money or a provider; a person's own call may not."""
    cancel: CancelToken = msgspec.field(default_factory=CancelToken)
    budget: Budget = msgspec.field(default_factory=Budget)
    rng: random.Random = msgspec.field(default_factory=random.Random)
    tally: Tally = msgspec.field(default_factory=Tally)
    ledger: Ledger | None = None
    """What the run's costly acts gave, by place and content; None outside of runs."""
    histories: tuple[list[dict[str, Any]], ...] = ()
    """Of the modules around the running code."""
    call_id: str | None = None
    """The call around the running code that callbacks were told of."""

    def emit(self, event: Event) -> None:
        """Complete the event with this place and put it on the bus; it belongs to the bus from here on.

        What an earlier life of the run has told is not told again.
        """
        if self.ledger is not None and self.ledger.book.told(event):
            return
        bus.emit(event, run=self.run, span=self.span, parent=self.parent)

    def checkpoint(self) -> None:
        """Wait while the run is paused; raise where it was asked to end. For plain code in a run's thread."""
        self.cancel.checkpoint()


_root = Scope()
_scope: ContextVar[Scope] = ContextVar("dspex_scope", default=_root)


def current() -> Scope:
    """Return the scope of the running code; the root scope outside of any run."""
    return _scope.get()


class _Entered:
    """`with` for a scope: a generator in its place would cost as much as the scope itself."""

    __slots__ = ("_scope", "_token")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._token: Token[Scope] | None = None

    def __enter__(self) -> Scope:
        self._token = _scope.set(self._scope)
        return self._scope

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        _scope.reset(self._token)


def move_to(scope: Scope) -> None:
    """Go on in this scope, for those who cannot come back by `with`."""
    _scope.set(scope)


def enter(scope: Scope) -> AbstractContextManager[Scope]:
    """Run the `with` block in this scope."""
    return _Entered(scope)


def within(
    span: str, *, role: LMRole | None = None, at: int | None = None, apart: bool = True
) -> AbstractContextManager[Scope]:
    """Run the `with` block one level deeper, with a tally of its own.

    Args:
        span: what is done there.
        role: who asks models there.
        at: its position among those of the same name, where the caller knows it; otherwise they are counted.
        apart: False where the span is there only for whoever listens: what a resumed run finds does not depend on it.

    Example:
        >>> with within("candidate c01") as scope:
        ...     current() is scope
        True
    """
    outer = _scope.get()
    ledger = outer.ledger
    inner = replace(
        outer,
        span=span,
        parent=outer.span,
        role=role or outer.role,
        tally=Tally(outer.tally),
        ledger=ledger.below(span, at) if ledger is not None and apart else ledger,
    )
    return _Entered(inner)
