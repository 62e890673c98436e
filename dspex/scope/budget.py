"""A cap on money: reserve the most a call can cost, settle what it did cost, refuse what could cross the cap.

`spent + reserved` never exceeds the cap, so no burst of parallel calls can overrun it. Where only the calls in
flight stand in the way, a caller waits until they settle: their true cost is mostly far below what was reserved.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from dspex import _host
from dspex.errors import BudgetExceeded, SettingsError

WARN_AT = (0.5, 0.8)


class Reservation:
    """Money set aside for one call; settle it once."""

    def __init__(self, budget: Budget, usd: float) -> None:
        self._budget = budget
        self.usd = usd

    def settle(self, usd: float) -> None:
        """Book what the call did cost and free the rest; settling again does nothing."""
        self._budget._settle(self, usd)


class Budget:
    """What may be spent, what is, and what is set aside.

    Args:
        usd: the cap in US dollars; None for no cap.
        warn: called as `warn(share, spent, cap)` when half and four fifths are spent.

    Raises:
        SettingsError: the cap is not above zero.

    Example:
        >>> budget = Budget(usd=1.0)
        >>> call = budget.reserve(0.30)
        >>> call.settle(0.12)
        >>> budget.spent, budget.reserved
        (0.12, 0.0)
    """

    def __init__(
        self, usd: float | None = None, warn: Callable[[float, float, float], None] | None = None
    ) -> None:
        if usd is not None and not isinstance(usd, (int, float)):
            raise SettingsError(f"A budget is a number of US dollars such as 0.50, not `{usd!r}`.")
        if usd is not None and not usd > 0:
            raise SettingsError(f"A budget of ${usd:g} allows no call; give more than 0, or None for no cap.")
        self.usd = usd
        self.spent = 0.0
        self.reserved = 0.0
        self._warn = warn
        self._warned = 0
        self._lock = threading.Lock()
        self._open: set[Reservation] = set()
        self._waiting: list[asyncio.Future[None]] = []

    def try_reserve(self, usd: float) -> Reservation | None:
        """Set `usd` aside; None where it will fit only once calls in flight have settled.

        Raises:
            BudgetExceeded: it would cross the cap whatever those calls cost.
        """
        with self._lock:
            if self.usd is not None:
                if self.spent + usd > self.usd:
                    raise BudgetExceeded(f"budget of ${self.usd:.2f} reached: ${self.spent:.4f} spent")
                if self.spent + self.reserved + usd > self.usd:
                    return None
            self.reserved += usd
            reservation = Reservation(self, usd)
            self._open.add(reservation)
            return reservation

    def reserve(self, usd: float) -> Reservation:
        """Set `usd` aside or refuse at once."""
        reservation = self.try_reserve(usd)
        if reservation is None:
            raise BudgetExceeded(f"budget of ${self.usd or 0:.2f} is taken up by calls in flight")
        return reservation

    async def areserve(self, usd: float) -> Reservation:
        """Set `usd` aside, waiting for calls in flight to settle where that may help."""
        while (reservation := self.try_reserve(usd)) is None:
            await _host.hop(self._settled(usd))
        return reservation

    async def _settled(self, usd: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self.usd is None or self.spent + self.reserved + usd <= self.usd or not self._open:
                return
            self._waiting.append(future)
        await future

    def _settle(self, reservation: Reservation, usd: float) -> None:
        with self._lock:
            if reservation not in self._open:
                return
            self._open.remove(reservation)
            # Sums of floats drift; with nothing in flight nothing is set aside, or somebody would wait for ever.
            self.reserved = max(0.0, self.reserved - reservation.usd) if self._open else 0.0
            self.spent += usd
            waiting, self._waiting = self._waiting, []
            share = self._crossed()
        for future in waiting:
            _host.loop().call_soon_threadsafe(_host.release, future)
        if share is not None and self._warn is not None and self.usd is not None:
            self._warn(share, self.spent, self.usd)

    def _crossed(self) -> float | None:
        share = None
        while self.usd and self._warned < len(WARN_AT) and self.spent >= WARN_AT[self._warned] * self.usd:
            share = WARN_AT[self._warned]
            self._warned += 1
        return share
