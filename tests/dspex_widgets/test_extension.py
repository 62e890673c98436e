"""Loading and unloading the extension, and showing runs where there is no notebook."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from dspex.runs import run as runs
from dspex.runs.feed import Feed
from dspex.runs.run import Run
from dspex_widgets.extension import load, unload
from dspex_widgets.show import is_headless, settle, show
from tests.dspex_widgets.samples import a_state


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    shell = InteractiveShell.instance()
    yield shell
    unload(shell)
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


def a_run() -> Run:
    """Give a run of the past."""
    return Run(Path("r1"), Feed(a_state("finished")))


def test_loading_twice_is_loading_once(shell: InteractiveShell):
    """A re-run `%load_ext` cell changes nothing, and one unload takes everything back."""
    formatters = shell.display_formatter.ipython_display_formatter.type_printers
    before = dict(formatters)
    load(shell)
    load(shell)
    assert "display" in runs._hooks
    assert "dspex" in shell.magics_manager.magics["line"]
    assert formatters == before, "in a terminal a run is its line of text"
    unload(shell)
    assert "display" not in runs._hooks
    assert "dspex" not in shell.magics_manager.magics["line"]
    assert formatters == before
    unload(shell)


def test_reload_works_after_unload(shell: InteractiveShell):
    """`%reload_ext` ends with everything in place."""
    load(shell)
    unload(shell)
    load(shell)
    assert "display" in runs._hooks
    assert "dspex" in shell.magics_manager.magics["line"]


def test_terminal_shows_a_line_of_text(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]):
    """In an IPython terminal a run on a last line is its headline, not an object's address."""
    load(shell)
    shell.user_ns["run"] = a_run()
    shell.run_cell("run")
    assert capsys.readouterr().out.count("Run r1 · BootstrapFewShot on triage: finished") == 1
    show(a_run())
    assert capsys.readouterr().out.count("Run r1 · BootstrapFewShot on triage: finished") == 1
    assert not is_headless()


def test_without_ipython_showing_gives_the_headline(capsys: pytest.CaptureFixture[str]):
    """In a plain script nothing is printed; whoever asked gets the words."""
    run = a_run()
    assert show(run) == repr(run)
    assert settle(run)
    assert capsys.readouterr().out == ""
