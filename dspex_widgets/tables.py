"""The frozen output's tables: the candidates and the language models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dspex.runs.state import RunState
from dspex_widgets.describe import short
from dspex_widgets.failures import failures
from dspex_widgets.health import ModelRow, models
from dspex_widgets.look import BAD, DIM, GOOD, LINE, SMALL, WARN, bar, card, more
from dspex_widgets.markup import Markup, tag
from dspex_widgets.views import Row, has_origins, rows

ROWS = 12
LONGEST = 120
"""Letters of a candidate's description."""
AFTER = "after"
"""Left, and apart from the numbers before it."""
Column = tuple[str, str]
"""A heading and its alignment."""
CANDIDATES: Sequence[Column] = (
    ("id", "left"), ("score", "right"), ("95%", "right"), ("n", "right"), ("what", AFTER), ("from", "left"),
    ("cost", "right"),
)  # fmt: skip
FAILURES: Sequence[Column] = (("times", "right"), ("error", AFTER), ("what the last one said", "left"))
QUIET = ("95%", "n", "from")
MODELS: Sequence[Column] = (
    ("model", "left"), ("in flight", "right"), ("calls", "right"), ("cached", "right"), ("p50 / p95", "right"),
    ("errors", AFTER), ("tokens", "right"), ("cost", "right"), ("breaker", AFTER),
)  # fmt: skip


def candidates_table(state: RunState) -> Markup:
    """Return the card with the best candidates and the baseline."""
    columns = [column for column in CANDIDATES if column[0] != "from" or has_origins(state)]
    listed = [_candidate(row, columns) for row in rows(state, ROWS)]
    if not listed:
        return card("Candidates", tag("div", "No candidate was proposed.", style=f"{SMALL};{DIM}"))
    return card("Candidates", _table(columns, listed), *map(_below, more(len(state.candidates) - ROWS)))


def failures_table(state: RunState) -> list[Markup]:
    """Return the card that says why examples failed; none where none did."""
    listed = failures(state)
    if not listed:
        return []
    lines = [
        tag(
            "tr",
            _cell("td", row.count, "right"),
            _cell("td", row.kind, AFTER, f"color:{BAD}", wrap=True),
            _cell("td", row.text, "left", wrap=True, widest=""),
            style="background:transparent",
        )
        for row in listed
    ]
    # How they are tried again is said in words: the buttons are gone by then.
    again = "run.retry_failed() tries again what failed, and only that." if state.over else ""
    return [card("Why examples failed", _table(FAILURES, lines), *map(_below, filter(None, [again])))]


def _below(line: str) -> Markup:
    return tag("div", line, style=f"{SMALL};{DIM};padding:4px 5px 0 5px")


def models_table(state: RunState) -> Markup:
    """Return the card with what each language model did."""
    listed = models(state)
    if not listed:
        return card("Language models", tag("div", "No model was called.", style=f"{SMALL};{DIM}"))
    known = any(row.breaker for row in listed)
    says_nothing = {
        "in flight": state.over, "breaker": not known, "cached": not any(model.cached for model in state.lm),
    }  # fmt: skip
    left_out = {name for name, nothing in says_nothing.items() if nothing}
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


def _candidate(row: Row, columns: Sequence[Column]) -> Markup:
    faint = DIM if row.state == "dropped" else ""
    filled = (
        []
        if row.bar is None
        else [bar(row.bar, "34px", "display:inline-block;margin:0 7px 1px 0;vertical-align:middle")]
    )
    ground = "rgba(59, 134, 224, 0.12)" if row.best else "transparent"
    texts = {
        "id": ("★ " if row.best else "") + row.name, "score": Markup("".join([*filled, tag("span", row.score)])),
        "95%": row.spread, "n": row.n, "what": _cut(row.what), "from": row.origin, "cost": row.cost,
    }  # fmt: skip
    cells = [
        _cell("td", texts[name], align, DIM if name in QUIET else faint, wrap=name == "what")
        for name, align in columns
    ]
    return tag("tr", *cells, style=f"background:{ground}")


def _cell(
    name: str, content: str, align: str, more: str = "", wrap: bool = False, widest: str = "max-width:260px"
) -> Markup:
    lines = (
        f"white-space:normal;overflow-wrap:break-word;min-width:110px;{widest}"
        if wrap
        else "white-space:nowrap"
    )
    edge = f"border:none;border-bottom:{LINE};padding:3px 4px 3px {12 if align == AFTER else 4}px"
    align = "left" if align == AFTER else align
    weight = "font-weight:500;" if name == "th" else ""
    style = f"{edge};text-align:{align};vertical-align:top;{weight}{lines}"
    return tag(
        name,
        tag("span", content, style=more) if more else content,
        style=style,
        **({"scope": "col"} if name == "th" else {}),
    )


def _cut(text: str) -> str:
    line = short(text)
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
