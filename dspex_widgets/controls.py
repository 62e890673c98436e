"""From a button to the run: each word the browser may say becomes one method call and nothing else.

Messages may arrive on any thread, also while a cell runs, so nothing here waits or draws.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from dspex import _host
from dspex.errors import DspexError
from dspex.runs.run import Run
from dspex_widgets.protocol import Failure, Message, ReportReady, decode_op

MOST_KEYS = 8
"""A message has one key today; one with many more is not ours."""


class Viewer(Protocol):
    """The panel's end of the line."""

    def post(self, message: Message) -> None:
        """Queue an answer for the browser."""
        ...

    def ask(self) -> None:
        """Have a snapshot sent: the browser starts afresh or has a gap."""
        ...

    def leave(self) -> None:
        """Note that no view is left."""
        ...


class Controls:
    """Answers one panel's buttons.

    Args:
        run: what they steer.
        viewer: where answers go.
    """

    def __init__(self, run: Run, viewer: Viewer) -> None:
        self._run = run
        self._viewer = viewer
        self._writing = threading.Lock()
        self._verbs: dict[str, Callable[[], object]] = {
            "pause": lambda: run.pause(by="button"),
            "resume": lambda: run.resume(by="button"),
            "stop": lambda: run.stop(by="button"),
            "cancel": lambda: run.cancel(by="button"),
            "report": self._report,
            "snapshot": viewer.ask,
            "closed": viewer.leave,
        }

    def hear(self, content: object) -> None:
        """Do what the browser asks; what is not a known word is left aside."""
        op = decode_op(content) if isinstance(content, dict) and len(content) <= MOST_KEYS else None
        if op is None:
            return
        try:
            self._verbs[op]()
        except DspexError as exc:
            self._viewer.post(Failure(text=str(exc)))

    def _report(self) -> None:
        if self._writing.acquire(blocking=False):
            _host.spawn("report", self._write)

    def _write(self) -> None:
        try:
            path = self._run.report()
            self._viewer.post(ReportReady(path=_near(path)))
        except (
            Exception
        ) as exc:  # whatever went wrong, the browser waits for an answer and a thread has no caller
            text = str(exc) if isinstance(exc, DspexError) else f"{type(exc).__name__}: {exc}"
            self._viewer.post(Failure(text=f"The report was not written: {text}"))
        finally:
            self._writing.release()


def _near(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path)
