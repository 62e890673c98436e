"""The widget of an evaluation on a cluster: live while a worker is killed, and its buttons reach the workers."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dspex import runs
from dspex.events.event import ExampleScored, LMEnd, LMStart
from dspex.runs.state import fold
from dspex.testing.server import Server
from tests.dspex_widgets.notebooks import Notebook, a_notebook
from tests.executors.looks import at_work, cells_of, until
from tests.executors.page import Page
from tests.executors.programs import questions

pytestmark = pytest.mark.timeout(120)
ROOT = Path(__file__).resolve().parents[2]
CELL = 0.25
"""Seconds that the provider takes, and so a cell."""
SILENCE = 8 * CELL
"""Seconds that the count may stand still: some thread of twelve ends a cell in each of them, on a busy machine later."""
THREADS = 4
"""Of each worker."""

SETUP = """
import sys
sys.path.insert(0, {root!r})
%load_ext dspex
from distributed import Client
from tests.executors.programs import Answers, Twice, length, questions
client = Client({address!r})
"""
BEGIN = """
dspex.configure(lm=dspex.LM("openai/gpt-4o-mini", api_base={url!r}, cache=False))
run = dspex.Evaluate(devset=questions({count}), metric=length, num_threads=12, executor=client).start({program}())
run
"""


@pytest.fixture(scope="module")
def notebook(client: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """A person's kernel with a client of the cluster."""
    with a_notebook(tmp_path_factory.mktemp("notebook")) as one:
        one.run(SETUP.format(root=str(ROOT), address=client.scheduler.address), timeout=60)
        yield one


def begin(notebook: Notebook, server: Server, count: int, program: str = "Answers") -> Page:
    """Start an evaluation in the kernel, with its widget."""
    code = BEGIN.format(url=server.base_url, count=count, program=program)
    return Page(notebook, notebook.run(code, timeout=30))


def test_widget_lives_while_a_worker_is_killed(client: Any, server: Server, notebook: Notebook):
    """The page's count grows before, during and after; in the end it shows the journal, each cell and call once."""
    server.latency, rows = CELL, questions(480)
    page = begin(notebook, server, len(rows))
    page.until(lambda: page.state.examples > 60)
    assert page.tokens > 0
    assert page.cost > 0
    workers = set(client.nthreads())
    victim = min(client.run(os.getpid).values())
    killed = time.time()
    os.kill(victim, signal.SIGKILL)
    page.until(lambda: len(now := set(client.nthreads())) == 3 and now != workers)
    back = time.time()
    page.until(lambda: page.state.status == "finished")

    moments = [moment for moment, _ in page.grew]
    assert sum(moment < killed for moment in moments) >= 2
    assert any(killed < moment < back for moment in moments), "a new process is there within a second or two"
    assert sum(moment > back for moment in moments) >= 2
    assert max(after - before for before, after in pairwise(moments)) < SILENCE

    events = runs.open(page.run).events
    assert page.state == fold(events)
    told = Counter(event.example for event in events if isinstance(event, ExampleScored))
    assert told == Counter(row.digest for row in rows)
    heard = notebook.run("import json\nprint(json.dumps([s for _, _, s in run.result().results]))")
    [said] = [m["content"]["text"] for m in heard if m["msg_type"] == "stream"]
    assert json.loads(said) == [len(row.question.strip()) / 100 for row in rows]
    check_calls(page, events, server, len(rows))


def check_calls(page: Page, events: list[Any], server: Server, cells: int) -> None:
    """Every call of a worker is in the journal once, and the tiles say what the provider was paid for."""
    ends = [event for event in events if isinstance(event, LMEnd)]
    answered = [event for event in ends if not event.error]
    assert len(ends) == sum(isinstance(event, LMStart) for event in events)
    assert sum(model.in_flight for model in page.state.lm) == 0
    assert sum(model.calls for model in page.state.lm) == len(ends)
    assert page.tokens == sum(event.prompt_tokens + event.completion_tokens for event in answered)
    assert page.cost == pytest.approx(sum(event.cost for event in answered))
    # What the killed worker had in flight, and what it was answered in its last moment, is in nobody's books.
    assert cells <= len(answered) <= server.hits <= len(answered) + 2 * THREADS


def test_pause_and_cancel_of_the_widget_reach_the_workers(client: Any, server: Server, notebook: Notebook):
    """After `pause` no cell is left on the cluster and none comes; `resume` goes on; `cancel` leaves no task at work."""
    page = begin(notebook, server, 2000)
    page.until(lambda: page.state.examples > 24)
    page.press("pause")
    page.until(lambda: page.state.status == "paused")
    until(lambda: not client.run_on_scheduler(cells_of))
    asked = server.hits
    assert (server.in_flight, asked < 2000) == (0, True)
    page.until(lambda: page.state.examples == asked)
    assert client.run_on_scheduler(cells_of) == []
    assert server.hits == asked

    page.press("resume")
    page.until(lambda: page.state.status == "running" and page.state.examples > asked + 24)
    server.latency = 60.0
    until(lambda: server.in_flight == 12)
    page.press("cancel")
    page.until(lambda: page.state.status == "cancelled")
    until(lambda: server.in_flight == 0, 5)
    until(lambda: not client.run_on_scheduler(cells_of))
    until(lambda: all(did == (0, []) for did in client.run(at_work).values()))
    assert page.state == fold(runs.open(page.run).events)
    assert page.state.lm[0].in_flight == 0


def test_a_pause_of_calls_in_flight_holds_the_workers(client: Any, server: Server, notebook: Notebook):
    """After `pause` with `now` a cell that is at work asks nothing more, and ends once the run goes on."""
    server.latency = CELL
    page = begin(notebook, server, 24, "Twice")
    until(lambda: server.in_flight == 12)
    page.press("pause", now=True)
    page.until(lambda: page.state.status == "paused")
    until(lambda: all(held == [True] for _, held in client.run(at_work).values()))
    until(lambda: server.in_flight == 0)
    asked = server.hits
    assert len(client.run_on_scheduler(cells_of)) > 0
    assert sum(count for count, _ in client.run(at_work).values()) > 0
    assert server.hits == asked < 48
    page.press("resume")
    page.until(lambda: page.state.status == "finished")
    assert (page.state.examples, page.state.calls, server.hits) == (24, 48, 48)
