"""Colours, sizes and the few building blocks of the frozen HTML.

The text's colour is the page's own; all else is a middle tone or a veil that works on white and on black.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dspex_widgets.markup import Markup, tag

# JupyterLab keeps a colour of an untrusted notebook only where it sees `rgb(...)` in it.
ACCENT: Final = "var(--jp-brand-color1, rgb(59, 134, 224))"
GOOD, BAD, WARN = "rgb(32, 157, 98)", "rgb(222, 82, 73)", "rgb(190, 125, 30)"
VEIL, LINE = "rgba(128, 138, 150, 0.11)", "1px solid rgba(128, 138, 150, 0.3)"
DIM: Final = "opacity:0.68"
SMALL: Final = "font-size:12px"
HEAD: Final = "font-size:11px;font-weight:600;letter-spacing:0.04em;text-transform:uppercase;white-space:nowrap;opacity:0.68"
CARD: Final = f"border:{LINE};border-radius:8px;padding:10px 12px;margin:0 0 12px 0"
MONO: Final = "font-family:ui-monospace, Menlo, Consolas, monospace"


def card(name: str, *children: str) -> Markup:
    """Return a framed part of the page under a heading."""
    return tag("div", tag("div", name, style=f"{HEAD};margin:0 0 6px 0"), *children, style=CARD)


def bar(filled: float, width: str, more: str, color: str = ACCENT) -> Markup:
    """Return a bar of `width`, `filled` (0..1) of it in colour."""
    inner = tag(
        "span",
        style=f"display:block;height:6px;border-radius:3px;background-color:{color};width:{filled * 100:.1f}%",
    )
    outer = f"width:{width};height:6px;border-radius:3px;background:rgba(128, 138, 150, 0.28);overflow:hidden;{more}"
    return tag("span", inner, style=outer)


def spaced(parts: Iterable[Markup]) -> Markup:
    """Return the parts side by side."""
    # The blanks stand for the gaps where a reader strips the styles.
    return Markup(" ".join(parts))


def more(rest: int) -> list[str]:
    """Return the line that ends a shortened table, where one is needed."""
    return [f"and {rest} more"] if rest > 0 else []
