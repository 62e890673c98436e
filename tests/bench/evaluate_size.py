"""Peak memory and cost per example of an evaluation over so many examples, made as they are asked for.

    python evaluate_size.py 10000

Prints one line, `<megabytes at the peak> <microseconds of processor time an example>`. The model answers in process, the journal is on
disk in a home of its own. Run by an interpreter of its own, because a peak is of a process and never falls.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

with_home = tempfile.TemporaryDirectory(prefix="dspex-size-")
os.environ["DSPEX_HOME"] = with_home.name

import dspex  # noqa: E402 - the home is read when runs are first used; it must be there before
from dspex.lm.messages import Choice, Request, Response, Usage  # noqa: E402


class Answering:
    """A Transport that answers every question alike, at once."""

    waits = False

    async def send(self, request: Request) -> Response:
        """Answer one request."""
        text = "[[ ## team ## ]]\nbilling\n\n[[ ## completed ## ]]"
        return Response(choices=(Choice(text=text),), usage=Usage(prompt_tokens=100, completion_tokens=10))


def tickets(count: int) -> Iterator[dspex.Example]:
    """Make examples, no two alike."""
    for number in range(count):
        team = "billing" if number % 2 else "bug"
        yield dspex.Example(ticket=f"Ticket {number}: I was charged twice.", team=team).with_inputs("ticket")


def measure(count: int) -> tuple[float, float]:
    """Return the peak in megabytes, and microseconds of all threads for an example."""
    lm = dspex.LM("test/model", transport=Answering(), price=(1.0, 1.0))
    with dspex.context(lm=lm):
        program = dspex.Predict("ticket -> team")
        dspex.evaluate(program, tickets(200), dspex.exact("team")).report()  # what is made once is made
        began = time.process_time()
        report = dspex.evaluate(program, tickets(count), dspex.exact("team")).report()
        spent = time.process_time() - began
    assert report.n == count
    assert abs(report.mean - 0.5) < 0.01
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3), spent / count * 1e6


if __name__ == "__main__":
    if not Path(with_home.name).is_dir():
        raise SystemExit("no place for a home")
    megabytes, microseconds = measure(int(sys.argv[1]))
    sys.stdout.write(f"{megabytes:.1f} {microseconds:.1f}\n")
