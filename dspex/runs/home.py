"""Where runs live on disk: one folder for each, named by a short id that no two kernels share."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from dspex.errors import JournalError, RunNotFoundError, nearest

if TYPE_CHECKING:
    from filelock import FileLock

JOURNAL = "journal.sqlite"
OWNER = "owner.lock"
_ID = re.compile(r"r([1-9][0-9]{0,8})")


def home() -> Path:
    """Return the folder of all runs of this user: `DSPEX_HOME`, or the platform's place for user data."""
    chosen = os.environ.get("DSPEX_HOME")
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
    try:
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
            f"Runs cannot be kept in `{root}`: {exc.strerror or exc}. Set DSPEX_HOME to a folder you can write."
        ) from None


def numbers() -> list[int]:
    """Return the numbers of all runs, oldest first."""
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
    if isinstance(id, str) and _ID.fullmatch(id) and (folder := home() / id).is_dir():
        return folder
    known = [f"r{n}" for n in numbers()]
    last = f" The last ones are {', '.join(known[-3:])}." if known else " There are no runs yet."
    raise RunNotFoundError(f"There is no run `{id}`.{nearest(str(id), known)}{last}")


def own(folder: Path) -> FileLock:
    """Mark the run as ours while this process lives; the system frees the mark when the process dies.

    Raises:
        JournalError: the mark cannot be written.
    """
    from filelock import FileLock

    # Somebody who lists runs may hold the mark for a moment, to see whether it is free.
    lock = FileLock(folder / OWNER, timeout=10, poll_interval=0.01, thread_local=False)
    try:
        lock.acquire()
    except OSError as exc:  # a `filelock.Timeout` is one too
        raise JournalError(
            f"Run {folder.name} cannot be kept in `{folder}`: {exc.strerror or exc}."
        ) from None
    return lock


def is_owned(folder: Path) -> bool:
    """Tell whether some live process works on the run."""
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
