"""Counting tokens by model while somebody wants to know; costs nothing while nobody does."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from dspex.scope.ambient import ambient


class UsageTracker:
    """Counts what models were paid for: a list of entries for each model, and their sum.

    Example:
        >>> tracker = UsageTracker()
        >>> tracker.add_usage("openai/gpt-4o-mini", {"prompt_tokens": 10, "completion_tokens": 2})
        >>> tracker.add_usage("openai/gpt-4o-mini", {"prompt_tokens": 20, "completion_tokens": 3})
        >>> tracker.get_total_tokens()
        {'openai/gpt-4o-mini': {'prompt_tokens': 30, 'completion_tokens': 5}}
    """

    def __init__(self) -> None:
        self.usage_data: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._lock = threading.Lock()

    def add_usage(self, lm: str, usage_entry: Mapping[str, Any]) -> None:
        """Add one call's counts; an empty entry is left out."""
        if usage_entry:
            with self._lock:
                self.usage_data[lm].append({name: _plain(value) for name, value in usage_entry.items()})

    def get_total_tokens(self) -> dict[str, dict[str, Any]]:
        """Return the sum of all entries for each model; what is no number keeps its first value."""
        with self._lock:
            entries = {lm: list(kept) for lm, kept in self.usage_data.items()}
        totals: dict[str, dict[str, Any]] = {}
        for lm, kept in entries.items():
            total: dict[str, Any] = {}
            for entry in kept:
                total = _sum(total, entry)
            totals[lm] = total
        return totals

    def take(self, other: UsageTracker) -> None:
        """Add all entries of another tracker."""
        for lm, entries in list(other.usage_data.items()):
            for entry in list(entries):
                self.add_usage(lm, entry)

    def __deepcopy__(self, memo: object) -> UsageTracker:
        # Copies of what refers to a tracker go on counting into the same one.
        return self

    def __repr__(self) -> str:
        return f"UsageTracker({self.get_total_tokens()})"


def note(lm: str, prompt_tokens: int, completion_tokens: int) -> None:
    """Count one paid call where somebody counts."""
    tracker = ambient().usage_tracker
    if tracker is not None:
        tracker.add_usage(
            lm,
            {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            },
        )


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return dump() if callable(dump) else value


def _sum(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, Any]:
    total = dict(one)
    for name, value in two.items():
        known = total.get(name)
        if known is None:
            total[name] = dict(value) if isinstance(value, dict) else value
        elif isinstance(known, dict):
            total[name] = _sum(known, value) if isinstance(value, dict) else known
        elif _counts(known) and _counts(value):
            total[name] = known + value
    return total


def _counts(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
