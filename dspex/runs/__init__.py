"""Runs: start, watch, steer and find again whatever takes long."""

from dspex.runs.compare import Comparison, compare
from dspex.runs.keeping import export, prune
from dspex.runs.run import Run, live, on_start, open
from dspex.runs.state import RunState, fold
from dspex.runs.store import Runs, last, table
from dspex.runs.store import table as list

__all__ = [
    "Comparison",
    "Run",
    "RunState",
    "Runs",
    "compare",
    "export",
    "fold",
    "last",
    "list",
    "live",
    "on_start",
    "open",
    "prune",
    "table",
]
