"""The cells of a run: what each candidate scored on each example, known once and never asked twice.

A cell is found by content (program state, example, metric, repeat), so a candidate that equals an earlier one, or a
row that stands twice in the data, costs nothing again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate on one example: a score, or the error that prevented one.

    A struct of msgspec's, as `Score` is: one is made for each example, at a tenth of what a frozen dataclass costs.
    """

    example: str
    """The example's content id."""
    score: float | None = None
    feedback: str = ""
    error: str = ""
    cost: float = 0.0
    seconds: float = 0.0
    """How long answering and scoring took, all attempts together."""
    repeat: int = 0
    """Which of several goes at the same example this is, from 0."""
    parts: Mapping[str, float] = {}
    """What the score is made of, by name, where the metric tells."""
    prediction: Any = None
    failure: Exception | None = None
    """The error itself, where the cell was made in this process."""


class Cells:
    """The cells of one run, by (program, example, metric, repeat).

    Args:
        keep: how many to keep; the oldest go first. None for all: a run over data that is in memory anyway.
    """

    def __init__(self, keep: int | None = None) -> None:
        self._cells: dict[tuple[str, str, str, int], Cell] = {}
        self._keep = keep

    def get(self, program: str, example: str, metric: str, repeat: int = 0) -> Cell | None:
        """Return a scored cell; a failed one is not kept, so that it is tried again."""
        return self._cells.get((program, example, metric, repeat))

    def put(self, program: str, metric: str, cell: Cell) -> None:
        """Keep a cell that has a score."""
        if cell.score is None:
            return
        self._cells[program, cell.example, metric, cell.repeat] = cell
        if self._keep is not None and len(self._cells) > self._keep:
            del self._cells[next(iter(self._cells))]

    def __len__(self) -> int:
        return len(self._cells)
