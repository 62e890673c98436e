"""Runs: start, watch, steer and find again whatever takes long."""

from dspex.runs.run import Run, live, on_start, open
from dspex.runs.state import RunState, fold
from dspex.runs.store import Runs, last
from dspex.runs.store import table as list

__all__ = ["Run", "RunState", "Runs", "fold", "last", "list", "live", "on_start", "open"]
