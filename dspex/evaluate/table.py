"""An evaluation's rows as a table to look at, as `display_table` of DSPy's `Evaluate` shows them.

Shown by the interpreter's own way to show a value: a notebook draws the table, a console writes it.
"""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

from dspex.evaluate.export import legible_row, rows_of

if TYPE_CHECKING:
    import pandas as pd

    from dspex.evaluate.result import EvaluationResult

WORDS = 25
"""Words of a cell that are shown."""
ENOUGH = 100
"""Rows shown of a result that keeps none, where nobody says how many."""


class Table:
    """Some rows of an evaluation, shown whole.

    Args:
        frame: the rows.
        left: how many more there are.
    """

    def __init__(self, frame: pd.DataFrame, left: int) -> None:
        self.frame = frame
        self.left = left

    def __repr__(self) -> str:
        text: str = self.frame.to_string(index=True)
        return text + (f"\n... {self.left} more rows not displayed ..." if self.left > 0 else "")

    def _repr_html_(self) -> str:
        html: str = self.frame.to_html()
        return html + (f"<p>... {self.left} more rows not displayed ...</p>" if self.left > 0 else "")


def table_of(result: EvaluationResult, metric: str, most: int | None) -> Table:
    """Return the rows of a result as a table, long texts cut after 25 words, the score ticked as DSPy does.

    Args:
        result: an evaluation's.
        metric: what to call the column of scores.
        most: rows to show; None for all.
    """
    import pandas as pd

    if "results" in result:
        rows, total = rows_of(result.results[:most], metric), len(result.results)
    else:
        rows = list(islice(result.records(), ENOUGH if most is None else most))
        total = result.n + result.failed
    frame = pd.DataFrame([{name: _short(value) for name, value in legible_row(row).items()} for row in rows])
    if metric in frame:
        frame[metric] = [_ticked(value) for value in frame[metric]]
    return Table(frame, total - len(rows))


def show_table(result: EvaluationResult, metric: str, most: int | None) -> None:
    """Show the table where this code runs: below the cell, or on the console."""
    sys.displayhook(table_of(result, metric, most))


def _short(value: Any) -> Any:
    words = str(value).split()
    return " ".join(words[:WORDS]) + "..." if len(words) > WORDS else value


def _ticked(value: Any) -> str:
    return f"✔️ [{value:.3f}]" if isinstance(value, float) else "" if value is None else f"✔️ [{value}]"
