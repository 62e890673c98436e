"""The cells of a run: what each candidate scored on each example, known once and never asked twice.

A cell is found by content (program state, example, metric), so a candidate that equals an earlier one, or a row
that stands twice in the data, costs nothing again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One candidate on one example: a score, or the error that prevented one."""

    example: str
    """The example's content id."""
    score: float | None = None
    feedback: str = ""
    error: str = ""
    cost: float = 0.0
    prediction: Any = None
    failure: Exception | None = None
    """The error itself, where the cell was made in this process."""


class Cells:
    """All cells of one run, by (program, example, metric)."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str, str], Cell] = {}

    def get(self, program: str, example: str, metric: str) -> Cell | None:
        """Return a scored cell; a failed one is not kept, so that it is tried again."""
        return self._cells.get((program, example, metric))

    def put(self, program: str, metric: str, cell: Cell) -> None:
        """Keep a cell that has a score."""
        if cell.score is not None:
            self._cells[program, cell.example, metric] = cell

    def __len__(self) -> int:
        return len(self._cells)
