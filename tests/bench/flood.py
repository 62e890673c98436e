"""100,000 events as fast as they come, past the real bus, journal and widget: what waits, what lags, what it needs.

    python tests/bench/flood.py 100000

Prints one line a number. Several threads of one run emit what an evaluation emits; the widget's comm ends in a
`Browser` that takes messages as `js/src/store` does. `tests/dspex_widgets/test_flood.py` holds the bounds.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import comm
from comm.base_comm import BaseComm

from dspex.events.event import (
    AnyEvent,
    BestChanged,
    CandidateEvaluated,
    CandidateProposed,
    EvaluateEnd,
    EvaluateStart,
    ExampleScored,
    LMEnd,
    LMStart,
)
from dspex.runs import run as runs
from dspex.runs.engine import Plan
from dspex.runs.state import RunState, fold
from dspex.scope.scope import current
from dspex_widgets.broadcaster import broadcaster
from dspex_widgets.controls import Controls
from dspex_widgets.link import Link
from dspex_widgets.panel import RunPanel
from dspex_widgets.protocol import Delta, Snapshot, decode, decode_state

EVENTS = 100_000
THREADS = 4
CANDIDATES = 8
FEEDBACK = "What a metric says of an answer, and more. " * 50
"""Two kilobytes for each example, so that whoever keeps them shows in the memory."""


class Peak(deque[Any]):
    """A queue that notes how much it ever held."""

    most = 0

    def append(self, item: Any) -> None:
        """Take one more."""
        super().append(item)
        self.most = max(self.most, len(self))


class Browser(BaseComm):
    """The far end of a widget's comm: what the page would hold after the messages so far."""

    def __init__(self, **opening: Any) -> None:
        self.state = RunState()
        self.gaps = 0
        self.heard: list[tuple[float, int]] = []
        """When which event was known here."""
        self.ages: list[float] = []
        """How many seconds ago that event had happened."""
        self.bytes = 0
        self.largest = 0
        self.kept = ""
        super().__init__(**opening)

    def publish_msg(self, msg_type: str, data: Any = None, *_: Any, **more: Any) -> None:
        """Take a message as JSON text, as the socket brings it."""
        if msg_type == "comm_open" and "snapshot" in data["state"]:  # the widget's layout has a comm, too
            self.state = decode_state(data["state"]["snapshot"])
        if msg_type != "comm_msg":
            return
        text = json.dumps(data)
        self.bytes += len(text)
        self.largest = max(self.largest, len(text))
        if data["method"] == "update":
            self.kept = data["state"]["snapshot"]
        elif data["method"] == "custom":
            self._take(json.loads(text)["content"])

    def _take(self, content: object) -> None:
        match decode(content):
            case Delta() as delta if delta.from_ > self.state.seq + 1:
                self.gaps += 1
            case Delta() as delta:
                fold(delta.ev, self.state)
            case Snapshot() as snapshot if snapshot.seq >= self.state.seq:
                self.state = snapshot.state
            case _:
                return
        self.heard.append((time.monotonic(), self.state.seq))
        self.ages.append(max(0.0, time.time() - self.state.updated))


@dataclass
class Flood:
    """A run whose work waits for `begin()` and then emits; its widget is attached, its queues are counted."""

    run: runs.Run
    go: threading.Event
    browser: Browser
    link: Link
    journal: Peak
    emitted: int
    """Events that it emits from first to last."""
    durable: list[tuple[float, int, int]] = field(default_factory=list)
    """When which event was on disk, and how much the browser had heard then."""

    def begin(self) -> None:
        """Let it flow."""
        self.go.set()

    def note(self, events: Sequence[AnyEvent]) -> None:
        """Follow the run, as whoever shows it does."""
        if events:
            self.durable.append((time.monotonic(), events[-1].seq, len(self.browser.heard)))

    def lags(self) -> list[float]:
        """Return, for each batch on disk, the seconds until the browser knew it."""
        found, heard = [], iter(self.browser.heard)
        at, known = 0.0, 0
        for when, seq, _ in self.durable:
            while known < seq:
                at, known = next(heard)
            found.append(max(0.0, at - when))
        return found


@contextmanager
def a_flood(events: int = EVENTS, each: Callable[[int], object] = lambda place: None) -> Iterator[Flood]:
    """Start a run that will emit about so many events, with a widget; `each` is called with every example's place."""
    examples = events // 3
    go = threading.Event()

    def work(kept: Any) -> str:
        go.wait()
        _evaluate(examples, each)
        return "done"

    run = runs.start(Plan(name="flood", work="optimize", method="Flood"), work)
    engine = run._engine
    assert engine is not None
    engine.flush()
    journal = engine._journal._queue = Peak()
    link = Link(run, broadcaster.wake)
    panel, browser = _panel(run, link)
    flood = Flood(run, go, browser, link, journal, emitted=2 + 3 * examples + 5 * CANDIDATES)
    _, leave = run.follow(flood.note)
    broadcaster.add(link)
    link.begin(panel)
    try:
        yield flood
    finally:
        go.set()
        run.cancel()
        run.wait(10)
        leave()
        link.drop()


def _panel(run: runs.Run, link: Link) -> tuple[RunPanel, Browser]:
    before = comm.create_comm
    comm.create_comm = Browser  # type: ignore[assignment]  # its package says it is meant to be replaced
    try:
        panel = RunPanel(run=run.id, snapshot=link.snapshot, hear=Controls(run, link).hear)
    finally:
        comm.create_comm = before
    assert isinstance(panel.comm, Browser)
    return panel, panel.comm


def _evaluate(examples: int, each: Callable[[int], object]) -> None:
    emit = current().emit
    shares = [range(k, examples, CANDIDATES) for k in range(CANDIDATES)]
    for k, share in enumerate(shares):
        emit(
            CandidateProposed(candidate=f"c{k}", baseline=k == 0, instructions={"main": f"Do it {k} times."})
        )
        emit(EvaluateStart(candidate=f"c{k}", total=len(share)))
    threads = [
        threading.Thread(target=copy_context().run, args=(_examples, range(k, examples, THREADS), each))
        for k in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, share in enumerate(shares):
        mean = (k + 1) / (CANDIDATES + 1)
        emit(EvaluateEnd(candidate=f"c{k}", done=len(share)))
        emit(CandidateEvaluated(candidate=f"c{k}", mean=mean, low=0.0, high=1.0, n=len(share)))
        emit(BestChanged(candidate=f"c{k}", mean=mean))


def _examples(places: range, each: Callable[[int], object]) -> None:
    scope = current()
    for place in places:
        scope.checkpoint()
        scope.emit(LMStart(model="m"))
        scope.emit(LMEnd(model="m", prompt_tokens=100, completion_tokens=10, cost=1e-6, seconds=0.01))
        scored = ExampleScored(
            candidate=f"c{place % CANDIDATES}", example=f"e{place}", score=place % 2,
            feedback=f"{place} {FEEDBACK}", cost=1e-6, seconds=0.01,
        )  # fmt: skip
        scope.emit(scored)
        each(place)


def memory() -> float:
    """Return what the process holds now, in MB; what it held at most where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / (1e6 if sys.platform == "darwin" else 1e3)


def measure(events: int = EVENTS) -> dict[str, float]:
    """Return what a flood does: events a second, seconds of lag, the most that waited, megabytes it needed more."""
    with a_flood(events) as flood:
        before = most = memory()
        began = time.monotonic()
        flood.begin()
        while not flood.run.wait(0.02):
            most = max(most, memory())
        seconds = time.monotonic() - began
        assert flood.link.settled.wait(10), "the widget was not told of the end"
        assert flood.browser.state == flood.run.state
        lags = flood.lags()
        return {
            "events": flood.emitted, "per_second": flood.emitted / seconds,
            "lag_median": sorted(lags)[len(lags) // 2], "lag_most": max(lags), "lag_at_end": lags[-1],
            "age_most": max(flood.browser.ages),
            "most_queued": flood.journal.most, "messages": len(flood.browser.heard),
            "largest_kb": flood.browser.largest / 1e3, "peak_mb": most - before,
        }  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="dspex-flood-") as home:
        os.environ["DSPEX_HOME"] = home
        for name, value in measure(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS).items():
            sys.stdout.write(f"{name:<16}{value:>14,.3f}\n")
