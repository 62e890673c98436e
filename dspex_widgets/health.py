"""How the models of a run are and what holds it up, in words: the language models' table and the header's pill.

`js/src/store/health.ts` says the same in the browser; `tests/golden/shown.json` holds both to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from dspex.runs.latency import quantile
from dspex.runs.state import EndpointView, ModelView, RunState
from dspex_widgets.describe import USER, short
from dspex_widgets.numbers import count, duration, latency, money_of, share, tokens

ROLES = {
    "task": "",
    "proposal": " (proposals)",
    "judge": " (judge)",
    "embedding": " (embeddings)",
    "retrieval": " (retrieval)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """One line of the table of language models."""

    name: str
    in_flight: str
    waiting: int
    """Calls beyond what the model takes at once."""
    calls: str
    cached: str
    latency: str
    """Half of the answers came within the first, all but a twentieth within the second."""
    errors: str
    tokens: str
    cost: str
    breaker: str
    tone: Literal["", "good", "warn", "bad"]
    """Of the breaker."""


def models(state: RunState) -> list[ModelRow]:
    """Return what each language model did, by role, and how it is."""
    shown = listed(state)
    price = money_of(model.cost for model in shown)
    return [_row(state, model, price) for model in shown]


def listed(state: RunState) -> list[ModelView]:
    """Return the models that were called, and those of which only an endpoint is known."""
    known = {model.model for model in state.lm}
    others = dict.fromkeys(e.model for e in state.endpoints if e.model not in known)
    return [*state.lm, *(ModelView(model=name, role="task") for name in others)]


def held(state: RunState) -> str:
    """Return what a paused run waits for, as far as it is not only a person; at the time of its last event.

    Example:
        >>> held(RunState(status="paused", holds={"provider openai": "openai does not answer (503)"}))
        'openai does not answer (503)'
    """
    if state.status != "paused":
        return ""
    reasons = list(dict.fromkeys(short(reason) for reason in state.holds.values() if reason))
    when = again(state.endpoints, state.updated) if any(hold != USER for hold in state.holds) else ""
    return ", ".join(part for part in ("; ".join(reasons), when) if part)


def again(endpoints: Sequence[EndpointView], now: float) -> str:
    """Return when the endpoints that are not asked will be; empty where all are asked."""
    if any(e.state == "half_open" for e in endpoints):
        return "one call tries it now"
    if not any(e.state == "open" for e in endpoints):
        return ""
    until = [e.until for e in endpoints if e.state == "open" and e.until > 0]
    if not until:
        return "waits for you"
    left = math.ceil(min(until) - now)
    return f"tries again in {duration(left)}" if left > 0 else "tries again now"


def _row(state: RunState, model: ModelView, price: Callable[[float], str]) -> ModelRow:
    ends = [e for e in state.endpoints if e.model == model.model]
    limit = sum(e.limit for e in ends)
    busy = count(min(model.in_flight, limit) if limit else model.in_flight)
    breaker, tone = _breaker(state, ends)
    return ModelRow(
        name=short(model.model) + ROLES[model.role],
        in_flight=f"{busy} of {count(limit)}" if limit else busy,
        waiting=max(0, model.in_flight - limit) if limit else 0,
        calls=count(model.calls),
        cached=share(model.cached, model.calls),
        latency=latency(quantile(model.latency, 0.5), quantile(model.latency, 0.95)),
        errors=_errors(model),
        tokens=tokens(model.prompt_tokens + model.completion_tokens),
        cost="unknown" if model.unpriced and not model.cost else price(model.cost),
        breaker=breaker,
        tone=tone,
    )


def _errors(model: ModelView) -> str:
    counts = (
        (model.failed, "failed"),
        (model.limited, "rate-limited"),
        (model.retried - model.limited, "retried"),
    )
    return ", ".join(f"{count(n)} {what}" for n, what in counts if n > 0)


def _breaker(state: RunState, ends: Sequence[EndpointView]) -> tuple[str, Literal["", "good", "warn", "bad"]]:
    if not ends:
        return "", ""
    rests = [e for e in ends if e.state != "closed"]
    if not rests:
        return "closed", "good"
    lead = f"{len(rests)} of {len(ends)} " if len(ends) > 1 else ""
    shut = next((e for e in rests if e.state == "open"), None)
    if shut is None:
        return f"{lead}half-open" + ("" if state.over else ", one call tries it now"), "warn"
    why = f": {short(shut.reason)}" if shut.reason else ""
    return f"{lead}open{why}" + ("" if state.over else f", {again(ends, state.updated)}"), "bad"
