"""Runs side by side: what they are of, what they found, what they took; differences stand out."""

from __future__ import annotations

import html
from collections.abc import Sequence

from dspex.errors import UsageError
from dspex.runs.handle import Run
from dspex.runs.run import open
from dspex.runs.state import CandidateView, RunState
from dspex.runs.words import score_text

_NONE = "–"


class Comparison:
    """Two or more runs side by side; a table in a notebook.

    Attributes:
        rows: for each trait its name and one text for each run, in their order.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = tuple(runs)
        states = [run.state for run in runs]
        self.rows = [(name, *texts) for name, texts in _traits(states).items()]

    @property
    def differences(self) -> list[tuple[str, ...]]:
        """The rows in which the runs differ."""
        return [row for row in self.rows if len(set(row[1:])) > 1]

    def __repr__(self) -> str:
        table = [("", *(run.id for run in self.runs)), *self.rows]
        widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
        return "\n".join(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            for row in table
        )

    def _repr_html_(self) -> str:
        head = "".join(f'<th style="text-align:left">{html.escape(run.id)}</th>' for run in self.runs)
        return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(map(_line, self.rows))}</tbody></table>"


def compare(*runs: str | Run) -> Comparison:
    """Return runs side by side, by id or as they are.

    Raises:
        UsageError: fewer than two are given.
        RunNotFoundError: there is none with such an id.
    """
    if len(runs) < 2:
        raise UsageError('Name at least two runs to compare, such as `dspex.runs.compare("r1", "r2")`.')
    return Comparison([run if isinstance(run, Run) else open(run) for run in runs])


def _traits(states: Sequence[RunState]) -> dict[str, list[str]]:
    best = [state.candidate(state.best) for state in states]
    base = [state.candidate(state.baseline) for state in states]
    return {
        "status": [state.status for state in states],
        "method": [state.method for state in states],
        "program": [state.name for state in states],
        "metric": [state.metric or _NONE for state in states],
        "models": [", ".join(state.models) or _NONE for state in states],
        "data": [", ".join(f"{n} {what}" for what, n in state.sizes.items()) or _NONE for state in states],
        "seed": [str(state.seed) for state in states],
        "best": [_score(view) for view in best],
        "as written": [_score(view) for view in base],
        "candidates": [str(len(state.candidates)) for state in states],
        "demos": [_NONE if view is None else str(sum(view.demos.values())) for view in best],
        "calls": [f"{state.calls:,}" for state in states],
        "cost": [f"${state.cost:.2f}" for state in states],
        "seconds": [f"{max(0.0, state.updated - state.started):,.0f}" for state in states],
    }


def _score(view: CandidateView | None) -> str:
    if view is None or view.mean is None:
        return _NONE
    half = "" if view.low is None or view.high is None else f" ±{score_text((view.high - view.low) / 2)}"
    return f"{score_text(view.mean)}{half} on {view.n}"


def _line(row: tuple[str, ...]) -> str:
    weight = "bold" if len(set(row[1:])) > 1 else "normal"
    cells = "".join(
        f'<td style="text-align:left;font-weight:{weight}">{html.escape(text)}</td>' for text in row[1:]
    )
    return f'<tr><th style="text-align:left">{html.escape(row[0])}</th>{cells}</tr>'
