"""What the predictors of a program were asked and answered, while somebody records it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from dspex.data.example import Prediction
from dspex.settings import current_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One predictor call: who, with what, and the answer."""

    predictor: Any
    """The `Predict` that was called; compared by identity within one trace only."""
    inputs: Mapping[str, Any]
    prediction: Prediction


_trace: ContextVar[list[Step] | None] = ContextVar("dspex_trace", default=None)


@contextmanager
def recording() -> Iterator[list[Step]]:
    """Collect the steps made inside the `with` block, in the order they ended."""
    steps: list[Step] = []
    token = _trace.set(steps)
    try:
        yield steps
    finally:
        _trace.reset(token)


def note(step: Step) -> None:
    """Add a step where somebody records, and to the setting `trace`, as DSPy's users read it."""
    steps = _trace.get()
    if steps is not None:
        steps.append(step)
    settings = current_settings()
    kept = settings.trace
    if kept is not None:
        kept.append((step.predictor, dict(step.inputs), step.prediction))
        del kept[: max(0, len(kept) - settings.max_trace_size)]
