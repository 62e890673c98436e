"""A worker's events on their way to the driver: gathered for a moment, sent as one of Dask's own, numbered.

Dask keeps and hands on single messages, which is dear for events by the hundred. The numbers let the driver see what
it has and what it lacks. With an event goes what the ledger is to keep with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from dspex import _host
from dspex.events.bus import bus
from dspex.events.coding import encode
from dspex.events.event import (
    AnyEvent,
    BreakerChanged,
    Event,
    LimitChanged,
    LMEnd,
    LMRetry,
    LMStart,
    Log,
    RunPaused,
    RunResumed,
)
from dspex.executors.calls import Act, Satchel
from dspex.scope.scope import current

CARRIED = (LMStart, LMEnd, LMRetry, LimitChanged, BreakerChanged, Log, RunPaused, RunResumed)
"""Kinds that happen on workers and concern the run; all others are told by the driver."""
MOMENT = 0.05
"""Seconds for which events are gathered."""
BATCH = 64
"""Events that are sent without waiting for more."""
Told = tuple[AnyEvent, str, list[bytes], Act | None]
"""An event, the go it belongs to, and what the ledger keeps with it: acts that were looked for, and what one gave."""


class Outbox:
    """The events of one evaluation on one worker.

    Args:
        send: sends one message to the driver; may be called in any thread.
        session: the evaluation's name, which its events bear as their run.
        mark: this process's name.
    """

    def __init__(self, send: Callable[[dict[str, Any]], None], session: str, mark: str) -> None:
        self._send = send
        self._session = session
        self._mark = mark
        self._lock = threading.Lock()
        self._waiting: list[Told] = []
        self._sent = 0

    def add(self, event: AnyEvent, of: Satchel | None = None) -> None:
        """Take an event, and from the go it belongs to what leaves with it; within a moment they do."""
        go, sought, act = "", [], None
        if of is not None:
            go, act = of.go, of.act_of(event)
            sought = of.sought() if isinstance(event, LMStart) else []
        with self._lock:
            self._waiting.append((event, go, sought, act))
            count = len(self._waiting)
        if count == 1:
            loop = _host.loop()
            loop.call_soon_threadsafe(loop.call_later, MOMENT, self.flush)
        elif count >= BATCH:
            self.flush()

    def flush(self) -> int:
        """Send what waits; return how many batches have left by now."""
        with self._lock:
            events, self._waiting = self._waiting, []
            if events:
                self._sent += 1
                # Inside the lock, so that batches leave in the order of their numbers.
                self._send(
                    {
                        "dspex": self._session,
                        "mark": self._mark,
                        "batch": self._sent,
                        "events": [(encode(event)[1], *more) for event, *more in events],
                    }
                )
            return self._sent


class Outlet:
    """The sink on a worker's bus that puts events into the outbox of their evaluation."""

    full = False

    def __init__(self) -> None:
        self._boxes: dict[str, Outbox] = {}

    def open(self, session: str, box: Outbox) -> None:
        """Have the events of an evaluation go there."""
        if not self._boxes:
            bus.attach(self)
        self._boxes[session] = box

    def close(self, session: str) -> None:
        """Take no more of an evaluation."""
        if self._boxes.pop(session, None) is not None and not self._boxes:
            bus.detach(self)

    def take(self, event: AnyEvent) -> None:
        """Hand an event on."""
        box = self._boxes.get(event.run)
        if box is not None and isinstance(event, CARRIED):
            ledger = current().ledger
            book = None if ledger is None else ledger.book
            box.add(event, book if isinstance(book, Satchel) else None)

    def wants(self, kind: type[Event]) -> bool:
        """Tell whether events of this kind go to the driver."""
        return issubclass(kind, CARRIED)

    def wait_for_room(self) -> None:
        """Nobody waits: batches are sent at once."""


outlet = Outlet()
