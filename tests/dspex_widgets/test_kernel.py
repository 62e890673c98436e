"""Runs shown in a real kernel: live for a person, frozen in the file, whoever executes it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from dspex_widgets.freeze import MIME
from dspex_widgets.show import WIDGET
from tests.dspex_widgets.notebooks import WORK, Notebook, a_notebook, customs, displays, execute

SETUP = "%load_ext dspex\n" + WORK
pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """One kernel for all tests of a person's notebook: starting one takes longer than the tests."""
    with a_notebook(tmp_path_factory.mktemp("notebook")) as notebook:
        notebook.run(SETUP)
        yield notebook


def test_executed_notebook_keeps_the_frozen_run_and_no_widget():
    """Executed without a person, a notebook holds the result in each cell that showed a run, and no widget."""
    _, shown, last, [metadata] = execute(
        SETUP, "run = begin(held=False)\nannounce(run)\nprint(run.status)", "run"
    )
    bundle, text = shown
    assert text["text"] == "finished\n"
    assert set(bundle["data"]) == {"text/html", "text/plain", MIME}
    assert "best 50.0 (+50.0), 6 candidates" in bundle["data"]["text/plain"]
    assert ">finished</span>" in bundle["data"]["text/html"]
    assert bundle["data"][MIME]["status"] == "finished"
    assert last[0]["data"]["text/plain"] == bundle["data"]["text/plain"]
    assert "widgets" not in metadata


ROWS = """
import dspex
dspex.configure(lm=dspex.LM("practice"))
train, val, test = dspex.datasets.load("tickets")
rows = dspex.evaluate(dspex.Predict("ticket -> team"), val[:40], dspex.exact("team"), num_threads=2)
print(sum(1 for row in rows))
"""


def test_executed_notebook_reads_rows_to_their_end():
    """The cell that reads the rows is the one that would wait for them: it does not, and keeps the frozen run."""
    report = "\nrows = dspex.evaluate(dspex.Predict('ticket -> team'), val[:40], dspex.exact('team'))\nrows.report().n"
    _, shown, told, _ = execute(SETUP, ROWS, report)
    bundles = [output for output in shown if output["output_type"] == "display_data"]
    assert [b["data"][MIME]["status"] for b in bundles] == ["finished"]
    assert "40\n" in [output.get("text") for output in shown]
    assert [output["data"][MIME]["status"] for output in told if output["output_type"] == "display_data"] == [
        "finished"
    ]


def test_rows_read_by_a_person_show_the_run_once(notebook: Notebook):
    """The widget, and in its place the frozen run."""
    heard = notebook.run(ROWS)
    assert len([m for m in heard if m["msg_type"] == "display_data"]) == 1


def test_person_sees_the_widget_then_the_frozen_run(notebook: Notebook):
    """The cell returns at once with the widget; at the end its output is replaced once, without the widget."""
    heard = notebook.run("run = begin()\nannounce(run)\nrun")
    [bundle] = displays(heard)
    comm = bundle[WIDGET]["model_id"]
    assert {"text/html", "text/plain", MIME} < set(bundle)
    notebook.run("go.set()")
    frozen = notebook.until(lambda m: m["msg_type"] == "update_display_data")["content"]
    assert set(frozen["data"]) == {"text/html", "text/plain", MIME}
    assert frozen["data"][MIME]["status"] == "finished"
    [shown] = [m for m in heard if m["msg_type"] == "display_data"]
    assert frozen["transient"] == shown["content"]["transient"]
    assert contiguous(customs(notebook.heard, comm))
    notebook.say(comm, {"op": "closed"})
    notebook.until(lambda m: m["msg_type"] == "comm_close" and m["content"]["comm_id"] == comm)


def contiguous(messages: list[dict]) -> bool:
    deltas = [m for m in messages if m["t"] == "d"]
    assert deltas
    for delta in deltas:
        assert [e["seq"] for e in delta["ev"]] == list(range(delta["from"], delta["to"] + 1))
    return all(a["to"] + 1 == b["from"] for a, b in pairwise(deltas))


def test_buttons_are_heard_and_answered(notebook: Notebook):
    """A button of the browser reaches the run; a report is written beside the notebook and answered."""
    [bundle] = displays(notebook.run("run = begin()\nannounce(run)"))
    comm = bundle[WIDGET]["model_id"]
    notebook.say(comm, {"op": "snapshot"})
    notebook.until(lambda m: any(c["t"] == "s" for c in customs([m], comm)))
    notebook.say(comm, {"op": "report"})
    answer = notebook.until(lambda m: any(c["t"] in "re" for c in customs([m], comm)))
    [said] = customs([answer], comm)
    assert said == {"t": "r", "path": f"dspex-{bundle[MIME]['run']}.html"}
    notebook.say(comm, {"op": "pause"})
    notebook.until(lambda m: any("run_paused" in str(c) for c in customs([m], comm)))
    notebook.say(comm, {"op": "cancel"})
    ended = notebook.until(lambda m: m["msg_type"] == "update_display_data")["content"]["data"]
    assert ended[MIME]["status"] == "cancelled"


def test_capture_of_another_cell_does_not_swallow_the_result(notebook: Notebook):
    """A run that ends while another cell is captured still reaches its own output."""
    notebook.run("run = begin()\nannounce(run)")
    heard = notebook.run("%%capture\nfrom dspex_widgets.show import settle\ngo.set()\nassert settle(run, 10)")
    assert [b[MIME]["status"] for b in displays(heard, "update_display_data")] == ["finished"]


def test_run_of_the_past_is_shown_frozen(notebook: Notebook):
    """A run that is over has no widget: `run` on a last line shows its result."""
    notebook.run("run = begin(held=False)\nrun.wait()")
    [bundle] = displays(notebook.run("run"))
    assert set(bundle) == {"text/html", "text/plain", MIME}
    [again] = displays(notebook.run("import dspex\ndspex.runs.open(run.id)"))
    assert again["text/plain"] == bundle["text/plain"]


ELSEWHERE = WORK + "run = begin()\nprint(run.id, flush=True)\ninput()\ngo.set()\nrun.wait()"
OTHER = f"""
import subprocess, sys, dspex
code = {ELSEWHERE!r}
other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
watched = dspex.runs.open(other.stdout.readline().strip())
watched
"""


def test_run_of_another_kernel_is_watched_live_and_has_no_buttons(notebook: Notebook):
    """A run that goes on elsewhere is shown as it grows; what could steer it is not there; its end is frozen."""
    heard = notebook.run(OTHER)
    [bundle] = displays(heard)
    comm = bundle[WIDGET]["model_id"]
    opened = next(m for m in heard if m["msg_type"] == "comm_open" and m["content"]["comm_id"] == comm)
    assert opened["content"]["data"]["state"]["steered"] is False
    notebook.say(comm, {"op": "stop"})
    answer = notebook.until(lambda m: any(c["t"] == "e" for c in customs([m], comm)))
    assert "another kernel" in customs([answer], comm)[0]["text"]
    notebook.run("other.communicate('\\n')")
    ended = notebook.until(lambda m: m["msg_type"] == "update_display_data")["content"]["data"]
    assert ended[MIME]["status"] == "finished"


def test_unloaded_extension_shows_runs_no_more(notebook: Notebook):
    """After `%unload_ext` a run is its line of text; after `%load_ext` it is shown again, once."""
    notebook.run("run = begin(held=False)\nrun.wait()")
    assert displays(notebook.run("%unload_ext dspex\nrun")) == []
    assert len(displays(notebook.run("%load_ext dspex\n%reload_ext dspex\nrun"))) == 1
    assert len(displays(notebook.run("announce(run)\nrun"))) == 1
