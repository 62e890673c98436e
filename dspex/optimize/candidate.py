"""Candidates: versions of a program, the scores they earned, and which one leads.

A candidate's identity is the content of its state: one that equals an earlier candidate is that candidate, and
costs nothing again. A person's candidates join the same race, scored beside the method's own in a thread of their
own; their names (p1, p2, ...) are apart, so that what a person does moves none of the method's.
"""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from dspex import _host
from dspex._canon import digest
from dspex.data.example import Example
from dspex.errors import DspexError, Interruption, LMError, UsageError
from dspex.evaluate.cells import Cell, Cells
from dspex.evaluate.course import Course
from dspex.evaluate.elsewhere import Executor
from dspex.evaluate.evaluate import propose
from dspex.evaluate.measure import Measured, measure, summarize
from dspex.evaluate.score import Metric
from dspex.evaluate.stream import Task
from dspex.events.event import BestChanged, CandidateDropped, Log
from dspex.modules.module import Module
from dspex.runs.plan import Kept
from dspex.runs.redo import args_of
from dspex.scope.flow import Width
from dspex.scope.scope import current

BASE = "base"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One version of the program."""

    id: str
    program: Module
    digest: str


class _Dropped(Exception):  # control flow: a person gave the candidate up while it was being scored
    pass


class Candidates:
    """All candidates of one run.

    Args:
        kept: where the run holds programs.
        metric, valset: what scores are made of; without either, candidates are kept and never scored.
        width: examples in flight at once.
        executor: who makes the cells; None for this process.
    """

    def __init__(
        self,
        kept: Kept,
        metric: Metric | None,
        valset: Sequence[Example],
        width: Width,
        executor: Executor | None = None,
    ) -> None:
        self._kept = kept
        self._metric = metric
        self._valset = valset
        self._width = width
        self._executor = executor
        self._cells = Cells()
        self._known: dict[str, Candidate] = {}
        self._scores: dict[str, Measured] = {}
        self._dropped: dict[str, str] = {}
        """Those that a person gave up, and why."""
        self._scoring: set[str] = set()
        """Those whose scoring began."""
        self._guests: list[threading.Event] = []
        self._lock = threading.RLock()
        # What the run's thread has around it: a person's candidate is scored with the same settings and scope.
        self._around = contextvars.copy_context()
        self.best: Candidate | None = None
        if isinstance(kept.course, Course):
            self._width = kept.course.width(width)
            kept.course.guests = self

    @property
    def scored(self) -> bool:
        """Whether there is something to score candidates with."""
        return self._metric is not None and bool(self._valset)

    def add(self, program: Module, *, origin: str = BASE, what: str, baseline: bool = False) -> Candidate:
        """Take a version of the program in; the same content twice is one candidate."""
        own = sum(not candidate.id.startswith("p") for candidate in self._known.values())
        id = BASE if baseline else f"c{own + (BASE not in self._ids()):02d}"
        made = self._take(id, program, origin="" if baseline else origin, what=what, baseline=baseline)
        if baseline:
            self._welcome_back(made)
        return made

    def score(self, candidate: Candidate) -> Measured:
        """Score a candidate on the whole validation set, once, and see whether it leads.

        One that a person drops meanwhile is scored no further and never leads.
        """
        if candidate.id in self._scores:
            return self._scores[candidate.id]
        assert self._metric is not None, "callers ask `scored` first"
        cells: list[Cell | None] = [None] * len(self._valset)

        def each(index: int, cell: Cell) -> None:
            cells[index] = cell
            if candidate.id in self._dropped:
                raise _Dropped

        with self._lock:
            known = candidate.id in self._dropped
            self._scoring.add(candidate.id)
        try:
            if known:
                raise _Dropped
            measured = measure(self._task(candidate), self._valset, each=each)
        except _Dropped:
            measured = summarize(cells, 0.0)
            if not known:
                current().emit(CandidateDropped(candidate=candidate.id, reason=self._dropped[candidate.id]))
        with self._lock:
            self._scores[candidate.id] = measured
            if candidate.id not in self._dropped and self._leads(measured):
                self.best = candidate
                current().emit(BestChanged(candidate=candidate.id, mean=measured.mean))
        return measured

    # ------------------------------------------------------------------------------- what a person may do

    def submit(self, program: Module, *, what: str, by: str, origin: str = BASE) -> str:
        """Take a person's candidate in and score it beside the method's own; return its id at once.

        Raises:
            UsageError: the run has nothing to score candidates with.
        """
        if not self.scored:
            raise UsageError(
                "This run scores no candidates: it was started without a metric or a validation set."
            )
        with self._lock:
            count = sum(candidate.id.startswith("p") for candidate in self._known.values())
            context = self._around.copy()
            candidate = context.run(
                self._take, f"p{count + 1}", program, origin=origin, what=what, baseline=False, by=by
            )
            if candidate.id not in self._scores:
                scored = threading.Event()
                self._guests.append(scored)
                context.run(_host.spawn, f"candidate-{candidate.id}", lambda: self._guest(candidate, scored))
        return candidate.id

    def drop(self, id: str, reason: str) -> None:
        """Give a candidate up: it is scored no further and never leads.

        Raises:
            UsageError: there is none of this name, it is dropped already, or it leads.
        """
        with self._lock:
            if id not in self._ids():
                raise UsageError(f"The run has no candidate `{id}`; it has {', '.join(sorted(self._ids()))}.")
            if self.best is not None and self.best.id == id:
                raise UsageError(
                    f"Candidate `{id}` leads; pin another one, or stop the run, to have another result."
                )
            if id not in self._dropped:
                self._dropped[id] = reason
                if id not in self._scoring:  # who scores it tells, once that has ended
                    self._around.copy().run(
                        lambda: current().emit(CandidateDropped(candidate=id, reason=reason))
                    )

    def find(self, id: str) -> Candidate | None:
        """Return the candidate of this name; None where there is none."""
        return next((candidate for candidate in list(self._known.values()) if candidate.id == id), None)

    def winner(self, found: Module) -> Module:
        """Return the result: what the method found, or a person's candidate that leads once all of them have a score."""
        self._settle()
        return self.best.program if self.best is not None and self.best.id.startswith("p") else found

    def _settle(self) -> None:
        """Wait until every person's candidate has its score; in the run's thread."""
        while self._guests:
            while not self._guests[0].wait(0.1):
                current().cancel.check()
            self._guests.pop(0)

    def _welcome_back(self, base: Candidate) -> None:
        """Take in again what people had join in earlier lives of the run; their scores are in its ledger."""
        for act in self._kept.steered:
            if act.verb == "drop":
                told = args_of(act)
                self._dropped[told["candidate"]] = told.get("reason", "")
        for seen in self._kept.guests:
            program = base.program.deepcopy()
            try:
                program.load_state(json.loads(self._kept.state_of(seen.program)))
            except DspexError as exc:
                text = f"Candidate {seen.id} by {seen.by} cannot be taken up again: {exc}"
                current().emit(Log(level="warning", text=text))
                continue
            self.submit(program, what=seen.what, by=seen.by, origin=seen.origin)

    def _guest(self, candidate: Candidate, scored: threading.Event) -> None:
        try:
            self.score(candidate)
        except Interruption:
            return  # the run ends, and says so itself
        except Exception as exc:  # a person's candidate that cannot run must not end the method's work
            reason = f"{type(exc).__name__}: {exc}"
            current().emit(CandidateDropped(candidate=candidate.id, reason=reason))
            current().emit(Log(level="error", text=f"Candidate {candidate.id} could not be scored: {reason}"))
        finally:
            scored.set()

    # ---------------------------------------------------------------------------------------------- private

    def _take(
        self, id: str, program: Module, *, origin: str, what: str, baseline: bool, by: str = ""
    ) -> Candidate:
        key = digest(program.dump_state())
        with self._lock:
            if key in self._known:
                return self._known[key]
            candidate = Candidate(id=id, program=program, digest=key)
            self._known[key] = candidate
        propose(self._kept, id, program, key, origin=origin, what=what, baseline=baseline, by=by)
        return candidate

    def _task(self, candidate: Candidate) -> Task:
        assert self._metric is not None
        return Task(
            program=candidate.program,
            metric=self._metric,
            candidate=candidate.id,
            digest=candidate.digest,
            cells=self._cells,
            width=self._width,
            notes=self._kept.notes,
            executor=self._executor,
        )

    def _leads(self, measured: Measured) -> bool:
        return self.best is None or rank(measured) > rank(self._scores[self.best.id])

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
