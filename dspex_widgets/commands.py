"""The subcommands of `%dspex`: each a few lines over the public function that does the work."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, get_args

from dspex import runs as _runs
from dspex._version import __version__
from dspex.errors import UsageError, nearest
from dspex.evaluate import Evaluate
from dspex.lm.lm import LM
from dspex.lm.providers import route
from dspex.runs import Run, Runs
from dspex.runs.state import Status
from dspex.settings import configure, settings
from dspex_widgets.answers import Code, Page, Table
from dspex_widgets.choose import choose
from dspex_widgets.given import Given
from dspex_widgets.grammar import find, manual, overview
from dspex_widgets.show import is_headless, settle
from dspex_widgets.show import show as _show
from dspex_widgets.spending import Ledger, cost_table

if TYPE_CHECKING:
    from pathlib import Path

_LM = {
    "temperature": "temperature", "max_tokens": "max_tokens", "latency": "latency", "api_base": "api_base",
    "cache": "cache",
}  # fmt: skip
_EVALUATE = {"devset": "data", "metric": "metric", "num_threads": "threads"}
_EVALUATE_START = {"budget": "budget", "name": "name"}
_OPTIMIZE_START = {"trainset": "train", "valset": "val", "budget": "budget", "seed": "seed", "name": "name"}


class StoppedWaiting(KeyboardInterrupt):
    """Ctrl-C while a cell waits: the cells after it do not run, the run does."""

    def _render_traceback_(self) -> list[str]:
        return [f"KeyboardInterrupt: {self}"]


def status() -> Page:
    """Say which model is set and which runs are going on, and list the subcommands."""
    lm = settings.lm
    if lm is None:
        model = "no model yet: %dspex lm MODEL"
    else:
        model = f"{lm!r}, practice model, simulated prices" if lm.practice else repr(lm)
    live = [f"  {run!r}" for run in _runs.live()] or ["  no run is going on"]
    head = [f"dspex {__version__} · {model}", *live]
    return Page("\n".join([*head, "", overview(), "", "%dspex help SUB explains one of them."]))


def lm(given: Given) -> LM | Code:
    """Set the model of the process."""
    if given.switch("code"):
        made = ", ".join([given.spell("model"), *given.spells(_LM)])
        return Code(f"dspex.configure(lm=dspex.LM({made}))")
    chosen = LM(given.value("model"), **given.values(_LM))
    configure(lm=chosen)
    if hint := _hint(chosen):
        _tell(Page(hint))
    return chosen


def evaluate(given: Given) -> Run | Code:
    """Start an evaluation and show it."""
    if given.switch("code"):
        made = ", ".join(given.spells(_EVALUATE))
        begun = ", ".join([given.spell("program"), *given.spells(_EVALUATE_START)])
        return Code(f"run = dspex.Evaluate({made}).start({begun})")
    evaluation = Evaluate(**given.values(_EVALUATE))
    return _started(given, evaluation.start(given.value("program"), **given.values(_EVALUATE_START)))


def optimize(given: Given) -> Run | Code:
    """Start an optimizer and show its run."""
    chosen = choose(given)
    if given.switch("code"):
        begun = ", ".join([given.spell("program"), *given.spells(_OPTIMIZE_START), *chosen.begin_code])
        return Code(f"run = {chosen.code}.start({begun})")
    started = chosen.optimizer.start(given.value("program"), **given.values(_OPTIMIZE_START), **chosen.begin)
    return _started(given, started)


def runs(given: Given) -> Runs:
    """List runs, newest first."""
    last = given.value("last") if given.has("last") else None
    if not given.has("state"):
        return _runs.list(last=last)
    state, known = given.value("state"), get_args(Status)
    if state not in known:
        raise UsageError(f"No run is ever `{state}`.{nearest(state, known)} States: {', '.join(known)}.")
    return Runs([run for run in _runs.list() if run.status == state][:last])


def show(given: Given) -> None:
    """Show a run below this cell."""
    run = given.run()
    with _interruptible(run):
        _show(run)


def wait(given: Given) -> Run | Runs:
    """Wait until a run, or every live run of this kernel, is over."""
    alone = given.has("run") and given.text("run") != "all"
    waited = [given.run()] if alone else _runs.live()
    end = time.monotonic() + given.value("timeout") if given.has("timeout") else None
    for run in waited:
        with _interruptible(run):
            settle(run, None if end is None else max(0.0, end - time.monotonic()))
    return waited[0] if alone else Runs(waited)


def pause(given: Given) -> Page:
    """Let nothing new start in a run."""
    return _steer(given, Run.pause, "pauses: calls in flight end, nothing new starts")


def resume(given: Given) -> Page:
    """Let a paused run go on."""
    return _steer(given, Run.resume, "goes on")


def stop(given: Given) -> Page:
    """End a run soon and keep its best."""
    return _steer(given, Run.stop, "stops soon and keeps its best")


def cancel(given: Given) -> Page:
    """End a run now."""
    return _steer(given, Run.cancel, "ends now; what was found so far stays")


def cost(given: Given, ledger: Ledger) -> Table:
    """Say what a run, or all work in this kernel, cost."""
    if given.has("run"):
        run = given.run()
        return cost_table(run.state.lm, f"run {run.id}")
    return cost_table(ledger.models(), "this kernel")


def report(given: Given) -> Path:
    """Write a run's report and return where it is."""
    try:
        return given.run().report(given.value("html") if given.has("html") else None)
    except OSError as exc:
        raise UsageError(f"The report cannot be written to `{exc.filename}`: {exc.strerror}.") from None


def help(given: Given) -> Page:
    """Explain one subcommand, or list all."""
    return Page(manual(find(given.value("sub"))) if given.has("sub") else overview())


def _started(given: Given, run: Run) -> Run:
    blocking = given.switch("wait")
    if blocking is False and is_headless():
        # Showing would wait there, because nobody would see what comes later.
        _tell(Page(f"{run!r}\n`%dspex show {run.id}` shows how it goes on."))
        return run
    with _interruptible(run):
        if blocking and not hasattr(given.shell, "kernel"):
            run.wait()  # a terminal shows one line and cannot change it later
        _show(run)
        if blocking:
            settle(run)
    return run


@contextmanager
def _interruptible(run: Run) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedWaiting(f"stopped waiting; run {run.id} goes on") from None


def _steer(given: Given, act: Callable[[Run], Any], words: str) -> Page:
    run = _meant(given)
    if run.done:
        raise UsageError(f"Run {run.id} is over: it is {run.status}.")
    act(run)
    return Page(f"Run {run.id} {words}.")


def _meant(given: Given) -> Run:
    if given.has("run"):
        return given.run()
    live = _runs.live()
    if len(live) == 1:
        return live[0]
    which = ", ".join(run.id for run in live)
    raise UsageError(
        f"Which run? These are going on: {which}." if live else "No run is going on in this kernel."
    )


def _hint(chosen: LM) -> str:
    if chosen.practice:
        return "practice model, simulated prices"
    way = route(chosen.model, chosen.dump_state().get("api_base"))
    if way.needs_key and not any(os.environ.get(key) for key in way.keys):
        return f"{way.keys[0]} is not set; set it before the first call."
    return ""


def _tell(page: Page) -> None:
    from IPython.display import display

    display(page)  # type: ignore[no-untyped-call]  # IPython's, without types
