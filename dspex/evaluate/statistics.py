"""How sure a mean is."""

from __future__ import annotations

import math
from collections.abc import Sequence

Z95 = 1.959963984540054


def interval(scores: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean: Wilson's for scores of 0 and 1, the normal one for others.

    Source: Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference.

    Example:
        >>> low, high = interval([1, 1, 1, 0])
        >>> round(low, 3), round(high, 3)
        (0.301, 0.954)
    """
    n = len(scores)
    if n == 0:
        return (0.0, 0.0)
    mean = math.fsum(scores) / n
    if all(s in (0.0, 1.0) for s in scores):
        centre = (mean + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
        half = Z95 * math.sqrt(mean * (1 - mean) / n + Z95**2 / (4 * n * n)) / (1 + Z95**2 / n)
        # At 0 and 1 the bound is the mean itself; rounding must not push it past.
        return (min(mean, max(0.0, centre - half)), max(mean, min(1.0, centre + half)))
    variance = math.fsum((s - mean) ** 2 for s in scores) / max(1, n - 1)
    half = Z95 * math.sqrt(variance / n)
    return (mean - half, mean + half)
