"""An evaluation on a cluster in a real JupyterLab: its widget lives while a worker is killed, and tells all in the end.

The cluster's processes are the kernel's own, as a person would start them in a cell.
"""

from __future__ import annotations

import re
import time
from ast import literal_eval
from itertools import pairwise
from typing import Any

from playwright.sync_api import ViewportSize, expect

from tests.browser.conftest import OpenNotebook
from tests.browser.lab import Notebook
from tests.browser.widget import RunWidget

CELLS = 240
TALL = ViewportSize(width=1280, height=2400)
"""Every cell of the notebook stays in the document."""
SETUP = """
%load_ext dspex
import os, signal
from typing import Literal
from distributed import Client, LocalCluster
cluster = LocalCluster(
    n_workers=3, threads_per_worker=2, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0")
client = Client(cluster)
train, val, test = dspex.datasets.load("tickets")
rows = [dspex.Example(ticket=f"Case {k}: {row.ticket}", team=row.team).with_inputs("ticket")
        for k, row in enumerate(([*train] * 8)[:240])]
class Triage(dspex.Signature):
    "Sort a support ticket to the team that can resolve it."
    ticket: str = dspex.InputField()
    team: Literal["billing", "account", "bug", "feature"] = dspex.OutputField()
dspex.configure(lm=dspex.LM("practice", latency=0.25))
"""
EVALUATE = """
evaluation = dspex.Evaluate(devset=rows, metric=dspex.exact("team"), num_threads=6, executor=client)
run = evaluation.start(dspex.Predict(Triage))
run
"""
KILL = "pids = sorted(client.run(os.getpid).values())\nos.kill(pids[0], signal.SIGKILL)\npids"
PIDS = "sorted(client.run(os.getpid).values())"
RESULT = """
from collections import Counter
from dspex.events.event import ExampleScored, LMEnd
told = Counter(event.example for event in run.events if isinstance(event, ExampleScored))
calls = sum(isinstance(event, LMEnd) for event in run.events)
(run.status, run.result().n, len(told), max(told.values()), calls)
"""
CLOSE = "client.close(); cluster.close()"


RECORD = """
bar => {
    const moments = window.moments = [[Date.now() / 1000, Number(bar.ariaValueNow)]];
    const note = () => moments.push([Date.now() / 1000, Number(bar.ariaValueNow)]);
    new MutationObserver(note).observe(bar, { attributeFilter: ["aria-valuenow"] });
}
"""
"""Notes in the page whenever the number of examples done changes there."""
SILENCE = 5.0
"""Seconds that the page's number may stand still: twenty times what a cell takes, as the page is pictured meanwhile."""


def recorded(notebook: Notebook) -> list[tuple[float, int]]:
    """Return when the page's number changed, and to what."""
    return [(moment, int(done)) for moment, done in notebook.page.evaluate("window.moments")]


def value_of(notebook: Notebook, cell: int) -> Any:
    """Run a cell and return its value; what the cluster logs meanwhile stands beside it."""
    lines = [line for line in notebook.execute(cell).splitlines() if line[:1] in "[("]
    return literal_eval("".join(lines))


def test_widget_lives_while_a_worker_is_killed(open_notebook: OpenNotebook):
    """The page's numbers grow before and after the kill, and in the end each cell and each call counts once."""
    notebook = open_notebook("cluster.ipynb", [SETUP, EVALUATE, KILL, PIDS, RESULT, CLOSE])
    notebook.alone()
    assert notebook.execute(0, timeout=60) == ""
    notebook.execute(1)
    widget = RunWidget(notebook, 1)
    done = widget.region.get_by_role("progressbar", name="Examples done")
    expect(done).to_be_visible(timeout=30_000)
    done.evaluate(RECORD)
    expect(done).to_have_attribute("aria-valuenow", re.compile(r"^[3-9]\d$"), timeout=30_000)
    tokens = widget.tile("Tokens")

    killed = time.time()
    before = value_of(notebook, 2)
    seen = len(recorded(notebook))
    for theme in ("Dark", "Light"):
        notebook.theme(theme)
        notebook.shot(f"cluster-{theme.lower()}", width=800, height=1100)
    notebook.page.set_viewport_size(TALL)
    assert widget.region.evaluate("region => region.scrollWidth - region.clientWidth") <= 0
    assert len(recorded(notebook)) > seen, "the page stood still after the kill"
    assert widget.tile("Tokens") != tokens
    widget.wait_status("running", timeout=1_000)
    assert before[0] not in value_of(notebook, 3)

    widget.wait_end("finished")
    moments = recorded(notebook)
    assert moments[-1][1] == CELLS
    assert [count for _, count in moments] == sorted(count for _, count in moments)
    assert sum(moment < killed for moment, _ in moments) >= 3
    assert max(after - before for (before, _), (after, _) in pairwise(moments)) < SILENCE
    expect(notebook.cell(1).get_by_text(f"{CELLS} of {CELLS} scored")).to_be_visible()
    check_result(notebook)
    notebook.execute(5)


def check_result(notebook: Notebook) -> None:
    """The kernel's own books say what the widget says."""
    status, n, told, most, calls = value_of(notebook, 4)
    assert (status, n, told, most) == ("finished", CELLS, CELLS, 1)
    said = re.search(r"LM calls\s+(\d+)", notebook.cell(1).inner_text(), re.IGNORECASE)
    assert said is not None
    assert int(said[1]) == calls >= CELLS
    notebook.shot("cluster-end", width=800, height=1100)
