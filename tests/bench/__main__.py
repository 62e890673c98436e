"""What must stay fast, measured: `make bench` prints one line a measure, best of a few.

Numbers depend on the machine, so nothing here fails; tests hold the bounds that matter.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dspex
from dspex.events.event import AnyEvent, ExampleScored
from dspex.runs.journal import Journal
from dspex.runs.state import fold
from tests.bench import flood

BUNDLE = Path(__file__).resolve().parents[2] / "dspex_widgets" / "static" / "widget.js"
EVENTS = 20_000
LATENCY, ROWS, WIDTH = 0.05, 96, 16
SIZES = ("960x16", "3840x64", "3840x256")
"""Rows and how many at once: whole rounds, and enough of them that the answer is not about the beginning."""


def best(act: Callable[[], object], times: int = 3) -> float:
    """Return the seconds of the fastest of a few goes."""
    return min(timed(act) for _ in range(times))


def timed(act: Callable[[], object]) -> float:
    before = time.perf_counter()
    act()
    return time.perf_counter() - before


def tell(what: str, value: str) -> None:
    sys.stdout.write(f"{what:<58}{value:>16}\n")
    sys.stdout.flush()


def python(code: str) -> Callable[[], object]:
    """Run code in a fresh interpreter that may keep its bytecode, as an installed package does."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = os.environ["DSPEX_HOME"]
    return lambda: subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def events() -> list[AnyEvent]:
    return [
        ExampleScored(seq=n, run="r1", candidate="c0", example=f"e{n}", score=1.0)
        for n in range(1, EVENTS + 1)
    ]


def journal_of(sample: Sequence[AnyEvent], folder: str) -> float:
    """Return the seconds until every event is on disk."""
    gone, left = threading.Event(), [len(sample)]

    def durable(batch: Sequence[AnyEvent]) -> None:
        left[0] -= len(batch)
        if not left[0]:
            gone.set()

    journal = Journal(Path(folder, "bench.sqlite"), "r1", durable, lambda _error: gone.set())
    journal.open()

    def act() -> None:
        for event in sample:
            journal.take(event)
        gone.wait(60)

    seconds = timed(act)
    journal.close()
    return seconds


def imports() -> None:
    bare = best(python("pass"))
    ours, base = best(python("import dspex")) - bare, best(python("import asyncio, pydantic")) - bare
    tell("import dspex", f"{ours * 1000:.0f} ms")
    tell("import asyncio, pydantic", f"{base * 1000:.0f} ms")


def floors() -> None:
    sample = events()
    tell("events folded", f"{EVENTS / best(lambda: fold(sample)):,.0f} /s")
    with tempfile.TemporaryDirectory() as folder:
        tell("events journalled, synced", f"{EVENTS / journal_of(sample, folder):,.0f} /s")


def answer_time(cache: bool) -> float:
    dspex.configure(lm=dspex.LM("practice", cache=cache))
    program = dspex.ChainOfThought("ticket -> team")
    return best(lambda: program(ticket="Hello"))


def programs() -> None:
    _train, val, _test = dspex.datasets.load("tickets")
    rows = [val[i % len(val)] for i in range(ROWS)]
    for cache, name in ((False, "practice model"), (True, "cache")):
        seconds = answer_time(cache)
        tell(f"a program call answered by the {name}", f"{seconds * 1000:.2f} ms")
    dspex.configure(lm=dspex.LM("practice", cache=False, latency=LATENCY), num_threads=WIDTH)
    evaluate = dspex.Evaluate(devset=rows, metric=dspex.exact("team"))
    ideal = math.ceil(ROWS / WIDTH) * LATENCY
    tell(
        f"evaluation of {ROWS} rows, {WIDTH} at once (ideal {ideal:.2f} s)",
        f"{timed(lambda: evaluate(dspex.ChainOfThought('ticket -> team'))):.2f} s",
    )


def cost_with(interpreter: str, library: str) -> list[float] | None:
    """Return the microseconds of a call with 0 and 8 demonstrations; None where the library is not there."""
    script = str(Path(__file__).with_name("predict_cost.py"))
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "DSPY_CACHEDIR": os.environ["DSPEX_HOME"],
    }
    done = subprocess.run(
        [interpreter, script, library], capture_output=True, text=True, env=environment, check=False
    )
    return [float(part) for part in done.stdout.split()] if done.returncode == 0 else None


def calls() -> None:
    """Tell what the framework costs in a call, and how much less that is than in DSPy, taken by turns."""
    other = os.environ.get("DSPY_PYTHON") or sys.executable
    ours: list[list[float]] = []
    theirs: list[list[float]] = []
    for _ in range(3):
        ours.append(cost_with(sys.executable, "dspex") or [math.nan] * 2)
        found = cost_with(other, "dspy")
        if found is None:
            break
        theirs.append(found)
    for k, (demos, bound) in enumerate(((0, 120), (8, 250))):
        mine = min(row[k] for row in ours)
        tell(f"Predict, {demos} demonstrations (at most {bound} us)", f"{mine:.0f} us")
        if theirs:
            dspys = min(row[k] for row in theirs)
            tell(f"the same in DSPy, {dspys / mine:.1f} times", f"{dspys:.0f} us")
    if not theirs:
        tell("DSPy beside it: not installed; DSPY_PYTHON=<python> names one", "skipped")


@contextmanager
def server(latency: float) -> Iterator[str]:
    """Run the test server in a process of its own and give its address."""
    command = [sys.executable, "-m", "dspex.testing.server", "--latency", str(latency), "--while-open"]
    said = ["--answer", r"[[ ## answer ## ]]\nblue\n\n[[ ## completed ## ]]"]
    with subprocess.Popen(
        [*command, *said], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.communicate()  # it ends when its input does


def throughput_of(library: str, address: str, how: str, *sizes: str) -> list[dict[str, float]]:
    """Return what a library does against the server; nothing where it is not there."""
    script = str(Path(__file__).with_name("throughput.py"))
    interpreter = (library == "dspy" and os.environ.get("DSPY_PYTHON")) or sys.executable
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "DSPY_CACHEDIR": os.environ["DSPEX_HOME"],
    }
    command = [interpreter, script, library, address, how, *sizes]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []


def evaluations() -> None:
    """Tell how many examples a second are evaluated at the test server, beside DSPy in the same minutes."""
    with server(LATENCY) as address:
        found = {
            (how, name): throughput_of(name, address, how, *SIZES)
            for how in ("bare", "cache")
            for name in ("dspex", "dspy")
        }
        kept = {name: throughput_of(name, address, "cache") for name in ("dspex", "dspy")}
    for (how, name), rows in found.items():
        for row in rows:
            what = f"{name}: {row['width']:.0f} in flight{', a cache to fill' if how == 'cache' else ''}"
            tell(f"{what}: {row['cpu_ms']:.2f} ms CPU, {row['mb']:.0f} MB", f"{row['per_second']:,.0f} /s")
    for what, name in (("lm", "lm(...) from memory"), ("predict", "Predict from memory")):
        for library, rows in kept.items():
            for row in rows:
                tell(f"{name}, {library}", f"{row[what]:.0f} us")


def telling() -> None:
    """Tell what journal and bus take of an evaluation."""
    script = str(Path(__file__).with_name("telling.py"))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(
        [sys.executable, script], check=True, capture_output=True, text=True, env=environment
    )
    found = json.loads(done.stdout)
    tell("bus, an example (a call's start and end, a score)", f"{found['bus']:.1f} us")
    tell("journal and state, an example", f"{found['journal']:.1f} us")
    tell("both, of an evaluation at 2,000 examples/s", f"{found['share']:.1%}")


def flooded() -> None:
    """Tell how far a widget is behind while events pour in."""
    found = flood.measure()
    for name, value in found.items():
        tell(f"flood: {name.replace('_', ' ')}", f"{value:,.2f}" if value < 100 else f"{value:,.0f}")


def front() -> None:
    if BUNDLE.is_file():
        tell("front end, gzipped", f"{len(gzip.compress(BUNDLE.read_bytes(), 9)) / 1024:.1f} KB")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"DSPEX_HOME": home, "DSPEX_CACHE_DIR": home}
        for part in (imports, floors, calls, evaluations, programs, telling, flooded, front):
            part()
