"""Small things to run: works that tests let go step by step."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from dspex.events.event import BestChanged, CandidateEvaluated, CandidateProposed, Log
from dspex.runs.engine import Kept, Plan
from dspex.runs.run import Run, start
from dspex.scope.scope import current

LIMIT = 10


class Learned:
    """A program as far as a run looks into one."""

    def __init__(self, name: str) -> None:
        self.name = name

    def load_state(self, state: dict[str, Any]) -> Learned:
        self.name = state["name"]
        return self


def a_plan(**changes: Any) -> Plan:
    return Plan(**{"name": "triage", "work": "optimize", "method": "Search", **changes})


def propose(kept: Kept, id: str, mean: float | None = None) -> Learned:
    """Tell the run of a candidate, with its score where one is given."""
    program = Learned(id)
    kept.keep(id, program, f"ref-{id}", f'{{"name": "{id}"}}'.encode())
    current().emit(CandidateProposed(candidate=id, program=f"ref-{id}", baseline=id == "base"))
    if mean is not None:
        current().emit(CandidateEvaluated(candidate=id, mean=mean, low=mean, high=mean, n=10))
        current().emit(BestChanged(candidate=id, mean=mean))
    return program


class Steps:
    """Work of `count` steps, each of which waits to be let go and looks whether the run may go on."""

    def __init__(self, count: int = 1000) -> None:
        self.count = count
        self.begun = 0
        self.reached = threading.Semaphore(0)
        self._go = threading.Semaphore(0)

    def __call__(self, kept: Kept) -> Any:
        for n in range(self.count):
            current().checkpoint()
            self.begun = n + 1
            self.reached.release()
            assert self._go.acquire(timeout=LIMIT)
            propose(kept, f"c{n}", mean=n / self.count)
        return Learned("result")

    def wait(self) -> None:
        """Wait until the work is inside its next step."""
        assert self.reached.acquire(timeout=LIMIT)

    def let_go(self) -> None:
        """Let the step end."""
        self._go.release()


def begin(work: Callable[[Kept], Any], **changes: Any) -> Run:
    return start(a_plan(**changes), work)


def say(text: str) -> None:
    current().emit(Log(level="info", text=text))
