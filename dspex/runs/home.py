"""Where runs live: one folder for each, named by a short id that no two kernels share; or this kernel's memory.

`DSPEX_HOME=:memory:` keeps runs in memory alone, for a disk that is full or must not be written: they can be watched,
steered and resumed in their kernel, and are gone with it.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from pathlib import Path
from typing import Protocol

from dspex import _host
from dspex.errors import JournalError, RunNotFoundError, nearest
from dspex.runs import file

JOURNAL = "journal.sqlite"
OWNER = "owner.lock"
_ID = re.compile(r"r([1-9][0-9]{0,8})")
_lock = threading.Lock()
_in_memory: set[int] = set()
"""Numbers of the runs that this kernel keeps in memory."""


class Owner(Protocol):
    """The mark that a process works on a run."""

    def release(self) -> None:
        """Give it back."""
        ...


def home() -> Path:
    """Return the folder of all runs of this user: `DSPEX_HOME`, or the platform's place for user data."""
    chosen = os.environ.get("DSPEX_HOME")
    if chosen == file.MEMORY:
        return Path(file.MEMORY)
    if chosen:
        return Path(chosen).expanduser().absolute() / "runs"  # a later `%cd` must not move it
    import platformdirs

    return Path(platformdirs.user_data_dir("dspex", appauthor=False)) / "runs"


def new_folder() -> Path:
    """Make the folder of a new run; making it is what claims the id, whoever else tries.

    Raises:
        JournalError: the place cannot be written.
    """
    root = home()
    if file.in_memory(root):
        with _lock:
            number = max(_in_memory, default=0) + 1
            _in_memory.add(number)
        return root / f"r{number}"
    try:
        if not root.parent.exists():  # on its own, because the mode is that of the last folder alone
            root.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = max(numbers(), default=0)
        while True:
            number += 1
            folder = root / f"r{number}"
            try:
                folder.mkdir(mode=0o700)
                return folder
            except FileExistsError:
                continue
    except OSError as exc:
        raise JournalError(
            f"Runs cannot be kept in `{root}`: {exc.strerror or exc}. Set DSPEX_HOME to a folder you can write, or to "
            "`:memory:` to keep runs in this kernel's memory alone."
        ) from None


def numbers() -> list[int]:
    """Return the numbers of all runs, oldest first."""
    if file.in_memory(home()):
        return sorted(_in_memory)
    try:
        names = [entry.name for entry in home().iterdir()]
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise JournalError(f"The runs in `{home()}` cannot be read: {exc.strerror or exc}.") from None
    return sorted(int(match[1]) for name in names if (match := _ID.fullmatch(name)))


def folder_of(id: str) -> Path:
    """Return the folder of an existing run.

    Raises:
        RunNotFoundError: there is none with this id.
    """
    match = _ID.fullmatch(id) if isinstance(id, str) else None
    if match is not None and (
        int(match[1]) in _in_memory if file.in_memory(home()) else (home() / id).is_dir()
    ):
        return home() / id
    known = [f"r{n}" for n in numbers()]
    last = f" The last ones are {', '.join(known[-3:])}." if known else " There are no runs yet."
    raise RunNotFoundError(f"There is no run `{id}`.{nearest(str(id), known)}{last}")


def remove(folder: Path) -> int:
    """Delete a run with all it holds; return how many bytes that were.

    Raises:
        JournalError: it cannot be deleted.
    """
    if file.in_memory(folder):
        _in_memory.discard(int(folder.name[1:]))
        file.drop(folder / JOURNAL)
        return 0
    size = size_of(folder)
    try:
        shutil.rmtree(folder)
    except OSError as exc:
        raise JournalError(
            f"Run {folder.name} cannot be deleted from `{folder}`: {exc.strerror or exc}."
        ) from None
    return size


def size_of(folder: Path) -> int:
    """Return how many bytes a run takes on disk."""
    if file.in_memory(folder):
        return 0
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


class _Ours:
    """The mark of a run in memory: nobody else can reach it."""

    def release(self) -> None:
        """Give it back."""


def own(folder: Path, patience: float = 10.0) -> Owner:
    """Mark the run as ours while this process lives; the system frees the mark when the process dies.

    Args:
        folder: the run's.
        patience: seconds to wait for whoever holds it: somebody who lists runs does for a moment.

    Raises:
        JournalError: the mark cannot be written.
    """
    if file.in_memory(folder):
        return _Ours()
    from filelock import FileLock

    if not folder.is_dir():  # the lock would make it again
        raise JournalError(f"Run {folder.name} is gone: its folder `{folder}` was deleted.")
    lock = FileLock(folder / OWNER, timeout=patience, poll_interval=0.01, thread_local=False)
    try:
        lock.acquire()
    except OSError as exc:  # a `filelock.Timeout` is one too
        raise JournalError(
            f"Run {folder.name} cannot be kept in `{folder}`: {exc.strerror or exc}."
        ) from None
    return lock


def is_owned(folder: Path) -> bool:
    """Tell whether some live process works on the run."""
    if file.in_memory(folder):
        return False  # whoever asks found no live run of this kernel
    from filelock import FileLock, Timeout

    if not (folder / OWNER).exists():
        return False
    lock = FileLock(folder / OWNER, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:
        return False  # a read-only home: nobody can own a run there
    lock.release()
    return False


def _forget() -> None:
    """In a forked child, runs in memory are the parent's."""
    _in_memory.clear()


_host.after_fork(_forget)
