"""What the tests of chaos share: numbered questions, an evaluation of them, and looks at what is left behind."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import dspex
from dspex import LM, _host
from dspex.events.event import AnyEvent
from dspex.lm.messages import Message
from dspex.runs.run import Run
from dspex.testing.server import Server

LIMIT = 15.0
"""Seconds that nothing in these tests may need."""


def echo(messages: Sequence[Message]) -> str:
    """Answer a question with its own number, so that an answer to another question is found out."""
    number = re.findall(r"question number (\d+)", messages[-1].text)[-1]
    return f"[[ ## answer ## ]]\n{number}\n\n[[ ## completed ## ]]"


def questions(count: int) -> list[dspex.Example]:
    return [
        dspex.Example(question=f"question number {k}", answer=str(k)).with_inputs("question")
        for k in range(count)
    ]


def right(example: Any, prediction: Any, trace: Any = None) -> float:
    return float(prediction.answer == example.answer)


def lm_at(server: Server, model: str = "openai/m", **given: Any) -> LM:
    return LM(
        model, **{"api_base": server.base_url, "cache": False, "api_key": "sk-chaos-0123456789", **given}
    )


def evaluation(lm: LM, count: int, width: int = 32, name: str = "chaos", **given: Any) -> Run:
    """Start an evaluation of numbered questions."""
    program = dspex.Predict("question -> answer")
    program.lm = lm
    how = dspex.Evaluate(devset=questions(count), metric=right, num_threads=width, **given)
    return how.start(program, name=name)


class Told:
    """What a run's follower was told; waits for the n-th event of a kind."""

    def __init__(self, run: Run) -> None:
        self._events: list[AnyEvent] = []
        self._new = threading.Condition()
        run.follow(self._take)

    def _take(self, events: Sequence[AnyEvent]) -> None:
        with self._new:
            self._events += events
            self._new.notify_all()

    def wait(self, kind: type[AnyEvent], times: int = 1) -> None:
        """Wait until so many were told since this began."""

        def enough() -> bool:
            return sum(isinstance(event, kind) for event in self._events) >= times

        with self._new:
            assert self._new.wait_for(enough, LIMIT), f"no {kind.__name__} within {LIMIT:g} s"


def until(true: Callable[[], object], what: str, seconds: float = LIMIT) -> None:
    """Wait until something is so that no event of ours tells of, such as the end of another process."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.002)


def tasks() -> set[asyncio.Task[Any]]:
    """Return the tasks of the host loop, but for the one that looks."""

    async def look() -> set[asyncio.Task[Any]]:
        return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]

    return _host.portal.run(look())


def state_of(pid: int) -> str:
    """Return the letter the system gives the process's state; "" where there is none, "Z" where it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def gone(pid: int) -> bool:
    """Tell whether the process has ended; one whose end nobody asked for yet has, too."""
    return state_of(pid) in ("", "Z")


def children(pid: int | None = None) -> list[int]:
    """Return the processes that the process started and that live."""
    pid = os.getpid() if pid is None else pid
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended just now
            found += [int(word) for word in (task / "children").read_text().split()]
    return [child for child in found if not gone(child)]


def ask(lm: LM, streamed: bool = False, text: str = "hi") -> str:
    """Ask a model as a person does who waits for it, whole or in pieces."""
    if not streamed:
        return str(lm(text)[0])
    message = Message(role="user", content=text)
    return _host.drive(lm.acomplete([message], on_chunk=lambda _: None)).text
