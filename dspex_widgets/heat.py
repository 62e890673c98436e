"""Examples by candidates: which examples each of the best candidates gets right, hardest on the right.

Worked out as in `js/src/views/cells.ts`; `tests/golden/shown.json` holds both to it. Drawn as a picture for pages
without our script, so every colour is a middle tone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from dspex.runs.state import CandidateView, RunState
from dspex_widgets.markup import plain
from dspex_widgets.numbers import count, plural
from dspex_widgets.views import in_percent, ranked

ROWS = 8
TENTHS = "0123456789a"
UNSEEN, FAILED = ".", "x"
WIDTH, LINE, NAMES, WIDEST = 460, 16, 46, 24
COLD, HOT, BAD, GRID = (76, 147, 226), (224, 138, 60), "#e0574e", "#8a94a3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """The picture as letters: one line for each candidate, one letter for each example."""

    lines: Sequence[tuple[str, str]]
    caption: str


def heat(state: RunState) -> Heat | None:
    """Return the picture; None where there is nothing to compare."""
    shown = _shown(state) if state.work == "optimize" and in_percent(state) else []
    columns = [k for k in range(len(state.columns)) if any(_letter(c, k) != UNSEEN for c in shown)]
    if len(shown) < 2 or len(columns) < 2:
        return None
    columns.sort(key=lambda k: (-_ease(shown, k), k))
    lines = [(c.id, "".join(_letter(c, k) for k in columns)) for c in shown]
    return Heat(lines=lines, caption=_caption(state, len(columns)))


def picture(heat: Heat) -> str:
    """Return the SVG of the picture."""
    wide = min(WIDEST, (WIDTH - NAMES) / max(len(letters) for _, letters in heat.lines))
    parts = []
    for row, (name, letters) in enumerate(heat.lines):
        text = escape(plain((name if len(name) <= 7 else name[:6] + "…").replace("\n", " ")))
        top = row * LINE
        parts.append(f'<text x="0" y="{top + 11}" font-size="10.5" fill="#7f8b99">{text}</text>')
        for letter in dict.fromkeys(letters):
            places = [NAMES + k * wide for k, each in enumerate(letters) if each == letter]
            parts.append(_cells(places, top + 2, wide - 4, letter))
    height = len(heat.lines) * LINE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
        f' font-family="system-ui,-apple-system,Segoe UI,Roboto,sans-serif">{"".join(parts)}</svg>'
    )


def _shown(state: RunState) -> list[CandidateView]:
    """Return the best candidates and the baseline, in the order they were proposed."""
    seen = [c for c in ranked(state) if c.cells.strip(UNSEEN)]
    first = [c for c in seen if c.id in (state.best, state.baseline) or c.pinned]
    kept = [*first, *(c for c in seen if not any(c is other for other in first))][:ROWS]
    return [c for c in state.candidates if any(c is other for other in kept)]


def _letter(c: CandidateView, column: int) -> str:
    return c.cells[column] if column < len(c.cells) else UNSEEN


def _ease(shown: Sequence[CandidateView], column: int) -> float:
    """Return the mean of a column in tenths; a failure counts as nothing."""
    letters = [letter for c in shown if (letter := _letter(c, column)) != UNSEEN]
    return sum(max(0, TENTHS.find(letter)) for letter in letters) / len(letters)


def _caption(state: RunState, columns: int) -> str:
    kind = "validation example" if "val" in state.sizes else "example"
    total = state.sizes.get("val", max((c.total or 0 for c in state.candidates), default=0))
    of = f"{count(columns)} of {plural(total, kind)}" if total > columns else plural(columns, kind)
    return f"{of}, hardest right"


def _cells(places: Sequence[float], top: float, wide: float, letter: str) -> str:
    high = LINE - 8
    path = "".join(f"M{x + 1:.1f},{top}h{wide:.1f}v{high}h{-wide:.1f}z" for x in places)
    tone, opacity = GRID, ".28"
    if letter in TENTHS:
        part = TENTHS.index(letter) / 10
        mixed = (round(hot + (cold - hot) * part) for cold, hot in zip(COLD, HOT, strict=True))
        tone, opacity = f"rgb({','.join(map(str, mixed))})", "1"
    if letter == FAILED:
        return f'<path d="{path}" fill="none" stroke="{BAD}" stroke-width="1.4"/>'
    round_ = 'stroke-width="2" stroke-linejoin="round"'  # a stroke in the same colour makes the corners round
    return f'<path d="{path}" fill="{tone}" stroke="{tone}" {round_} opacity="{opacity}"/>'
