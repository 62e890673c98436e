"""Microseconds that a `Predict` call costs beside its model: run by the interpreter of dspex and by that of DSPy.

    python predict_cost.py dspex|dspy

Prints one line, `<no demonstrations> <eight demonstrations>`. The model is each library's own `DummyLM`, in process.
"""

from __future__ import annotations

import gc
import importlib
import sys
import time
from typing import Any

CALLS, ROUNDS = 100, 7
TICKET = "I was charged twice for the March invoice, please refund one of the two."


def microseconds(library: Any, demos: int) -> float:
    """Return the cost of one call, the least of a few rounds."""

    class Sort(library.Signature):  # type: ignore[misc]  # whichever library it is
        """Sort a support ticket to the team that can resolve it."""

        ticket: str = library.InputField(desc="what the customer wrote")
        team: str = library.OutputField(desc="who answers")

    predict = library.Predict(Sort)
    predict.demos = [library.Example(ticket=f"{TICKET} {k}", team="billing") for k in range(demos)]
    best = float("inf")
    with library.context(
        lm=library.utils.DummyLM([{"team": "billing"}] * (CALLS * ROUNDS)), track_usage=False
    ):
        for _ in range(ROUNDS):
            gc.collect()
            began = time.perf_counter()
            for _ in range(CALLS):
                predict(ticket=TICKET)
            best = min(best, time.perf_counter() - began)
    return best / CALLS * 1e6


if __name__ == "__main__":
    which = importlib.import_module(sys.argv[1])
    sys.stdout.write(f"{microseconds(which, 0):.1f} {microseconds(which, 8):.1f}\n")
