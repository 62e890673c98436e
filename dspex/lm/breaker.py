"""Stop asking a provider that keeps failing, and ask again carefully; when, and by how many, is all it decides.

Closed -> open where half of the last results failed; open -> half open when it has rested; then one probe decides.
A key that is refused or an empty account opens it at once, and only a person closes that. It holds no call and no
waiter: that is `endpoint.py`'s work.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

import msgspec

from dspex import _clock
from dspex.errors import LMError
from dspex.events.event import BreakerState

WINDOW = 20
"""How many of the latest results are looked at."""
ENOUGH = 5
"""Fewer results than this say nothing."""
SHARE = 0.5
"""The share of failures that opens it."""
FIRST_REST = 1.0
LONGEST_REST = 60.0
LONGEST_AFTER = 600.0
"""Seconds of a provider's Retry-After that are believed: one that asks for more is asked once in that time all the same."""
JITTER = 0.2
PERSONAL = frozenset({"auth", "quota"})
"""Kinds of error that pass only when a person does something."""
AT_ONCE = PERSONAL | {"unavailable"}
"""Kinds of error of which one is enough."""


class Permit(msgspec.Struct, frozen=True, eq=False):
    """Leave to ask once; its result counts only while the breaker is still in the state that gave it."""

    generation: int
    probe: bool = False


class Breaker:
    """Counts results and says whether the provider may be asked.

    Args:
        changed: called after each change of state.
        rng: where the jitter comes from.

    Attributes:
        state: closed (asked as usual), open (not asked), half_open (asked by one call to see).
        error: what opened it; None while closed.
        failed, counted: how many of how many results had failed when it opened.
        rests: whether it is asked again by itself; False where it waits for a person.

    Example:
        >>> breaker = Breaker()
        >>> for _ in range(5):
        ...     breaker.failure(breaker.admit(), LMError("down"))
        >>> breaker.state, breaker.admit()
        ('open', None)
    """

    def __init__(
        self, changed: Callable[[], None] | None = None, *, rng: random.Random | None = None
    ) -> None:
        self.state: BreakerState = "closed"
        self.error: LMError | None = None
        self.failed = self.counted = 0
        self.rests = True
        self._changed = changed
        self._rng = rng or random.Random()
        self._results: deque[bool] = deque(maxlen=WINDOW)
        self._permit = Permit(1)
        self._out = False
        self._rest = FIRST_REST
        self._until = 0.0

    def __repr__(self) -> str:
        return f"<Breaker: {self.words}>"

    @property
    def words(self) -> str:
        """Its state, for a person."""
        if self.state != "open":
            return self.state.replace("_", " ")
        return f"open, tried again in {self.wait:.0f} s" if self.rests else "open, waits for a person"

    @property
    def wait(self) -> float:
        """Seconds until it may be asked again; 0.0 where that is now, or only a person can say."""
        return max(0.0, self._until - _clock.monotonic()) if self.state == "open" and self.rests else 0.0

    def ready(self, *, person: bool = False) -> bool:
        """Tell whether `admit` would give leave.

        Args:
            person: whether the call is a person's own: it may try what waits for a person, once it has rested.
        """
        if self.state == "open":
            return (self.rests or person) and _clock.monotonic() >= self._until
        return self.state == "closed" or not self._out

    def admit(self, *, person: bool = False) -> Permit | None:
        """Give leave to ask, or None; whoever has it must say how it went."""
        if self.state == "closed":
            return self._permit
        if not self.ready(person=person):
            return None
        if self.state == "open":
            self._go("half_open")
        self._out = True
        return self._permit

    def success(self, permit: Permit | None) -> None:
        """Take the result of a call that the provider answered."""
        if permit is not self._permit:
            return
        if permit.probe:
            self.error, self.rests, self._rest = None, True, FIRST_REST
            self._go("closed")
        else:
            self._results.append(False)

    def failure(self, permit: Permit | None, error: LMError) -> None:
        """Take the result of a call at which the provider failed."""
        if permit is not self._permit:
            return
        if permit.probe:
            self._rest = min(LONGEST_REST, self._rest * 2)
            self._open(error)
            return
        self._results.append(True)
        self.failed, self.counted = sum(self._results), len(self._results)
        if error.kind in AT_ONCE or (self.counted >= ENOUGH and self.failed >= SHARE * self.counted):
            self._open(error)

    def ignore(self, permit: Permit | None) -> None:
        """Take back leave that came to nothing, such as a call that was cut off; the next one may probe."""
        if permit is self._permit:
            self._out = False

    def reset(self) -> None:
        """Have the next call try at once: a person says so."""
        if self.state == "open":
            self.rests, self._until, self._rest = True, 0.0, FIRST_REST
        elif self.state == "half_open":  # the probe that is out may hang for as long as it likes
            self._renew()

    def _open(self, error: LMError) -> None:
        self.error, self.rests = error, error.kind not in PERSONAL
        jitter = self._rng.uniform(1 - JITTER, 1 + JITTER)
        self._until = _clock.monotonic() + max(min(error.retry_after, LONGEST_AFTER), self._rest * jitter)
        self._go("open")

    def _go(self, state: BreakerState) -> None:
        self.state = state
        self._results.clear()
        self._renew()
        if self._changed is not None:
            self._changed()

    def _renew(self) -> None:
        """Count no result of a call that is out by now."""
        self._permit = Permit(self._permit.generation + 1, probe=self.state == "half_open")
        self._out = False
