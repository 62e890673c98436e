"""What an evaluation adds up to, counted as cells come: a few numbers, however many examples there are.

With several goes at each example the goes are averaged first: they are no further examples, and an interval that
took them for such would be too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping

from dspex.evaluate.cells import Cell
from dspex.evaluate.statistics import Moments

TOLD = 1_000
"""Errors whose texts are kept; all are counted."""


class Sums:
    """Counts cells.

    Args:
        repeats: goes at each example.
    """

    def __init__(self, repeats: int = 1) -> None:
        self._repeats = repeats
        self._means = Moments()
        self._open: dict[int, list[Cell]] = {}
        self._goes = [Moments() for _ in range(repeats)]
        self._parts: dict[str, Moments] = {}
        self._answers = Moments()
        self.scored = self.failed = 0
        """Goes with a score, and without."""
        self.cost = 0.0
        self.errors: dict[int, str] = {}
        """What went wrong, by the example's place: the first thousand."""

    def take(self, index: int, cell: Cell) -> None:
        """Count one cell of the example at this place."""
        self.cost += cell.cost
        if cell.score is None:
            self.failed += 1
            if len(self.errors) < TOLD:
                self.errors[index] = cell.error
        else:
            self.scored += 1
            self._goes[cell.repeat].add(cell.score)
            for name, value in cell.parts.items():
                self._parts.setdefault(name, Moments()).add(value)
        if cell.seconds:
            self._answers.add(cell.seconds)
        if self._repeats == 1:
            self._close([cell])
            return
        goes = self._open.setdefault(index, [])
        goes.append(cell)
        if len(goes) == self._repeats:
            self._close(self._open.pop(index))

    def close(self) -> None:
        """Count examples whose goes are not all there: the evaluation ended before."""
        for goes in self._open.values():
            self._close(goes)
        self._open.clear()

    def _close(self, goes: list[Cell]) -> None:
        scores = [cell.score for cell in goes if cell.score is not None]
        if scores:
            self._means.add(sum(scores) / len(scores))

    @property
    def examples(self) -> int:
        """Examples that have a score."""
        return self._means.n

    @property
    def total(self) -> float:
        """All scores of all goes together."""
        return sum(go.sum for go in self._goes)

    @property
    def mean(self) -> float:
        """The mean over the examples that have a score."""
        return self._means.mean

    @property
    def std(self) -> float:
        """How far examples differ: the standard deviation of their scores."""
        return self._means.std

    @property
    def repeats(self) -> tuple[float, ...]:
        """The mean of each go over all examples: how far they differ is what chance does."""
        return tuple(go.mean for go in self._goes)

    @property
    def parts(self) -> Mapping[str, Moments]:
        """What scores are made of, by name."""
        return self._parts

    @property
    def seconds(self) -> float:
        """How long an example took, on average."""
        return self._answers.mean

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the mean."""
        return self._means.interval()
