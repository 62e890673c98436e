"""A driver that dies in mid-run: its workers stop, and no call that was answered is paid for again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dspex
from dspex import runs
from dspex.events.event import LMEnd
from dspex.lm.lm import LM
from dspex.lm.messages import Request, Response
from dspex.testing.scripted import answer
from dspex.testing.server import Server, serving
from tests.executors.looks import at_work, cells_of, until
from tests.executors.programs import KEY, Twice, echo, is_draft, length, questions
from tests.runs.kernels import Kernel

pytestmark = pytest.mark.timeout(120)
ROWS = 24
DRIVER = """
import os, threading
import dspex
from distributed import Client
from dspex.events.event import ExampleScored, LMEnd
from tests.executors.programs import Twice, length, questions
client = Client({address!r})
dspex.configure(lm=dspex.LM("openai/gpt-4o-mini", api_base={url!r}, cache=False))
run = dspex.Evaluate(devset=questions({rows}), metric=length, num_threads=12, executor=client).start(Twice())
def told(events):
    answered = sum(isinstance(event, LMEnd) for event in run.events)
    scored = sum(isinstance(event, ExampleScored) for event in run.events)
    if (answered, scored) == (20, 4):
        os.write(1, (run.id + chr(10)).encode())
run.follow(lambda events: threading.Thread(target=told, args=(events,)).start())
run.wait()
"""


class Slow:
    """Answers for four questions at once, and for all others gives drafts only, until it is let go."""

    def __init__(self) -> None:
        self.open = False
        self.drafts: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()

    async def send(self, request: Request) -> Response:
        messages = list(request.messages)
        question = str(messages[-1].content).partition("[[ ## question ## ]]")[2].partition("\n\n")[0].strip()
        (self.drafts if is_draft(messages) else self.answers)[question] += 1
        first = question in [row.question.strip() for row in questions(4)]
        return answer(echo(messages)) if first or self.open or is_draft(messages) else await never()


async def never() -> Response:
    import asyncio

    await asyncio.Event().wait()
    raise AssertionError("it is over")


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def held(slow: Slow) -> Iterator[Server]:
    with serving(slow) as one:
        yield one


@pytest.fixture
def died(client: Any, held: Server, slow: Slow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run whose kernel was killed when four examples were scored and twelve had their draft; the run's id."""
    monkeypatch.setenv("DSPEX_HOME", str(tmp_path))
    code = DRIVER.format(address=client.scheduler.address, url=held.base_url, rows=ROWS)
    with Kernel(code, tmp_path) as kernel:
        until(lambda: sum(slow.drafts.values()) == 16)
        run = kernel.line()
        assert run, kernel.end()
        kernel.kill()
    return run


def test_workers_of_a_dead_driver_ask_nothing_more(client: Any, died: str, held: Server, slow: Slow):
    """What a cell has in flight is cut off soon after nobody waits for it, and nothing else begins."""
    until(lambda: held.in_flight == 0, 10)
    assert held.dropped == 12
    until(lambda: not client.run_on_scheduler(cells_of))
    until(lambda: all(count == 0 for count, _ in client.run(at_work).values()))
    assert sum(slow.drafts.values()) == 16


@pytest.mark.parametrize("there", [True, False], ids=["on the cluster", "without it"])
def test_calls_of_unfinished_cells_are_paid_once(
    client: Any, died: str, held: Server, slow: Slow, monkeypatch: pytest.MonkeyPatch, there: bool
):
    """The next life goes on behind the drafts that it has, on the cluster or without one; only what was cut is asked."""
    until(lambda: held.in_flight == 0, 10)
    slow.open = True
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with dspex.context(lm=LM("openai/gpt-4o-mini", api_base=held.base_url, cache=False)):
        run = runs.open(died).resume(
            executor=client if there else None, program=Twice(), devset=questions(ROWS), metric=length
        )
        result = run.result()
    rows = questions(ROWS)
    assert [score for _, _, score in result.results] == [len(row.question.strip()) / 100 for row in rows]
    assert slow.drafts == Counter(row.question.strip() for row in rows)
    assert sum(slow.answers.values()) == ROWS + 12
    assert all(row.prediction.parts.words == [row.prediction.answer] * 2 for row in result.rows)
    # The books: what was answered, once each, and what was cut off when the driver died is not among it.
    answered = [event for event in run.events if isinstance(event, LMEnd) and not event.error]
    assert len(answered) == 2 * ROWS
    assert run.state.calls == 2 * ROWS
    costs = [row.cost for row in result.rows]
    assert costs == pytest.approx([costs[0]] * ROWS, rel=0.5)
    assert sum(costs) == pytest.approx(sum(event.cost for event in answered))
