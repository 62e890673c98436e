"""The ledger of a cell that is made elsewhere: what its calls gave goes along with it, and comes back as it grows.

What an act is called in the ledger depends on what it asks, which only the worker finds out. So the worker names acts
as the driver would, and the driver keeps them under these names, as if the cell were made here: a run goes on from
them on a cluster and without one. Beside them it keeps which acts a cell has looked for: by that the next life knows
what to send along.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence

import msgspec

from dspex.events.event import Event
from dspex.scope.ledger import Ledger

SOUGHT = "sought elsewhere"
"""The kind of act that says which others a cell on a worker has looked for."""
Act = tuple[bytes, bytes, bool]
"""Key, body, and whether it failed."""


class Satchel:
    """The `Book` of one go at a cell, on the worker.

    Args:
        go: names it.
        known: what calls at this cell gave in earlier lives of the run, by key.
    """

    def __init__(self, go: str, known: Mapping[bytes, bytes]) -> None:
        self.go = go
        self._known = known
        self._sought: deque[bytes] = deque()
        self._riding: dict[int, tuple[Event, Act]] = {}  # by thread: each emits right after

    def find(self, key: bytes) -> bytes | None:
        """Return what came along; note what did not, since it is done next."""
        body = self._known.get(key)
        if body is None:
            self._sought.append(key)
        return body

    def keep(self, key: bytes, body: bytes, event: Event, *, failed: bool = False) -> None:
        """Have what an act gave leave together with the event, which this thread emits next."""
        self._riding[threading.get_ident()] = event, (key, body, failed)

    def told(self, event: Event) -> bool:
        """Say that no event is known: the driver decides that."""
        return False

    def act_of(self, event: Event) -> Act | None:
        """Return what leaves with an event; None where nothing does."""
        riding = self._riding.pop(threading.get_ident(), None) if self._riding else None
        return riding[1] if riding is not None and riding[0] is event else None

    def sought(self) -> list[bytes]:
        """Return the keys that were looked for since this was asked last."""
        return [self._sought.popleft() for _ in range(len(self._sought))]


class Calls:
    """What the run's ledger has of one cell, on the driver.

    Args:
        ledger: the cell's place; None where nothing is kept.

    Attributes:
        path: names the place.
        known: what calls at this cell gave in earlier lives of the run, by key.
    """

    def __init__(self, ledger: Ledger | None) -> None:
        self.path = b"" if ledger is None else ledger.path
        self.known: dict[bytes, bytes] = {}
        self._ledger = ledger
        if ledger is None:
            return
        self._next = ledger.step(SOUGHT)
        while (body := self._next.recorded()) is not None:
            for key in msgspec.msgpack.decode(body, type=list[bytes]):
                if (gave := ledger.book.find(key)) is not None:
                    self.known[key] = gave
            self._next = ledger.step(SOUGHT)

    def note(self, event: Event, sought: Sequence[bytes], act: Act | None) -> None:
        """Keep what a worker said with an event, which is emitted next."""
        if self._ledger is None:
            return
        if act is not None:
            keep(self._ledger, act, event)
        elif sought:
            self._next.keep(msgspec.msgpack.encode(list(sought)), event)
            self._next = self._ledger.step(SOUGHT)


def keep(ledger: Ledger, act: Act, event: Event) -> None:
    """Keep what an act on a worker gave, wherever in the run that was; emit `event` next."""
    key, body, failed = act
    ledger.book.keep(key, body, event, failed=failed)
