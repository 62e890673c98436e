"""Sizes and ages as people write and read them: `1GB`, `30d`, `1.5 MB`.

Apart because the cache, its magic and whoever else keeps files must read the same words.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta

from dspex.errors import SettingsError

_SIZES = {"": 1, "b": 1, "k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9, "t": 1e12, "tb": 1e12,
          "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}  # fmt: skip
_AGES = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0, "y": 365 * 86_400.0}
_AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*", re.ASCII)


def read_bytes(size: float | str) -> int:
    """Return a size in bytes, given as a number of bytes or in words.

    Args:
        size: such as `1_000_000`, `"1MB"` (a million) or `"1MiB"` (2**20).

    Raises:
        SettingsError: it is no size.

    Example:
        >>> read_bytes("1.5 MB"), read_bytes(20)
        (1500000, 20)
    """
    return int(_read(size, _SIZES, "", "a size is a number of bytes, or a text such as `500MB` or `1GB`"))


def read_seconds(age: float | str | timedelta) -> float:
    """Return an age in seconds, given in seconds, as a timedelta or in words.

    Args:
        age: such as `3600`, `"30d"`, `"12h"` or `timedelta(days=30)`.

    Raises:
        SettingsError: it is no age.

    Example:
        >>> read_seconds("2h")
        7200.0
    """
    given = age.total_seconds() if isinstance(age, timedelta) else age
    return _read(given, _AGES, "s", "an age is a number of seconds, or a text such as `12h` or `30d`")


def show_bytes(size: float) -> str:
    """Return a size as people read it.

    Example:
        >>> show_bytes(512), show_bytes(1_500_000)
        ('512 B', '1.5 MB')
    """
    amount, unit = float(size), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if amount < 999.5:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 9.95 else f"{amount:.1f} {unit}"


def _read(given: object, units: dict[str, float], usual: str, what: str) -> float:
    if isinstance(given, str):
        found = _AMOUNT.fullmatch(given)
        factor = units.get((found[2] or usual).lower()) if found else None
        if found and factor is not None:
            given = float(found[1]) * factor
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given < math.inf:
        raise SettingsError(f"`{given}` cannot be read: {what}.")
    return float(given)
