"""What this kernel's calls to models cost: counted from events since the extension was loaded.

Calls outside of any run count too, which is why this is not a sum over runs.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable

from dspex.events.event import LMEnd
from dspex.events.listeners import Subscription, drain, subscribe
from dspex.runs.state import ModelView, RunState, apply
from dspex_widgets.answers import Table
from dspex_widgets.numbers import count, money, money_of, plural, tokens

HEAD = ("model", "role", "calls", "cached", "failed", "tokens in", "tokens out", "cost")
_COUNTS = ("calls", "cached", "failed", "prompt_tokens", "completion_tokens", "cost", "unpriced")


class Ledger:
    """Books every call's end; the same fold as a run's, one for each run and one for all else."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: defaultdict[str, RunState] = defaultdict(RunState)
        self._subscription: Subscription | None = None

    def open(self) -> None:
        """Begin to count; again is harmless."""
        if self._subscription is None:
            self._subscription = subscribe("lm_end", self.take, lossless=True)

    def close(self) -> None:
        """Stop counting; what was counted stays."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def take(self, event: LMEnd) -> None:
        """Book one call."""
        with self._lock:
            apply(self._states[event.run], event)

    def models(self) -> list[ModelView]:
        """Return what each model did in each role so far."""
        drain()
        with self._lock:
            return _sum(model for state in self._states.values() for model in state.lm)


def cost_table(models: Iterable[ModelView], over: str) -> Table:
    """Return a table by model and role; `over` says what it covers.

    Example:
        >>> cost_table([ModelView(model="practice", role="task", calls=2, cost=0.5)], "run r3")
        model     role  calls  cached  failed  tokens in  tokens out   cost
        practice  task      2       0       0          0           0  $0.50
        $0.50 for run r3. practice model, simulated prices.
    """
    views = _sum(models)
    price = money_of(m.cost for m in views)
    rows = [
        (
            m.model, m.role, count(m.calls), count(m.cached), count(m.failed), tokens(m.prompt_tokens),
            tokens(m.completion_tokens), price(m.cost),
        )
        for m in views
    ]  # fmt: skip
    if not rows:
        return Table(HEAD, [], f"No model was called yet for {over}.")
    note = f"{money(sum(m.cost for m in views))} for {over}."
    if any(m.model == "practice" for m in views):
        note += " practice model, simulated prices."
    if unpriced := sum(m.unpriced for m in views):
        note += f" The price of {plural(unpriced, 'call')} is not known and not counted."
    return Table(HEAD, rows, note)


def _sum(models: Iterable[ModelView]) -> list[ModelView]:
    found: dict[tuple[str, str], ModelView] = {}
    for model in models:
        total = found.setdefault((model.model, model.role), ModelView(model=model.model, role=model.role))
        for name in _COUNTS:
            setattr(total, name, getattr(total, name) + getattr(model, name))
    return [found[key] for key in sorted(found)]
