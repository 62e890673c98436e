"""Caps on money, tokens and calls: reserve the most a call can take, settle what it did take, refuse what could cross.

`spent + reserved` never exceeds a cap, so no burst of parallel calls can overrun it. Where only the calls in
flight stand in the way, a caller waits until they settle: their true cost is mostly far below what was reserved.
A cap may be changed at any time; a higher one lets those go on who wait.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, get_args

from dspex import _host
from dspex.errors import BudgetExceeded, SettingsError, nearest

WARN_AT = (0.5, 0.8)
Kind = Literal["usd", "tokens", "calls"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Caps = Mapping[str, float | None]
"""By kind: usd, tokens, calls, and seconds, which the run's clock watches."""
Warn = Callable[[float, float, float, Kind], None]


class Reservation:
    """What is set aside for one call; settle it once, or release it where nothing was paid."""

    def __init__(self, budget: Budget, usd: float, tokens: float = 0, calls: int = 1) -> None:
        self._budget = budget
        self.usd = usd
        self.tokens = tokens
        self.calls = calls

    def settle(self, usd: float, tokens: float = 0, calls: int = 1) -> None:
        """Book what the call did take and free the rest; settling again does nothing."""
        self._budget._settle(self, {"usd": usd, "tokens": tokens, "calls": calls})

    def release(self) -> None:
        """Free all of it: the call never was, or somebody else pays for it."""
        self._budget._settle(self, {})


class Budget:
    """What may be spent, what is, and what is set aside.

    Args:
        usd: the cap in US dollars; None for no cap.
        warn: called as `warn(share, spent, cap, kind)` when half and four fifths of a cap are spent.
        tokens, calls: further caps: tokens in and out together, and answered calls of models.

    Raises:
        SettingsError: a cap is not above zero.

    Example:
        >>> budget = Budget(usd=1.0)
        >>> call = budget.reserve(0.30)
        >>> call.settle(0.12)
        >>> budget.spent, budget.reserved
        (0.12, 0.0)
    """

    def __init__(
        self,
        usd: float | None = None,
        warn: Warn | None = None,
        *,
        tokens: float | None = None,
        calls: float | None = None,
    ) -> None:
        self._caps: dict[Kind, float] = {}
        self._used: dict[Kind, float] = dict.fromkeys(KINDS, 0)
        self._used["usd"] = 0.0
        self._held: dict[Kind, float] = {"usd": 0.0, "tokens": 0, "calls": 0}
        self._warned: dict[Kind, int] = dict.fromkeys(KINDS, 0)
        self._warn = warn
        self._lock = threading.Lock()
        self._open: set[Reservation] = set()
        self._waiting: list[asyncio.Future[None]] = []
        self.change({"usd": usd, "tokens": tokens, "calls": calls})

    @property
    def usd(self) -> float | None:
        """The cap in US dollars; None for none."""
        return self._caps.get("usd")

    @property
    def spent(self) -> float:
        """Dollars spent."""
        return self._used["usd"]

    @property
    def reserved(self) -> float:
        """Dollars set aside for calls in flight."""
        return self._held["usd"]

    @property
    def caps(self) -> dict[str, float]:
        """The caps there are, by kind."""
        return dict(self._caps)  # type: ignore[arg-type]  # its kinds are texts

    @property
    def used(self) -> dict[str, float]:
        """What was spent, by kind."""
        return dict(self._used)  # type: ignore[arg-type]  # its kinds are texts

    def change(self, caps: Caps) -> None:
        """Set caps anew; None takes one away, a kind that is not named stays. What is above a new cap stays spent.

        Raises:
            SettingsError: a cap is not above zero.
        """
        checked = {kind: check_cap(kind, cap) for kind, cap in caps.items() if kind != "seconds"}
        with self._lock:
            for kind in KINDS:
                if kind in checked:
                    self._set(kind, checked[kind])
            waiting = self._wake()
        _release(waiting)

    def resume_from(self, used: Mapping[str, float]) -> None:
        """Take over what an earlier life of the run spent, without warning of it again."""
        with self._lock:
            for kind in KINDS:
                self._used[kind] += used.get(kind, 0)
                self._crossed(kind)

    def try_reserve(self, usd: float, tokens: float = 0, calls: int = 1) -> Reservation | None:
        """Set aside what a call may take; None where it will fit only once calls in flight have settled.

        Raises:
            BudgetExceeded: it would cross a cap whatever those calls take.
        """
        ask: dict[Kind, float] = {"usd": usd, "tokens": tokens, "calls": calls}
        with self._lock:
            if self._caps:
                for kind, cap in self._caps.items():
                    if self._used[kind] + ask[kind] > cap:
                        raise BudgetExceeded(
                            _reached(kind, self._used[kind], cap), kind, self._used[kind], cap
                        )
                if not self._fits(ask):
                    return None
            for kind in KINDS:
                self._held[kind] += ask[kind]
            reservation = Reservation(self, usd, tokens, calls)
            self._open.add(reservation)
            return reservation

    def reserve(self, usd: float, tokens: float = 0) -> Reservation:
        """Set it aside or refuse at once."""
        reservation = self.try_reserve(usd, tokens)
        if reservation is None:
            caps = " and ".join(_amount(kind, cap) for kind, cap in self._caps.items())
            raise BudgetExceeded(f"budget of {caps} is taken up by calls in flight")
        return reservation

    async def areserve(self, usd: float, tokens: float = 0, calls: int = 1) -> Reservation:
        """Set it aside, waiting for calls in flight to settle where that may help."""
        while (reservation := self.try_reserve(usd, tokens, calls)) is None:
            await _host.hop(self._settled({"usd": usd, "tokens": tokens, "calls": calls}))
        return reservation

    def _fits(self, ask: Mapping[Kind, float]) -> bool:
        return all(self._used[k] + self._held[k] + ask[k] <= cap for k, cap in self._caps.items())

    async def _settled(self, ask: Mapping[Kind, float]) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._fits(ask) or not self._open:
                return
            self._waiting.append(future)
        await future

    def _settle(self, reservation: Reservation, took: Mapping[Kind, float]) -> None:
        told: list[tuple[float, float, float, Kind]] = []
        with self._lock:
            if reservation not in self._open:
                return
            self._open.remove(reservation)
            held: dict[Kind, float] = {
                "usd": reservation.usd, "tokens": reservation.tokens, "calls": reservation.calls,
            }  # fmt: skip
            for kind in KINDS:
                # Sums of floats drift; with nothing in flight nothing is set aside, or somebody would wait for ever.
                self._held[kind] = max(0.0, self._held[kind] - held[kind]) if self._open else 0.0
                self._used[kind] += took.get(kind, 0)
                share = self._crossed(kind) if self._caps else None
                if share is not None:
                    told.append((share, self._used[kind], self._caps[kind], kind))
            waiting = self._wake() if self._waiting else ()
        _release(waiting)
        if self._warn is not None:
            for warning in told:
                self._warn(*warning)

    def _set(self, kind: Kind, cap: float | None) -> None:
        self._caps.pop(kind, None)
        if cap is not None:
            self._caps[kind] = cap
        # What a new cap makes of the shares spent is told when they are crossed anew.
        self._warned[kind] = 0
        self._crossed(kind)

    def _wake(self) -> list[asyncio.Future[None]]:
        waiting, self._waiting = self._waiting, []
        return waiting

    def _crossed(self, kind: Kind) -> float | None:
        share, cap = None, self._caps.get(kind)
        while cap and self._warned[kind] < len(WARN_AT):
            next_ = WARN_AT[self._warned[kind]]
            if self._used[kind] < next_ * cap:
                break
            share = next_
            self._warned[kind] += 1
        return share


def check_cap(kind: str, cap: object) -> float | None:
    """Return a cap if it can be one.

    Raises:
        SettingsError: it is no number above zero, or of no known kind.
    """
    if kind not in (*KINDS, "seconds"):
        known = (*KINDS, "seconds")
        raise SettingsError(f"A budget has no `{kind}`.{nearest(kind, known)} It caps {', '.join(known)}.")
    if cap is None:
        return None
    if isinstance(cap, bool) or not isinstance(cap, (int, float)):
        word = "US dollars such as 0.50" if kind == "usd" else f"{kind} such as 500"
        raise SettingsError(f"A budget is a number of {word}, not `{cap!r}`.")
    if not cap > 0:
        raise SettingsError(
            f"A budget of {_amount(kind, cap)} allows no call; give more than 0, or None for no cap."
        )
    return cap


def read_caps(budget: float | Mapping[str, float | None] | None) -> dict[str, float]:
    """Return the caps that a user wrote: dollars, or `{"usd": 2, "tokens": 1e6, "calls": 500, "seconds": 600}`.

    Raises:
        SettingsError: a cap cannot be.

    Example:
        >>> read_caps(2.0), read_caps({"calls": 500})
        ({'usd': 2.0}, {'calls': 500})
    """
    given = budget if isinstance(budget, Mapping) else {"usd": budget}
    caps = {kind: check_cap(kind, cap) for kind, cap in given.items()}
    return {kind: cap for kind, cap in caps.items() if cap is not None}


def _release(waiting: Iterable[asyncio.Future[None]]) -> None:
    for future in waiting:
        _host.loop().call_soon_threadsafe(_host.release, future)


def _reached(kind: Kind, used: float, cap: float) -> str:
    spent = f"${used:.4f} spent" if kind == "usd" else f"{used:,.0f} used"
    return f"budget of {_amount(kind, cap)} reached: {spent}"


def _amount(kind: str, cap: float) -> str:
    if kind == "usd":
        return f"${cap:.2f}" if cap >= 0.1 else f"${cap:g}"
    word = kind.removesuffix("s") if cap == 1 else kind
    return f"{cap:,.0f} {word}" if cap >= 1 else f"{cap:g} {word}"
