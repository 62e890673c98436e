"""All runs of this user as a table to look at and to pick from."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import get_args, overload

from dspex import _clock
from dspex.errors import JournalError, RunNotFoundError, UsageError, nearest
from dspex.runs import home
from dspex.runs.run import Run, here, open
from dspex.runs.state import RunState, Status
from dspex.runs.words import score_text

COLUMNS = ("id", "status", "method", "program", "best", "candidates", "cost", "started")
_CELL = "text-align:left;white-space:nowrap"
_AGO = re.compile(r"([0-9.]+)\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Runs(Sequence[Run]):
    """Runs, newest first; a table in a notebook."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = tuple(runs)

    def __len__(self) -> int:
        return len(self._runs)

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> Runs: ...
    def __getitem__(self, index: int | slice) -> Run | Runs:
        return Runs(self._runs[index]) if isinstance(index, slice) else self._runs[index]

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def rows(self) -> list[tuple[str, ...]]:
        """Return one row of texts for each run, in the order of `COLUMNS`."""
        return [_row(run.state) for run in self._runs]

    def __repr__(self) -> str:
        if not self._runs:
            return _nothing().format(home.home())
        table = [COLUMNS, *self.rows()]
        widths = [max(len(row[i]) for row in table) for i in range(len(COLUMNS))]
        return "\n".join(
            "  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip() for row in table
        )

    def _repr_html_(self) -> str:
        import html

        if not self._runs:
            return f"<p>{_nothing().format(f'<code>{html.escape(str(home.home()))}</code>')}</p>"
        head = "".join(f'<th style="{_CELL}">{name}</th>' for name in COLUMNS)
        body = "".join(
            "<tr>" + "".join(f'<td style="{_CELL}">{html.escape(text)}</td>' for text in row) + "</tr>"
            for row in self.rows()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def table(
    last: int | None = None,
    *,
    status: str | Iterable[str] | None = None,
    method: str | None = None,
    program: str | None = None,
    since: float | str | datetime | timedelta | None = None,
) -> Runs:
    """Return the runs of this user, newest first: of this kernel, of others, and of dead ones.

    Args:
        last: how many at the most; all by default.
        status: only those that are in this state, or in one of these.
        method: only those of this optimizer or `"Evaluate"`.
        program: only those of the program of this name.
        since: only those that began then or later: a date such as `"2026-05-01"`, a datetime, seconds since the
            epoch, or a time before now: a timedelta, `"2h"`, `"7d"`.

    Raises:
        UsageError: no run is ever in this state, `since` is no time, or `last` no number.

    Example:
        >>> table(status="running", since="2h").rows()
        []
    """
    if last is not None and (isinstance(last, bool) or not isinstance(last, int) or last < 0):
        raise UsageError(f"`last` takes how many runs to show, not `{last!r}`.")
    states = _states(status)
    start = None if since is None else time_of(since)

    def wanted(run: Run) -> bool:
        state = run.state
        return (
            (states is None or state.status in states)
            and (method is None or state.method == method)
            and (program is None or state.name == program)
            and (start is None or state.started >= start)
        )

    found = (run for number in reversed(home.numbers()) if (run := readable(f"r{number}")) is not None)
    return Runs(tuple(islice(filter(wanted, found), last)))


def last() -> Run:
    """Return the newest run of this kernel; of this user, where this kernel started none.

    Raises:
        RunNotFoundError: there is none.
    """
    if own := here():
        return own[-1]
    runs = table(last=1)
    if not runs:
        raise RunNotFoundError("There are no runs yet.")
    return runs[0]


def time_of(when: float | str | datetime | timedelta) -> float:
    """Return a time as people say it as seconds since the epoch.

    Raises:
        UsageError: it is no time.

    Example:
        >>> time_of("1970-01-02T00:00:00+00:00")
        86400.0
    """
    if isinstance(when, (int, float)) and not isinstance(when, bool) and not math.isnan(when):
        return float(when)
    if isinstance(when, str):
        ago = _AGO.fullmatch(when.strip())
        try:
            when = (
                timedelta(seconds=float(ago[1]) * _SECONDS[ago[2]]) if ago else datetime.fromisoformat(when)
            )
        except (ValueError, OverflowError):
            when = ""
    if isinstance(when, timedelta):
        return _clock.now() - when.total_seconds()
    if isinstance(when, datetime):
        return when.timestamp()
    raise UsageError(
        "A time is a date such as `2026-05-01`, or a time before now such as `30m`, `2h` or `7d`."
    )


def readable(id: str) -> Run | None:
    """Return a run; None where it is damaged or gone."""
    try:
        return open(id)
    except (JournalError, RunNotFoundError):
        return None  # a damaged or just deleted run must not hide the others; opening it by name says why


def _nothing() -> str:
    return "No such runs in {}." if home.numbers() else "No runs yet in {}."


def _states(status: str | Iterable[str] | None) -> frozenset[str] | None:
    if status is None:
        return None
    wanted = frozenset([status] if isinstance(status, str) else status)
    known = get_args(Status)
    for state in wanted:
        if state not in known:
            raise UsageError(
                f"No run is ever `{state}`.{nearest(str(state), known)} States: {', '.join(known)}."
            )
    return wanted


def _row(state: RunState) -> tuple[str, ...]:
    best = state.candidate(state.best)
    score = score_text(best.mean) if best is not None and best.mean is not None else "–"
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(state.started)) if state.started else "–"
    count = str(len(state.candidates))
    return (state.run, state.status, state.method, state.name, score, count, f"${state.cost:.2f}", started)
