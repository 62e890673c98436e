"""Where cells are made, if not in this process: what an evaluation knows of executors, and how one is recognised.

The evaluation stays here with all it decides and tells (what comes next, money, events, the ledger). An executor only
answers one example after another and gives back the cell. Executors themselves live above this floor.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, cast, runtime_checkable

from dspex.data.example import Example
from dspex.errors import SettingsError
from dspex.evaluate.cells import Cell
from dspex.evaluate.course import Note
from dspex.evaluate.score import Metric

CLIENT = "distributed.client.Client"
"""The class whose objects stand for a Dask cluster; named, so that nobody without one imports it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What is the same for all examples of one evaluation."""

    program: Any
    metric: Metric
    timeout: float | None = None
    retries: int = 0
    repeats: int = 1
    traceback: bool = False
    width: int = 1
    """Examples in flight at once, where that is not changed meanwhile."""
    notes: Mapping[str, Note] = field(default_factory=dict)
    """What people said of examples, by digest; it may grow meanwhile."""


class Away(Protocol):
    """One evaluation's place elsewhere, while it is open."""

    async def make(self, place: int, example: Example, repeat: int) -> Cell:
        """Answer and score one example; on the host loop, in the scope of its cell.

        What it took is added to that scope's tally and budget.

        Raises:
            Interruption, UsageError, LMAuthError, LMQuotaError, LMUnavailableError: going on cannot help.
        """
        ...


@runtime_checkable
class Executor(Protocol):
    """Many machines, or many processes, to make cells on."""

    def open(self, errand: Errand) -> AbstractAsyncContextManager[Away]:
        """Make ready for one evaluation; leaving the block abandons what is still being made."""
        ...


def read_executor(given: object) -> Executor | None:
    """Return the executor that a user gave: None for this process, a Dask client, or one of their own.

    Raises:
        SettingsError: it is none.

    Example:
        >>> read_executor(None)
        >>> read_executor("a cluster")
        Traceback (most recent call last):
        ...
        dspex.errors.SettingsError: `executor` takes a `dask.distributed.Client(...)`, or None for this process; not `str`.
    """
    if given is None or isinstance(given, Executor):
        return given
    if any(f"{kind.__module__}.{kind.__qualname__}" == CLIENT for kind in type(given).__mro__):
        # By name, since executors stand above this floor; whoever has a client has what they need.
        return cast(Executor, importlib.import_module("dspex.executors.dask").Dask(given))
    raise SettingsError(
        "`executor` takes a `dask.distributed.Client(...)`, or None for this process; "
        f"not `{type(given).__name__}`."
    )
