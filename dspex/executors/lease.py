"""How much of a run's budget an example that is made elsewhere may take: set aside before it leaves, settled after.

A worker cannot ask for money in the middle of an example, so it leaves with the most it may take and refuses what
would go beyond. What is set aside is first an equal share of what is left, then three times what the dearest example
took; an example that it does not suffice for is sent once more with more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from dspex.errors import BudgetExceeded
from dspex.scope.budget import KINDS, Budget, Reservation

MARGIN = 3.0
"""What is set aside, in times of the most that an example took."""
MORE = 4.0
"""By how much a lease grows that did not suffice."""


@dataclass(slots=True)
class Lease:
    """What one example may take."""

    caps: dict[str, float]
    """By kind; empty where the run has no cap."""
    reservation: Reservation

    def settle(self, used: Mapping[str, float]) -> None:
        """Book what it took."""
        self.reservation.settle(used.get("usd", 0.0), used.get("tokens", 0), int(used.get("calls", 0)))


class Leases:
    """What the examples of one evaluation may take.

    Args:
        budget: the run's.
        width: examples in flight at once.

    Example:
        >>> leases = Leases(Budget(usd=1.0), width=4)
        >>> round(leases.wanted()["usd"], 6)
        0.25
        >>> leases.seen({"usd": 0.01, "calls": 1})
        >>> round(leases.wanted()["usd"], 6)
        0.03
    """

    def __init__(self, budget: Budget, width: int) -> None:
        self._budget = budget
        self._width = max(1, width)
        self._most: dict[str, float] = {}

    def wanted(self, times: float = 1.0) -> dict[str, float]:
        """Return what to set aside for the next example, by kind of cap; nothing where there is no cap.

        Raises:
            BudgetExceeded: nothing is left.
        """
        caps: dict[str, float] = {}
        for kind, left in self._left().items():
            usual = MARGIN * self._most[kind] if self._most.get(kind) else left / self._width
            want = min(left, usual * times)
            caps[kind] = max(1.0, float(int(want))) if kind == "calls" else want
        return caps

    def seen(self, used: Mapping[str, float]) -> None:
        """Note what an example took."""
        for kind in KINDS:
            self._most[kind] = max(self._most.get(kind, 0.0), used.get(kind, 0.0))

    def all_of_it(self, caps: Mapping[str, float]) -> bool:
        """Tell whether a lease is all that is left, so that more of it cannot be had."""
        left = self._left()
        return all(caps.get(kind, 0.0) >= most * 0.999 for kind, most in left.items())

    def refuse(self, kind: str) -> NoReturn:
        """Raise what says that the next act could cross the cap.

        Raises:
            BudgetExceeded: always.
        """
        cap, used = self._budget.caps.get(kind, 0.0), self._budget.used[kind]
        raise BudgetExceeded(f"{_reached(kind, cap)}: {_spent(kind, used)}", kind, used, cap)

    async def take(self, times: float = 1.0) -> Lease:
        """Set aside what the next example may take, waiting for others to settle where that may help.

        Raises:
            BudgetExceeded: nothing is left.
        """
        while True:
            caps = self.wanted(times)
            try:
                held = await self._budget.areserve(
                    caps.get("usd", 0.0), caps.get("tokens", 0.0), int(caps.get("calls", 0))
                )
                return Lease(caps, held)
            except BudgetExceeded:
                if self._fits(caps):
                    raise
                # Others settled meanwhile, and less is left than was asked for: ask for that.

    def _left(self) -> dict[str, float]:
        """Return what is not spent, by kind of cap; a hair less, so that sums of floats cannot cross it."""
        caps, used = self._budget.caps, self._budget.used
        left: dict[str, float] = {}
        for kind, cap in caps.items():
            rest = cap - used[kind]
            if rest <= (0.999 if kind == "calls" else cap * 1e-9):
                self.refuse(kind)
            left[kind] = float(int(rest)) if kind == "calls" else rest * (1 - 1e-9)
        return left

    def _fits(self, caps: Mapping[str, float]) -> bool:
        left = self._left()
        return all(caps.get(kind, 0.0) <= rest for kind, rest in left.items())


def _reached(kind: str, cap: float) -> str:
    return f"budget of {f'${cap:.2f}' if kind == 'usd' else f'{cap:,.0f} {kind}'} reached"


def _spent(kind: str, used: float) -> str:
    return f"${used:.4f} spent" if kind == "usd" else f"{used:,.0f} used"
