"""What `%load_ext dspex` does: the magics, runs that show themselves, and the live widget of `.compile(...)`.

Loading twice does it once; unloading puts back what was there before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from dspex.runs.run import Run, on_start
from dspex_widgets import magics
from dspex_widgets.show import announced, show_once

_undo: WeakKeyDictionary[Any, Callable[[], None]] = WeakKeyDictionary()


def load(shell: Any) -> None:
    """Set everything up in this IPython shell.

    Example:
        >>> from IPython.core.interactiveshell import InteractiveShell
        >>> shell = InteractiveShell()
        >>> load(shell)
        >>> unload(shell)
    """
    if shell in _undo:
        return
    steps: list[Callable[[], object]] = [on_start(announced, key="display"), lambda: magics.unregister(shell)]
    magics.register(shell)
    if hasattr(shell, "kernel"):  # in a terminal a run is its one line of text
        steps.append(_shows_runs(shell))

    def undo() -> None:
        for step in steps:
            step()

    _undo[shell] = undo


def unload(shell: Any) -> None:
    """Take everything away again; harmless where nothing was loaded."""
    undo = _undo.pop(shell, None)
    if undo is not None:
        undo()


def _shows_runs(shell: Any) -> Callable[[], object]:
    """Have a run on a cell's last line shown as a widget; return what ends that."""
    formatter = shell.display_formatter.ipython_display_formatter
    before = formatter.for_type(Run, show_once)
    return lambda: formatter.pop(Run, None) if before is None else formatter.for_type(Run, before)
