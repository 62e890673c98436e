"""A run as a notebook can keep it: HTML that needs neither kernel nor script, and plain text.

Notebooks are read in many places: JupyterLab trusted and not, VS Code, nbconvert, a code host that strips all
styles. So there are inline styles only, the text's colour is the page's own, all else is a middle tone or a
veil, the chart is a picture, and what remains without any style still reads from top to bottom.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from dspex.runs.state import RunState, Status
from dspex.runs.words import headline
from dspex_widgets.chart import WIDTH, as_image, chart, said
from dspex_widgets.describe import describe
from dspex_widgets.health import held
from dspex_widgets.heat import heat, picture
from dspex_widgets.look import (
    ACCENT,
    BAD,
    DIM,
    GOOD,
    HEAD,
    LINE,
    MONO,
    SMALL,
    VEIL,
    WARN,
    bar,
    card,
    more,
    spaced,
)
from dspex_widgets.markup import Markup, plain, tag
from dspex_widgets.numbers import clock
from dspex_widgets.tables import candidates_table, failures_table, models_table
from dspex_widgets.views import (
    Instruction,
    Row,
    Tile,
    best_of,
    chips,
    elapsed,
    in_percent,
    instructions,
    rows,
    tiles,
    title,
)

MIME = "application/vnd.dspex.run+json"
LINES, TEXT_ROWS = 8, 12
NEARLY = 0.8
"""Share of a budget from which on its bar warns."""

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
        lines += more(len(state.candidates) - TEXT_ROWS)
    return "\n".join(plain(line.replace("\n", " ")) for line in lines)


def as_html(state: RunState) -> str:
    """Return the run as portable HTML."""
    chart_ = card("Candidate scores" if state.work == "optimize" else "Score", _picture(state))
    left, right = [chart_, *_heat(state)], [candidates_table(state), *_best(state)]
    if state.work == "evaluate":  # one line of a table fills no column
        left, right = [chart_, candidates_table(state)], _best(state)
    columns = [
        tag("div", *part, style="flex:1 1 440px;min-width:0;box-sizing:border-box") for part in (left, right)
    ]
    return tag(
        "div",
        _header(state),
        tag("div", *map(_tile, tiles(state)), style="display:flex;flex-wrap:wrap;gap:10px;margin:12px 0"),
        tag("div", *columns, style="display:flex;flex-wrap:wrap;gap:0 12px;align-items:flex-start"),
        *failures_table(state),
        models_table(state),
        _events(state),
        style="font-size:13px;line-height:1.45;max-width:1120px;padding:4px 0",
    )


def _header(state: RunState) -> Markup:
    tone, veil = TONES.get(state.status, ("", VEIL))
    color = f"color:{tone};" if tone else ""
    pill = f"{color}background:{veil};border-radius:11px;padding:1px 10px;{SMALL};overflow-wrap:break-word"
    parts = [
        tag("b", title(state), style="font-size:15px;font-weight:600;overflow-wrap:break-word"),
        tag("span", ": ".join(part for part in (state.status, held(state)) if part), style=pill),
        tag("span", elapsed(state), style=f"{DIM};white-space:nowrap"),
    ]
    chip = f"border:{LINE};border-radius:11px;padding:1px 9px;font-size:11px;opacity:0.75;overflow-wrap:break-word"
    parts += [tag("span", text, style=chip) for text in chips(state)]
    if state.reason:
        parts.append(tag("span", state.reason, style="overflow-wrap:break-word"))
    parts.append(tag("span", f"run {state.run}" if state.run else "", style=f"{DIM};white-space:nowrap"))
    return tag("div", spaced(parts), style="display:flex;flex-wrap:wrap;align-items:center;gap:4px 12px")


def _tile(tile: Tile) -> Markup:
    tone = {"up": GOOD, "down": BAD}.get(tile.tone, "")
    beside = f"color:{tone};{SMALL};font-weight:500" if tone else f"{DIM};font-weight:600"
    filled = [] if tile.filled is None else [_budget(tile.filled)]
    wide = "1 1" if tile.filled is None else "2 1"  # the bar of a budget takes what room there is
    warn = f"color:{WARN}" if tile.tone == "warn" else DIM
    return tag(
        "div",
        tag("div", tile.name, style=HEAD),
        tag(
            "div",
            tag("b", tile.value, style="font-size:21px;font-weight:600;line-height:1.35"),
            " ",
            tag("span", tile.beside, style=f"{beside};white-space:nowrap"),
            style="overflow-wrap:break-word",
        ),
        *filled,
        tag("div", *_apart(tile.below), style=warn),
        style=f"flex:{wide} 150px;min-width:0;overflow:hidden;box-sizing:border-box;background:{VEIL};border-radius:8px;padding:8px 12px",
    )


def _apart(text: str) -> Iterator[str]:
    """Yield the text so that what stands between two dots stays in one line."""
    for k, part in enumerate(text.split(" · ")):
        yield tag("span", part if k == 0 else f"· {part}", style="display:inline-block;margin:0 4px 0 0")


def _budget(filled: float) -> Markup:
    return bar(filled, "100%", "margin:5px 0 3px 0;display:block", WARN if filled >= NEARLY else ACCENT)


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


def _heat(state: RunState) -> list[Markup]:
    drawn = heat(state)
    if drawn is None:
        return []
    style = f"display:block;width:100%;max-width:{WIDTH + 160}px;height:auto;margin:0;background:transparent"
    image = tag("img", src=as_image(picture(drawn)), alt=f"Scores of {drawn.caption}", style=style)
    return [card("Examples × candidates", image, tag("div", drawn.caption, style=f"font-size:11px;{DIM}"))]


def _best(state: RunState) -> list[Markup]:
    told = instructions(state, best_of(state) or state.candidate(state.baseline))
    return [card("Instruction", *map(_instruction, told))] if told else []


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
        tag("div", spaced(names), style="display:flex;flex-wrap:wrap;align-items:baseline;gap:0 10px"),
        tag(
            "div",
            *(text or ["no instruction"]),
            style=f"{box};border-radius:6px;padding:8px 10px;margin:6px 0 4px 0;max-height:320px;overflow:auto",
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
    return card(
        "Events", tag("div", *lines, style=f"{MONO};font-size:11px;line-height:1.6;overflow-wrap:break-word")
    )


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
