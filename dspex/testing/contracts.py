"""What every optimizer keeps to, as a check to be run on one: killed at any moment, it goes on as if nothing had been.

The work runs in a process of its own, which is killed as a crash kills it and resumed in a new one; the model is a
server in this process, which counts what it is asked. Nothing here knows any optimizer.
"""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from dspex.events.event import AnyEvent, ExampleScored, LMEnd, RunReopened
from dspex.lm.messages import Message
from dspex.runs.file import read_events
from dspex.runs.steps import count
from dspex.testing.server import serving

PATIENCE = 60.0
"""Seconds that one life of a run may take."""
_DRIVER = """

if __name__ == "__main__":
    import json, os, sys
    import dspex
    if sys.argv[1] == "begin":
        run = begin()
    else:
        run = dspex.runs.open(sys.argv[1]).resume()
    result = run.result()
    state = run.state
    told = {
        "status": state.status,
        "best": state.best,
        "spent": round(state.cost, 9),
        "result": result.dump_state() if hasattr(result, "dump_state") else [result.score, result.mean, result.failed],
        "candidates": [[c.id, c.mean, c.low, c.high, c.n, c.failed, c.program, c.what] for c in state.candidates],
    }
    with open(sys.argv[2], "w") as file:
        json.dump(told, file, sort_keys=True)
"""


@dataclass(kw_only=True)
class Outcome:
    """What a run came to, and what it took."""

    told: dict[str, Any]
    """Winner, candidates and scores."""
    asked: Counter[str]
    """Requests that reached the model, by what they ask."""
    lost: int = 0
    """Of these, how many were in flight when a kernel was killed, or answered and not on the disk yet."""
    lives: int = 1
    acts: Counter[Any] = field(default_factory=Counter)
    """Events that the journal holds, by what makes two the same."""
    numbers: list[int] = field(default_factory=list)


def run_through(
    script: str,
    folder: Path,
    answer: Callable[[Sequence[Message]], str],
    kills: Sequence[int] = (),
    *,
    latency: float = 0.0,
) -> Outcome:
    """Run a script's work, killing its process whenever the model was asked that many times in all.

    Args:
        script: Python that defines `begin()`, which starts a run and returns it, at module level all that the run
            is made of; its model's address is in the variable `DSPEX_TEST_SERVER`.
        folder: an empty folder for the run's home and the script.
        answer: the model.
        kills: after how many requests, rising.
        latency: seconds before every answer.
    """
    file, result = folder / "work.py", folder / "result.json"
    file.write_text(script + _DRIVER, encoding="utf-8")
    left, answered, reached = list(kills), itertools.count(1), threading.Event()

    def said(messages: Sequence[Message]) -> str:
        number = next(answered)
        if left and number >= left[0]:
            reached.set()
        return answer(messages)

    lost = lives = 0
    id = ""
    with serving(said, latency=latency) as server:
        while not result.exists():
            lives += 1
            reached.clear()
            killed = _live(file, id or "begin", result, folder, server.base_url, reached if left else None)
            # A run that was killed before it was on the disk has asked nothing; the next one is another.
            id = next((f.name for f in sorted(folder.glob("runs/r*")) if _events(f)), "")
            if killed:
                left.pop(0)
                while server.in_flight:
                    threading.Event().wait(0.001)
                lost = server.hits - _answered(_events(folder / "runs" / id))
        asked = Counter(msgspec.json.encode(body["messages"]).decode() for body in server.requests)
    events = _events(folder / "runs" / id)
    return Outcome(
        told=msgspec.json.decode(result.read_bytes()),
        asked=asked,
        lost=lost,
        lives=lives,
        acts=_acts(events),
        numbers=[event.seq for event in events],
    )


def points(total: int, seed: int, number: int = 5) -> list[int]:
    """Return after how many requests to kill: random ones, the same for the same seed."""
    return sorted(random.Random(seed).sample(range(1, total), min(number, total - 1)))


def check_same(plain: Outcome, cut: Outcome) -> None:
    """Hold a run that was killed and resumed against one that was not.

    Raises:
        AssertionError: it found something else, lost or doubled an event, or paid for something twice.
    """
    assert cut.told == plain.told, f"another outcome: {cut.told} and not {plain.told}"
    assert cut.numbers == list(range(1, len(cut.numbers) + 1)), "events are missing"
    more, less = cut.acts - plain.acts, plain.acts - cut.acts
    assert not more, f"told twice: {more}"
    assert not less, f"never told: {less}"
    twice = cut.asked - plain.asked
    assert twice.total() <= cut.lost, f"asked again though the answer was on the disk: {twice}"
    assert cut.asked.total() <= plain.asked.total() + cut.lost, "paid twice"


def _live(
    file: Path, what: str, result: Path, folder: Path, address: str, reached: threading.Event | None
) -> bool:
    """Run one life of the work; return whether it was killed."""
    env = {**os.environ, "DSPEX_HOME": str(folder), "DSPEX_TEST_SERVER": address, "OPENAI_API_KEY": "test"}
    process = subprocess.Popen(  # noqa: S603 - the script is the caller's own
        [sys.executable, str(file), what, str(result)], env=env, stderr=subprocess.PIPE, text=True
    )
    try:
        waited = 0.0
        while process.poll() is None and waited < PATIENCE:
            if reached is not None and reached.wait(0.002):
                process.kill()
                process.wait()
                return not result.exists()
            waited += 0.002
            if reached is None:
                process.wait(PATIENCE)
    finally:
        process.kill()
        _, errors = process.communicate()
    if process.returncode:
        raise AssertionError(f"The work ended with {process.returncode}:\n{errors}")
    return False


def _events(folder: Path) -> list[AnyEvent]:
    journal = folder / "journal.sqlite"
    return list(read_events(journal)) if journal.exists() else []


def _answered(events: Sequence[AnyEvent]) -> int:
    return sum(isinstance(event, LMEnd) and not event.error for event in events)


def _acts(events: Sequence[AnyEvent]) -> Counter[Any]:
    """Count what happened: phases, candidates, scores and answered calls; a life more is none of it."""
    acts: Counter[Any] = Counter(count(event for event in events if not isinstance(event, RunReopened)))
    for event in events:
        if isinstance(event, ExampleScored):
            acts["scored", event.candidate, event.example, event.repeat, event.score, event.error] += 1
        elif isinstance(event, LMEnd) and event.error != "cancelled":
            acts["answered", event.role, event.prompt_tokens, event.error] += 1
    return acts
