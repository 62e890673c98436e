"""Why examples failed, in words: what the live widget, the report and the frozen output show alike.

`js/src/store/failures.ts` says the same in the browser; `tests/golden/shown.json` holds both to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from dspex.runs.state import RunState
from dspex_widgets.describe import short
from dspex_widgets.numbers import count

MOST = 5
"""Kinds that are shown, those that came most often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRow:
    """One kind of reason."""

    count: str
    kind: str
    text: str
    """What the last one of the kind said."""


def failures(state: RunState) -> list[FailureRow]:
    """Return the kinds of reasons for which examples failed, those that came most often first.

    Example:
        >>> from dspex.runs.state import FailureView
        >>> failures(RunState(errors=3, failures=[FailureView(kind="LMTimeoutError", count=3, text="no answer")]))
        [FailureRow(count='3', kind='LMTimeoutError', text='no answer')]
    """
    by_count = sorted(state.failures, key=lambda failure: -failure.count)
    shown = [
        FailureRow(count=count(one.count), kind=short(one.kind) or "no reason given", text=short(one.text))
        for one in by_count[:MOST]
    ]
    rest = state.errors - sum(one.count for one in by_count[:MOST])
    return [*shown, FailureRow(count=count(rest), kind="other reasons", text="")] if rest > 0 else shown
