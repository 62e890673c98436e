"""All runs of this user as a table to look at and to pick from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import overload

from dspex.errors import JournalError, RunNotFoundError
from dspex.runs import home
from dspex.runs.run import Run, here, open
from dspex.runs.state import RunState
from dspex.runs.words import score_text

COLUMNS = ("id", "status", "method", "program", "best", "candidates", "cost", "started")


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
            return f"No runs yet in {home.home()}."
        table = [COLUMNS, *self.rows()]
        widths = [max(len(row[i]) for row in table) for i in range(len(COLUMNS))]
        return "\n".join(
            "  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip() for row in table
        )

    def _repr_html_(self) -> str:
        import html

        if not self._runs:
            return f"<p>No runs yet in <code>{html.escape(str(home.home()))}</code>.</p>"
        head = "".join(f'<th style="text-align:left">{name}</th>' for name in COLUMNS)
        body = "".join(
            "<tr>"
            + "".join(f'<td style="text-align:left">{html.escape(text)}</td>' for text in row)
            + "</tr>"
            for row in self.rows()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def table(last: int | None = None) -> Runs:
    """Return the runs of this user, newest first: of this kernel, of others, and of dead ones.

    Args:
        last: how many at the most; all by default.
    """
    found = (run for number in reversed(home.numbers()) if (run := _readable(f"r{number}")) is not None)
    return Runs(tuple(islice(found, last)))


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


def _readable(id: str) -> Run | None:
    try:
        return open(id)
    except (JournalError, RunNotFoundError):
        return None  # a damaged or just deleted run must not hide the others; opening it by name says why


def _row(state: RunState) -> tuple[str, ...]:
    best = state.candidate(state.best)
    score = score_text(best.mean) if best is not None and best.mean is not None else "–"
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(state.started)) if state.started else "–"
    count = str(len(state.candidates))
    return (state.run, state.status, state.method, state.name, score, count, f"${state.cost:.2f}", started)
