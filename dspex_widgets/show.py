"""Putting a run below a cell: live while it runs, frozen into the notebook when it is over.

A display is updated once, at the end, without the widget: updating one that keeps its widget would leave a dead
view behind each time. Where no person can click (nbconvert, papermill, tests) the cell waits for the run, because
whoever reads the outputs there stops reading with the last cell.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dspex.errors import UsageError
from dspex.runs.run import Run, live
from dspex.runs.words import headline
from dspex_widgets.broadcaster import broadcaster
from dspex_widgets.controls import Controls
from dspex_widgets.freeze import MIME, freeze
from dspex_widgets.link import Link
from dspex_widgets.markup import tag

if TYPE_CHECKING:
    from dspex_widgets.panel import RunPanel

WIDGET = "application/vnd.jupyter.widget-view+json"
PATIENCE = 10.0
"""Seconds to wait for the last update of a run that is over."""

Bundle = dict[str, object]

_lock = threading.Lock()
_shown: dict[str, tuple[Link, RunPanel]] = {}
_cells: dict[str, str] = {}
_unread: dict[str, _Display] = {}
"""Of runs whose rows the cell itself reads where no person is: the cell cannot wait for their end here."""


def show(run: Run) -> str | None:
    """Show the run below the current cell; outside a notebook, return its headline instead.

    Example:
        >>> import dspex
        >>> with dspex.context(lm=dspex.LM("practice")):
        ...     run = dspex.LabeledFewShot(k=2).start(dspex.Predict("ticket -> team"), trainset=[dspex.Example(
        ...         ticket="Charged twice", team="billing").with_inputs("ticket")])
        >>> run.wait()
        True
        >>> show(run)
        'Run r... · LabeledFewShot on ticket -> team: finished...'
    """
    shell = _shell()
    if shell is None:
        return headline(run.state)
    _cells[run.id] = _cell(shell)
    if not hasattr(shell, "kernel"):
        _Display(shell).publish({"text/plain": headline(run.state)})
    elif run.done or (is_headless() and not _steered(run)):
        _Display(shell).publish(freeze(run.state))
    elif is_headless():
        _show_and_wait(run, _Display(shell))
    else:
        _show_live(run, _Display(shell))
    return None


def announced(run: Run) -> None:
    """Show a run that was started for a person to see; where it is over by now, its end if that is not to be seen."""
    shell = _shell()
    place = _unread.pop(run.id, None)
    if place is not None:
        place.publish(freeze(run.state))
    elif not (run.done and run.read_along and run.id in _cells):
        if shell is not None and run.read_along and not run.done and is_headless():
            _cells[run.id], _unread[run.id] = _cell(shell), _Display(shell)
            _unread[run.id].publish(_placeholder(run))
        else:
            show(run)


def show_once(run: Run) -> None:
    """Show the run unless this very cell shows it already: what a cell's last line calls."""
    shell = _shell()
    if shell is None or _cells.get(run.id) != _cell(shell):
        show(run)


def settle(run: Run, timeout: float | None = None) -> bool:
    """Wait until the run is over and its output in the notebook has its lasting form; False after `timeout`."""
    if not run.wait(timeout):
        return False
    with _lock:
        link = _shown.get(run.id, (None, None))[0]
    if link is not None:
        _wait(link.settled, PATIENCE)
    return True


def is_headless() -> bool:
    """Tell whether cells are executed with nobody before them, as by nbconvert, papermill or nbval."""
    return _asked(_shell(), "content").get("allow_stdin") is False


class _Display:
    """One output of a cell; remembers the publisher, which a later cell's `%%capture` may replace."""

    def __init__(self, shell: Any) -> None:
        self._publish: Callable[..., object] = shell.display_pub.publish
        self._id = uuid.uuid4().hex
        self._made = False

    def publish(self, bundle: Bundle) -> None:
        """Show the bundle; from the second time on, in place of the former."""
        self._publish(data=bundle, metadata={}, transient={"display_id": self._id}, update=self._made)
        self._made = True


def _show_live(run: Run, display: _Display) -> None:
    with _lock:
        link, panel = _shown.get(run.id, (None, None))
        if link is None or panel is None or not link.live:
            link = Link(run, broadcaster.wake)
            try:
                panel = _open(run, link)
            except UsageError as exc:
                link.drop()
                display.publish({**freeze(run.state), "text/plain": f"{headline(run.state)}\n{exc}"})
                return
            _shown[run.id] = link, panel
            broadcaster.add(link)
        display.publish({**_placeholder(run), WIDGET: _view(panel)})
        link.show_in(lambda: display.publish(freeze(run.state)))
        link.begin(panel)
        if link.closed:
            display.publish(freeze(run.state))
        for id in [id for id, (each, _) in _shown.items() if each.closed]:
            del _shown[id]


def _open(run: Run, link: Link) -> RunPanel:
    from dspex_widgets.panel import RunPanel

    hear = Controls(run, link).hear
    return RunPanel(run=run.id, snapshot=link.snapshot, hear=hear, steered=_steered(run))


def _steered(run: Run) -> bool:
    """Tell whether the run is one of this kernel's that goes on; those of others can be watched only."""
    return any(each is run for each in live())


def _show_and_wait(run: Run, display: _Display) -> None:
    display.publish(_placeholder(run))
    try:
        run.wait()
    finally:
        display.publish(freeze(run.state))


def _view(panel: RunPanel) -> Bundle:
    return {"version_major": 2, "version_minor": 0, "model_id": panel.model_id}


def _placeholder(run: Run) -> Bundle:
    """Return what stands in the file if nobody is there to put the result in its place."""
    state = run.state
    hint = f"This output was saved before the run was over. `%dspex show {run.id}` shows how it went on."
    bundle: Bundle = {
        "text/html": tag("div", tag("div", headline(state)), tag("div", hint, style="opacity:0.68")),
        "text/plain": f"{headline(state)}\n{hint}",
        MIME: {"run": run.id, "status": state.status},
    }
    return bundle


def _wait(event: threading.Event, seconds: float) -> bool:
    waited = 0.0
    while not event.wait(0.1):
        waited += 0.1
        if waited >= seconds:
            return False
    return True


def _shell() -> Any:
    from IPython.core.getipython import get_ipython

    return get_ipython()


def _cell(shell: Any) -> str:
    """Return what tells this execution of a cell from all others."""
    return str(_asked(shell, "header").get("msg_id") or shell.execution_count)


def _asked(shell: Any, part: str) -> dict[str, Any]:
    """Return a part of the message that the kernel is answering; empty where there is none."""
    message: Any = shell.get_parent() if hasattr(shell, "get_parent") else None
    return (message.get(part) or {}) if isinstance(message, dict) else {}
