"""A run's ledger on disk: what its costly acts gave, and which of its events earlier lives have told.

What an act gave is committed together with the event that tells of it, so that after a crash either both are there
or neither. Acts are looked up in the journal one by one: a run of a million examples is resumed in little memory.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from dspex.events.event import (
    AnyEvent,
    BestChanged,
    CandidateDropped,
    CandidateEvaluated,
    CandidateProposed,
    EvaluateEnd,
    EvaluateStart,
    Event,
    Log,
    OptimizationStep,
    PhaseEnd,
    PhaseStart,
)
from dspex.runs.file import connect
from dspex.runs.journal import Journal

if TYPE_CHECKING:
    import sqlite3

Identity = tuple[object, ...]
_NAMED_BY: Mapping[type[Event], tuple[str, ...]] = {
    PhaseStart: ("name",),
    PhaseEnd: ("name",),
    OptimizationStep: ("phase", "k"),
    CandidateProposed: ("candidate",),
    CandidateDropped: ("candidate",),
    CandidateEvaluated: ("candidate", "full", "n", "failed"),
    BestChanged: ("candidate",),
    EvaluateStart: ("candidate", "total", "full"),
    EvaluateEnd: ("candidate", "done", "failed"),
    Log: ("level", "text"),
}
"""What makes two events of a kind the same. Calls and scored examples are not here: the acts' own records tell."""


def identity(event: Event) -> Identity | None:
    """Return what makes two events the same; None for kinds that a replay never tells twice.

    Example:
        >>> identity(PhaseStart(seq=4, name="Search")) == identity(PhaseStart(seq=9, name="Search", total=3))
        True
    """
    names = _NAMED_BY.get(type(event))
    return None if names is None else (type(event), *(getattr(event, name) for name in names))


def count(events: Iterable[AnyEvent]) -> Counter[Identity]:
    """Count events by identity."""
    found = (identity(event) for event in events)
    return Counter(one for one in found if one is not None)


class Steps:
    """The `Book` of one run.

    Args:
        journal: where acts are kept.
        told: events of earlier lives, counted; None in a first life, where nothing is looked up.
        again: whether acts that failed are to be tried again.
    """

    def __init__(
        self, journal: Journal, told: Counter[Identity] | None = None, *, again: bool = False
    ) -> None:
        self._journal = journal
        self._told = Counter(told or ())
        self._lived = told is not None
        self._again = again
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self.taken = 0
        """Acts that an earlier life had done."""

    def find(self, key: bytes) -> bytes | None:
        """Return what the act gave in an earlier life."""
        if not self._lived:
            return None
        with self._lock:
            if self._db is None:
                self._db = connect(self._journal.path, shared=True)
            found = self._db.execute(
                "select body, failed from steps where key = ? order by rowid desc limit 1", (key,)
            ).fetchone()
            if found is None or (self._again and found[1]):
                return None
            self.taken += 1
            return bytes(found[0])

    def keep(self, key: bytes, body: bytes, event: Event, *, failed: bool = False) -> None:
        """Keep what an act gave, in one commit with the event, which is emitted next."""
        self._journal.ride(event, (key, body, failed))

    def told(self, event: Event) -> bool:
        """Tell whether an earlier life has told this event; each telling answers once."""
        if not self._told or (which := identity(event)) is None:
            return False
        with self._lock:
            if not self._told[which]:
                return False
            self._told[which] -= 1
            if not self._told[which]:
                del self._told[which]
            return True

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None
