"""Starting runs, and finding those that there are: the desk where `Run`s are handed out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from dspex import _host
from dspex.errors import ResumeError
from dspex.runs import home
from dspex.runs.engine import Engine
from dspex.runs.feed import Feed
from dspex.runs.handle import Run
from dspex.runs.other import Other
from dspex.runs.plan import Plan, Work

__all__ = ["Run", "announce", "every", "forget", "here", "live", "on_start", "open", "start", "take_up"]

_runs: dict[str, Run] = {}
_hooks: dict[str, Callable[[Run], object]] = {}


def start(plan: Plan, work: Work) -> Run:
    """Start the work in a thread of its own and return the handle at once.

    Where a run is being resumed, the work becomes its next life.
    """
    from dspex.runs import replay

    life = replay.awaited()
    if (origin := replay.origin()) and life is None:
        plan = replace(plan, origin=origin)
    next_life = life.take(plan, work) if life is not None else None
    engine = next_life or Engine(home.new_folder(), plan, work)
    run = Run(engine.folder, engine.feed, engine)
    if next_life is None:
        _runs[run.id] = run
    engine.start()
    return run


def take_up(run: Run, by: str, given: Mapping[str, Any], *, again: bool = False) -> Run:
    """Begin the next life of a run whose kernel died, or which was ended before it was finished.

    Args:
        run: which.
        by: who wants it.
        given: what the user says is what.
        again: whether what failed is tried again, also where the run had finished.

    Raises:
        ResumeError, JournalError: it cannot go on; the message says why.
    """
    from dspex.runs import replay

    known = _runs.get(run.id)
    if known is not None and known is not run and known._folder == run._folder and not known.done:
        raise ResumeError(f'Run {run.id} goes on already: `dspex.runs.open("{run.id}")` is its handle.')
    restart = run._engine.plan.restart if run._engine is not None else None
    run._engine = replay.reopen(run._folder, run._feed, by, given, again=again, restart=restart)
    if run._other is not None:
        run._other.leave()
        run._other = None
    _runs[run.id] = run
    run._engine.flush()  # whoever looks at it next sees that it goes on
    return run


def announce(run: Run) -> bool:
    """Tell whoever shows runs that one was started for a person to see, or is over; in the caller's thread.

    Returns:
        whether there is anybody who shows runs.
    """
    for hook in list(_hooks.values()):
        hook(run)
    return bool(_hooks)


def on_start(hook: Callable[[Run], object], key: str = "display") -> Callable[[], None]:
    """Call `hook(run)` for every run that should be shown; one hook for each key. Returns its removal."""
    _hooks[key] = hook
    return lambda: _hooks.pop(key, None) and None


def open(id: str) -> Run:
    """Open any run of this user by its id.

    Raises:
        RunNotFoundError: there is none with this id.
        JournalError: its journal cannot be read.

    Example:
        >>> open("r0")
        Traceback (most recent call last):
        ...
        dspex.errors.RunNotFoundError: There is no run `r0`. ...
    """
    if isinstance(id, str) and id in _runs and _runs[id]._folder == home.home() / id:
        return _runs[id]
    folder = home.folder_of(id)
    feed = Feed()
    other = Other(folder, feed)
    return Run(folder, feed, other=None if other.over.is_set() else other)


def every() -> Iterable[Run]:
    """Yield all runs of this user, oldest first."""
    return (open(f"r{number}") for number in home.numbers())


def forget(id: str) -> None:
    """Hand out a deleted run no more."""
    if id in _runs and _runs[id]._folder == home.home() / id:
        del _runs[id]


def here() -> list[Run]:
    """Return the runs that this kernel started, oldest first."""
    found = [run for run in list(_runs.values()) if run._folder.parent == home.home()]
    return sorted(found, key=lambda run: int(run.id[1:]))


def live() -> list[Run]:
    """Return the runs of this kernel that are not over."""
    return [run for run in list(_runs.values()) if not run.done]


def _forget() -> None:
    """In a forked child, take the parent's runs for those of another kernel: their threads are not here."""
    for run in _runs.values():
        run._engine = None
        run._feed.forget()
    _runs.clear()


_host.after_fork(_forget)
