"""Candidates: versions of a program, the scores they earned, and which one leads.

A candidate's identity is the content of its state: one that equals an earlier candidate is that candidate, and
costs nothing again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dspex._canon import digest
from dspex.data.example import Example
from dspex.errors import LMError
from dspex.evaluate.cells import Cells
from dspex.evaluate.evaluate import propose
from dspex.evaluate.measure import Measured, measure
from dspex.evaluate.score import Metric
from dspex.evaluate.stream import Task
from dspex.events.event import BestChanged
from dspex.modules.module import Module
from dspex.runs.engine import Kept
from dspex.scope.scope import current

BASE = "base"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One version of the program."""

    id: str
    program: Module
    digest: str


class Candidates:
    """All candidates of one run.

    Args:
        kept: where the run holds programs.
        metric, valset: what scores are made of; without either, candidates are kept and never scored.
        width: examples in flight at once.
    """

    def __init__(self, kept: Kept, metric: Metric | None, valset: Sequence[Example], width: int) -> None:
        self._kept = kept
        self._metric = metric
        self._valset = valset
        self._width = width
        self._cells = Cells()
        self._known: dict[str, Candidate] = {}
        self._scores: dict[str, Measured] = {}
        self.best: Candidate | None = None

    @property
    def scored(self) -> bool:
        """Whether there is something to score candidates with."""
        return self._metric is not None and bool(self._valset)

    def add(self, program: Module, *, origin: str = BASE, what: str, baseline: bool = False) -> Candidate:
        """Take a version of the program in; the same content twice is one candidate."""
        key = digest(program.dump_state())
        if key in self._known:
            return self._known[key]
        id = BASE if baseline else f"c{len(self._known) + (BASE not in self._ids()):02d}"
        candidate = Candidate(id=id, program=program, digest=key)
        self._known[key] = candidate
        propose(self._kept, id, program, key, origin="" if baseline else origin, what=what, baseline=baseline)
        return candidate

    def score(self, candidate: Candidate) -> Measured:
        """Score a candidate on the whole validation set, once, and see whether it leads."""
        if candidate.id in self._scores:
            return self._scores[candidate.id]
        assert self._metric is not None, "callers ask `scored` first"
        task = Task(
            program=candidate.program,
            metric=self._metric,
            candidate=candidate.id,
            digest=candidate.digest,
            cells=self._cells,
            width=self._width,
        )
        measured = measure(task, self._valset)
        self._scores[candidate.id] = measured
        if self.best is None or rank(measured) > rank(self._scores[self.best.id]):
            self.best = candidate
            current().emit(BestChanged(candidate=candidate.id, mean=measured.mean))
        return measured

    def _ids(self) -> set[str]:
        return {candidate.id for candidate in self._known.values()}


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
