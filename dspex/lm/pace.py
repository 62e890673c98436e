"""How fast one endpoint takes calls, where it bounds calls or tokens per time: what each answer and each 429 says.

Apart from the limit on calls at once, which cannot hold such a bound: few in flight may follow each other quickly. It
watches from the first 429 on. One that the number in flight does not explain begins a dark time: a rest, then one call
that finds out, the scout, and so on until one is accepted. From then on calls start evenly, a little more slowly than
they were accepted from one such moment to the next, the dark time included. Nobody waits here.
"""

from __future__ import annotations

from collections.abc import Callable

from dspex import _clock
from dspex.lm.cubic import PROBE, Cubic, Cycle
from dspex.lm.limit import FIRST_FREEZE, Held

LONGEST_REST = 8.0
"""Seconds until it is tried again whether calls are accepted, where the provider does not say."""
TIMED = 5.0
"""Seconds of a Retry-After from which on it is no end of another call that is to be waited for."""
OWN_CLOCK = 0.2
"""The share of the time that was dark, from which on a first measure is a good one: the provider set it."""
SHORTEST, LONGEST = 0.1, 2.0
"""Seconds in which a refusal is expected; after them a call counts as accepted, though its answer may take long."""
BACKOFF = 30.0
"""Seconds in which those who were refused come again: that none is there meanwhile is no pause."""
LATELY = 1.0
"""Seconds, and two calls, since it last held one back: longer ago, the pace does not explain a refusal."""
QUIET = 600.0
"""Seconds without a 429 after which there is none, either."""
FASTER, FEW_QUIET = 8.0, 150.0
"""So many times the rate that was, and so many seconds, without a 429, and there is none, either."""
VAIN, VAIN_EACH = 6, 60
"""So many refusals, each after fewer calls than that: a pace that helps has more of them between two."""
VAIN_SHARE = 0.25
"""They count below that share of the most that was let through: a pace that helps would have by then."""
VAIN_REST = 60.0
"""Seconds for which calls are then not slowed by refusals, a minute as what providers count; doubled each time."""
STORM = 1
"""Fewer accepted for each refused than that end this time: it was not in vain."""
_NEVER = float("-inf")


class Pace:
    """Learns from answers and 429s when the next call may start.

    Args:
        begun: how many calls had begun when the first 429 came.
        since, before: since when the endpoint was busy then, and how many calls had begun before that.
        changed: called when there is another pace.

    Example:
        >>> pace = Pace(begun=21, since=_clock.monotonic(), before=0)
        >>> pace.refused(nth=21, among=1, begun=21, in_flight=0)
        0.25
        >>> pace
        <Pace: to be found out>
    """

    def __init__(
        self, begun: int, since: float, before: int = 0, changed: Callable[[], None] | None = None
    ) -> None:
        now = _clock.monotonic()
        self._changed, self._told = changed, 0.0
        self._cubic = Cubic()
        self._cycle, self._first = Cycle(since, begun - before), before
        self._earlier = self._cycle, self._cubic.state()
        self._refused, self._held = now, Held(begun)
        self._dark: float | None = None
        self._last, self._stale = now, begun  # when the last was refused in the dark, and what had begun then
        self._misses = self._turned = 0
        self._scout: float | None = None  # when it began
        self._scouted, self._delay = _NEVER, FIRST_FREEZE
        self._vain = _Vain()

    def __repr__(self) -> str:
        return f"<Pace: {self.rate:.3g} a second>" if self.rate else "<Pace: to be found out>"

    @property
    def rate(self) -> float:
        """Calls a second; 0.0 while it only watches."""
        return self._cubic.rate

    @property
    def full(self) -> bool:
        """Whether a call would have to wait."""
        return self._scout is not None or self._cubic.full(_clock.monotonic())

    @property
    def over(self) -> bool:
        """Whether it holds no more: nothing was refused for long, or the endpoint is far faster."""
        quiet = _clock.monotonic() - self._refused
        return quiet > QUIET or (quiet > FEW_QUIET and self.rate > FASTER * self._cubic.top > 0.0)

    def wait(self) -> float:
        """Return the seconds until a call may start."""
        now = _clock.monotonic()
        if self._scout is not None:
            left = self._scout + self._delay - now
            if left > 0:
                return left
            self._lit(self._scout)
        return self._cubic.wait(now)

    def begin(self) -> None:
        """Count a call that starts."""
        now = _clock.monotonic()
        if self._dark is not None and self._scout is None:
            self._scout = now
            return
        self._cycle.add(now)
        self._cubic.take(now, self._cycle.recent(now))

    def wake(self) -> None:
        """Note that calls come to where there were none: the time before says nothing, but after a refusal."""
        now = _clock.monotonic()
        if self._dark is None and now - self._refused > BACKOFF:
            self._cycle = Cycle(now, 0)

    def answered(self, nth: int, among: int) -> None:
        """Learn from an answer.

        Args:
            nth: which call of the endpoint it was.
            among: how many were in flight when it began, itself included.
        """
        self._held.answered(nth, among)
        if self._scout is not None and nth > self._stale:
            self._lit(self._scout)

    def refused(
        self, nth: int, among: int, begun: int, in_flight: int, retry_after: float = 0.0
    ) -> float | None:
        """Learn from a 429.

        Args:
            nth, among: as for an answer.
            begun: how many calls have begun.
            in_flight: how many are, without this one.
            retry_after: seconds to wait, as the provider asked; 0.0 where it did not.

        Returns:
            the seconds for which nothing is to start; None where the number in flight explains it.
        """
        now = _clock.monotonic()
        self._refused = now
        if self._dark is None and nth == self._stale + 1 and self._scouted + LONGEST > now:
            self._undo(now)  # the scout, which was taken to be accepted
        if self._dark is not None:
            return self._still(nth, begun, retry_after, now)
        if self.rate and nth <= self._stale:  # it began before the others of the last dark time were refused
            self._delay = min(LONGEST, 2.0 * self._delay)
            return retry_after
        self._cycle.count -= nth > self._first
        if not self._for_time(among, retry_after, now):
            self._held.refused(begun, in_flight, self._delay)
            return None
        self._dark, self._last, self._stale, self._held.news = now, now, begun, begun
        self._misses = self._turned = 1
        return retry_after or self._rest()

    def _for_time(self, among: int, retry_after: float, now: float) -> bool:
        """Tell whether a 429 is for the calls per time, and not for those in flight."""
        if retry_after >= TIMED or among <= 1:
            return True
        seconds = among / max(1e-9, self._cycle.going(now))  # that a call takes, by Little's law
        if among <= self._held.known(seconds):
            return True
        return self.rate > 0.0 and now - self._cubic.bound_at <= LATELY + 2.0 / self.rate

    def _still(self, nth: int, begun: int, retry_after: float, now: float) -> float:
        """Learn from one more 429 in the dark."""
        self._turned += 1
        self._held.news = begun
        if nth <= self._stale:  # it began before that was known
            self._cycle.count -= nth > self._first
            return retry_after
        if self._scout is not None:
            self._delay = min(LONGEST, max(SHORTEST, 0.9 * self._delay, 2.0 * (now - self._scout)))
            self._scout = None
        self._last, self._stale = now, begun
        self._misses += 1
        return max(retry_after, self._rest())

    def _rest(self) -> float:
        first = max(FIRST_FREEZE, 1.0 / self.rate if self.rate else 0.0)
        return float(min(LONGEST_REST, first * 2.0 ** (self._misses - 1)))

    def _lit(self, at: float) -> None:
        """The scout is accepted, since then: measure, and go on from there."""
        dark, self._dark = self._dark, None
        self._scout, self._scouted = None, at
        if dark is None:
            return
        # The dark ended somewhere between the last refused and this one, but for a provider that says when.
        end = at if self._misses == 1 and at - dark >= TIMED else (self._last + at) / 2.0
        cycle, self._cycle = self._cycle, Cycle(end, 1)
        self._earlier = cycle, self._cubic.state()
        if cycle.count < 1:
            return
        measured = cycle.rate(dark, end)
        if self.rate and (most := self._vain.learns(self.rate, cycle.count, self._turned, at)):
            self._cubic.go_on(most, at)
            self._tell()
            return
        sure = cycle.count >= PROBE and at - dark > OWN_CLOCK * (at - cycle.since)
        self._cubic.restart(measured, cycle, turned=self._turned, sure=sure, now=at)
        self._tell()

    def _undo(self, now: float) -> None:
        """The dark goes on."""
        self._delay = min(LONGEST, 2.0 * (now - self._scouted))
        self._earlier[0].count += self._cycle.count - 1
        self._cycle, state = self._earlier
        self._cubic.back(state)
        self._dark = self._last = self._scout = self._scouted

    def _tell(self) -> None:
        if self._changed is not None and not 0.9 * self._told <= self.rate <= 1.1 * self._told:
            self._told = self.rate
            self._changed()


class _Vain:
    """Finds out whether calls are refused however slowly they start: then slowness is no help, and left for a time.

    Where it helps, refusals are rare as soon as the rate is what is taken. Those by chance are as many as before.
    """

    def __init__(self) -> None:
        self._until, self._rest = _NEVER, VAIN_REST
        self._most, self._calls, self._refusals = 0.0, 0, 0

    def learns(self, rate: float, count: int, turned: int, now: float) -> float:
        """Learn from what was accepted between two refusals.

        Args:
            rate: calls a second that were let through in the end.
            count: how many were accepted.
            turned: how many were turned away after them.
            now: when.

        Returns:
            the rate to go on at; 0.0 where that is the measured one.
        """
        if now < self._until:
            return self._trusts(count, turned, now)
        if rate > VAIN_SHARE * self._most:
            self._know(max(rate, self._most))
            return 0.0
        if count >= 2 * PROBE:
            self._know(self._most)  # it helps, or that was chance
            return 0.0
        self._calls, self._refusals = self._calls + count, self._refusals + 1
        if self._refusals < VAIN or self._calls >= VAIN_EACH * self._refusals:
            return 0.0
        self._until, self._rest = now + self._rest, min(QUIET, 2.0 * self._rest)
        self._know(self._most)
        return self._most

    def _trusts(self, count: int, turned: int, now: float) -> float:
        self._calls, self._refusals = self._calls + count, self._refusals + turned
        if self._refusals < VAIN or self._calls > STORM * self._refusals:
            return self._most
        self._until = now
        self._know(0.0)
        return 0.0

    def _know(self, most: float) -> None:
        self._most, self._calls, self._refusals = most, 0, 0
