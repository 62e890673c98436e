"""`%dspex` in a real kernel that nobody sits before: cells wait, because outputs are read only while they run."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest

from dspex_widgets.freeze import MIME
from tests.dspex_widgets.notebooks import a_notebook, displays, execute
from tests.dspex_widgets.shells import SETUP

pytestmark = pytest.mark.timeout(60)
START = "%load_ext dspex\n" + SETUP
EVAL = 'run = %dspex eval program --data val[:5] --metric exact("team")'


@pytest.fixture(autouse=True)
def _kernel_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)


def test_executed_cells_wait_and_keep_the_result():
    """By itself a cell waits there and holds the frozen run; `--bg` returns at once and says where to look."""
    _, [waited], [after], [begun], [shown], _ = execute(
        START,
        EVAL,
        "run.status",
        f"dspex.configure(lm=dspex.LM('practice', latency=0.2))\n{EVAL} --bg",
        "%dspex show run",
    )
    assert set(waited["data"]) == {"text/html", "text/plain", MIME}
    assert ": finished, score " in waited["data"]["text/plain"]
    assert after["data"]["text/plain"] == "'finished'"
    assert ": finished, " not in str(begun["data"])
    assert ": finished, score " in shown["data"]["text/plain"]


def test_slip_in_an_executed_notebook_is_one_line():
    """The output of a slip is an error of one line, and execution ends there as for any error."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in ("%load_ext dspex", "%dspex show r0")]
    )
    with pytest.raises(nbclient.exceptions.CellExecutionError):
        nbclient.NotebookClient(notebook, timeout=15, kernel_name="python3").execute()
    [error] = notebook.cells[1].outputs
    assert error["output_type"] == "error"
    [line] = error["traceback"]
    assert line.startswith("RunNotFoundError: There is no run `r0`.")


def test_person_gets_the_cell_back_and_one_widget(tmp_path: Path):
    """Before a person the cell returns while the run goes on, and shows it once, assigned or not."""
    with a_notebook(tmp_path) as notebook:
        notebook.run(START)
        notebook.run("lm = %dspex lm practice --latency 20")
        heard = notebook.run(EVAL.removeprefix("run = "))
        assert len(displays(heard)) == 1
        assert displays(heard, "execute_result") == []
        stopped = displays(notebook.run("%dspex cancel"), "execute_result")
        assert stopped[0]["text/plain"].endswith("ends now; what was found so far stays.")
