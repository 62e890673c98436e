"""`%dspex`: the one magic, as IPython meets it; what it does stands in `commands`, how it is read in `grammar`.

Errors of the library end here as one line: a traceback through our files tells the reader nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from dspex.errors import DspexError, UsageError
from dspex_widgets import caching, commands, completion
from dspex_widgets.given import Given
from dspex_widgets.grammar import Call, overview
from dspex_widgets.parsing import parse
from dspex_widgets.spending import Ledger
from dspex_widgets.tokens import split

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

NAME = "dspex"
ACTIONS: dict[str, Callable[[Given], object]] = {
    "lm": commands.lm,
    "eval": commands.evaluate,
    "optimize": commands.optimize,
    "runs": commands.runs,
    "show": commands.show,
    "wait": commands.wait,
    "pause": commands.pause,
    "resume": commands.resume,
    "stop": commands.stop,
    "cancel": commands.cancel,
    "cache": caching.cache,
    "report": commands.report,
    "help": commands.help,
}
"""All subcommands but `cost`, which also needs the kernel's ledger."""


class OneLine(UsageError):
    """An error of the library, told in one line under its own name; the error itself is the cause."""

    def __init__(self, error: DspexError) -> None:
        super().__init__(str(error))
        self._name = type(error).__name__

    def _render_traceback_(self) -> list[str]:
        return [f"{self._name}: {self}"]


@magics_class
class DspexMagics(Magics):
    """Holds `%dspex` and `%%dspex`."""

    def __init__(self, shell: InteractiveShell, ledger: Ledger) -> None:
        super().__init__(shell)
        self._ledger = ledger

    @no_var_expand
    @line_cell_magic
    def dspex(self, line: str, cell: str | None = None) -> object:
        """Choose a model, evaluate, optimize, and look after runs."""
        words, silent = split(line if cell is None else f"{line}\n{cell}")
        if not words:
            return commands.status()
        try:
            answer = self._act(parse(words))
        except UsageError:
            raise
        except DspexError as exc:
            raise OneLine(exc) from exc
        return None if silent else answer

    dspex.__doc__ = f"{dspex.__doc__}\n\n{overview()}\n\n%dspex help SUB explains one of them.\n"

    def _act(self, call: Call) -> object:
        shell = self.shell
        assert shell is not None, "IPython gives every magic its shell"
        given = Given(call, shell)
        if call.command.name == "cost":
            return commands.cost(given, self._ledger)
        return ACTIONS[call.command.name](given)


_ledger = Ledger()


def register(shell: InteractiveShell) -> None:
    """Add `%dspex`, its Tab completion and the name `dspex` to a shell; again is harmless."""
    _ledger.open()
    shell.register_magics(DspexMagics(shell, _ledger))
    completion.install(shell)
    shell.user_ns.setdefault(NAME, sys.modules[NAME])


def unregister(shell: InteractiveShell) -> None:
    """Take `%dspex` and its completion away; again is harmless. Variables stay."""
    completion.remove(shell)
    found: dict[str, Any] = shell.magics_manager.magics
    for kind in ("line", "cell"):
        found[kind].pop(NAME, None)
    _ledger.close()
