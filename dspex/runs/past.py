"""What a journal tells of a run's earlier lives: its picture, what was spent and told, and how it was started.

Everything a replay begins with is read here, in one pass that keeps no list of events.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from dspex.errors import JournalError
from dspex.events.event import AnyEvent, LMEnd, RunEnd, RunStart, RunSteered
from dspex.runs.file import DamagedJournalError, read_events, read_payload
from dspex.runs.plan import RECIPE
from dspex.runs.state import RunState, apply
from dspex.runs.steps import Identity, identity


@dataclass(kw_only=True)
class Past:
    """A run's earlier lives."""

    state: RunState = field(default_factory=RunState)
    start: RunStart | None = None
    end: RunEnd | None = None
    """The last end there was; None where the kernel died."""
    told: Counter[Identity] = field(default_factory=Counter)
    used: dict[str, float] = field(default_factory=lambda: {"usd": 0.0, "tokens": 0.0, "calls": 0.0})
    """What was spent, by kind of budget."""
    calls: int = 0
    """Calls of models, cached ones too."""
    steered: list[RunSteered] = field(default_factory=list)
    """What people did to the run, in order."""
    recipe: bytes = b""
    damage: str = ""
    """What the file has lost, where it has."""

    def take(self, event: AnyEvent) -> None:
        """Take in the next event."""
        apply(self.state, event)
        match event:
            case LMEnd():
                self.calls += 1
                if not event.cached and not event.error:
                    self.used["usd"] += event.cost
                    self.used["tokens"] += event.prompt_tokens + event.completion_tokens
                    self.used["calls"] += 1
            case RunStart():
                self.start = event
            case RunEnd():
                self.end = event
            case RunSteered():
                self.steered.append(event)
            case _:
                if (which := identity(event)) is not None:
                    self.told[which] += 1


def recipe_of(path: Path) -> bytes:
    """Return how a run was started; nothing where that is not told."""
    try:
        return read_payload(path, RECIPE)
    except JournalError:
        return b""


def read(path: Path) -> Past:
    """Read a journal, as far as it is whole.

    Raises:
        JournalError: nothing of it can be read.
    """
    past = Past()
    try:
        for event in read_events(path):
            past.take(event)
    except DamagedJournalError as exc:
        if not past.state.seq:
            raise
        past.damage = str(exc)
    past.recipe = recipe_of(path)
    return past
