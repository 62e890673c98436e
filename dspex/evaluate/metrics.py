"""Ready metrics: functions of (example, prediction, trace=None) that return a score."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from dspex.data.example import Example, Prediction
from dspex.data.text import normalize_text
from dspex.errors import DataError, nearest


def exact(*fields: str) -> Callable[..., bool]:
    """Return a metric that is true where the prediction equals the example in these fields.

    Texts compare after `normalize_text`, other values by equality.

    Raises:
        DataError: at the call, where the example has no such field.

    Example:
        >>> metric = exact("team")
        >>> metric(Example(team="bug"), Prediction(team="Bug "))
        True
    """
    if not fields or not all(isinstance(f, str) for f in fields):
        raise DataError('`exact` takes the names of the fields to compare, such as `exact("answer")`.')

    def metric(example: Example, prediction: Prediction, trace: object = None) -> bool:
        return all(_same(_field(example, f, "example"), _field(prediction, f, "prediction")) for f in fields)

    metric.__name__ = metric.__qualname__ = f"exact({', '.join(fields)})"
    metric.inline = True  # type: ignore[attr-defined]  # too cheap for a thread of its own
    # How a resumed run makes it again.
    metric.made = ("dspex.evaluate.metrics:exact", fields)  # type: ignore[attr-defined]
    return metric


def answer_exact_match(example: Example, pred: Prediction, trace: object = None, frac: float = 1.0) -> bool:
    """Tell whether `pred.answer` is the example's answer, or one of them, after `normalize_text`.

    Example:
        >>> answer_exact_match(Example(answer=["Paris", "paris, France"]), Prediction(answer="Paris."))
        True
    """
    wanted = _field(example, "answer", "example")
    answers = wanted if isinstance(wanted, (list, tuple)) else [wanted]
    return any(_same(answer, _field(pred, "answer", "prediction")) for answer in answers)


def _field(row: Example, name: str, what: str) -> Any:
    if name not in row:
        known = row.keys()
        raise DataError(
            f"The {what} has no field `{name}`.{nearest(name, known)} It has: {', '.join(known)}."
        )
    return row[name]


def _same(wanted: object, got: object) -> bool:
    wanted = wanted.value if isinstance(wanted, Enum) else wanted
    got = got.value if isinstance(got, Enum) else got
    if isinstance(wanted, str) and isinstance(got, str):
        return normalize_text(wanted) == normalize_text(got)
    return wanted == got
