"""An evaluation's results as a file: one row an example, its fields, the prediction's and the score."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dspex._canon import to_builtins


def rows_of(results: Iterable[tuple[Any, Any, Any]], metric: str) -> list[dict[str, Any]]:
    """Return each result as one dict; fields that example and prediction share are told apart.

    Example:
        >>> rows_of([({"ticket": "Hi", "team": "bug"}, {"team": "account"}, 0.0)], "exact")
        [{'ticket': 'Hi', 'example_team': 'bug', 'pred_team': 'account', 'exact': 0.0}]
    """
    rows = []
    for example, prediction, score in results:
        given, said = dict(example.items()), _fields(prediction)
        row = {f"example_{k}" if k in said else k: v for k, v in given.items()}
        row |= {f"pred_{k}" if k in given else k: v for k, v in said.items()}
        rows.append({**row, metric: score})
    return rows


def save_csv(rows: list[dict[str, Any]], path: str) -> None:
    """Write rows as CSV; a value that is no plain one is written as JSON."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _cell(value) for name, value in row.items()})


def save_json(rows: list[dict[str, Any]], path: str) -> None:
    """Write rows as a JSON array."""
    text = json.dumps(to_builtins(rows), ensure_ascii=False, indent=2)
    Path(path).write_text(text + "\n", encoding="utf-8")


def _fields(prediction: Any) -> dict[str, Any]:
    fields = getattr(prediction, "items", None)
    if isinstance(prediction, Mapping) or callable(fields):
        return dict(prediction.items())
    return {} if prediction is None else {"prediction": prediction}


def _cell(value: Any) -> Any:
    plain = isinstance(value, (str, int, float, bool, type(None)))
    return value if plain else json.dumps(to_builtins(value), ensure_ascii=False)
