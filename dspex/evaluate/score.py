"""What a metric said, as one value: a score, what it is made of, and words about it where there are any."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from dspex import _host
from dspex.data.example import Example, Prediction
from dspex.errors import DspexError, MetricError, SettingsError, in_words
from dspex.scope.scope import within

Metric = Callable[..., Any]
LARGEST = 1e100
"""A score's size, either way: sums of squares of such numbers are still numbers."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A metric's verdict on one answer."""

    value: float
    feedback: str = ""
    parts: Mapping[str, float] = {}
    """What the score is made of, by name, where the metric tells: its `scores`."""


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
    args = (example, prediction, trace) if takes_trace(metric) else (example, prediction)
    with within("metric", role="judge"):
        try:
            if inspect.iscoroutinefunction(metric):
                verdict = await _host.native(metric(*args))
            elif getattr(metric, "inline", False):
                verdict = metric(*args)
            else:
                verdict = await _host.in_worker(metric, *args)
            if inspect.iscoroutine(verdict):  # a function around a coroutine function, or an async `__call__`
                verdict = await _host.native(verdict)
        except DspexError:
            raise  # a judge's model failed or the run ends: that is no fault of the metric
        except (Exception, SystemExit) as exc:
            # The metric is foreign code, or runs a model's, which may leave; its own error stays the cause.
            raise MetricError(f"Metric `{name_of(metric)}` raised {in_words(exc)}") from exc
    return as_score(verdict, metric)


def as_score(verdict: object, metric: Metric) -> Score:
    """Read a metric's verdict: a number, a bool, or a Prediction or dict with `score`, `feedback` and `scores`.

    `scores` are what the score is made of, by name; where `score` is not given it is their mean.

    Raises:
        MetricError: it is none of these, or not a finite number.

    Example:
        >>> as_score({"scores": {"right": 1, "polite": 0.5}, "feedback": "Curt."}, metric=len).value
        0.75
    """
    value, feedback, parts = verdict, "", dict[str, float]()
    if isinstance(verdict, (Example, dict)) and ("score" in verdict or "scores" in verdict):
        feedback = str(verdict.get("feedback") or "")
        parts = _parts(verdict.get("scores"), metric)
        mean = math.fsum(parts.values()) / len(parts) if parts else None
        value = verdict["score"] if verdict.get("score") is not None else mean
    return Score(value=_number(value, metric), feedback=feedback, parts=parts)


def takes_trace(metric: Metric) -> bool:
    """Tell whether the metric is called with a third argument."""
    try:
        return _third(metric)
    except TypeError:  # one that cannot be hashed is asked anew
        return _third.__wrapped__(metric)


@lru_cache(maxsize=64)
def _third(metric: Metric) -> bool:
    try:
        inspect.signature(metric).bind(None, None, None)
    except (TypeError, ValueError):
        return False
    return True


def _parts(given: object, metric: Metric) -> dict[str, float]:
    if given is None:
        return {}
    if isinstance(given, Example):
        given = dict(given.items())
    if not isinstance(given, Mapping):
        raise MetricError(
            f"Metric `{name_of(metric)}` returned `scores` as `{type(given).__name__}`; they are numbers by name, "
            f'such as `scores={{"right": 1.0, "polite": 0.5}}`.'
        )
    return {str(name): _number(value, metric) for name, value in given.items()}


def _number(value: object, metric: Metric) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]  # the failure is the question
    except OverflowError:
        number = math.inf
    except Exception as exc:  # a value of the metric's own kind may raise anything
        if not isinstance(exc, (TypeError, ValueError)):
            raise MetricError(
                f"Metric `{name_of(metric)}` returned a `{type(value).__name__}` that is no number: {exc}"
            ) from exc
        raise MetricError(
            f"Metric `{name_of(metric)}` returned `{type(value).__name__}`; return a number, a bool or "
            f"`dspex.Prediction(score=..., feedback=...)`."
        ) from None
    if not abs(number) <= LARGEST:
        raise MetricError(
            f"Metric `{name_of(metric)}` returned {number:g}; a score is a finite number, of at most {LARGEST:g}."
        )
    return number
