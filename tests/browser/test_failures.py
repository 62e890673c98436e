"""Why examples failed, in a real JupyterLab: while the run goes on, and in the frozen output after it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import OpenNotebook
from tests.browser.test_quickstart import SETUP
from tests.browser.widget import RunWidget

EVALUATE = """
def picky(example, prediction, trace=None):
    if "e" in example.ticket[:12]:
        raise KeyError("<img src=x onerror=alert(1)>")
    return prediction.team == example.team

run = dspex.Evaluate(devset=val[:60], metric=picky, num_threads=2).start(program)
run
"""
KIND, SAID = "Metric `picky` raised KeyError", "<img src=x onerror=alert(1)>"


def test_failures_say_why_while_they_happen_and_after(open_notebook: OpenNotebook):
    """The kind and the last words are there as text, live in both themes and frozen; nothing of them runs."""
    notebook = open_notebook(
        "failures.ipynb", [SETUP.format(latency=0.3), EVALUATE, "run.stop(); run.wait(30)"]
    )
    asked: list[str] = []
    notebook.page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    notebook.execute(0, timeout=60)
    notebook.execute(1)
    widget = RunWidget(notebook, 1)
    table = widget.region.get_by_role("table", name="Why examples failed")
    for theme in ("Light", "Dark"):
        notebook.theme(theme)
        expect(table.get_by_role("rowheader")).to_have_text([KIND], timeout=30_000)
        expect(table).to_contain_text(SAID)
        notebook.shot(f"failures-{theme.lower()}", part=widget.region)
    notebook.execute(2)
    notebook.wait_frozen(1)
    expect(notebook.cell(1).get_by_text("Why examples failed")).to_be_visible()
    expect(notebook.cell(1).get_by_text(KIND).first).to_be_visible()
    expect(notebook.cell(1).get_by_text(SAID).first).to_be_visible()
    assert asked == []
