"""100,000 events before a person's eyes: the widget keeps up, the page stays at hand, the numbers are the run's."""

from __future__ import annotations

import re
import time
from itertools import pairwise

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenNotebook
from tests.browser.lab import Notebook
from tests.browser.widget import RunWidget

EXAMPLES = 33_400
"""Each is three events: a call begins, it ends, the example is scored."""
SETUP = f"""
%load_ext dspex
from itertools import repeat
from dspex.testing import DummyLM
dspex.configure(lm=DummyLM(repeat({{"team": "billing"}})))
def same(example, prediction, trace=None):
    return example.team == prediction.team
same.inline = True
rows = [
    dspex.Example(ticket=f"Ticket {{k}}", team="bug" if k % 4 == 0 else "billing").with_inputs("ticket")
    for k in range({EXAMPLES})
]
"""
START = 'run = dspex.Evaluate(devset=rows, metric=same).start(dspex.Predict("ticket -> team"))\nrun'
KNOWN = "(run.state.examples, run.state.seq, run.status)"
SOON = 3.0
"""Seconds within which the page answers a person, on a machine that has other things to do."""
WATCH = """bar => {
    const seen = [], gaps = [], begin = performance.now();
    const note = () => seen.push([performance.now() - begin, Number(bar.getAttribute('aria-valuenow'))]);
    note();
    new MutationObserver(note).observe(bar, {attributes: true, attributeFilter: ['aria-valuenow']});
    let last = begin;
    const frame = () => {
        const now = performance.now();
        gaps.push(now - last);
        last = now;
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    window.watched = {seen, gaps};
}"""
"""Notes in the page when the number of examples done changed, and how long each frame took."""


def advance(bar: Locator, least: int) -> int:
    """Wait until the widget says that so many examples are done, and return how many it says."""
    bar.page.wait_for_function(
        "([bar, least]) => Number(bar.getAttribute('aria-valuenow')) >= least",
        arg=[bar.element_handle(), least],
        timeout=60_000,
    )
    return done(bar)


def done(bar: Locator) -> int:
    """Return how many examples the widget says are done."""
    return int(bar.get_attribute("aria-valuenow") or 0)


def known(notebook: Notebook, cell: int) -> tuple[int, int, str]:
    """Ask the kernel how many examples are done, how many events there were, and how the run is."""
    examples, events, status = notebook.execute(cell, timeout=60).strip("()").split(", ")
    return int(examples), int(events), status.strip("'")


def soon(began: float) -> None:
    """Check that what was asked for has come soon enough."""
    assert time.monotonic() - began < SOON


def type_into(notebook: Notebook, cell: int) -> None:
    """Type a word into a cell as a person does, and see it there soon."""
    began = time.monotonic()
    notebook.cell(cell).locator(".cm-content").click()
    notebook.page.keyboard.type("abcdefgh")
    expect(notebook.cell(cell).locator(".cm-content")).to_contain_text("abcdefgh", timeout=SOON * 1000)
    soon(began)


def settled(bar: Locator) -> None:
    """Wait until the widget stands still, as it does once what was in flight has ended."""
    deadline = time.monotonic() + SOON
    held = -1
    while held != (held := done(bar)):
        assert time.monotonic() < deadline, "the run went on though it was paused"
        bar.page.wait_for_timeout(500)


def pause_and_resume(widget: RunWidget, bar: Locator) -> None:
    """Hold the flood by a click and let it go on by another; while it is held, nothing moves."""
    for button, status in (("Pause", "paused"), ("Resume", "running")):
        began = time.monotonic()
        widget.button(button).click()
        widget.wait_status(status, timeout=SOON * 1000)
        soon(began)
        if status == "paused":
            settled(bar)
            pictures(widget.notebook, "live")


def moved(page: Page) -> int:
    """Check that the number grew all the time and no frame took long, and return how far it came."""
    watched = page.evaluate("window.watched")
    times, counts = zip(*watched["seen"], strict=True)
    assert list(counts) == sorted(set(counts))
    assert len(counts) > 5
    assert max(after - before for before, after in pairwise(times)) < SOON * 1000
    assert max(watched["gaps"]) < SOON * 1000
    return int(counts[-1])


def pictures(notebook: Notebook, name: str) -> None:
    """Take pictures of the narrow page in both themes; they go to build/shots."""
    notebook.alone()
    for theme in ("Dark", "Light"):
        notebook.theme(theme)
        expect(notebook.page.locator("#jupyterlab-splash")).to_have_count(0)
        notebook.shot(f"flood-{name}-{theme.lower()}", width=800, height=2400)


def test_100_000_events_leave_widget_and_page_current(open_notebook: OpenNotebook) -> None:
    """While they come the widget moves, buttons and cells answer; at the end it says what the run says."""
    notebook = open_notebook("flood.ipynb", [SETUP, START, KNOWN, "# here: ", KNOWN])
    notebook.execute(0, timeout=60)
    notebook.run(1)
    widget = RunWidget(notebook, 1)
    bar = widget.region.get_by_role("progressbar", name="Examples done")
    expect(bar).to_be_visible(timeout=30_000)
    bar.evaluate(WATCH)

    seen = advance(bar, EXAMPLES // 10)
    began = time.monotonic()
    examples, _, status = known(notebook, 2)
    assert (examples >= seen, status) == (True, "running")
    assert advance(bar, examples) < EXAMPLES, "the flood was over before anything was tried"
    soon(began)
    type_into(notebook, 3)
    moved(notebook.page)
    pause_and_resume(widget, bar)
    bar.evaluate(WATCH)
    assert advance(bar, done(bar) + 1000) < EXAMPLES, "the flood was over before anything was tried"

    widget.wait_end("finished", timeout=120_000)
    told = notebook.wait_frozen(1)
    assert known(notebook, 4) == (EXAMPLES, 3 * EXAMPLES + 9, "finished")
    assert f"score 75.0 on {EXAMPLES} examples" in told
    assert moved(notebook.page) == EXAMPLES
    pictures(notebook, "frozen")
    shown = notebook.cell(1).inner_text()
    assert re.search(rf"\b{EXAMPLES:,}\b", shown), shown
