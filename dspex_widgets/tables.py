"""The frozen output's tables: the candidates and the language models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dspex.runs.state import RunState
from dspex_widgets.describe import short
from dspex_widgets.health import ModelRow, models
from dspex_widgets.look import BAD, DIM, GOOD, LINE, SMALL, WARN, bar, card, more
from dspex_widgets.markup import Markup, tag
from dspex_widgets.views import Row, rows

ROWS = 12
LONGEST = 120
"""Letters of a candidate's description."""
Column = tuple[str, str]
"""A heading and its alignment."""
CANDIDATES: Sequence[Column] = (
    ("id", "left"), ("score", "right"), ("95%", "right"), ("n", "right"), ("what", "left"), ("from", "left"),
    ("cost", "right"),
)  # fmt: skip
MODELS: Sequence[Column] = (
    ("model", "left"), ("in flight", "right"), ("calls", "right"), ("cached", "right"), ("p50 / p95", "right"),
    ("errors", "left"), ("tokens", "right"), ("cost", "right"), ("breaker", "left"),
)  # fmt: skip


def candidates_table(state: RunState) -> Markup:
    """Return the card with the best candidates and the baseline."""
    listed = [_candidate(row) for row in rows(state, ROWS)]
    if not listed:
        return card("Candidates", tag("div", "No candidate was proposed.", style=f"{SMALL};{DIM}"))
    rest = [
        tag("div", line, style=f"{SMALL};{DIM};padding:4px 5px 0 5px")
        for line in more(len(state.candidates) - ROWS)
    ]
    return card("Candidates", _table(CANDIDATES, listed), *rest)


def models_table(state: RunState) -> Markup:
    """Return the card with what each language model did."""
    listed = models(state)
    if not listed:
        return card("Language models", tag("div", "No model was called.", style=f"{SMALL};{DIM}"))
    known = any(row.breaker for row in listed)
    left_out = {name for name, out in (("in flight", state.over), ("breaker", not known)) if out}
    columns = [column for column in MODELS if column[0] not in left_out]
    return card("Language models", _table(columns, [_model(row, columns) for row in listed]))


def _table(columns: Sequence[Column], lines: Iterable[Markup]) -> Markup:
    head = tag(
        "tr", *(_cell("th", name, align, DIM) for name, align in columns), style="background:transparent"
    )
    table = tag(
        "table",
        tag("thead", head),
        tag("tbody", *lines),
        style=f"border-collapse:collapse;width:100%;margin:0;table-layout:auto;{SMALL};border:none",
    )
    return tag("div", table, style="overflow-x:auto")


def _model(row: ModelRow, columns: Sequence[Column]) -> Markup:
    texts = {
        "model": row.name, "in flight": row.in_flight, "calls": row.calls, "cached": row.cached,
        "p50 / p95": row.latency, "errors": row.errors or "none", "tokens": row.tokens, "cost": row.cost,
        "breaker": f"● {row.breaker}" if row.breaker else "",
    }  # fmt: skip
    tone = {"good": GOOD, "warn": WARN, "bad": BAD}.get(row.tone, "")
    styles = {"errors": f"color:{WARN}" if row.errors else DIM, "breaker": f"color:{tone}" if tone else ""}
    cells = [
        _cell("td", texts[name], align, styles.get(name, ""), wrap=name in ("model", "breaker"))
        for name, align in columns
    ]
    return tag("tr", *cells, style="background:transparent")


def _candidate(row: Row) -> Markup:
    faint = DIM if row.state == "dropped" else ""
    filled = (
        []
        if row.bar is None
        else [bar(row.bar, "34px", "display:inline-block;margin:0 7px 1px 0;vertical-align:middle")]
    )
    ground = "rgba(59, 134, 224, 0.12)" if row.best else "transparent"
    return tag(
        "tr",
        _cell("td", ("★ " if row.best else "") + row.name, "left", faint),
        _cell("td", Markup("".join([*filled, tag("span", row.score)])), "right", faint),
        _cell("td", row.spread, "right", DIM),
        _cell("td", row.n, "right", DIM),
        _cell("td", _cut(row.what), "left", faint, wrap=True),
        _cell("td", row.origin, "left", DIM),
        _cell("td", row.cost, "right", faint),
        style=f"background:{ground}",
    )


def _cell(name: str, content: str, align: str, more: str = "", wrap: bool = False) -> Markup:
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


def _cut(text: str) -> str:
    line = short(text)
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
