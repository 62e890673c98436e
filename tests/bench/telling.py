"""What telling costs: the processor time of journal and bus for an example, in microseconds.

    python telling.py

Evaluates with a model in this process, and reads the clocks of the journal's own thread. What the emitters pay in
their threads is measured on the same kinds of events, one after the other, with the same journal taking them. Run by
an interpreter of its own, so that nothing else listens.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

RATE = 2000
"""Examples a second that the share is told for."""
ROWS, ROUNDS, EMITTED = 4000, 5, 5000


def journal_of_an_example() -> float:
    """Return the microseconds that the journal's thread works for an example, the least of a few evaluations."""
    import dspex
    from tests.bench.evaluate_size import Answering, tickets

    program = dspex.Predict("ticket -> team")
    best = float("inf")
    with dspex.context(lm=dspex.LM("test/model", transport=Answering(), price=(1.0, 1.0))):
        dspex.evaluate(program, tickets(200), dspex.exact("team")).report()
        (thread,) = [t for t in threading.enumerate() if t.name == "dspex-journal"]
        assert thread.ident is not None
        clock = time.pthread_getcpuclockid(thread.ident)
        for _ in range(ROUNDS):
            before = time.clock_gettime(clock)
            dspex.evaluate(program, tickets(ROWS), dspex.exact("team")).report()
            best = min(best, time.clock_gettime(clock) - before)
    return best / ROWS * 1e6


def emits_of_an_example() -> float:
    """Return the microseconds that a call's start, its end and the score take their emitters."""
    from dspex.events.bus import bus
    from dspex.events.event import ExampleScored, LMEnd, LMStart
    from dspex.runs.journal import Journal

    journal = Journal(Path(os.environ["DSPEX_HOME"], "telling.sqlite"), "t1", lambda _: None, lambda _: None)
    bus.open_run("t1")
    bus.attach(journal)
    journal.open()
    best = float("inf")
    for _ in range(ROUNDS):
        sample = [
            event
            for k in range(EMITTED // 3)
            for event in (
                LMStart(model="test/model"),
                LMEnd(model="test/model", prompt_tokens=100, completion_tokens=10, cost=0.1, seconds=0.05),
                ExampleScored(candidate="program", example=f"{k:010}", score=1.0, seconds=0.05),
            )
        ]
        began = time.thread_time()
        for event in sample:
            bus.emit(event, run="t1", span="program/0123456789", parent="program")
        best = min(best, time.thread_time() - began)
        journal.flush()
    journal.close()
    bus.detach(journal)
    return best / len(sample) * 3 * 1e6


def measure() -> dict[str, float]:
    """Return microseconds an example, by part, and what share of one they are at `RATE` a second."""
    emits, journal = emits_of_an_example(), journal_of_an_example()
    return {"bus": emits, "journal": journal, "share": (emits + journal) * RATE / 1e6}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ["DSPEX_HOME"] = home
        sys.stdout.write(json.dumps(measure()) + "\n")
