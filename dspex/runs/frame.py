"""Candidates as a pandas DataFrame, pandas imported only when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dspex.runs.state import CandidateView, RunState

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "id",
    "origin",
    "what",
    "score",
    "low",
    "high",
    "n",
    "failed",
    "demos",
    "cost",
    "state",
    "instruction",
)


def candidates_frame(state: RunState) -> pd.DataFrame:
    """Return one row a candidate, the one that leads first, those that were dropped or have no score last."""
    import pandas as pd

    def place(c: CandidateView) -> tuple[bool, bool, bool, bool, float]:
        return c.id != state.best, c.mean is None, c.state == "dropped", not c.full, -(c.mean or 0.0)

    rows = sorted(state.candidates, key=place)
    return pd.DataFrame([_row(c) for c in rows], columns=list(COLUMNS))


def _row(c: CandidateView) -> dict[str, object]:
    return {
        "id": c.id,
        "origin": c.origin,
        "what": c.what,
        "score": c.mean,
        "low": c.low,
        "high": c.high,
        "n": c.n,
        "failed": c.failed,
        "demos": sum(c.demos.values()),
        "cost": c.cost,
        "state": c.state,
        "instruction": "\n".join(c.instructions.values()),
    }
