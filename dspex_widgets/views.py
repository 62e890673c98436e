"""What a person is shown of a run, as plain values: tiles, table rows, the best candidate's instructions.

The frozen notebook output, the text and the report's fallback draw these; the browser's views work out the same
from the same state. No drawing here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dspex.events.event import LMRole
from dspex.runs.state import CandidateView, ModelView, RunState
from dspex_widgets.diff import Piece, diff_words
from dspex_widgets.numbers import (
    count,
    duration,
    half_width,
    money,
    money_of,
    plural,
    score,
    share,
    tokens,
)

Tone = Literal["", "up", "down", "warn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One of the five numbers a person looks at first."""

    name: str
    value: str
    beside: str = ""
    tone: Tone = ""
    """Of what stands beside the value; `warn` is about what stands below."""
    below: str = ""
    filled: float | None = None
    """Share of the budget, 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table of candidates."""

    name: str
    best: bool
    state: str
    score: str
    bar: float | None
    """Length of the bar, 0..1."""
    spread: str
    n: str
    what: str
    origin: str
    cost: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """What one predictor of a candidate is told, against the baseline."""

    predictor: str
    against: str
    demos: str
    pieces: list[Piece]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over the models of a run."""

    calls: int
    cached: int
    in_flight: int
    prompt: int
    completion: int
    cost: float
    unpriced: int


def title(state: RunState) -> str:
    """Return what runs, in the user's words.

    Example:
        >>> title(RunState(name="triage", method="COPRO"))
        'triage · COPRO'
    """
    return " · ".join(part for part in (state.name, state.method) if part) or "Run"


def elapsed(state: RunState) -> str:
    """Return how long the run took, or has taken so far, and how long it may; a kernel's death takes no time."""
    if not state.started:
        return ""
    took = duration((state.updated if state.ended is None else state.ended) - state.started - state.idle)
    cap = state.limits.get("seconds")
    return took if cap is None or state.over else f"{took} of {duration(cap)}"


def chips(state: RunState) -> list[str]:
    """Return what is worth knowing of the run beside how it stands."""
    goes = state.concurrency is not None and not state.over
    return [
        *(["practice model, simulated prices"] if state.practice else []),
        *([f"branched from {state.origin}"] if state.origin else []),
        *([f"survived {plural(state.reopened, 'dead kernel')}"] if state.reopened else []),
        *([plural(state.errors, "failure")] if state.errors else []),
        *([f"{plural(state.concurrency or 0, 'example')} at once"] if goes else []),
    ]


def in_percent(state: RunState) -> bool:
    """Tell whether all scores lie in 0..1, so that they are shown in percent."""
    return all(c.mean is None or abs(c.mean) <= 1 for c in state.candidates)


def best_of(state: RunState) -> CandidateView | None:
    """Return the candidate that leads; of an evaluation, the one that is evaluated."""
    leads = state.candidate(state.best)
    if leads is None and state.work == "evaluate" and state.candidates:
        return state.candidates[-1]
    return leads


def totals(state: RunState, role: LMRole | None = None) -> Totals:
    """Add up what the models of the run did, or those of one role."""
    models: list[ModelView] = [m for m in state.lm if role is None or m.role == role]
    return Totals(
        calls=sum(m.calls for m in models),
        cached=sum(m.cached for m in models),
        in_flight=sum(m.in_flight for m in models),
        prompt=sum(m.prompt_tokens for m in models),
        completion=sum(m.completion_tokens for m in models),
        cost=sum(m.cost for m in models),
        unpriced=sum(m.unpriced for m in models),
    )


def tiles(state: RunState) -> list[Tile]:
    """Return the five tiles, in their order."""
    return [
        _best_tile(state),
        _candidates_tile(state),
        _calls_tile(state),
        _tokens_tile(state),
        _cost_tile(state),
    ]


def ranked(state: RunState) -> list[CandidateView]:
    """Return the table's order: the best, then scores from the top, then what is being scored, then what waits."""

    def place(c: CandidateView) -> tuple[int, float]:
        rank = 2 if c.state == "running" else 3 if c.mean is None else 0 if c.id == state.best else 1
        return (rank, -(c.mean or 0.0))

    return sorted(state.candidates, key=place)


def rows(state: RunState, most: int | None = None) -> list[Row]:
    """Return the lines of the table, best first; of more than `most` the first ones and the baseline."""
    percent = in_percent(state)
    top = max((c.mean or 0.0 for c in state.candidates), default=0.0)
    price = money_of(c.cost for c in state.candidates)
    shown = ranked(state)
    if most is not None and len(shown) > most:
        base = state.candidate(state.baseline)
        kept = shown[:most]
        shown = kept if base is None or any(c is base for c in kept) else [*kept[:-1], base]
    return [_row(state, c, percent, top, price) for c in shown]


def has_origins(state: RunState) -> bool:
    """Tell whether candidates come from others than the baseline; else a column that says so is only noise."""
    return any(c.origin not in ("", state.baseline) for c in state.candidates)


def instructions(state: RunState, candidate: CandidateView | None) -> list[Instruction]:
    """Return what each predictor of the candidate is told, marked against the baseline."""
    if candidate is None:
        return []
    base = state.candidate(state.baseline)
    who = candidate.id
    # What a candidate does not name it did not change.
    texts = ({} if base is None else base.instructions) | candidate.instructions
    made = []
    for name in dict.fromkeys([*texts, *candidate.demos]):
        now, demos = texts.get(name, ""), candidate.demos.get(name, 0)
        against, pieces = who, [Piece("same", now)]
        if base is not None and base.id != candidate.id:
            before = base.instructions.get(name, "")
            pieces = diff_words(before, now)
            against = f"{who}, same words as the baseline" if before == now else f"{who} against the baseline"
        made.append(
            Instruction(
                predictor=name,
                against=against,
                demos=plural(demos, "demonstration") if demos else "no demonstrations",
                pieces=[piece for piece in pieces if piece.text],
            )
        )
    return made


def _best_tile(state: RunState) -> Tile:
    best, base, percent = best_of(state), state.candidate(state.baseline), in_percent(state)
    base_mean = None if base is None else base.mean
    if best is None or best.mean is None:
        still = "baseline so far" if base and base.state == "running" and not state.over else "baseline"
        none = "no score" if state.over else "no score yet"
        below = none if base_mean is None else f"{still} {score(base_mean, percent)}"
        return Tile(name="Best score", value="–", below=below)
    value = score(best.mean, percent)
    if state.work == "evaluate":
        of = "" if best.total is None else f" of {count(best.total)}"
        sure = best.low is not None and best.high is not None and best.state != "running"
        spread = f"{half_width(best.low or 0.0, best.high or 0.0, percent)}, " if sure else ""
        return Tile(name="Best score", value=value, below=f"{spread}{count(best.n)}{of} scored")
    if base is not None and base.id == best.id:
        return Tile(name="Best score", value=value, below="the baseline leads")
    who = f"{best.id}, pinned" if best.pinned else best.id
    if base_mean is None:
        return Tile(name="Best score", value=value, below=who)
    below = f"{who} · baseline {score(base_mean, percent)}"
    gain, by = best.mean - base_mean, score(abs(best.mean - base_mean), percent)
    if by == score(0.0, percent):
        return Tile(name="Best score", value=value, below=below)
    arrow = "▲" if gain > 0 else "▼"
    return Tile(
        name="Best score",
        value=value,
        beside=f"{arrow} {by}",
        tone="up" if gain > 0 else "down",
        below=below,
    )


def _candidates_tile(state: RunState) -> Tile:
    evaluates = state.work == "evaluate"
    shown = [c for c in state.candidates if evaluates or not c.baseline]
    running = sum(c.state == "running" for c in shown)
    dropped = sum(c.state == "dropped" for c in shown)
    parts = [f"{count(dropped)} dropped"] if dropped else []
    if running and not state.over:
        parts.append(f"{count(running)} running")
    none = "none proposed" if state.over else "none proposed yet"
    idle = "the program as it is" if evaluates else "beside the baseline" if shown else none
    guests = sum(bool(c.by) for c in shown)  # people's candidates, which no method plans
    of = "" if state.planned is None or evaluates else f"of {count(state.planned + guests)}"
    return Tile(name="Candidates", value=count(len(shown)), beside=of, below=" · ".join(parts) or idle)


def _calls_tile(state: RunState) -> Tile:
    all_ = totals(state)
    flight = "" if state.over else f" · {count(all_.in_flight)} in flight"
    return Tile(
        name="LM calls",
        value=count(all_.calls),
        beside=_of(state, "calls", count),
        below=f"{share(all_.cached, all_.calls)} cached{flight}",
    )


def _tokens_tile(state: RunState) -> Tile:
    all_ = totals(state)
    below = f"{tokens(all_.prompt)} in · {tokens(all_.completion)} out"
    value = tokens(all_.prompt + all_.completion)
    return Tile(name="Tokens", value=value, beside=_of(state, "tokens", tokens), below=below)


def _of(state: RunState, kind: str, form: Callable[[float], str]) -> str:
    cap = state.limits.get(kind)
    return "" if cap is None else f"of {form(cap)}"


def _cost_tile(state: RunState) -> Tile:
    all_, cap = totals(state), state.budget_usd
    tile = Tile(name="Cost", value=money(all_.cost), below=_roles(state))
    if all_.unpriced:
        tile = Tile(
            name="Cost",
            value=tile.value,
            below=f"price unknown for {plural(all_.unpriced, 'call')}",
            tone="warn",
        )
    if cap is None:
        return tile
    filled = min(1.0, all_.cost / cap) if cap > 0 else 0.0
    return Tile(
        name="Cost",
        value=tile.value,
        beside=f"of {money(cap)}",
        below=tile.below,
        tone=tile.tone,
        filled=filled,
    )


def _roles(state: RunState) -> str:
    task, proposal, judge = totals(state, "task"), totals(state, "proposal"), totals(state, "judge")
    parts = [f"task {money(task.cost)}"]
    if proposal.calls:
        parts.append(f"proposals {money(proposal.cost)}")
    if judge.calls:
        parts.append(f"judge {money(judge.cost)}")
    return " · ".join(parts) if len(parts) > 1 else "no cap set" if state.budget_usd is None else ""


def _row(state: RunState, c: CandidateView, percent: bool, top: float, price: Callable[[float], str]) -> Row:
    running = c.state == "running"
    unknown = c.low is None or c.high is None or running
    seen = f"{count(c.n + c.failed)}/{count(c.total)}" if running and c.total is not None else ""
    bar = None
    if c.mean is not None:
        bar = min(1.0, max(0.0, c.mean if percent else c.mean / top if top > 0 else 0.0))
    return Row(
        name=c.id,
        best=c.id == state.best,
        state=c.state,
        score=("…" if running else "–") if c.mean is None else score(c.mean, percent),
        bar=bar,
        spread="" if unknown else half_width(c.low or 0.0, c.high or 0.0, percent),
        n=seen or (count(c.n) if c.n else ""),
        what=_what(c),
        origin=c.origin or "—",
        cost=price(c.cost) if c.cost > 0 or c.mean is not None else "",
    )


def _what(c: CandidateView) -> str:
    by = f"by {c.by}" if c.by else ""
    what = c.what or ("as given" if c.baseline else "")
    return " · ".join(part for part in ("pinned" if c.pinned else "", what, "" if by in what else by) if part)
