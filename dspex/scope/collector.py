"""Python's collector of cyclic garbage, asked to come less often while hundreds of calls are in flight.

Every call in flight is some hundred living objects, which the collector looks at again and again, and next to none
of them is ever part of a cycle: at Python's usual threshold a fifth of an evaluation's time goes there.
"""

from __future__ import annotations

import gc
import threading
from types import TracebackType

from dspex import _host

SELDOM = 10_000
"""New objects between two visits: a megabyte or two that waits a little longer."""


class _Calm:
    """A `with` block, several at once: the first one sets the threshold, the last one sets it back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: tuple[int, int, int] | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            often, *rest = before = gc.get_threshold()
            if self._inside == 1 and 0 < often < SELDOM:
                self._before = before
                gc.set_threshold(SELDOM, *rest)

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._before is not None:
                if gc.get_threshold()[0] == SELDOM:  # else somebody has chosen another meanwhile
                    gc.set_threshold(*self._before)
                self._before = None

    def forget(self) -> None:
        """Set the threshold back after a fork: what is in flight lives in the parent."""
        if self._before is not None:
            gc.set_threshold(*self._before)
        self.__init__()  # type: ignore[misc]  # the same object must start afresh, others hold it


calm = _Calm()
"""`with calm:` around work of which much is in flight at once."""
_host.after_fork(calm.forget)
