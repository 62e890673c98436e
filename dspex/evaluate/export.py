"""An evaluation's rows as plain records, and those as a file: one record an example.

Files are written record by record, so that a million of them need no more memory than ten thousand. A value without a
JSON form is told as its text: what was paid for is written, whatever a program answers. Texts are written as they are:
a spreadsheet may take one that begins with `=` for a formula, which a model's answer can be.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex._canon import legible, to_builtins
from dspex.errors import DataError, SettingsError
from dspex.events.event import ExampleScored

if TYPE_CHECKING:
    from dspex.evaluate.result import Row

Record = dict[str, Any]
Records = Callable[[], Iterator[Record]]
"""Gives the records, from the first one at each call."""
HOW = ("feedback", "error", "seconds", "cost", "repeat")
"""What a record tells of an example besides its fields and its score."""
BATCH = 10_000
_DEEP = 20
_WHOLE = range(-(2**63), 2**63)
"""Numbers that a column of whole ones can hold."""


def rows_of(results: Sequence[tuple[Any, Any, Any]], metric: str) -> list[Record]:
    """Return each result as one dict, as DSPy saves it; fields that example and prediction share are told apart.

    Example:
        >>> rows_of([({"ticket": "Hi", "team": "bug"}, {"team": "account"}, 0.0)], "exact")
        [{'ticket': 'Hi', 'example_team': 'bug', 'pred_team': 'account', 'exact': 0.0}]
    """
    names = names_of(prediction for _, prediction, _ in results)
    return [
        {**_fields(example, prediction, (metric,), names), metric: score}
        for example, prediction, score in results
    ]


def names_of(predictions: Iterable[Any]) -> frozenset[str]:
    """Return the names of all fields that predictions have: a failed row is told in the same columns as others."""
    return frozenset(name for prediction in predictions for name in _said(prediction))


def record(row: Row, metric: str, names: frozenset[str]) -> Record:
    """Return a row as one dict: fields of example and prediction, then the score and how it went.

    Args:
        row: the row.
        metric: what to call the score.
        names: of the fields that predictions have.
    """
    parts = {f"{metric}.{name}": value for name, value in row.scores.items()}
    told = {metric: row.score, **parts, **{name: getattr(row, name) for name in HOW}}
    return {**_fields(row.example, row.prediction, told, names), **told}


def record_of_event(event: ExampleScored, metric: str) -> Record:
    """Return what the journal tells of an example: its id in place of its fields."""
    return {"example": event.example, metric: event.score, **{name: getattr(event, name) for name in HOW}}


def save(records: Records, path: Path, form: str = "") -> Path:
    """Write records and return the path.

    Args:
        records: gives them; some forms look at all of them first.
        path: the file.
        form: `.csv`, `.json`, `.jsonl` or `.parquet`; the path's ending by default.

    Raises:
        DataError: an ending that says nothing, or a file that cannot be written.
        SettingsError: Parquet without pyarrow.
    """
    write = _WRITERS.get(form or path.suffix.lower())
    if write is None:
        raise DataError(f"`{path}` does not say in which form: end it with one of {', '.join(_WRITERS)}.")
    try:
        write(records, path)
    except OSError as exc:
        raise DataError(f"`{path}` cannot be written: {exc.strerror or exc}.") from None
    return path


def check_place(path: Path) -> None:
    """Refuse a file that could not be written, before anything is paid for that is to stand in it.

    Raises:
        DataError: its folder is missing or closed to us.
    """
    folder = path.parent
    if not folder.is_dir():
        raise DataError(f"`{path}` cannot be written: there is no folder `{folder}`.")
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise DataError(f"`{path}` cannot be written: it is a folder, or not yours to write.")


def legible_row(record: Record) -> Record:
    """Return a record whose texts any table can hold, half characters as escapes."""
    return {name: legible(value) if isinstance(value, str) else value for name, value in record.items()}


def line(record: Record) -> str:
    """Return a record as one line of JSON."""
    return json.dumps(_plain(record), ensure_ascii=False) + "\n"


def _csv(records: Records, path: Path) -> None:
    columns = _columns(records)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for record in records():
            writer.writerow({name: _cell(value) for name, value in record.items()})


def _json(records: Records, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        between = "[\n"
        for record in records():
            text = json.dumps(_plain(record), ensure_ascii=False, indent=2)
            file.write(between + "\n".join(f"  {row}" for row in text.split("\n")))
            between = ",\n"
        file.write("\n]\n" if between == ",\n" else "[]\n")


def _jsonl(records: Records, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for record in records():
            file.write(line(record))


def _parquet(records: Records, path: Path) -> None:
    try:
        import pyarrow  # type: ignore[import-untyped]  # it ships no types
        from pyarrow import parquet
    except ImportError:
        raise SettingsError(
            "Parquet needs pyarrow: `pip install pyarrow`; CSV and JSONL need nothing."
        ) from None
    kinds = {bool: pyarrow.bool_(), int: pyarrow.int64(), float: pyarrow.float64(), str: pyarrow.string()}
    columns = _columns(records)
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in columns.items()])
    with parquet.ParquetWriter(path, schema) as writer:
        left = records()
        while batch := list(islice(left, BATCH)):
            rows = [{name: _as(row.get(name), kind) for name, kind in columns.items()} for row in batch]
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))


_WRITERS: dict[str, Callable[[Records, Path], None]] = {
    ".csv": _csv,
    ".json": _json,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}


def _plain(record: Record) -> Record:
    return {str(legible(name)): _builtin(value) for name, value in record.items()}


def _columns(records: Records) -> dict[str, type]:
    """Return all columns, each with the one plain type that holds its values: text where nothing else does."""
    kinds: dict[str, set[type]] = {}
    for record in records():
        for name, value in record.items():
            found = kinds.setdefault(name, set())
            if value is not None:
                plain = type(value) in (bool, float) or (type(value) is int and value in _WHOLE)
                found.add(type(value) if plain else str)
    return {name: _widest(found) for name, found in kinds.items()}


def _widest(kinds: set[type]) -> type:
    if len(kinds) == 1:
        return next(iter(kinds))
    return float if kinds == {int, float} else str


def _as(value: Any, kind: type) -> Any:
    return None if value is None else _text(value) if kind is str else kind(value)


def _fields(example: Any, prediction: Any, taken: Iterable[str], names: frozenset[str]) -> Record:
    given, said, taken = dict(example.items()), _said(prediction), set(taken)
    row = {f"example_{k}" if k in names or k in taken else k: v for k, v in given.items()}
    return row | {f"pred_{k}" if k in given or k in taken else k: v for k, v in said.items()}


def _said(prediction: Any) -> Record:
    fields = getattr(prediction, "items", None)
    if isinstance(prediction, Mapping) or callable(fields):
        return dict(prediction.items())
    return {} if prediction is None else {"prediction": prediction}


def _cell(value: Any) -> Any:
    plain = isinstance(value, (int, float, bool, type(None)))
    return value if plain else _text(value)


def _text(value: Any) -> str:
    told = legible(value) if isinstance(value, str) else _builtin(value)
    return told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)


def _builtin(value: Any) -> Any:
    try:
        return to_builtins(value)
    except DataError:
        return _told(value)


def _told(value: Any, depth: int = 0) -> Any:
    """Return as much of a value as has a JSON form, the rest as its text."""
    if depth < _DEEP and isinstance(value, Mapping):
        return {str(legible(str(name))): _told(part, depth + 1) for name, part in value.items()}
    if depth < _DEEP and isinstance(value, (list, tuple)):
        return [_told(part, depth + 1) for part in value]
    try:
        return to_builtins(value)
    except DataError:
        return legible(repr(value))
