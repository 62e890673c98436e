"""How far an evaluation is, on stderr: for a terminal, where no widget shows it.

Told by the thread that waits for the result anyway.
"""

from __future__ import annotations

import sys
from typing import TextIO

from dspex.runs.run import Run
from dspex.runs.state import RunState
from dspex.runs.words import score_text

BEAT = 0.25
"""Seconds between two looks."""


def watch(run: Run, out: TextIO | None = None) -> None:
    """Wait until the run is over, saying how far it is.

    Args:
        run: an evaluation.
        out: where to say it; stderr by default.
    """
    file = sys.stderr if out is None else out
    width = 0
    while True:
        over = run.wait(BEAT)
        text = progress_line(run.state)
        file.write("\r" + text.ljust(width))
        file.flush()
        width = len(text)
        if over:
            break
    file.write("\n")


def progress_line(state: RunState) -> str:
    """Return how far an evaluation is, in one line.

    Example:
        >>> from dspex.runs.state import CandidateView
        >>> seen = CandidateView(id="program", n=19, failed=1, total=100, mean=0.5)
        >>> progress_line(RunState(candidates=[seen], status="running"))
        'Evaluating: 20 of 100, score 50.0, 1 failed'
    """
    seen = state.candidates[0] if state.candidates else None
    word = "Evaluating" if not state.over else f"Evaluation {state.status}"
    if seen is None:
        return word
    of = "" if seen.total is None else f" of {seen.total}"
    score = "" if seen.mean is None else f", score {score_text(seen.mean)}"
    failed = f", {seen.failed} failed" if seen.failed else ""
    paused = " (paused)" if state.status == "paused" else ""
    return f"{word}{paused}: {seen.n + seen.failed}{of}{score}{failed}"
