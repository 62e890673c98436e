"""Known limits per minute, of requests and of tokens: a bucket that refills evenly and is never drained by surprise.

Apart from the limit on calls at once, which is found by trying: this one is told by whoever knows the contract.
"""

from __future__ import annotations

from dspex import _clock

MINUTE = 60.0
BURST = 5.0
"""Seconds' worth that may be taken at once."""


class Bucket:
    """Lets no more than so much be taken in any 60 seconds, but for the last one's overhang.

    Args:
        per_minute: how much that is.

    Example:
        >>> bucket = Bucket(60)
        >>> for _ in range(5):
        ...     bucket.take(1)
        >>> round(bucket.wait(1), 1) > 0
        True
    """

    def __init__(self, per_minute: float) -> None:
        self.per_minute = per_minute
        self._most = max(1.0, per_minute * BURST / MINUTE)
        # What may go at once counts as well: both together make up the minute's worth.
        self._rate = (per_minute - (self._most - 1.0)) / MINUTE
        self._level = self._most
        self._at = _clock.monotonic()

    def __repr__(self) -> str:
        return f"<Bucket: {self._fill():.0f} left, {self.per_minute:g} a minute>"

    def wait(self, amount: float) -> float:
        """Return the seconds until so much may be taken; more than fits at once may go when it is full."""
        lacking = min(amount, self._most) - self._fill()
        return lacking / self._rate if lacking > 1e-9 else 0.0

    def take(self, amount: float) -> None:
        """Take so much; the level may go below zero, and others then wait for longer."""
        self._level = self._fill() - amount

    def give(self, amount: float) -> None:
        """Give back what was taken and not used; a negative amount is what was used beyond."""
        self._level = min(self._most, self._fill() + amount)

    def _fill(self) -> float:
        now = _clock.monotonic()
        self._level = min(self._most, self._level + (now - self._at) * self._rate)
        self._at = now
        return self._level
