"""A cap on a run's time: warned of on the way, and the run stopped with its best when it is reached.

Apart from the budget, because time passes without anybody asking for it: a run that waits for a provider for hours
must still end when its time is over.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Protocol

from dspex import _clock, _host
from dspex.errors import BudgetExceeded
from dspex.events.event import BudgetKind
from dspex.scope.budget import WARN_AT
from dspex.scope.cancel import CancelToken


class Warn(Protocol):
    """Told when a share of the time has passed."""

    def __call__(self, share: float, spent: float, cap: float, what: BudgetKind, /) -> None:
        """Take note."""
        ...


class TimeLimit:
    """Watches the clock for one run.

    Args:
        token: what stops the run.
        warn: called as `warn(share, seconds, cap, "seconds")` when half and four fifths have passed, and with a
            share of 1.0 where that is what stops the run.
        already: seconds that earlier lives of the run took.
    """

    def __init__(self, token: CancelToken, warn: Warn, already: float = 0.0) -> None:
        self._token = token
        self._warn = warn
        self._already = already
        self._began = _clock.monotonic()
        self._watching: Future[None] | None = None

    @property
    def spent(self) -> float:
        """Seconds the run took so far."""
        return self._already + _clock.monotonic() - self._began

    def set(self, cap: float | None) -> None:
        """Watch for this cap from here on; None for none."""
        self.close()
        if cap is not None:
            self._watching = _host.submit(self._watch(cap))

    def close(self) -> None:
        """Watch no longer."""
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    async def _watch(self, cap: float) -> None:
        try:
            for share in (*WARN_AT, 1.0):
                left = share * cap - self.spent
                if left <= 0 and share < 1.0:
                    continue  # passed before anybody watched
                await _clock.sleep(max(0.0, left))
                if share < 1.0:
                    self._warn(share, self.spent, cap, "seconds")
            spent = self.spent
            text = f"budget of {cap:g} seconds reached: {spent:.0f} used"
            if self._token.request("stop", BudgetExceeded(text, "seconds", spent, cap)):
                self._warn(1.0, spent, cap, "seconds")
        except asyncio.CancelledError:
            return  # the run is over, or has another cap by now
