"""Noticing that a run starts which a dead kernel had begun alike: what was paid for then need not be paid again."""

from __future__ import annotations

from dspex.errors import JournalError
from dspex.events.event import LMEnd, RunEnd
from dspex.runs import home
from dspex.runs.file import read_events, read_last, read_payload
from dspex.runs.plan import MARK

SHUT_DOWN = "the kernel was shut down"
"""Why a run was cancelled that its kernel took along."""
LOOK_BACK = 10
"""Runs that are looked at: one that died longer ago is nobody's concern any more."""


def notice(mark: str, but: str) -> str | None:
    """Return a line about a dead run that was started alike, if there is one.

    Args:
        mark: the new run's.
        but: the new run's id.
    """
    try:
        recent = [f"r{number}" for number in home.numbers()][-LOOK_BACK - 1 :]
    except JournalError:
        return None  # whoever cannot look has nothing to notice
    for id in reversed(recent):
        if id != but and (calls := _died(id, mark)) is not None:
            paid = f", and the {calls} calls it had answered cost nothing again" if calls else ""
            return (
                f"Run {id} was started with the same and its kernel died: "
                f'`dspex.runs.open("{id}").resume()` goes on with it{paid}.'
            )
    return None


def _died(id: str, mark: str) -> int | None:
    """Return how many calls a dead run had answered; None where it is another, or not dead."""
    folder = home.home() / id
    path = folder / home.JOURNAL
    try:
        if read_payload(path, MARK).decode() != mark or home.is_owned(folder):
            return None
        end = read_last(path)
        if isinstance(end, RunEnd) and end.reason != SHUT_DOWN:
            return None
        ends = (event for event in read_events(path) if isinstance(event, LMEnd))
        return sum(not event.cached and not event.error for event in ends)
    except JournalError:
        return None
