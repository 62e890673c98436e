"""Calls that start evenly, at a rate that was measured, dips after each refusal and then grows along a cubic.

Apart from the pace, which says when to measure and what a refusal means: this is the arithmetic. The way up is that of
CUBIC (RFC 9438), as in the AWS SDKs' adaptive retry mode: slowly to the rate that was, longest there, then ever
faster; but by calls and not by seconds, so that what is turned away stays a small share at any rate.
"""

from __future__ import annotations

from collections import deque

DIP = 0.05
"""The share by which calls start more slowly than was measured, after a refusal."""
MOST_DIP = 0.2
"""The same where one refusal soon follows another."""
RISE = 0.2
"""The share by which they start faster than that, one plateau past it."""
PROBE = 40
"""Calls accepted for each one turned away, before more is tried than was, where the measure is good."""
MOST_TURNED = 4
"""More than so many that are not made up for yet count as so many: a storm must not end the search for minutes."""
UNSURE = 10
"""Calls that make a measure, and before more is tried than was where that is a first guess: ten of a hundred may err."""
LONGEST_PLATEAU = 60.0
"""Seconds until more is tried than was: what providers count is minutes."""
MOST_GROWTH = 2.0
"""So many times what is accepted now is the most that is tried."""
MOST_AT_ALL = 16.0
"""So many times what was measured is, too: twice what tells that there is no limit any more."""
MOST_DROP = 0.25
"""The share of the rate that is left at least after few calls."""
BURST = 0.1
"""Seconds' worth that may start at once: timers are no finer than that."""
LOOK_BACK = 8.0
"""So many times the length of the refusals is what was accepted before them, to measure over: they are then a ninth."""
MARK = 0.25
"""Seconds between two marks of how many were accepted."""
MARKS = 240
_SOON = 1e-3


class Cycle:
    """What was accepted since calls were accepted again, until they are the next time.

    Args:
        since: when that was.
        count: how many were accepted already.
    """

    __slots__ = ("_marks", "count", "since")

    def __init__(self, since: float, count: int) -> None:
        self.since = since
        self.count = count
        self._marks: deque[tuple[float, int]] = deque([(since, 0)], maxlen=MARKS)

    def add(self, now: float) -> None:
        """Count one more."""
        self.count += 1
        if now - self._marks[-1][0] >= MARK:
            self._marks.append((now, self.count))

    def recent(self, now: float) -> float:
        """Return the calls a second of late."""
        for at, before in reversed(self._marks):
            if self.count - before >= UNSURE:
                return (self.count - before) / max(_SOON, now - at)
        return self.going(now)

    def going(self, now: float) -> float:
        """Return the calls a second so far."""
        return self.count / max(_SOON, now - self.since)

    def rate(self, dark: float, end: float) -> float:
        """Return the calls a second over all, or over the time before the refusals where they had grown meanwhile.

        Args:
            dark: when the refusals began.
            end: when they ended; their time counts, for it is what the provider took to get over the rest.
        """
        first = max(self.since, dark - LOOK_BACK * (end - dark))
        for at, before in reversed(self._marks):
            if at <= first and self.count - before >= 2 * UNSURE:
                return max(self.going(end), (self.count - before) / max(_SOON, end - at))
        return self.going(end)


class Cubic:
    """A rate that is measured, held and tried again, and the bucket that keeps calls to it.

    Attributes:
        rate: calls a second; 0.0 for no bound.
        top: what was measured.
        bound_at: when it last held a call back.

    Example:
        >>> cubic = Cubic()
        >>> cubic.restart(10.0, Cycle(0.0, 100), turned=1, sure=True, now=0.0)
        >>> cubic.rate, round(cubic.wait(0.0), 3)
        (9.5, 0.105)
    """

    __slots__ = (
        "_at", "_bound", "_dip", "_done", "_level", "_owed", "_plateau", "_usual", "bound_at", "rate", "top"
    )  # fmt: skip

    def __init__(self) -> None:
        self.rate = self.top = self._usual = 0.0
        self.bound_at = float("-inf")
        self._dip = DIP
        self._plateau = self._done = self._owed = 0.0
        self._level, self._at, self._bound = 1.0, 0.0, False

    def wait(self, now: float) -> float:
        """Return the seconds until a call may start."""
        if not self.full(now):
            return 0.0
        self._bound, self.bound_at = True, now
        return (1.0 - self._level) / self.rate

    def full(self, now: float) -> bool:
        """Tell whether a call would have to wait."""
        return self.rate > 0.0 and self._fill(now) < 1.0 - 1e-9

    def take(self, now: float, going: float) -> None:
        """Count a call that starts, and grow where it was held back: else that it is accepted says nothing.

        Args:
            now: when.
            going: the calls a second that are accepted.
        """
        if not self.rate:
            return
        self._level = self._fill(now) - 1.0
        if self._bound:
            self._bound = False
            self._done += 1
            past = self._done / self._plateau - 1.0
            grown = self.top * (1.0 + (self._dip if past < 0.0 else RISE) * past**3)
            self.rate = min(grown, MOST_GROWTH * max(self.top, going), MOST_AT_ALL * self.top)

    def restart(self, measured: float, cycle: Cycle, *, turned: int, sure: bool, now: float) -> None:
        """Go on a little below what was measured.

        Args:
            measured: calls a second.
            cycle: what was accepted before.
            turned: how many were turned away after it.
            sure: whether the measure is a good one, where there was none before.
            now: when.
        """
        count, few = cycle.count, UNSURE - cycle.count
        if self.rate:
            if self._usual and few > 0:  # one that is refused early may be by chance
                measured = UNSURE / (few / self._usual + count / measured)
            sure = count >= 2 * UNSURE or measured > self.rate / 2.0
            measured = min(self.rate, max(measured, MOST_DROP * self.rate))
        self.top, self._done = measured, 0.0
        # A rate that had grown was more than is taken for long, where much was in store.
        if sure or self._usual:
            self._usual = measured if few > 0 else min(measured, cycle.going(now))
        self._dip = min(MOST_DIP, 2.0 * self._dip) if sure and count < PROBE else DIP
        self._plateau = float(UNSURE if self.rate else max(1, min(count, UNSURE)))
        if sure:
            self._owed = min(PROBE * MOST_TURNED, max(0.0, self._owed - count) + PROBE * turned)
            self._plateau = max(self._owed, min(count, LONGEST_PLATEAU * measured))
        self.rate = measured * (1.0 - self._dip)
        self._level, self._at, self._bound = 0.0, now, False

    def go_on(self, rate: float, now: float) -> None:
        """Go on at a rate, whatever was measured."""
        self.rate = self.top = rate
        self._dip, self._plateau, self._done = DIP, float(PROBE), 0.0
        self._level, self._at, self._bound = 0.0, now, False

    def state(self) -> tuple[float, ...]:
        """Return what `back` takes."""
        return self.rate, self.top, self._dip, self._plateau, self._done, self._owed, self._usual

    def back(self, state: tuple[float, ...]) -> None:
        """Take up an earlier state again."""
        self.rate, self.top, self._dip, self._plateau, self._done, self._owed, self._usual = state

    def _fill(self, now: float) -> float:
        self._level = min(max(1.0, self.rate * BURST), self._level + (now - self._at) * self.rate)
        self._at = now
        return self._level
