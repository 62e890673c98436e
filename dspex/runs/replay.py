"""Resuming a run: its journal is read, its recipe is followed, and the same work begins over what is known.

Resume is replay: no optimizer has code for it. The run's own start is called once more, and what it starts becomes
the next life of the run instead of a new one.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from dspex.errors import JournalError, ResumeError
from dspex.runs import file, home, mend, past
from dspex.runs.engine import Engine
from dspex.runs.feed import Feed
from dspex.runs.past import Past
from dspex.runs.plan import Plan, Work
from dspex.scope.budget import Caps, read_caps

Restart = Callable[[Mapping[str, Any]], Any]


class _Waiting(threading.local):
    life: Life | None = None
    origin: str = ""


class Life:
    """The next life of a run, until somebody starts its work.

    Args:
        folder: where the run is kept.
        past: its earlier lives.
        owner: the mark that this process works on it.
        by: who wants it.
        feed: whoever follows the run goes on following.
        again: whether what failed is tried again.
        caps: what the budget is from here on, where somebody says so; otherwise it is what it was.
    """

    def __init__(
        self,
        folder: Path,
        past: Past,
        owner: home.Owner,
        by: str,
        feed: Feed,
        *,
        again: bool = False,
        caps: Caps | None = None,
    ) -> None:
        self.folder = folder
        self.past = past
        self.by = by
        self.engine: Engine | None = None
        self._owner = owner
        self._feed = feed
        self._again = again
        self._caps = caps

    def take(self, plan: Plan, work: Work) -> Engine | None:
        """Make this work the run's next life; None where it is other work than the run's."""
        start = self.past.start
        if self.engine is not None or start is None or (plan.work, plan.method) != (start.work, start.method):
            return None
        self._feed.begin(self.past.state)
        self.engine = Engine(
            self.folder, plan, work, owner=self._owner, past=self.past, by=self.by, feed=self._feed,
            again=self._again, caps=self._caps,
        )  # fmt: skip
        return self.engine


_waiting = _Waiting()


def awaited() -> Life | None:
    """Return the life that this thread is about to start, if it is."""
    return _waiting.life


def origin() -> str:
    """Return the run and candidate that the run which this thread is about to start is branched from; "" for none."""
    return _waiting.origin


@contextmanager
def from_origin(name: str) -> Iterator[None]:
    """Have the run that is started inside the `with` block say where it is branched from."""
    _waiting.origin = name
    try:
        yield
    finally:
        _waiting.origin = ""


def reopen(
    folder: Path,
    feed: Feed,
    by: str,
    changes: Mapping[str, Any],
    *,
    again: bool = False,
    restart: Restart | None = None,
) -> Engine:
    """Start the next life of a run whose kernel has died, or which ended before it was finished.

    Args:
        folder: where it is kept.
        feed: its state, and who follows it.
        by: who wants it.
        changes: what the user says is what.
        again: whether what failed is tried again, also where the run has finished.
        restart: starts it anew with what this kernel has at hand; None where another kernel made it.

    Raises:
        ResumeError: another kernel works on it, it has finished, or what it needs has changed or is missing.
        SettingsError: a cap cannot be.
        JournalError: its journal cannot be read or written.
    """
    caps = read_caps(changes["budget"]) if "budget" in changes else None
    owner = _claim(folder)
    life: Life | None = None
    try:
        known = _read(folder, again=again, told=restart is None)
        life = _waiting.life = Life(folder, known, owner, by, feed, again=again, caps=caps)
        try:
            _start(known.recipe, changes, restart)
        except ResumeError as exc:
            raise ResumeError(
                f"Run {folder.name} cannot go on as it was. {exc} Or start it anew; what it found stays readable."
            ) from None
        if life.engine is None:
            raise ResumeError(f"Run {folder.name} cannot be resumed: its method started no such work.")
        return life.engine
    finally:
        _waiting.life = None
        if life is None or life.engine is None:
            owner.release()


def _start(recipe: bytes, changes: Mapping[str, Any], restart: Restart | None) -> None:
    if restart is not None and changes.keys() <= {"budget"}:
        restart(changes)  # this kernel has it all at hand, also what no recipe can tell
    else:
        importlib.import_module(starter(recipe)).start_again(recipe, changes)


def _claim(folder: Path) -> home.Owner:
    try:
        return home.own(folder, patience=0.5)
    except JournalError:
        if home.is_owned(folder):
            raise ResumeError(
                f"Run {folder.name} goes on in another kernel, which alone can steer it; "
                f'`dspex.runs.open("{folder.name}")` follows it from here.'
            ) from None
        raise


def _read(folder: Path, *, again: bool, told: bool) -> Past:
    path = folder / home.JOURNAL
    if not file.exists(path):
        raise ResumeError(f"Run {folder.name} wrote nothing before its kernel died: start it anew.")
    known = past.read(path)
    if known.end is not None and known.end.state == "finished" and not again:
        raise ResumeError(
            f"Run {folder.name} has finished: nothing is left to do. "
            "`run.load_into(program)` puts what it learned into a program."
        )
    if known.start is None or (told and not known.recipe):
        raise ResumeError(
            f"Run {folder.name} does not tell how it was started, so it cannot be resumed: start it anew. "
            "What it found stays readable."
        )
    if known.damage:
        aside = mend.mend(path, known.state.seq)
        known.damage += f". What is whole was written anew; the damaged file is `{aside.name}`."
    if lost := mend.prepare(path):
        known.damage = known.damage or f"The journal `{path}` is damaged: {lost}."
    return known


def starter(recipe: bytes) -> str:
    """Return the module that follows the recipe; only ours do."""
    name = msgspec.json.decode(recipe).get("by")
    if not isinstance(name, str) or not name.startswith("dspex."):
        raise ResumeError("The run's recipe cannot be read: it was written by something else than dspex.")
    return name
