"""Runs cells in a real kernel, as a person's notebook or as nbconvert does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbclient
import nbformat
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

WORK = """
from dspex.events.event import BestChanged, CandidateEvaluated, CandidateProposed
from dspex.runs.engine import Plan
from dspex.runs.run import announce, start
from dspex.scope.scope import current
from threading import Event
def work(kept):
    scope = current()
    for k in range(6):
        scope.emit(CandidateProposed(candidate=f"c{k}", baseline=k == 0, instructions={"main": f"Do it {k} times."}))
        scope.emit(CandidateEvaluated(
            candidate=f"c{k}", mean=k / 10, low=0.0, high=0.9, n=10, failed=0, full=True, calls=10 * k))
        scope.emit(BestChanged(candidate=f"c{k}", mean=k / 10))
        while not go.wait(0.02):
            scope.checkpoint()
    return "made"
def begin(held=True):
    global go
    go = Event()
    if not held:
        go.set()
    return start(Plan(name="x", work="optimize", method="M"), work)
"""
"""Defines `begin()`: a run of the real engine with six candidates; a held one waits for `go.set()`."""

Message = dict[str, Any]


def execute(*cells: str) -> list[list[Message]]:
    """Execute the cells as nbconvert does and return the outputs of each, and last the notebook's metadata."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=15, kernel_name="python3").execute()
    return [*(cell.outputs for cell in notebook.cells), [notebook.metadata]]


class Notebook:
    """A kernel with a person before it: cells may ask on stdin, messages go both ways."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client
        self.heard: list[Message] = []
        self._acted = 0

    def run(self, cell: str, timeout: float = 15) -> list[Message]:
        """Execute a cell and return what was heard until it was done."""
        asked = self._client.execute(cell, allow_stdin=True)
        before = self._acted = len(self.heard)
        self.until(
            lambda m: (
                m["msg_type"] == "status"
                and m["content"]["execution_state"] == "idle"
                and m["parent_header"].get("msg_id") == asked
            ),
            timeout,
        )
        failed = [m for m in self.heard[before:] if m["msg_type"] == "error"]
        assert not failed, "\n".join(failed[0]["content"]["traceback"])
        return self.heard[before:]

    def until(self, wanted: Callable[[Message], bool], timeout: float = 15) -> Message:
        """Listen until a message since the last act is as wanted, and return it."""
        deadline = time.monotonic() + timeout
        place = self._acted
        while True:
            if place == len(self.heard):
                self.heard.append(self._client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic())))
            if wanted(self.heard[place]):
                return self.heard[place]
            place += 1

    def say(self, comm: str, content: object) -> None:
        """Send a custom message to a widget, as a button does."""
        self._acted = len(self.heard)
        data = {"method": "custom", "content": content}
        message = self._client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        self._client.shell_channel.send(message)


@contextmanager
def a_notebook(folder: Path) -> Iterator[Notebook]:
    """Start a kernel and let it go in the end."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(folder))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=15)
        yield Notebook(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def displays(messages: list[Message], kind: str = "display_data") -> list[Message]:
    """Return the bundles shown."""
    return [m["content"]["data"] for m in messages if m["msg_type"] == kind]


def customs(messages: list[Message], comm: str) -> list[Message]:
    """Return the custom messages sent to a widget."""
    found = []
    for message in messages:
        content = message["content"]
        mine = message["msg_type"] == "comm_msg" and content["comm_id"] == comm
        if mine and content["data"].get("method") == "custom":
            found.append(content["data"]["content"])
    return found
