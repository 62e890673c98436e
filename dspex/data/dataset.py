"""Data sets: lists of examples that know their inputs, from a bundled set, a DataFrame, CSV, JSONL or plain rows."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from dspex.data.example import Example
from dspex.errors import DataError, nearest

if TYPE_CHECKING:
    import pandas as pd

BUNDLED = {"tickets": ("ticket",)}
"""Bundled sets and their inputs."""


class Dataset(Sequence[Example]):
    """A list of examples; slices are data sets too, and a notebook shows it as a table.

    Example:
        >>> rows = from_records([{"q": "1 + 1", "a": "2"}], inputs=["q"])
        >>> rows
        Dataset(1 example: q -> a)
    """

    def __init__(self, examples: Iterable[Example]) -> None:
        self._examples = tuple(examples)

    def __len__(self) -> int:
        return len(self._examples)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Dataset: ...
    def __getitem__(self, index: int | slice) -> Example | Dataset:
        return Dataset(self._examples[index]) if isinstance(index, slice) else self._examples[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dataset) and self._examples == other._examples

    def __hash__(self) -> int:
        return hash(self._examples)

    def sample(self, n: int, seed: int = 0) -> Dataset:
        """Return `n` examples drawn without replacement, the same for the same seed.

        Raises:
            DataError: `n` is below zero.
        """
        if n < 0:
            raise DataError(f"`sample`: {n} examples cannot be drawn; give 0 or more.")
        return Dataset(random.Random(seed).sample(self._examples, min(n, len(self))))

    def split(self, *sizes: float, seed: int = 0) -> tuple[Dataset, ...]:
        """Shuffle by seed and cut into parts: whole numbers are counts, fractions are shares.

        Raises:
            DataError: the parts are larger than the whole.

        Example:
            >>> rows = from_records([{"q": i} for i in range(10)], inputs=["q"])
            >>> [len(part) for part in rows.split(0.5, 3)]
            [5, 3]
        """
        counts = _counts(sizes, len(self))
        if sum(counts) > len(self) or any(c < 0 for c in counts):
            raise DataError(f"`split`: parts of {counts} do not fit {len(self)} examples.")
        rows = list(self._examples)
        random.Random(seed).shuffle(rows)
        starts = [sum(counts[:i]) for i in range(len(counts))]
        return tuple(Dataset(rows[s : s + c]) for s, c in zip(starts, counts, strict=True))

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame([example.toDict() for example in self._examples])

    def __repr__(self) -> str:
        count = f"{len(self)} example{'s' if len(self) != 1 else ''}"
        if not self._examples:
            return f"Dataset({count})"
        first = self._examples[0]
        inputs = first.input_keys or frozenset()
        known = [k for k in first if k in inputs]
        labels = [k for k in first if k not in inputs]
        return f"Dataset({count}: {', '.join(known) or 'no inputs'} -> {', '.join(labels) or 'no labels'})"

    def _repr_html_(self) -> str:
        table: str = self[:8].to_frame().to_html(index=False, max_rows=8)
        more = f"<p>and {len(self) - 8} more</p>" if len(self) > 8 else ""
        return table + more


class Splits(NamedTuple):
    """A data set in three parts: learn from `train`, choose by `val`, report on `test`."""

    train: Dataset
    val: Dataset
    test: Dataset


def load(name: str) -> Splits:
    """Load a bundled data set, in three parts.

    Args:
        name: `"tickets"`: 420 support tickets with the team that can resolve each and its urgency.

    Raises:
        DataError: no bundled set has this name.

    Example:
        >>> train, val, test = load("tickets")
        >>> len(train), len(val), len(test)
        (120, 100, 200)
    """
    if name not in BUNDLED:
        raise DataError(
            f"There is no bundled data set `{name}`.{nearest(str(name), BUNDLED)} Bundled: {', '.join(BUNDLED)}; "
            f"your own data: `from_csv`, `from_jsonl`, `from_frame`, `from_records`."
        )
    from importlib.resources import files

    file = files("dspex.data") / "bundled" / f"{name}.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    parts = {
        part: from_records(
            [{k: v for k, v in row.items() if k != "split"} for row in rows if row["split"] == part],
            inputs=BUNDLED[name],
        )
        for part in Splits._fields
    }
    return Splits(**parts)


def from_records(rows: Iterable[Mapping[str, Any]], inputs: Sequence[str]) -> Dataset:
    """Make a data set of plain rows.

    Args:
        rows: mappings of field names to values.
        inputs: names of the fields a program is given; all others are labels.

    Raises:
        DataError: a row lacks an input, or is no mapping.
    """
    if isinstance(inputs, str):
        inputs = [inputs]
    if not isinstance(rows, Iterable):
        raise DataError(f"`from_records` takes rows, not `{type(rows).__name__}`.")
    examples = []
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise DataError(
                f"Row {index} is a {type(row).__name__}; a row is a mapping of field names to values."
            )
        missing = [name for name in inputs if name not in row]
        if missing:
            known = [str(k) for k in row]
            raise DataError(
                f"Row {index} has no field `{missing[0]}`.{nearest(missing[0], known)} It has: {', '.join(known)}."
            )
        examples.append(Example({str(k): v for k, v in row.items()}).with_inputs(*inputs))
    return Dataset(examples)


def from_frame(frame: pd.DataFrame, inputs: Sequence[str]) -> Dataset:
    """Make a data set of a DataFrame's rows; missing values become None.

    Raises:
        DataError: it is no DataFrame, two of its columns share a name, or an input is missing.
    """
    columns = [str(name) for name in getattr(frame, "columns", ())]
    if not hasattr(frame, "to_dict") or not hasattr(frame, "columns"):
        raise DataError(f"`from_frame` takes a DataFrame, not `{type(frame).__name__}`.")
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise DataError(f"`from_frame`: two columns are called `{twice}`; rename one.")
    records = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
    return from_records([{str(k): v for k, v in row.items()} for row in records], inputs)


def from_csv(path: str | os.PathLike[str], inputs: Sequence[str]) -> Dataset:
    """Read a CSV file with a header line; all values are texts.

    Raises:
        DataError: no such file, no header, a line with too many values, or text that is not UTF-8.
    """
    import csv

    with _open(path) as file:
        reader = csv.DictReader(file)
        rows = []
        try:
            if reader.fieldnames is None:
                raise DataError(f"`{path}` has no header line with the names of its columns.")
            for row in reader:
                if None in row:
                    what = "has more values than the header has names"
                    raise DataError(
                        f"`{path}`, line {reader.line_num} {what} ({', '.join(reader.fieldnames)})."
                    )
                rows.append(row)
        except UnicodeDecodeError as exc:
            raise _not_utf8(path, exc) from None
        except csv.Error as exc:
            raise DataError(f"`{path}`, line {reader.line_num} cannot be read as CSV: {exc}.") from None
    return from_records(rows, inputs)


def from_jsonl(path: str | os.PathLike[str], inputs: Sequence[str]) -> Dataset:
    """Read a file with one JSON object a line; empty lines are passed over.

    Raises:
        DataError: no such file, or a line that is no JSON object.
    """
    rows = []
    with _open(path) as file:
        try:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    rows.append(_object(line, f"`{path}`, line {number}"))
        except UnicodeDecodeError as exc:
            raise _not_utf8(path, exc) from None
    return from_records(rows, inputs)


def _counts(sizes: Sequence[float | int], whole: int) -> list[int]:
    # Shares are cut where their sum falls, so that shares of 1 in all lose no row and take none twice.
    counts, share = [], 0.0
    for size in sizes:
        if isinstance(size, float):
            counts.append(round((share + size) * whole) - round(share * whole))
            share += size
        else:
            counts.append(size)
    return counts


def _not_utf8(path: str | os.PathLike[str], exc: UnicodeDecodeError) -> DataError:
    return DataError(
        f"`{path}` is not UTF-8 (byte {exc.object[exc.start]:#04x}); save it as UTF-8 and read it again."
    )


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as exc:
        raise DataError(f"{where} is no JSON: {exc}") from None
    if not isinstance(row, dict):
        raise DataError(f"{where} is a {type(row).__name__}; each line is one JSON object.")
    return row


def _open(path: str | os.PathLike[str]) -> Any:
    try:
        return Path(path).open(encoding="utf-8-sig", newline="")
    except OSError as exc:
        raise DataError(f"`{path}` cannot be read: {exc.strerror or exc}.") from None
