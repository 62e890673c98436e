"""Looking after the home of runs: deleting old ones, and writing one out for elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from dspex import _clock
from dspex._version import __version__
from dspex.errors import JournalError, UsageError
from dspex.events.coding import encode
from dspex.runs import file, home
from dspex.runs.handle import Run
from dspex.runs.plan import MARK, RECIPE
from dspex.runs.run import forget, open
from dspex.runs.store import Runs, table, time_of

FORMAT = "dspex-run"
FRESH = 60.0
"""Seconds in which a folder without a journal is a run that is about to start."""


def prune(
    *,
    keep: int | None = None,
    older_than: str | float | datetime | timedelta | None = None,
    status: str | Iterable[str] | None = None,
    method: str | None = None,
    program: str | None = None,
    dry: bool = False,
) -> Runs:
    """Delete runs that are over, with all they hold, and return them; one that goes on anywhere is never touched.

    Args:
        keep: leave the newest so many of those that match and are over.
        older_than: only those that ended before then: `"30d"`, a date, a timedelta.
        status, method, program: only those, as for `runs.list`.
        dry: whether only to return what would be deleted.

    Raises:
        UsageError: neither `keep` nor anything else says which.
        JournalError: one cannot be deleted.
    """
    if keep is None and older_than is None and status is None and method is None and program is None:
        raise UsageError(
            'Say which runs to delete, such as `dspex.runs.prune(older_than="30d")` or `dspex.runs.prune(keep=20)`.'
        )
    if keep is not None and (isinstance(keep, bool) or not isinstance(keep, int) or keep < 0):
        raise UsageError(f"`keep` takes a whole number of at least 0, not `{keep!r}`.")
    before = None if older_than is None else time_of(older_than)
    over = [run for run in table(status=status, method=method, program=program) if run.done]
    old = [
        run
        for run in over[keep or 0 :]
        if (before is None or run.state.updated < before) and not home.is_owned(run._folder)
    ]
    # Its picture outlives a run: whoever holds the list still sees what was deleted.
    return Runs([run for run in old if dry or _delete(run)])


def _delete(run: Run) -> bool:
    """Delete a run nobody works on; False where somebody has taken it up, or begins it, just now."""
    folder = run._folder
    if _begins(folder):
        return False
    owner: home.Owner | None = None
    try:
        owner = home.own(folder, patience=0.0)
    except JournalError:
        if home.is_owned(folder):
            return False
    try:
        if owner is not None and os.name == "nt":
            owner.release()  # there no open file can be deleted
        home.remove(folder)
    finally:
        if owner is not None:
            owner.release()
    forget(run.id)
    return True


def _begins(folder: Path) -> bool:
    if file.exists(folder / home.JOURNAL):
        return False
    try:
        return _clock.now() - folder.stat().st_mtime < FRESH
    except OSError:
        return True  # it is gone already


def export(run: str | Run, path: str | os.PathLike[str]) -> Path:
    """Write all that a run's journal tells to a file of JSON lines, and return its path.

    The first line says what the file is; then come programs and other payloads, then the events in their order.

    Args:
        run: its id, or itself.
        path: the file; it is overwritten.

    Raises:
        RunNotFoundError: there is none with this id.
        JournalError: nothing of its journal can be read.
        UsageError: the file cannot be written.
    """
    found = run if isinstance(run, Run) else open(run)
    target = Path(path)
    lines = _lines(found)
    head = next(lines)  # a run that cannot be read overwrites nothing
    try:
        with target.open("wb") as out:
            out.write(head + b"\n")
            out.writelines(line + b"\n" for line in lines)
    except OSError as exc:
        raise UsageError(f"`{target}` cannot be written: {exc.strerror or exc}.") from None
    return target


def _lines(run: Run) -> Iterator[bytes]:
    events = run.events
    yield msgspec.json.encode(
        {"format": FORMAT, "version": 1, "dspex": __version__, "run": run.id, "events": len(events)}
    )
    try:
        for ref, body in run.payloads():
            if ref not in (RECIPE, MARK):  # how it was started concerns the notebook alone
                yield msgspec.json.encode({"payload": ref, "body": msgspec.Raw(body)})
    except file.DamagedJournalError:
        pass  # what is whole is told, as of the events
    for event in events:
        yield encode(event)[1]
