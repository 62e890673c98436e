"""What a metric said, as one value: a score, and words about it where there are any."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dspex import _host
from dspex.data.example import Example, Prediction
from dspex.errors import DspexError, MetricError, SettingsError
from dspex.scope.scope import within

Metric = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A metric's verdict on one answer."""

    value: float
    feedback: str = ""


def check_metric(metric: object) -> Metric:
    """Return the metric if it can be called as `metric(example, prediction, trace=None)`.

    Raises:
        SettingsError: it is missing, not callable, or takes too few arguments.
    """
    if metric is None:
        raise SettingsError(
            "A metric is needed: a function `metric(example, prediction, trace=None)` that returns a score, "
            'such as `dspex.exact("answer")`.'
        )
    if not callable(metric):
        raise SettingsError(
            f"`metric` takes a function of (example, prediction), not `{type(metric).__name__}`."
        )
    try:
        signature = inspect.signature(metric)
        signature.bind(None, None)
    except TypeError:
        raise SettingsError(
            f"The metric `{name_of(metric)}` cannot be called as `metric(example, prediction)`; "
            f"it takes `{inspect.signature(metric)}`."
        ) from None
    except ValueError:
        pass  # a builtin without a signature: only the call can tell
    return metric


def name_of(metric: object) -> str:
    """Return the metric's name as a person would say it."""
    return getattr(metric, "__name__", type(metric).__name__)


async def judge(metric: Metric, example: Example, prediction: Prediction, trace: object = None) -> Score:
    """Ask the metric about one answer; a plain function runs in a worker thread unless it says `inline`.

    Raises:
        MetricError: it raised, or returned something that is no score.
    """
    args = (example, prediction, trace) if _takes_trace(metric) else (example, prediction)
    with within("metric", role="judge"):
        try:
            if inspect.iscoroutinefunction(metric):
                verdict = await metric(*args)
            elif getattr(metric, "inline", False):
                verdict = metric(*args)
            else:
                verdict = await _host.in_worker(metric, *args)
        except DspexError:
            raise  # a judge's model failed or the run ends: that is no fault of the metric
        except Exception as exc:  # the metric is foreign code; its own error stays the cause
            raise MetricError(f"Metric `{name_of(metric)}` raised {type(exc).__name__}: {exc}") from exc
    return as_score(verdict, metric)


def as_score(verdict: object, metric: Metric) -> Score:
    """Read a metric's verdict: a number, a bool, or a Prediction or dict with `score` and `feedback`.

    Raises:
        MetricError: it is none of these, or not a finite number.
    """
    value, feedback = verdict, ""
    if isinstance(verdict, (Example, dict)) and "score" in verdict:
        value, feedback = verdict["score"], str(verdict.get("feedback") or "")
    try:
        number = float(value)  # type: ignore[arg-type]  # the failure is the question
    except (TypeError, ValueError):
        raise MetricError(
            f"Metric `{name_of(metric)}` returned `{type(value).__name__}`; return a number, a bool or "
            f"`dspex.Prediction(score=..., feedback=...)`."
        ) from None
    if number != number or number in (float("inf"), float("-inf")):
        raise MetricError(f"Metric `{name_of(metric)}` returned {number}; a score is a finite number.")
    return Score(value=number, feedback=feedback)


def _takes_trace(metric: Metric) -> bool:
    try:
        inspect.signature(metric).bind(None, None, None)
    except (TypeError, ValueError):
        return False
    return True
