"""The chart of candidate scores as one SVG text: what a page without our script can still show as a picture.

Places and ticks are worked out as in `js/src/views/plot.ts`. A picture cannot see the page's theme, so every
colour is a middle tone that reads on white and on black.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from dspex.runs.state import CandidateView, RunState
from dspex_widgets.numbers import count, half_width, score
from dspex_widgets.views import best_of, in_percent, totals

WIDTH, HEIGHT = 460, 196
LEFT, RIGHT, TOP, BOTTOM = 34.0, WIDTH - 12.0, 14.0, HEIGHT - 28.0
ACCENT, DIM, GRID, BAD = "#3b86e0", "#7f8b99", "#8a94a3", "#e0574e"
ROUND = (1, 2, 5, 10)
ROOM = 16
"""Pixels that words below a line take."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A stretch of numbers and the round ones to mark on it."""

    low: float
    high: float
    ticks: Sequence[float]

    def place(self, start: float, end: float) -> Callable[[float], float]:
        """Return the function that puts a number between two pixels."""
        per = (end - start) / ((self.high - self.low) or 1.0)
        return lambda value: round((start + (value - self.low) * per) * 10) / 10


def chart(state: RunState) -> str:
    """Return the SVG: dots, the best-so-far line and the baseline against LM calls; of an evaluation, its scale.

    Example:
        >>> chart(RunState()).startswith("<svg ")
        True
    """
    return _scale(state) if state.work == "evaluate" else _scores(state)


def as_image(svg: str) -> str:
    """Return the SVG as an address that `<img>` takes; notebooks that strip inline SVG leave this alone."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def said(state: RunState) -> str:
    """Return what the chart shows, for who cannot see it."""
    percent, best = in_percent(state), best_of(state)
    scored = sum(c.mean is not None for c in state.candidates)
    if best is None or best.mean is None:
        return "Candidate scores: none yet"
    return f"Candidate scores: {count(scored)} scored, best {score(best.mean, percent)}"


def _scores(state: RunState) -> str:
    percent = in_percent(state)
    unit = 100.0 if percent else 1.0
    shown = [c for c in state.candidates if c.mean is not None and c.n > 0]
    reached = max([totals(state).calls, 10, *(c.calls for c in state.candidates)])
    across = Axis(0, reached, _marks(0, reached, _round_step(reached / 4.5)))
    up = _score_axis([(c.mean or 0.0) * unit for c in shown], percent)
    x, level = across.place(LEFT, RIGHT), up.place(BOTTOM, TOP)

    def y(value: float) -> float:
        return min(BOTTOM, max(TOP, level(value * unit)))

    parts = [
        *(_grid(level(tick), _tick(tick)) for tick in up.ticks),
        *(_text(x(t), BOTTOM + 18, _tick(t), "middle") for t in across.ticks if x(t) < RIGHT - 64),
        _text(RIGHT, BOTTOM + 18, "LM calls", "end"),
        _baseline(state, percent, y),
        _best_line(state, x, y),
        *(_dot(c, RIGHT if _unfinished(c) else x(c.calls), y(c.mean or 0.0)) for c in shown),
    ]
    if not shown:
        parts.append(_text(WIDTH / 2, HEIGHT / 2, "no candidate was scored", "middle", 12))
    return _svg(HEIGHT, parts)


def _scale(state: RunState) -> str:
    seen, percent = best_of(state), in_percent(state)
    mean = None if seen is None else seen.mean
    axis = Axis(0, 100, (0, 50, 100))
    if not percent:
        axis = _score_axis([0.0] if mean is None else [0.0, mean], percent)
        axis = Axis(axis.low, axis.high, (axis.low, (axis.low + axis.high) / 2, axis.high))
    unit = 100.0 if percent else 1.0
    x = axis.place(12, WIDTH - 12)

    def at(value: float) -> float:
        return x(min(axis.high, max(axis.low, value * unit)))

    parts = [
        f'<path d="M12,30H{WIDTH - 12}" stroke="{GRID}" stroke-opacity=".35" stroke-width="6" stroke-linecap="round"/>'
    ]
    if seen is not None and seen.low is not None and seen.high is not None:
        parts.append(
            f'<path d="M{at(seen.low)},30H{at(seen.high)}" stroke="{ACCENT}" stroke-opacity=".35" stroke-width="14"/>'
        )
    if mean is not None:
        parts.append(
            f'<path d="M12,30H{at(mean)}" stroke="{ACCENT}" stroke-width="6" stroke-linecap="round"/>'
        )
        parts.append(f'<circle cx="{at(mean)}" cy="30" r="6" fill="{ACCENT}"/>')
        words = score(mean, percent)
        if seen is not None and seen.low is not None and seen.high is not None:
            words += f" {half_width(seen.low, seen.high, percent)}"
        parts.append(_text(min(WIDTH - 36, max(36, at(mean))), 16, words, "middle", 12))
    ends = zip(axis.ticks, ("start", "middle", "end"), strict=True)
    parts += [_text(x(tick), 56, _tick(tick), anchor) for tick, anchor in ends]
    return _svg(64, parts)


def _svg(height: int, parts: Iterable[str]) -> str:
    # Both sizes are given: without them some viewers draw an image of no size.
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
        f' font-family="system-ui,-apple-system,Segoe UI,Roboto,sans-serif">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str, size: float = 10.5) -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="{DIM}">{escape(text)}</text>'
    )


def _grid(y: float, text: str) -> str:
    line = f'<path d="M{LEFT},{y}H{RIGHT}" stroke="{GRID}" stroke-opacity=".28"/>'
    return line + _text(LEFT - 7, y + 3.5, text, "end")


def _baseline(state: RunState, percent: bool, y: Callable[[float], float]) -> str:
    base = state.candidate(state.baseline)
    if base is None or base.mean is None:
        return ""
    lowest = min(c.mean for c in state.candidates if c.mean is not None)
    at = y(base.mean)
    above = lowest < base.mean or at + ROOM > BOTTOM  # below it are others' dots, or the axis
    words = _text(RIGHT - 2, at + (-5 if above else 12), f"baseline {score(base.mean, percent)}", "end")
    return f'<path d="M{LEFT},{at}H{RIGHT}" stroke="{DIM}" stroke-dasharray="4 4"/>{words}'


def _best_line(state: RunState, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    if not state.line:
        return ""
    first, *rest = state.line
    start = LEFT if first.candidate == state.baseline else x(first.calls)
    path = f"M{start},{y(first.mean)}" + "".join(f"H{x(p.calls)}V{y(p.mean)}" for p in rest) + f"H{RIGHT}"
    return f'<path d="{path}" fill="none" stroke="{ACCENT}" stroke-width="2" stroke-linejoin="round"/>'


def _dot(c: CandidateView, x: float, y: float) -> str:
    if _unfinished(c):
        return f'<circle cx="{x}" cy="{y}" r="3" fill="{ACCENT}" fill-opacity=".45"/>'
    tone = DIM if c.state == "dropped" else ACCENT
    if c.full:
        return f'<circle cx="{x}" cy="{y}" r="4" fill="{tone}"/>'
    return f'<circle cx="{x}" cy="{y}" r="3" fill="none" stroke="{tone}" stroke-width="1.4"/>'


def _unfinished(c: CandidateView) -> bool:
    return c.state == "running" or c.at == 0


def _score_axis(values: Sequence[float], percent: bool) -> Axis:
    if percent and not values:
        values = (50, 90)
    least = 10.0 if percent else max(max((abs(v) for v in values), default=0.0) / 20, 0.01)
    if not values:
        return Axis(0, least * 10, _marks(0, least * 10, least * 2))
    low, high = min(values), max(values)
    spare = max(0.0, least * 2 - (high - low)) / 2
    step = _round_step((high - low + 2 * spare) / 4)
    bottom = math.floor((low - spare - step * 0.15) / step) * step
    top = math.ceil((high + spare + step * 0.15) / step) * step
    if percent:
        bottom, top = max(0, bottom), min(100, top)
    return Axis(bottom, top, _marks(bottom, top, step))


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next((step for step in ROUND if step * power >= rough * 0.999), 10) * power


def _marks(low: float, high: float, step: float) -> list[float]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def _tick(value: float) -> str:
    for size, unit in ((1e9, " B"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= 10_000 and abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{round(value, 2):,.6g}"
