"""Runs a documentation page as a notebook does: its cells in order, each one twice, then the whole page again.

A cell may `await`. Model calls go over real sockets to the OpenAI-compatible server on this machine, behind which
the practice model answers, or a function that the page's test writes.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

from dspex.lm.messages import Choice, Message, Response
from dspex.lm.practice import PracticeTransport
from dspex.testing.server import Server, serving

Answer = Callable[[Sequence[Message]], str | Choice | Response]
BREAK = "\n# %%\n"


@contextmanager
def model(answer: Answer | None = None) -> Any:
    """Serve a model for the page; the practice model where no function is given."""
    with serving(answer or PracticeTransport(0.0)) as server:
        yield server


def run_page(cells: str, server: Server, **given: Any) -> dict[str, Any]:
    """Run the page and return the names it defined."""
    space: dict[str, Any] = {"__name__": "page", "URL": server.base_url, "server": server, **given}
    parts = cells.strip("\n").split(BREAK)
    for times in (2, 1):
        for number, part in enumerate(parts, 1):
            for _ in range(times):
                run_cell(part, number, space)
    return space


def run_cell(cell: str, number: int, space: dict[str, Any]) -> None:
    """Run one cell, on a loop of its own where it awaits."""
    code = compile(cell, f"<cell {number}>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, space))
    else:
        exec(code, space)
