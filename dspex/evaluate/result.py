"""What an evaluation found: a score with its interval, the rows it is made of, and what to do with them.

Of a source that is no list, a result keeps the rows where there are few. Of the others the run's journal still has
each example's score, and a result reads it from there when it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dspex.data.example import Example, Prediction
from dspex.errors import DataError
from dspex.evaluate import export
from dspex.evaluate.compare import Comparison, Pairs, compare
from dspex.evaluate.statistics import Method, interval
from dspex.evaluate.stream import Scored
from dspex.evaluate.sums import Sums
from dspex.events.event import ExampleScored
from dspex.runs import home
from dspex.runs import run as _run
from dspex.runs.file import read_events
from dspex.runs.words import score_text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One example of an evaluation: what was answered, what that scored, or what went wrong."""

    index: int
    """The example's place in the data, from 0."""
    example: Example
    prediction: Any
    """None where the program failed."""
    score: float | None
    """None where the example failed: an error is no score."""
    feedback: str = ""
    error: str = ""
    seconds: float = 0.0
    """How long it took, all attempts together."""
    cost: float = 0.0
    """US dollars of its calls, the metric's among them."""
    repeat: int = 0
    """Which go at the example this is, from 0."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """What the score is made of, by name, where the metric tells."""

    @classmethod
    def of(cls, scored: Scored) -> Self:
        """Return the row of a cell."""
        cell = scored.cell
        return cls(
            index=scored.place, example=scored.example, prediction=cell.prediction, score=cell.score,
            feedback=cell.feedback, error=cell.error, seconds=cell.seconds, cost=cell.cost, repeat=cell.repeat,
            scores=cell.parts,
        )  # fmt: skip


class EvaluationResult(Prediction):
    """What an evaluation found: `score` in percent, `results` as (example, prediction, score), and more.

    Fields: `score` (failures count as `failure_score`, DSPy's rule), `results`, `mean` (of the examples that have
    a score), `low` and `high` (its 95 % interval), `std`, `n` (goes with a score), `failed`, `errors` (texts by
    position, the first thousand), `cost` (US dollars), `seconds` (of an example, on average). With `n=` above 1,
    `repeats` has the mean of each go; where the metric gives `scores`, so does `scores`, each a mean by name. There
    are no `results` where the data is no list and longer than 10,000 rows.
    """

    __slots__ = ("_failure_score", "_metric", "_rows", "_run")

    def __init__(self, base: Any = None, /, **fields: Any) -> None:
        super().__init__(base, **fields)
        self._set(rows=None, metric="score", failure_score=0.0, run="")

    @property
    def rows(self) -> list[Row]:
        """All rows, in the order of the data.

        Raises:
            DataError: there were too many to keep.
        """
        if self._rows is None:
            raise DataError(
                "This result keeps no rows: its data is no list and has more than 10,000. `records()` reads their "
                "scores from the run's journal; `dspex.evaluate(...).save(path)` writes whole rows as they come."
            )
        return list(self._rows)

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield one plain dict for each row: the fields of example and prediction, the score, and how it went.

        Where no rows are kept, the journal gives the example's id in place of its fields.
        """
        if self._rows is not None:
            names = export.names_of(row.prediction for row in self._rows)
            return (export.record(row, self._metric, names) for row in self._rows)
        return (export.record_of_event(event, self._metric) for event in self._told())

    def to_frame(self) -> pd.DataFrame:
        """Return the records as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame([export.legible_row(record) for record in self.records()])

    def save(self, path: str | Path) -> Path:
        """Write the records to a file and return its path; the ending says how.

        Texts are written as they are: a spreadsheet takes one that begins with `=` for a formula, so open a CSV with
        a model's answers as text, or read it with pandas.

        Args:
            path: ends with `.csv`, `.json`, `.jsonl` or `.parquet`, which needs pyarrow.

        Raises:
            DataError: another ending, or no place to write.
        """
        return export.save(self.records, Path(path))

    def interval(self, method: Method = "auto", *, seed: int = 0) -> tuple[float, float]:
        """Return the 95 % interval of the mean, by a method of your choice.

        Args:
            method: `auto` (that of `low` and `high`), `wilson`, `t` or `bootstrap`.
            seed: of the bootstrap's draws.

        Raises:
            DataError: the rows are not kept, which all but `auto` need.
        """
        if method == "auto":
            return (self.low, self.high)
        by_example: dict[int, list[float]] = {}
        for row in self.rows:
            if row.score is not None:
                by_example.setdefault(row.index, []).append(row.score)
        return interval([sum(goes) / len(goes) for goes in by_example.values()], method, seed=seed)

    def compare(self, other: EvaluationResult) -> Comparison:
        """Compare with another evaluation of the same data by the same metric, example by example.

        Args:
            other: what to compare with, such as the program before.

        Returns:
            How much better this one is, how sure that is, and which examples it fixed and broke.

        Raises:
            DataError: another metric, or no example in common.

        Example:
            >>> import dspex
            >>> rows = [dspex.Example(t="Down!", team="bug").with_inputs("t")]
            >>> with dspex.context(lm=dspex.LM("practice")):
            ...     result = dspex.Evaluate(devset=rows, metric=dspex.exact("team"))(dspex.Predict("t -> team"))
            >>> result.compare(result).difference
            0.0
        """
        if not isinstance(other, EvaluationResult):
            raise DataError(f"`compare` takes another evaluation's result, not `{type(other).__name__}`.")
        return compare(self._pairs(), other._pairs())

    def __repr__(self) -> str:
        if self.get("mean") is None:
            return f"EvaluationResult(score={self.score})"
        half = (self.high - self.low) / 2
        failed = f", {self.failed} failed" if self.failed else ""
        what = f"goes, {len(self.repeats)} an example" if self.get("repeats") else "examples"
        return f"EvaluationResult({score_text(self.mean)} ±{score_text(half)} on {self.n} {what}{failed})"

    def __reduce__(self) -> tuple[Any, ...]:
        build, (kind, store, inputs, *rest) = super().__reduce__()
        held = {name: getattr(self, name) for name in EvaluationResult.__slots__}
        return (build, (kind, store, inputs, {**(rest[0] if rest else {}), **held}))

    def _copy(self, store: Mapping[str, Any], inputs: frozenset[str] | None) -> Self:
        other = super()._copy(store, inputs)
        for name in EvaluationResult.__slots__:
            object.__setattr__(other, name, getattr(self, name))
        return other

    def _set(self, **held: Any) -> None:
        for name, value in held.items():
            object.__setattr__(self, f"_{name}", value)

    def _pairs(self) -> Pairs:
        found = Pairs(metric=self._metric)
        if self._rows is not None:
            for row in self._rows:
                found.add(row.example.digest, row.score, row.example)
        else:
            for event in self._told():
                found.add(event.example, event.score)
        return found

    def _told(self) -> Iterator[ExampleScored]:
        if not self._run:
            raise DataError(
                "This evaluation was a part of another run and too large to keep: its rows are gone."
            )
        path = _run.open(self._run)._folder / home.JOURNAL
        return (event for event in read_events(path) if isinstance(event, ExampleScored))


def result_of(
    sums: Sums, rows: Sequence[Row] | None, *, metric: str, failure_score: float, run: str
) -> EvaluationResult:
    """Return the result of what was added up, and of the rows where they are kept."""
    goes = sums.scored + sums.failed
    low, high = sums.interval()
    result = EvaluationResult(
        score=round(100 * (sums.total + failure_score * sums.failed) / goes, 2) if goes else 0.0,
        mean=sums.mean,
        low=low,
        high=high,
        std=sums.std,
        n=sums.scored,
        failed=sums.failed,
        errors=dict(sums.errors),
        cost=sums.cost,
        seconds=sums.seconds,
    )
    if rows is not None:
        result["results"] = [
            (
                row.example,
                Prediction() if row.prediction is None else row.prediction,
                failure_score if row.score is None else row.score,
            )
            for row in rows
        ]
    if len(sums.repeats) > 1:
        result["repeats"] = list(sums.repeats)
    if sums.parts:
        result["scores"] = {name: part.mean for name, part in sums.parts.items()}
    result._set(rows=rows, metric=metric, failure_score=failure_score, run=run)
    return result
