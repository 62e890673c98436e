"""How many calls one endpoint takes at once: found by trying, or fixed; only the numbers, nobody waits here.

It doubles until the provider first asks to slow down (429), then grows by a twentieth for every round of clean
answers. A 429 takes a fifth away, at most once in a while, and holds new calls back; where the provider goes on
answering what it has, it is seen to hold that many, and that is the limit from then on.
"""

from __future__ import annotations

from collections.abc import Callable

from dspex import _clock

START = 20
LEAST = 1
MOST = 1000
ROUND = 4
"""Clean answers that make up a round, or as many as the limit where that is more."""
GROWTH = 0.05
CUT = 0.8
COOL = 15.0
"""Seconds after a cut without another one, and without growth."""
SATURATED = 0.8
"""The share of the limit that must have been in use for it to grow."""
MANY = 0.25
"""So many turned away for each one held are no accident: what is held is the limit."""
FEW = 3
"""Fewer than so many turned away are one, however few were held meanwhile."""
FIRST_FREEZE = 0.25
LONGEST_FREEZE = 120.0
"""Seconds; a provider that asks for more is asked once in that time all the same."""
RECENT = 60.0
"""Seconds for which it is remembered how many were held at once, or twice that."""
TRANSIT, MOST_TRANSIT = 0.1, 0.25
"""Seconds for which a call counts as in flight while the provider does not hold it, and the share it may be."""

Changed = Callable[[int, str], None]


class Limit:
    """Counts what is in flight, learns from how it ends, and says how much more may start.

    Args:
        fixed: the number that always holds; None to find it.
        changed: called as `changed(before, reason)` when the limit is another one.

    Attributes:
        size: the limit.
        in_flight: calls that have begun and not ended.

    Example:
        >>> limit = Limit()
        >>> for _ in range(20):
        ...     limit.begin()
        >>> for _ in range(20):
        ...     limit.leave()
        ...     limit.answered()
        >>> limit.size
        40
    """

    def __init__(self, fixed: int | None = None, changed: Changed | None = None) -> None:
        self.size = START if fixed is None else fixed
        self.in_flight = 0
        self._fixed = fixed is not None
        self._changed = changed
        self._goal = MOST
        self._clean = self._peak = self._epochs = self._turned = 0
        self._cool_until = self._frozen_until = 0.0
        self._held: int | None = None
        self._holds = False

    def __repr__(self) -> str:
        return f"<Limit: {self.in_flight} of {self.size} in flight>"

    @property
    def frozen(self) -> float:
        """Seconds for which nothing new may start."""
        until = self._frozen_until
        return max(0.0, until - _clock.monotonic()) if until else 0.0

    @property
    def free(self) -> int:
        """How many calls more may be in flight; what is too many already is let be."""
        size = self.size if self._held is None else min(self.size, self._held)
        return size - self.in_flight if size > self.in_flight else 0

    def begin(self) -> None:
        """Count a call that starts."""
        self.in_flight += 1
        if self.in_flight > self._peak:
            self._peak = self.in_flight

    def leave(self) -> None:
        """Count a call that ended, before saying how."""
        self.in_flight -= 1

    def answered(self, *, clean: bool = True) -> None:
        """Learn from an answer.

        Args:
            clean: False for one that took more than one try: it says nothing about room.
        """
        self._epochs = 0
        if self._held is not None:
            if self._holds and not self._fixed and self._turned >= max(FEW, MANY * self._held):
                self._move(min(self.size, self._held), "the provider holds so many at once (429)")
            self._held = None
        if self._fixed or not clean or (self._cool_until and _clock.monotonic() < self._cool_until):
            return
        self._clean += 1
        if self._clean >= ROUND and self._clean >= self.size:
            if self._peak >= SATURATED * self.size:
                self._grow()
            self._new_round()

    def refused(self, retry_after: float = 0.0) -> None:
        """Learn from a 429: hold new calls back, and take fewer from then on."""
        now = _clock.monotonic()
        self._turned = 1 if self._held is None else self._turned + 1
        # Where it turned all away, that says nothing about how many; one call finds out.
        self._held, self._holds = max(LEAST, self.in_flight), self.in_flight > 0
        wait = retry_after
        if not wait and not self._holds:
            # Else what it holds keeps the others back. Those that began after a wait say that it was too short.
            self._epochs += now >= self._frozen_until
            wait = min(COOL, FIRST_FREEZE * 2.0 ** (self._epochs - 1))
        self._frozen_until = max(self._frozen_until, now + min(wait, LONGEST_FREEZE))
        self._new_round()
        if self._fixed or now < self._cool_until:
            return
        self._cool_until = now + COOL
        self._goal = max(LEAST, int(self.size * CUT))
        self._move(self._goal, "the provider asked to slow down (429)")

    def hold(self, seconds: float) -> None:
        """Have nothing start for a time, for a 429 that the number in flight has no part in."""
        self._frozen_until = max(self._frozen_until, _clock.monotonic() + min(seconds, LONGEST_FREEZE))
        self._held = None
        self._new_round()
        if not self._fixed and self._goal != MOST:
            self._goal = MOST
            if self.size < START:
                self._move(START, "it is not for the number at once")

    def troubled(self) -> None:
        """Learn from a failure that is none of ours: this is no time to grow."""
        self._holds = self._holds and self.in_flight > 0
        self._new_round()

    def thaw(self) -> None:
        """Have calls start at once: a person says so."""
        self._frozen_until, self._held = 0.0, None

    def set(self, fixed: int | None) -> None:
        """Fix the limit at a number, or None to find it from here on."""
        if fixed is None and not self._fixed:
            return
        self._fixed, self._goal = fixed is not None, MOST
        self._new_round()
        self._move(START if fixed is None else fixed, "set by `Pool(concurrency=...)`")

    def _grow(self) -> None:
        if self.size < self._goal:
            grown = min(self.size * 2, self._goal)
        else:
            grown = min(MOST, self.size + max(1, int(self.size * GROWTH)))
        self._move(grown, "all were answered")

    def _new_round(self) -> None:
        self._clean, self._peak = 0, self.in_flight

    def _move(self, size: int, reason: str) -> None:
        before, self.size = self.size, size
        if before != size and self._changed is not None:
            self._changed(before, reason)


class Held:
    """How many calls at once a provider is known to have held: a 429 with fewer in flight has another reason.

    Args:
        news: how many calls had begun when the last 429 came.
    """

    def __init__(self, news: int) -> None:
        self.news = news
        self._most = self._before = 0
        self._turn = self._mark_at = _clock.monotonic()
        self._mark = news

    @property
    def most(self) -> int:
        """The number."""
        return max(self._most, self._before)

    def known(self, seconds: float) -> int:
        """Return it, lower by those that may have been on their way while they counted as in flight.

        Args:
            seconds: that a call takes.
        """
        return self.most - round(self.most * min(MOST_TRANSIT, TRANSIT / max(seconds, 1e-9)))

    def answered(self, nth: int, among: int) -> None:
        """Learn from an answer: which call it was, and how many were in flight when it began, itself included."""
        if nth > self.news:  # else some of those may have been turned away
            self._note(among)

    def refused(self, begun: int, in_flight: int, delay: float) -> None:
        """Learn from a 429: those in flight that began well before it are held.

        Args:
            begun: how many calls have begun.
            in_flight: how many are.
            delay: seconds in which a refusal comes.
        """
        self.news = begun
        now = _clock.monotonic()
        if now - self._mark_at > delay:
            self._note(in_flight - (begun - self._mark))
            self._mark, self._mark_at = begun, now

    def _note(self, held: int) -> None:
        now = _clock.monotonic()
        if now - self._turn > RECENT:
            self._turn, self._before, self._most = now, self._most, 0
        self._most = max(self._most, held)
