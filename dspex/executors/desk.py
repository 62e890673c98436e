"""Where events of workers arrive: put in order, told to the run, and counted by the go they belong to.

Dask hands batches on without promising anything: one may come twice or never. Each is taken once, and what a worker
that died had spent is known as far as it got out. What calls gave is kept in the ledger with the events that tell.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec.structs import force_setattr, replace

from dspex.events.event import (
    AnyEvent,
    BreakerChanged,
    LimitChanged,
    LMEnd,
    LMRole,
    LMStart,
    RunPaused,
    RunResumed,
)
from dspex.executors.calls import Act, Calls, keep
from dspex.scope.scope import Scope

PATIENCE = 2.0
"""Seconds to wait for a batch that was sent before its reply, and yet is not there."""


@dataclass(slots=True)
class Spent:
    """What is known of one go."""

    used: dict[str, float] = field(default_factory=dict)
    open: Counter[tuple[str, LMRole]] = field(default_factory=Counter)
    """Calls that began and did not end, by model and role."""


class Desk:
    """Takes the batches of one evaluation; lives on the host loop.

    Args:
        session: its name on the cluster.
        scope: where it is told.
        held: called when workers begin or cease to wait for a provider.
    """

    def __init__(self, session: str, scope: Scope, held: Callable[[], None]) -> None:
        self.session = session
        self.lost = 0
        self.holds: dict[str, dict[str, str]] = {}
        """Which providers' silence a worker waits for, and why, by worker."""
        self._scope = scope
        self._held = held
        self._seen: dict[str, int] = {}
        self._goes: dict[int, dict[str, Spent]] = {}
        self._calls: dict[int, Calls] = {}
        self._news = asyncio.Event()
        self._decode = msgspec.json.Decoder(AnyEvent).decode

    def take(self, message: Mapping[str, Any]) -> None:
        """Take one batch, unless it is known."""
        mark, number = message["mark"], message["batch"]
        if number <= self._seen.get(mark, 0):
            return
        self._seen[mark] = number
        for body, go, sought, act in message["events"]:
            event = self._decode(body)
            if isinstance(event, (LMStart, LMEnd)) and go:
                self._tell_call(event, go, sought, act)
            else:
                self._tell(event, message["worker"], message["name"])
        self._news.set()

    def expect(self, cell: int, calls: Calls | None = None) -> None:
        """Count what the goes at this cell take, and keep what their calls gave."""
        self._goes[cell] = {}
        if calls is not None:
            self._calls[cell] = calls

    async def arrived(self, mark: str, number: int) -> None:
        """Wait until a worker's batches up to this one are here, or are lost."""
        try:
            async with asyncio.timeout(PATIENCE):
                while self._seen.get(mark, 0) < number:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            self.lost += number - self._seen.get(mark, 0)
            self._seen[mark] = number

    def settle(self, cell: int, *, but: str = "") -> dict[str, float]:
        """Return what all goes at a cell but one took, as far as that is known, and close the calls they left open."""
        used: dict[str, float] = {}
        self._calls.pop(cell, None)
        for go, spent in self._goes.pop(cell, {}).items():
            if go != but:
                _add(used, spent.used)
            for (model, role), count in spent.open.items():
                for _ in range(count):
                    self._scope.emit(LMEnd(model=model, role=role, error="cancelled"))
        return used

    def _tell(self, event: AnyEvent, worker: str, name: str) -> None:
        if isinstance(event, (RunPaused, RunResumed)):
            self._note_hold(event, worker)
            return
        if isinstance(event, (LimitChanged, BreakerChanged)):
            # Each worker has a limit and a breaker of its own.
            force_setattr(event, "endpoint", f"{event.endpoint} on {name}".strip())
        replace(self._scope, span=event.span, parent=event.parent).emit(event)

    def _tell_call(self, event: LMStart | LMEnd, tag: str, sought: Sequence[bytes], act: Act | None) -> None:
        place = replace(self._scope, span=event.span, parent=event.parent)
        cell, _, go = tag.partition(".")
        goes = self._goes.get(int(cell))
        if goes is not None:
            _count(goes.setdefault(go, Spent()), event)
        elif isinstance(event, LMStart) or not event.cost:
            return  # of a go that was given up: its calls are closed
        else:
            # It was paid for, so it is told whole.
            place.emit(LMStart(model=event.model, role=event.role))
        if (calls := self._calls.get(int(cell))) is not None:
            calls.note(event, sought, act)
        elif act is not None and place.ledger is not None:
            keep(place.ledger, act, event)
        place.emit(event)

    def _note_hold(self, event: RunPaused | RunResumed, worker: str) -> None:
        holds = self.holds.setdefault(worker, {})
        if isinstance(event, RunPaused):
            holds[event.hold] = event.reason
        else:
            holds.pop(event.hold, None)
        if not holds:
            del self.holds[worker]
        self._held()


def _count(spent: Spent, event: LMStart | LMEnd) -> None:
    if isinstance(event, LMStart):
        spent.open[event.model, event.role] += 1
    else:
        if spent.open[event.model, event.role]:
            spent.open[event.model, event.role] -= 1
        if not event.error and not event.cached:
            tokens = event.prompt_tokens + event.completion_tokens
            _add(spent.used, {"usd": event.cost, "tokens": tokens, "calls": 1})


def _add(sums: dict[str, float], more: Mapping[str, float]) -> None:
    for kind, amount in more.items():
        sums[kind] = sums.get(kind, 0) + amount
