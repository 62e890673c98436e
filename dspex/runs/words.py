"""A run's state in one line of plain text: the same words for the same state, everywhere."""

from __future__ import annotations

import math

from dspex.runs.state import RunState


def score_text(value: float) -> str:
    """Return a score as people read it: in percent with one decimal where it lies in 0..1.

    Rounds half up, as the browser's code does, so that both show the same digits.

    Example:
        >>> score_text(0.6125), score_text(3.5)
        ('61.3', '3.50')
    """
    if -1.0 <= value <= 1.0:
        return f"{math.floor(value * 1000 + 0.5 + 1e-9) / 10:.1f}"
    return f"{math.floor(value * 100 + 0.5 + 1e-9) / 100:.2f}"


def headline(state: RunState) -> str:
    """Return one line that says what the run is and how it stands.

    Example:
        >>> headline(RunState(run="r3", name="triage", method="LabeledFewShot", status="running"))
        'Run r3 · LabeledFewShot on triage: running, no score yet'
    """
    of = f" · {state.method} on {state.name}" if state.method else ""  # a kernel may die before it says
    what = f"Run {state.run}{of}: {state.status}"
    if why := state.reason or (held(state) if state.status == "paused" else ""):
        what += f" ({why})"
    best = state.candidate(state.best)
    if best is None or best.mean is None:
        running = next((c for c in reversed(state.candidates) if c.mean is not None), None)
        if running is None or running.mean is None:
            return f"{what}, no score yet"
        return f"{what}, {score_text(running.mean)} on {running.n} examples"
    if state.work == "evaluate":
        return f"{what}, score {score_text(best.mean)} on {best.n} examples{_failed(best.failed)}"
    base = state.candidate(state.baseline)
    gain = ""
    if base is not None and base.mean is not None and base is not best:
        gain = f" (+{score_text(best.mean - base.mean)})" if best.mean >= base.mean else ""
    count = len(state.candidates)
    return f"{what}, best {score_text(best.mean)}{gain}, {count} candidate{'s' if count != 1 else ''}"


def held(state: RunState) -> str:
    """Return why a paused run is held, as far as anybody said; `dspex_widgets/health.py` adds for how long.

    Example:
        >>> held(RunState(status="paused", holds={"user": "", "provider openai": "openai does not answer (503)"}))
        'openai does not answer (503)'
    """
    return "; ".join(dict.fromkeys(why for why in state.holds.values() if why))


def _failed(count: int) -> str:
    return f", {count} failed" if count else ""
