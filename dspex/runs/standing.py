"""The part of the fold about who holds and steers a run, and where its models are asked.

Apart from `state.py`, since a run without a person or a fault never comes here; `js/src/store/steer.ts` says the same.
Values in events are JSON, but a journal of another version may hold anything: what cannot be read is left aside.
"""

from __future__ import annotations

import math

import msgspec

from dspex.events.event import (
    BreakerChanged,
    LimitChanged,
    RunPaused,
    RunReopened,
    RunResumed,
    RunSteered,
)
from dspex.runs.picture import EndpointView, RunState

CUT_SHORT = "the run ended first"


def paused(state: RunState, event: RunPaused) -> None:
    """Note one more hold; a run that ends already is not held."""
    if state.status not in ("starting", "running", "paused"):
        return
    state.holds = {**state.holds, event.hold: event.reason}
    others = [hold for hold in state.frozen if hold != event.hold]
    state.frozen = [*others, event.hold] if event.now else others
    state.status = "paused"


def resumed(state: RunState, event: RunResumed) -> None:
    """Take one hold away; with the last one the run goes on."""
    state.holds = {hold: why for hold, why in state.holds.items() if hold != event.hold}
    state.frozen = [hold for hold in state.frozen if hold != event.hold]
    if state.status == "paused" and not state.holds:
        state.status = "running"


def reopened(state: RunState, _event: RunReopened) -> None:
    """Forget what the dead kernel held, had in flight and knew of its endpoints."""
    state.status, state.reason, state.ended = "running", "", None
    state.holds, state.frozen, state.endpoints = {}, [], []
    state.reopened += 1
    for model in state.lm:
        model.in_flight = 0
    for candidate in state.candidates:
        if candidate.state == "dropped" and candidate.reason == CUT_SHORT:
            candidate.state, candidate.reason = "running", ""


def endpoint(state: RunState, event: LimitChanged | BreakerChanged) -> None:
    """Note how an endpoint is."""
    seen = next((e for e in state.endpoints if e.model == event.model and e.endpoint == event.endpoint), None)
    if seen is None:
        seen = EndpointView(model=event.model, endpoint=event.endpoint)
        state.endpoints.append(seen)
    if isinstance(event, LimitChanged):
        seen.limit = event.limit
        return
    seen.opened += event.state == "open" and seen.state != "open"
    seen.state, seen.reason = event.state, event.reason
    seen.until = event.time + event.wait if event.wait > 0 and event.state != "closed" else 0.0


def steered(state: RunState, event: RunSteered) -> None:
    """Note what a person changed."""
    match event.verb:
        case "budget":
            _capped(state, event.args)
        case "concurrency":
            n = _number(event.args.get("n", ""))
            state.concurrency = None if n is None else math.floor(n)
        case "model":
            name = _text(event.args.get("model", ""))
            if name and name not in state.models:
                state.models = [*state.models, name]
        case "label":
            state.labels += 1
        case "retry":
            # What failed is told once more, scored or failed again.
            state.examples -= state.errors
            state.errors = 0
            state.failures = []
            for candidate in state.candidates:
                candidate.failed = 0
        case "pin" | "drop":
            seen = state.candidate(_text(event.args.get("candidate", "")))
            if seen is not None and event.verb == "pin":
                seen.pinned = "" if event.args.get("pinned") == "false" else event.by
            elif seen is not None:
                why = _text(event.args.get("reason", "")) or seen.reason or f"by {event.by}"
                seen.state, seen.reason = "dropped", why


def _capped(state: RunState, args: dict[str, str]) -> None:
    for kind in ("tokens", "calls", "seconds"):
        if kind in args:
            rest = {name: cap for name, cap in state.limits.items() if name != kind}
            cap = _number(args[kind])
            state.limits = rest if cap is None else {**rest, kind: cap}
    if "usd" in args:
        state.budget_usd = _number(args["usd"])


def _number(json: str) -> float | None:
    """Return the number that `json` says; None for everything else."""
    try:
        number = msgspec.json.decode(json, type=float)
    except msgspec.DecodeError:
        return None
    return number if math.isfinite(number) else None


def _text(json: str) -> str:
    """Return the text that `json` says, or `json` itself where it says none."""
    try:
        return msgspec.json.decode(json, type=str)
    except msgspec.DecodeError:
        return json
