"""Typing and keys in the live widget: JupyterLab watches every key, and must neither swallow nor obey those in it."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import OpenNotebook
from tests.browser.test_quickstart import start

TOLD = "[e.text for e in run.events if dspex.events.kind_of(e) == 'run_steered']"
END = "run.cancel(); run.wait(30)"


def test_enter_sends_a_field_and_breaks_a_line(open_notebook: OpenNotebook):
    """Enter gives what stands in a small field, and begins a new line of an instruction."""
    widget = start(open_notebook, "enter.ipynb", TOLD, END, latency=0.3, rows=60)
    keyboard = widget.notebook.page.keyboard
    widget.wait_dots(1)
    widget.button("Budget in dollars").click()
    expect(widget.region.get_by_role("textbox", name="Budget in dollars")).to_be_focused()
    keyboard.type("5")
    keyboard.press("Enter")
    expect(widget.button("Budget in dollars")).to_have_text("of $5.00")
    widget.button("Edit & evaluate predict").click()
    field = widget.region.get_by_role("textbox", name="Your instruction for predict")
    field.fill("Read the ticket.")
    keyboard.press("Enter")
    keyboard.type("dd answer")  # "dd" deletes the cell where JupyterLab obeys it
    expect(field).to_have_value("Read the ticket.\ndd answer")
    widget.button("Evaluate").click()
    expect(field).not_to_be_visible()
    assert "set the budget to $5.00" in widget.notebook.execute(2)
    widget.notebook.execute(3)


def test_a_comment_on_an_example_needs_no_mouse(open_notebook: OpenNotebook):
    """Arrow keys choose an example, Enter gives what is said of it, and the run's journal has it."""
    widget = start(open_notebook, "comment.ipynb", TOLD, END, latency=0.3, rows=40)
    keyboard = widget.notebook.page.keyboard
    widget.wait_dots(2)
    picture = widget.region.get_by_role("group", name=re.compile("^Examples by candidates"))
    picture.focus()
    keyboard.press("ArrowLeft")
    keyboard.press("ArrowLeft")
    keyboard.press("Tab")
    expect(widget.button("Comment on this example")).to_be_focused()
    keyboard.press("Enter")
    expect(widget.region.get_by_role("textbox", name="Comment on this example")).to_be_focused()
    keyboard.type("<b>no</b> wish")
    keyboard.press("Enter")
    expect(widget.log).to_contain_text("commented on an example: <b>no</b> wish")
    expect(widget.region.get_by_text("Your comment joins the metric's feedback")).to_be_visible()
    assert "commented on an example: <b>no</b> wish" in widget.notebook.execute(2)
    widget.notebook.execute(3)


def test_narrow_tables_keep_what_is_pressed_in_sight(open_notebook: OpenNotebook):
    """In a narrow window a candidate's menu and a model's errors are there without scrolling sideways."""
    widget = start(open_notebook, "narrow.ipynb", END, latency=0.3, rows=60)
    widget.wait_dots(2)
    widget.notebook.alone()
    for width in (480, 800, 1000, 1280):
        widget.notebook.page.set_viewport_size({"width": width, "height": 2400})
        for name in ("Candidates", "Language models"):
            table = widget.region.get_by_role("table", name=name)
            # JupyterLab lays out anew some moments after the window has changed.
            widget.notebook.page.wait_for_function(
                "it => it.scrollWidth <= it.parentElement.clientWidth",
                arg=table.element_handle(),
                timeout=5000,
            )
    widget.notebook.execute(2)
