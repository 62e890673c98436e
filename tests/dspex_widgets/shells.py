"""A real IPython shell inside the test's process, with `%dspex` loaded and a few tickets at hand."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

SETUP = """
%dspex lm practice
train, val, test = dspex.datasets.load("tickets")
program = dspex.Predict("ticket -> team: Literal['billing', 'account', 'bug', 'feature']")
metric = dspex.exact("team")
"""


QUIET = Config(HistoryManager={"enabled": False}, InteractiveShell={"colors": "nocolor"})
"""No history on disk, no colours in what is compared."""


@dataclass(frozen=True)
class Ran:
    """What a cell did: its value, its error as a notebook shows it, and all it printed."""

    value: Any
    error: list[str]
    printed: str


class Shell:
    """Runs cells in an IPython shell."""

    def __init__(self, ip: InteractiveShell) -> None:
        self.ip = ip

    @property
    def names(self) -> set[str]:
        """The names of the user's variables."""
        return {
            name
            for name in self.ip.user_ns
            if not name.startswith("_") and name not in self.ip.user_ns_hidden
        }

    def run(self, cell: str) -> Ran:
        """Run a cell as a notebook does."""
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out):
            result = self.ip.run_cell(cell)
        failure = result.error_before_exec or result.error_in_exec
        shown = [] if failure is None else self._shown(failure)
        return Ran(value=result.result, error=shown, printed=out.getvalue())

    def value(self, cell: str) -> Any:
        """Run a cell that must not fail and return its value."""
        ran = self.run(cell)
        assert not ran.error, ran.error
        return ran.value

    def error(self, cell: str) -> str:
        """Run a cell that must fail, and return the one line it shows."""
        ran = self.run(cell)
        assert len(ran.error) == 1, ran.error or f"no error, but {ran.value!r}"
        assert "Traceback" not in ran.printed
        assert ran.printed.splitlines()[-1] == ran.error[0]
        return ran.error[0]

    @staticmethod
    def _shown(failure: BaseException) -> list[str]:
        render = getattr(failure, "_render_traceback_", None)
        return render() if render is not None else ["a traceback", repr(failure)]


@contextmanager
def a_shell(*cells: str) -> Iterator[Shell]:
    """Start a shell, run `%load_ext dspex` and the cells, and clear everything away in the end."""
    ip = InteractiveShell.instance(config=QUIET)
    shell = Shell(ip)
    try:
        for cell in ("%load_ext dspex", *cells):
            shell.value(cell)
        yield shell
    finally:
        ip.run_line_magic("unload_ext", "dspex")
        InteractiveShell.clear_instance()
