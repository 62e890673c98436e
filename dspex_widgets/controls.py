"""From a button to the run: each word the browser may say becomes one method call and nothing else.

Messages may arrive on any thread, also while a cell runs, so nothing here draws, or waits for more than the disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from dspex import _host
from dspex.errors import DspexError, UsageError
from dspex.runs.run import Run
from dspex_widgets.protocol import Done, Failure, Message, Op, OpName, ReportReady, decode_op

BY = "button"
"""Who asks, as the run's journal has it."""
MOST_KEYS = 8
"""A message has few keys; one with many more is not ours."""
WHOLE = ("tokens", "calls")
"""Caps that are whole numbers."""


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
        self._verbs: dict[OpName, Callable[[Op], object]] = {
            "pause": lambda op: self._steer("pause", **_unless(not op.now, now=True)),
            "resume": lambda op: self._resume(),
            "stop": lambda op: self._steer("stop"),
            "cancel": lambda op: self._steer("cancel"),
            "reset": lambda op: self._done(op, self._steer("reset")),
            "pin": lambda op: self._done(
                op, self._steer("pin", _candidate(op), **_unless(op.pinned, pinned=False))
            ),
            "drop": lambda op: self._done(op, self._steer("drop", _candidate(op), reason=op.reason)),
            "evaluate": self._evaluate,
            "budget": lambda op: self._done(op, self._steer("budget", **_caps(op))),
            "concurrency": lambda op: self._done(op, self._steer("concurrency", _number(op))),
            "label": self._label,
            "report": lambda op: self._report(),
            "snapshot": lambda op: viewer.ask(),
            "closed": lambda op: viewer.leave(),
        }

    def hear(self, content: object) -> None:
        """Do what the browser asks; what is not a known word is left aside."""
        if not isinstance(content, dict) or len(content) > MOST_KEYS:
            return
        try:
            op = decode_op(content)
            if op is not None:
                self._verbs[op.op](op)
        except DspexError as exc:
            self._viewer.post(Failure(text=str(exc)))
        except Exception as exc:  # the browser waits for an answer, and a message has no caller to raise to
            self._viewer.post(Failure(text=f"{type(exc).__name__}: {exc}"))

    def _resume(self) -> None:
        """End a pause; a late click on a run that is over must not begin another life of it."""
        if not self._run.done:
            self._steer("resume")

    def _steer(self, verb: str, *args: object, **options: object) -> object:
        """Call the run's method of this name as a button."""
        method = getattr(self._run, verb, None)
        if method is None:
            raise UsageError(
                f"This run cannot `{verb}`: its dspex is older than the widget. Install one version."
            )
        return method(*args, **options, by=BY)

    def _done(self, op: Op, _value: object, text: str = "") -> None:
        self._viewer.post(Done(op=op.op, text=text))

    def _evaluate(self, op: Op) -> None:
        if not op.instruction.strip():
            raise UsageError("There is no instruction to evaluate: write one first.")
        origin = _unless(not op.candidate, origin=op.candidate)
        made = self._steer("evaluate", instruction=op.instruction, predictor=op.predictor, **origin)
        self._done(op, made, f"Your instruction joins the race as {made}." if isinstance(made, str) else "")

    def _label(self, op: Op) -> None:
        if not op.comment.strip():
            raise UsageError("There is nothing to say of the example: write a comment first.")
        if op.example not in self._run.state.columns:
            raise UsageError("This example is not among those shown; choose one in the picture.")
        said = self._steer("label", op.example, comment=op.comment)
        self._done(op, said, "Your comment joins the metric's feedback from here on.")

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


def _unless(usual: bool, **options: object) -> dict[str, object]:
    """Return the options where something else than the usual is asked for."""
    return {} if usual else options


def _candidate(op: Op) -> str:
    if not op.candidate:
        raise UsageError(f"No candidate was named to {op.op}: choose one in the table.")
    return op.candidate


def _caps(op: Op) -> dict[str, object]:
    if not op.caps:
        raise UsageError("No cap was given: name one, such as 5.00 dollars.")
    return {kind: int(cap) if kind in WHOLE else cap for kind, cap in op.caps.items()}


def _number(op: Op) -> int:
    if op.n < 1:
        raise UsageError("At least one example must be scored at once.")
    return op.n


def _near(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path)
