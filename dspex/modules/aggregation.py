"""Many answers to one: the value most of them agree on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dspex.data.example import Completions, Example, Prediction
from dspex.data.text import normalize_text
from dspex.errors import DataError


def default_normalize(value: Any) -> Any:
    """Return a text as it is compared, None where nothing is left of it; other values as they are.

    Example:
        >>> default_normalize("The Answer!"), default_normalize("..."), default_normalize(7)
        ('answer', None, 7)
    """
    return normalize_text(value) or None if isinstance(value, str) else value


def majority(
    prediction_or_completions: Prediction | Completions | Iterable[Mapping[str, Any] | Example],
    normalize: Callable[[Any], Any] | None = default_normalize,
    field: str | None = None,
) -> Prediction:
    """Return the completion whose value most completions agree on; of equally many, the earliest.

    Args:
        prediction_or_completions: a prediction with several completions, its completions, or a list of answers.
        normalize: makes values comparable; a value it makes None does not count. None compares as it is.
        field: the field to compare; the last one by default.

    Raises:
        DataError: there is no completion, or it has no such field.

    Example:
        >>> majority([{"answer": "Paris"}, {"answer": "paris."}, {"answer": "Rome"}]).answer
        'Paris'
    """
    given = prediction_or_completions
    rows: list[Any] = list(given.completions if isinstance(given, Prediction) else given)  # type: ignore[arg-type]  # Completions are read by number
    if not rows:
        raise DataError("`majority` compares completions; there is none.")
    name = field or list(rows[0].keys())[-1]
    lacking = next((row for row in rows if name not in row), None)
    if lacking is not None:
        raise DataError(
            f"`majority`: a completion has no field `{name}`. It has: {', '.join(lacking.keys())}."
        )
    values = [row[name] if normalize is None else normalize(row[name]) for row in rows]
    counted = [value for value in values if value is not None] or values
    # Values need not be hashable: lists and models are compared by equality.
    best = max(counted, key=counted.count)
    return Prediction.from_completions([dict(rows[values.index(best)].items())])
