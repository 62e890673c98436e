"""A run as a notebook can keep it: HTML that needs neither kernel nor script, and plain text.

Notebooks are read in many places: JupyterLab trusted and not, VS Code, nbconvert, a code host that strips all
styles. So there are inline styles only, the text's colour is the page's own, all else is a middle tone or a
veil, the chart is a picture, and what remains without any style still reads from top to bottom.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dspex.runs.state import RunState, Status
from dspex.runs.words import headline
from dspex_widgets.chart import WIDTH, as_image, chart, said
from dspex_widgets.describe import describe
from dspex_widgets.markup import Markup, plain, tag
from dspex_widgets.numbers import clock
from dspex_widgets.views import (
    Instruction,
    Row,
    Tile,
    best_of,
    elapsed,
    in_percent,
    instructions,
    rows,
    tiles,
    title,
)

MIME = "application/vnd.dspex.run+json"
ROWS, LINES, TEXT_ROWS = 12, 8, 12

# JupyterLab keeps a colour of an untrusted notebook only where it sees `rgb(...)` in it.
ACCENT = "var(--jp-brand-color1, rgb(59, 134, 224))"
GOOD, BAD, WARN = "rgb(32, 157, 98)", "rgb(222, 82, 73)", "rgb(190, 125, 30)"
VEIL, LINE = "rgba(128, 138, 150, 0.11)", "1px solid rgba(128, 138, 150, 0.3)"
DIM = "opacity:0.68"
SMALL = "font-size:12px"
HEAD = "font-size:11px;font-weight:600;letter-spacing:0.04em;text-transform:uppercase;white-space:nowrap;opacity:0.68"
CARD = f"border:{LINE};border-radius:8px;padding:10px 12px;margin:0 0 12px 0"
MONO = "font-family:ui-monospace, Menlo, Consolas, monospace"
TONES: dict[Status, tuple[str, str]] = {
    "running": (GOOD, "rgba(32, 157, 98, 0.15)"),
    "finished": (GOOD, "rgba(32, 157, 98, 0.15)"),
    "paused": (WARN, "rgba(190, 125, 30, 0.16)"),
    "stopping": (WARN, "rgba(190, 125, 30, 0.16)"),
    "failed": (BAD, "rgba(222, 82, 73, 0.15)"),
    "lost": (BAD, "rgba(222, 82, 73, 0.15)"),
    "stopped": (ACCENT, "rgba(59, 134, 224, 0.15)"),
}


def freeze(state: RunState) -> dict[str, object]:
    """Return the run as a bundle of everything a notebook may store for it.

    Example:
        >>> sorted(freeze(RunState(run="r1")))
        ['application/vnd.dspex.run+json', 'text/html', 'text/plain']
    """
    return {"text/html": as_html(state), "text/plain": as_text(state), MIME: as_data(state)}


def as_data(state: RunState) -> dict[str, object]:
    """Return what other tools need to find the run again, and its state with a short log."""
    short = msgspec.structs.replace(state, log=state.log[-LINES:])
    return {
        "run": state.run,
        "status": state.status,
        "state": msgspec.json.decode(msgspec.json.encode(short)),
    }


def as_text(state: RunState) -> str:
    """Return the run as lines of plain text, the same for the same scores whatever the clock said.

    Example:
        >>> as_text(RunState(run="r3", name="triage", method="COPRO", status="failed"))
        'Run r3 · COPRO on triage: failed, no score yet'
    """
    lines = [headline(state)]
    if state.practice:
        lines.append("practice model, simulated prices")
    if state.work == "optimize" and state.candidates:
        lines += [
            "",
            *_columns([("", "id", "score", "95%", "n", "what"), *map(_cells, rows(state, TEXT_ROWS))]),
        ]
        lines += _more(len(state.candidates) - TEXT_ROWS)
    return "\n".join(plain(line.replace("\n", " ")) for line in lines)


def as_html(state: RunState) -> str:
    """Return the run as portable HTML."""
    left = [
        _card("Candidate scores" if state.work == "optimize" else "Score", _picture(state)),
        _events(state),
    ]
    right = [_candidates(state), *_best(state)]
    columns = [
        tag("div", *part, style="flex:1 1 440px;min-width:0;box-sizing:border-box") for part in (left, right)
    ]
    return tag(
        "div",
        _header(state),
        tag("div", *map(_tile, tiles(state)), style="display:flex;flex-wrap:wrap;gap:10px;margin:12px 0"),
        tag("div", *columns, style="display:flex;flex-wrap:wrap;gap:0 12px;align-items:flex-start"),
        style="font-size:13px;line-height:1.45;max-width:1120px;padding:4px 0",
    )


def _header(state: RunState) -> Markup:
    tone, veil = TONES.get(state.status, ("", VEIL))
    color = f"color:{tone};" if tone else ""
    pill = f"{color}background:{veil};border-radius:99px;padding:1px 10px;{SMALL};white-space:nowrap"
    parts = [
        tag("b", title(state), style="font-size:15px;font-weight:600;overflow-wrap:break-word"),
        tag("span", state.status, style=pill),
        tag("span", elapsed(state), style=f"{DIM};white-space:nowrap"),
    ]
    if state.practice:
        chip = (
            f"border:{LINE};border-radius:99px;padding:1px 9px;font-size:11px;opacity:0.75;white-space:nowrap"
        )
        parts.append(tag("span", "practice model, simulated prices", style=chip))
    if state.reason:
        parts.append(tag("span", state.reason, style="overflow-wrap:break-word"))
    parts.append(tag("span", state.run, style=f"{DIM};white-space:nowrap"))
    return tag("div", _spaced(parts), style="display:flex;flex-wrap:wrap;align-items:center;gap:4px 12px")


def _tile(tile: Tile) -> Markup:
    tone = {"up": GOOD, "down": BAD}.get(tile.tone, "")
    beside = f"color:{tone};{SMALL};font-weight:500" if tone else f"{DIM};font-weight:600"
    bar = [] if tile.filled is None else [_bar(tile.filled, "100%", "margin:5px 0 3px 0;display:block")]
    warn = f"color:{WARN}" if tile.tone == "warn" else DIM
    return tag(
        "div",
        tag("div", tile.name, style=HEAD),
        tag(
            "div",
            tag("b", tile.value, style="font-size:21px;font-weight:600;line-height:1.35"),
            " ",
            tag("span", tile.beside, style=beside),
            style="white-space:nowrap",
        ),
        *bar,
        tag("div", tile.below, style=warn),
        style=f"flex:1 1 136px;min-width:0;box-sizing:border-box;background:{VEIL};border-radius:8px;padding:8px 12px",
    )


def _bar(filled: float, width: str, more: str) -> Markup:
    inner = tag(
        "span",
        style=f"display:block;height:6px;border-radius:3px;background-color:{ACCENT};width:{filled * 100:.1f}%",
    )
    outer = f"width:{width};height:6px;border-radius:3px;background:rgba(128, 138, 150, 0.28);overflow:hidden;{more}"
    return tag("span", inner, style=outer)


def _card(name: str, *children: str) -> Markup:
    return tag("div", tag("div", name, style=f"{HEAD};margin:0 0 6px 0"), *children, style=CARD)


def _picture(state: RunState) -> Markup:
    style = f"display:block;width:100%;max-width:{WIDTH + 160}px;height:auto;margin:0;background:transparent"
    image = tag("img", src=as_image(chart(state)), alt=said(state), style=style)
    if state.work == "evaluate":
        best = best_of(state)
        failed = 0 if best is None else best.failed
        return Markup(
            image
            + (tag("div", f"{failed} failed without a score", style=f"{SMALL};color:{BAD}") if failed else "")
        )
    legend = "○ minibatch  ● full set  — best so far  ┄ baseline"
    return Markup(image + tag("div", legend, style=f"font-size:11px;{DIM};white-space:pre-wrap"))


def _candidates(state: RunState) -> Markup:
    listed = rows(state, ROWS)
    if not listed:
        return _card("Candidates", tag("div", "No candidate was proposed.", style=f"{SMALL};{DIM}"))
    names = [
        ("id", ""),
        ("score", "right"),
        ("95%", "right"),
        ("n", "right"),
        ("what", ""),
        ("from", ""),
        ("cost", "right"),
    ]
    head = tag(
        "tr",
        *(_cell("th", name, align or "left", DIM) for name, align in names),
        style="background:transparent",
    )
    table = tag(
        "table",
        tag("thead", head),
        tag("tbody", *map(_row, listed)),
        style=f"border-collapse:collapse;width:100%;margin:0;table-layout:auto;{SMALL};border:none",
    )
    more = [
        tag("div", line, style=f"{SMALL};{DIM};padding:4px 5px 0 5px")
        for line in _more(len(state.candidates) - ROWS)
    ]
    return _card("Candidates", tag("div", table, style="overflow-x:auto"), *more)


def _row(row: Row) -> Markup:
    faint = DIM if row.state == "dropped" else ""
    bar = (
        []
        if row.bar is None
        else [_bar(row.bar, "34px", "display:inline-block;margin:0 7px 1px 0;vertical-align:middle")]
    )
    ground = "rgba(59, 134, 224, 0.12)" if row.best else "transparent"
    return tag(
        "tr",
        _cell("td", ("★ " if row.best else "") + row.name, "left", faint),
        _cell("td", Markup("".join([*bar, tag("span", row.score)])), "right", faint),
        _cell("td", row.spread, "right", DIM),
        _cell("td", row.n, "right", DIM),
        _cell("td", row.what, "left", faint, wrap=True),
        _cell("td", row.origin, "left", DIM),
        _cell("td", row.cost, "right", faint),
        style=f"background:{ground}",
    )


def _cell(name: str, content: str, align: str, more: str, wrap: bool = False) -> Markup:
    lines = (
        "white-space:normal;overflow-wrap:break-word;min-width:90px;max-width:260px"
        if wrap
        else "white-space:nowrap"
    )
    edge = f"border:none;border-bottom:{LINE}"
    weight = "font-weight:500;" if name == "th" else ""
    style = f"{edge};padding:3px 5px;text-align:{align};vertical-align:top;{weight}{lines}"
    return tag(
        name,
        tag("span", content, style=more) if more else content,
        style=style,
        **({"scope": "col"} if name == "th" else {}),
    )


def _best(state: RunState) -> list[Markup]:
    told = instructions(state, best_of(state) or state.candidate(state.baseline))
    return [_card("Instruction", *map(_instruction, told))] if told else []


def _instruction(told: Instruction) -> Markup:
    marks = {
        "del": f"background:rgba(222, 82, 73, 0.18);border-radius:2px;{DIM}",
        "ins": "background:rgba(32, 157, 98, 0.24);border-radius:2px;text-decoration:none",
    }
    text = [p.text if p.type == "same" else tag(p.type, p.text, style=marks[p.type]) for p in told.pieces]
    box = f"{MONO};{SMALL};line-height:1.55;white-space:pre-wrap;overflow-wrap:break-word;background:{VEIL}"
    names = [
        tag("b", told.predictor, style="font-weight:600;overflow-wrap:break-word"),
        tag("span", told.against, style=f"{DIM};{SMALL}"),
        tag("span", told.demos, style=f"{DIM};{SMALL}"),
    ]
    return tag(
        "div",
        tag("div", _spaced(names), style="display:flex;flex-wrap:wrap;align-items:baseline;gap:0 10px"),
        tag(
            "div",
            *(text or ["no instruction"]),
            style=f"{box};border-radius:6px;padding:8px 10px;margin:6px 0 4px 0",
        ),
    )


def _events(state: RunState) -> Markup:
    percent = in_percent(state)
    lines = [
        tag(
            "div",
            tag("b", clock(event.time), style="font-weight:500"),
            " ",
            tag("span", describe(event, percent), style=DIM),
        )
        for event in state.log[-LINES:]
    ]
    return _card(
        "Events", tag("div", *lines, style=f"{MONO};font-size:11px;line-height:1.6;overflow-wrap:break-word")
    )


def _spaced(parts: Sequence[Markup]) -> Markup:
    # The blanks stand for the gaps where a reader strips the styles.
    return Markup(" ".join(parts))


def _cells(row: Row) -> tuple[str, ...]:
    return ("★" if row.best else "", row.name, row.score, row.spread, row.n, row.what)


def _columns(table: Sequence[Sequence[str]]) -> list[str]:
    flat = [[plain(cell).replace("\n", " ")[:60] for cell in line] for line in table]
    widths = [max(len(line[k]) for line in flat) for k in range(len(flat[0]))]
    left = (0, 1, 5)
    return [
        "  ".join(
            c.ljust(w) if k in left else c.rjust(w) for k, (c, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in flat
    ]


def _more(rest: int) -> list[str]:
    return [f"and {rest} more"] if rest > 0 else []
