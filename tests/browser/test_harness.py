"""The harness itself, on a plain widget: what the other browser tests rely on works without dspex."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenNotebook

WIDGET = """
import anywidget, traitlets
class Counter(anywidget.AnyWidget):
    _esm = '''
    export default { render({ model, el }) {
        const button = document.createElement("button");
        button.setAttribute("aria-label", "Add one");
        const show = () => { button.textContent = `count is ${model.get("value")}`; };
        button.onclick = () => { model.set("value", model.get("value") + 1); model.save_changes(); };
        model.on("change:value", show); show(); el.append(button);
    } };
    '''
    value = traitlets.Int(0).tag(sync=True)
counter = Counter(); counter
"""


def test_cells_run_and_answer(open_notebook: OpenNotebook):
    """A cell's text and time are read back, also when it raises."""
    notebook = open_notebook("plain.ipynb", ["print('hello'); 6 * 7", "1 / 0"])
    assert notebook.execute(0) == "hello\n\n42"
    assert "ZeroDivisionError" in notebook.execute(1)


def test_a_busy_cell_is_seen_as_busy(open_notebook: OpenNotebook):
    """A running cell shows a star, and a person can interrupt it."""
    notebook = open_notebook("busy.ipynb", ["import threading\nprint('in')\nthreading.Event().wait(60)"])
    notebook.run(0)
    notebook.wait_text(0, lambda text: "in" in text)
    assert notebook.is_running(0)
    notebook.page.evaluate("window.jupyterapp.commands.execute('notebook:interrupt-kernel')")
    notebook.wait_done(0)
    assert "KeyboardInterrupt" in notebook.text(0)


def test_a_widget_lives_and_survives_a_reload(open_notebook: OpenNotebook):
    """A widget is drawn, answers a click, and shows its kernel's state again after a reload."""
    notebook = open_notebook("widget.ipynb", [WIDGET, "counter.value"])
    notebook.execute(0)
    button = notebook.cell(0).get_by_role("button", name="Add one")
    expect(button).to_have_text("count is 0")
    button.click()
    expect(button).to_have_text("count is 1")
    assert notebook.execute(1) == "1"
    notebook.save()
    notebook.reload()
    expect(button).to_have_text("count is 1", timeout=30_000)


def test_saved_notebook_is_read_without_a_kernel(open_notebook: OpenNotebook):
    """Saving writes the outputs, and closing the kernel leaves none."""
    notebook = open_notebook("saved.ipynb", ["6 * 7"])
    notebook.execute(0)
    assert notebook.save()["cells"][0]["outputs"][0]["data"] == {"text/plain": ["42"]}
    notebook.shut_kernel()
    assert "42" in notebook.lab.convert("saved.ipynb").read_text()


def test_themes_and_pictures(open_notebook: OpenNotebook, page: Page):
    """Light and dark are switched as the menu does, and a picture has the width asked for."""
    notebook = open_notebook("theme.ipynb", ["1"])
    for theme in ("Dark", "Light"):
        notebook.theme(theme)
        assert notebook.shot(f"harness-{theme.lower()}", width=900).stat().st_size > 1000
    assert page.viewport_size == {"width": 900, "height": 1400}


def test_the_browser_reaches_nothing_outside(page: Page):
    """A page cannot load anything from another host: what is shown came from this machine."""
    with pytest.raises(Exception, match="net::ERR"):
        page.goto("http://example.invalid/")
