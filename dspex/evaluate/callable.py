"""`dspex.evaluate(...)`: the package itself can be called, because DSPy's users import `Evaluate` from it.

A module of a class with `__call__`: Python's own way to give a module behaviour.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from types import ModuleType

from dspex.evaluate.rows import evaluate


class CallableModule(ModuleType):
    """The package `dspex.evaluate`, which evaluates when it is called."""

    __call__ = staticmethod(evaluate)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(evaluate)  # Python itself would take the program for `self`

    def __reduce__(self) -> tuple[Callable[[str], ModuleType], tuple[str]]:
        # A notebook's functions name it; on another machine it is that machine's.
        return importlib.import_module, (self.__name__,)


def make_callable(name: str) -> None:
    """Have the module of this name evaluate when it is called."""
    sys.modules[name].__class__ = CallableModule
