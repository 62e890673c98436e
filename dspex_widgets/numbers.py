"""Numbers and times as people read them, digit for digit as the browser shows them (`js/src/ui/format.ts`).

Rounding is half up, by floor: the two languages' own rounding differ at ties.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

MINUTE, HOUR = 60, 3600
CENT, DIME = 0.01, 0.1


def _floor_to(value: float, digits: int) -> str:
    scale = 10**digits
    return f"{math.floor(value * scale + 0.5) / scale:,.{digits}f}"


def count(value: float) -> str:
    """Return a whole number with thousands apart.

    Example:
        >>> count(1284)
        '1,284'
    """
    return f"{math.floor(value + 0.5):,}"


def tokens(value: float) -> str:
    """Return a number of tokens, short from ten thousand on.

    Example:
        >>> tokens(1284), tokens(92_000), tokens(1_210_000)
        ('1,284', '92 k', '1.21 M')
    """
    if value < 10_000:
        return count(value)
    if value < 999_500:
        return f"{_floor_to(value / 1e3, 0)} k"
    if value < 999_995_000:
        return f"{_floor_to(value / 1e6, 2)} M"
    return f"{_floor_to(value / 1e9, 2)} B"


def money(value: float) -> str:
    """Return dollars: two decimals, four below a cent.

    Example:
        >>> money(1234.5), money(0.0042), money(0)
        ('$1,234.50', '$0.0042', '$0.00')
    """
    return f"${_floor_to(value, 4 if 0 < value < 0.01 else 2)}"


def money_of(column: Iterable[float]) -> Callable[[float], str]:
    """Return how a column's dollars are written: four decimals where the dearest is below ten cents, else two.

    Example:
        >>> [money_of([0.0042, 0.05])(value) for value in (0.0042, 0.05)]
        ['$0.0042', '$0.0500']
        >>> [money_of([0.0042, 0.5])(value) for value in (0.0042, 0.5)]
        ['<$0.01', '$0.50']
    """
    if 0 < max(column, default=0.0) < DIME:
        return lambda value: f"${_floor_to(value, 4)}"
    return lambda value: "<$0.01" if 0 < value < CENT else money(value)


def score(value: float, percent: bool) -> str:
    """Return a score: in percent with one decimal where all scores of the run lie in 0..1, else with two.

    Example:
        >>> score(0.6125, True), score(3.5, False)
        ('61.3', '3.50')
    """
    return _floor_to(value * 100, 1) if percent else _floor_to(value, 2)


def half_width(low: float, high: float, percent: bool) -> str:
    """Return half the width of an interval, as a score.

    Example:
        >>> half_width(0.80, 0.862, True)
        '±3.1'
    """
    return f"±{score((high - low) / 2, percent)}"


def share(part: float, whole: float) -> str:
    """Return a share of a whole in percent without decimals.

    Example:
        >>> share(62, 100), share(1, 0)
        ('62%', '0%')
    """
    return f"{math.floor(100 * part / whole + 0.5)}%" if whole > 0 else "0%"


def duration(seconds: float) -> str:
    """Return a length of time.

    Example:
        >>> duration(45), duration(372), duration(3720)
        ('45 s', '6 m 12 s', '1 h 02 m')
    """
    whole = max(0, math.floor(seconds))
    hours, minutes, rest = whole // HOUR, whole // MINUTE % MINUTE, whole % MINUTE
    if hours > 0:
        return f"{hours} h {minutes:02d} m"
    return f"{minutes} m {rest:02d} s" if minutes > 0 else f"{rest} s"


def latency(p50: int | None, p95: int | None) -> str:
    """Return two waits in one unit, given in milliseconds; a dash where nothing was waited for.

    Example:
        >>> latency(45, 310), latency(815, 2_080), latency(None, None)
        ('45 / 310 ms', '0.8 / 2.1 s', '–')
    """
    if p50 is None or p95 is None:
        return "–"
    if p95 < 1000:
        return f"{p50} / {p95} ms"
    digits = 1 if p95 < 100_000 else 0
    return f"{_floor_to(p50 / 1000, digits)} / {_floor_to(p95 / 1000, digits)} s"


def clock(seconds: float) -> str:
    """Return the local time of day of an epoch second, such as `07:12:41`."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def plural(n: float, one: str, many: str = "") -> str:
    """Return a count with its noun.

    Example:
        >>> plural(1, "example"), plural(4, "example")
        ('1 example', '4 examples')
    """
    return f"{count(n)} {one if n == 1 else many or one + 's'}"
