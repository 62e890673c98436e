"""Who leads a race of candidates, and telling it: once each time it changes, also across the lives of a run.

Apart from the race itself, because a resumed run walks its way in another order: people's candidates are there from
its start. What everybody was told before its kernel died stays true until something better is found.
"""

from __future__ import annotations

from dataclasses import dataclass

from dspex.errors import LMError
from dspex.evaluate.measure import Measured
from dspex.events.event import BestChanged
from dspex.modules.module import Module
from dspex.runs.redo import Before
from dspex.scope.scope import current


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One version of the program."""

    id: str
    program: Module
    digest: str


class Lead:
    """The candidate that leads so far.

    Args:
        before: what earlier lives of the run had found.
    """

    def __init__(self, before: Before) -> None:
        self.best: Candidate | None = None
        self._measured: Measured | None = None
        self._told = before.led
        """Who leads for all that anybody was told."""
        self._awaited = next((seen for seen in before if seen.id == before.led), None)
        """The leader of an earlier life, until this one has come to its score."""

    def take(self, candidate: Candidate, measured: Measured) -> None:
        """See whether a candidate that has its score leads, and tell of it."""
        if self._awaited is not None and self._awaited.id == candidate.id:
            self._awaited = None
        if self._ahead(candidate, measured):
            self.best, self._measured = candidate, measured
        if self._awaited is None or (self._awaited.mean or 0.0) < measured.mean:
            self.tell()

    def tell(self) -> None:
        """Say who leads, where that is not what was said last."""
        best, measured = self.best, self._measured
        if best is None or measured is None or best.id == self._told:
            return
        scope, event = current(), BestChanged(candidate=best.id, mean=measured.mean)
        # An earlier life may have told the same at another place on the way: what was told since would hide it.
        while scope.ledger is not None and scope.ledger.book.told(event):
            pass
        scope.emit(event)
        self._told = best.id

    def _ahead(self, candidate: Candidate, measured: Measured) -> bool:
        if self._measured is None:
            return True
        mine, other = rank(measured), rank(self._measured)
        return mine > other or (mine == other and candidate.id == self._told)


def rank(measured: Measured) -> float:
    """Return what candidates are compared by: the mean, where answers nobody could use count as zero.

    A provider's failure says nothing about a candidate and is left out; an answer that could not be parsed does.
    """
    faults = sum(
        cell is not None and cell.score is None and not isinstance(cell.failure, LMError)
        for cell in measured.cells
    )
    total = measured.n + faults
    return measured.mean * measured.n / total if total else 0.0
