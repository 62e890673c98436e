"""Candidates: versions of a program and the scores they earned; who leads is told in `lead.py`.

A candidate's identity is the content of its state: one that equals an earlier candidate is that candidate, and
costs nothing again. A person's candidates join the same race, scored beside the method's own in a thread of their
own; their names (p1, p2, ...) are apart, so that what a person does moves none of the method's.
"""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Sequence

from dspex import _host
from dspex._canon import digest
from dspex.data.example import Example
from dspex.errors import DspexError, Interruption, UsageError, in_words
from dspex.evaluate.cells import Cell, Cells
from dspex.evaluate.course import Course
from dspex.evaluate.elsewhere import Executor
from dspex.evaluate.evaluate import propose
from dspex.evaluate.launch import check_inputs, check_program
from dspex.evaluate.measure import Measured, measure, summarize
from dspex.evaluate.score import Metric
from dspex.evaluate.stream import Task
from dspex.events.event import CandidateDropped, Log
from dspex.modules.module import Module
from dspex.optimize.dropped import Dropped, Wanted
from dspex.optimize.lead import Candidate, Lead
from dspex.runs.picture import CandidateView
from dspex.runs.plan import Kept
from dspex.runs.redo import Before, args_of
from dspex.scope.flow import Width
from dspex.scope.scope import current

BASE = "base"


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
        self._outdone: dict[str, str] = {}
        """Those that a person gave up after their score was known, in an earlier life of the run, and why."""
        self._scoring: dict[str, threading.Event] = {}
        """Those whose scoring began, each with its end."""
        self._guests: list[threading.Event] = []
        self._open = True
        """Whether people's candidates may still join."""
        self._lock = threading.RLock()
        # What the run's thread has around it: a person's candidate is scored with the same settings and scope.
        self._around = contextvars.copy_context()
        self._before = kept.guests if isinstance(kept.guests, Before) else Before()
        self._lead = Lead(self._before)
        if isinstance(kept.course, Course):
            self._width = kept.course.width(width)
            kept.course.guests = self

    @property
    def best(self) -> Candidate | None:
        """The candidate that leads; None before the first has a score."""
        return self._lead.best

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

        One that a person drops meanwhile is scored no further and never leads. The method may come to the very
        program that a person had join the race: it waits for that score.
        """
        over = self._begin(candidate.id)
        if over is None:
            return self._scores[candidate.id]
        try:
            return self._score(candidate)
        finally:
            over.set()

    def _begin(self, id: str) -> threading.Event | None:
        """Return what to set once the candidate's scoring is over; None where it has its score, perhaps by now."""
        while True:
            with self._lock:
                if id in self._scores:
                    return None
                other = self._scoring.get(id)
                if other is None or other.is_set():
                    mine = self._scoring[id] = threading.Event()
                    return mine
            _wait(other)

    def _score(self, candidate: Candidate) -> Measured:
        cells: list[Cell | None] = [None] * len(self._valset)

        def each(index: int, cell: Cell) -> None:
            cells[index] = cell
            if candidate.id in self._dropped:
                raise Dropped

        with self._lock:
            known = candidate.id in self._dropped
        try:
            if known:
                raise Dropped
            rows = Wanted(self._valset, lambda: candidate.id in self._dropped)
            measured = measure(self._task(candidate), rows, each=each)
        except Dropped:
            measured = summarize(cells, 0.0)
            if not known:
                current().emit(CandidateDropped(candidate=candidate.id, reason=self._dropped[candidate.id]))
        with self._lock:
            self._scores[candidate.id] = measured
            if candidate.id not in self._dropped:
                self._lead.take(candidate, measured)
            if candidate.id in self._outdone:
                self._dropped[candidate.id] = self._outdone.pop(candidate.id)
        return measured

    # ------------------------------------------------------------------------------- what a person may do

    def submit(self, program: Module, *, what: str, by: str, origin: str = BASE) -> str:
        """Take a person's candidate in and score it beside the method's own; return its id at once.

        Raises:
            UsageError: the run has nothing to score candidates with.
            ProgramError, DataError: it is no program, or asks for what the examples do not have.
        """
        check_inputs(check_program(program), self._valset, "valset")
        if not self.scored:
            raise UsageError(
                "This run scores no candidates: it was started without a metric or a validation set."
            )
        with self._lock:
            if not self._open:
                raise UsageError(
                    "The race is over, so none can join; the run ends. `run.branch()` starts another."
                )
            # One of an earlier life that could not be taken up again keeps its name: its acts are in the ledger.
            names = {seen.id for seen in self._before if seen.by} | self._ids()
            return self._join(
                f"p{sum(name.startswith('p') for name in names) + 1}", program, what, by, origin
            )

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
        """Return the result: what the method found, or a person's candidate that leads once all of them have a score.

        Where a person gave up what the method found, it is what leads of the others.

        Raises:
            UsageError: all candidates were given up.
        """
        self._settle()
        with self._lock:
            self._lead.tell()
            own, best = self._known.get(digest(found.dump_state())), self.best
            gone = own is not None and own.id in self._dropped
        if best is not None and (gone or best.id.startswith("p")):
            return best.program
        if gone:
            raise UsageError("Every candidate was dropped, so there is none to be the result; start it anew.")
        return found

    def _settle(self) -> None:
        """Wait until every person's candidate has its score, and take no more; in the run's thread."""
        while True:
            with self._lock:
                if not self._guests:
                    self._open = False
                    return
                guest = self._guests[0]
            _wait(guest)
            self._guests.remove(guest)

    def _welcome_back(self, base: Candidate) -> None:
        """Take in again what people had join in earlier lives of the run; their scores are in its ledger."""
        known = {seen.id for seen in self._before if seen.low is not None}
        for act in self._kept.steered:
            if act.verb == "drop":
                told = args_of(act)
                # One that had its score counted until it was dropped: the method walks the same way again.
                gone = self._outdone if told["candidate"] in known else self._dropped
                gone[told["candidate"]] = told.get("reason", "")
        for seen in self._before:
            if seen.by:
                self._take_up(seen, base)

    def _take_up(self, seen: CandidateView, base: Candidate) -> None:
        program = base.program.deepcopy()
        try:
            program.load_state(json.loads(self._kept.state_of(seen.program)))
        except DspexError as exc:
            text = f"Candidate {seen.id} by {seen.by} cannot be taken up again: {exc}"
            current().emit(Log(level="warning", text=text))
            return
        with self._lock:
            self._join(seen.id, program, seen.what, seen.by, seen.origin)

    def _join(self, id: str, program: Module, what: str, by: str, origin: str) -> str:
        """Take a person's candidate in and have it scored in a thread of its own; the lock is held."""
        context = self._around.copy()
        candidate = context.run(self._take, id, program, origin=origin, what=what, baseline=False, by=by)
        if candidate.id not in self._scores:
            scored = threading.Event()
            self._guests.append(scored)
            context.run(_host.spawn, f"candidate-{candidate.id}", lambda: self._guest(candidate, scored))
        return candidate.id

    def _guest(self, candidate: Candidate, scored: threading.Event) -> None:
        try:
            self.score(candidate)
        except Interruption:
            return  # the run ends, and says so itself
        except Exception as exc:  # a person's candidate that cannot run must not end the method's work
            reason = in_words(exc)
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

    def _ids(self) -> set[str]:
        return {candidate.id for candidate in self._known.values()}


def _wait(other: threading.Event) -> None:
    """Wait for another thread of the run, unless the run is asked to end."""
    while not other.wait(0.1):
        current().cancel.check()
