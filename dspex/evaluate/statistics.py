"""How sure a mean is, and whether two differ: from sums that take no memory, or from the scores where they are kept.

Sources: Wilson 1927, Probable Inference (scores of 0 and 1); Student 1908, The Probable Error of a Mean (others);
Welford 1962 (running variance); McNemar 1947 and Fisher 1935 (paired comparison); Efron 1979 (bootstrap).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from dspex.errors import DataError, nearest

Z95 = 1.959963984540054
DRAWS = 10_000
"""Random draws of a bootstrap or a permutation test."""
Method = Literal["auto", "wilson", "t", "bootstrap"]
METHODS: tuple[Method, ...] = get_args(Method)


class Moments:
    """Mean, spread and interval of scores that come one by one, in the memory of six numbers.

    Example:
        >>> seen = Moments([1, 1, 1, 0])
        >>> seen.mean, [round(end, 3) for end in seen.interval()]
        (0.75, [0.301, 0.954])
    """

    __slots__ = ("_binary", "_lost", "_m2", "_run", "_sum", "n")

    def __init__(self, scores: Iterable[float] = ()) -> None:
        self.n = 0
        self._sum = self._lost = 0.0
        self._run = self._m2 = 0.0
        self._binary = True
        for score in scores:
            self.add(score)

    def add(self, score: float) -> None:
        """Count one score."""
        self.n += 1
        # Kahan's sum, as Neumaier mended it: a million scores add up as if each were the first.
        total = self._sum + score
        larger, smaller = (self._sum, score) if abs(self._sum) >= abs(score) else (score, self._sum)
        self._lost += (larger - total) + smaller
        self._sum = total
        before = score - self._run
        self._run += before / self.n
        self._m2 += before * (score - self._run)
        self._binary = self._binary and score in (0.0, 1.0)

    @property
    def sum(self) -> float:
        """All scores together."""
        return self._sum + self._lost

    @property
    def mean(self) -> float:
        """The mean; 0.0 of nothing."""
        return self.sum / self.n if self.n else 0.0

    @property
    def std(self) -> float:
        """The standard deviation of the scores; 0.0 of fewer than two."""
        return math.sqrt(max(0.0, self._m2) / (self.n - 1)) if self.n > 1 else 0.0

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the mean: Wilson's where all scores are 0 or 1, Student's for others.

        Of a single score that is neither there is no interval: it begins and ends at the score.
        """
        if self.n == 0:
            return (0.0, 0.0)
        if self._binary:
            return wilson(self.sum, self.n)
        return self.t_interval()

    def t_interval(self) -> tuple[float, float]:
        """Return Student's 95 % interval of the mean, whatever the scores are."""
        half = t95(self.n - 1) * self.std / math.sqrt(self.n) if self.n > 1 else 0.0
        return (self.mean - half, self.mean + half)


def interval(scores: Sequence[float], method: Method = "auto", *, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of the scores' mean.

    Args:
        scores: what was scored; failures are not among them.
        method: `auto` is Wilson's for scores of 0 and 1 and Student's for others; `bootstrap` assumes nothing of
            their distribution, and is narrow for fewer than about 20.
        seed: of the bootstrap's draws.

    Raises:
        DataError: there is no such method, or Wilson's is asked for scores that are no shares.

    Example:
        >>> low, high = interval([1, 1, 1, 0])
        >>> round(low, 3), round(high, 3)
        (0.301, 0.954)
    """
    if method not in METHODS:
        raise DataError(
            f"There is no interval `{method}`.{nearest(str(method), METHODS)} Methods: {', '.join(METHODS)}."
        )
    if method == "bootstrap":
        return bootstrap(scores, seed=seed)
    seen = Moments(scores)
    if method == "wilson":
        if any(not 0.0 <= score <= 1.0 for score in scores):
            raise DataError("Wilson's interval is for scores from 0 to 1; use `t` or `bootstrap` for others.")
        return wilson(seen.sum, seen.n)
    return seen.t_interval() if method == "t" else seen.interval()


def wilson(sum: float, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share: `sum` successes in `n` trials."""
    if n == 0:
        return (0.0, 0.0)
    mean = sum / n
    centre = (mean + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 * math.sqrt(mean * (1 - mean) / n + Z95**2 / (4 * n * n)) / (1 + Z95**2 / n)
    # At 0 and 1 the bound is the mean itself; rounding must not push it past.
    return (min(mean, max(0.0, centre - half)), max(mean, min(1.0, centre + half)))


def t95(freedom: int) -> float:
    """Return Student's t for a 95 % interval.

    Exact for 1 and 2 degrees of freedom; above, an expansion that is right to 0.2 % at 3 and to 0.001 % from 10 on.
    Source: Abramowitz and Stegun 1964, 26.7.5.

    Example:
        >>> [round(t95(n), 2) for n in (1, 2, 5, 30)]
        [12.71, 4.3, 2.57, 2.04]
    """
    if freedom <= 1:
        return 12.706204736432095
    if freedom == 2:
        return 4.302652729911275
    z, n = Z95, float(freedom)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / n ** (k + 1) for k, term in enumerate(terms))


def bootstrap(scores: Sequence[float], *, seed: int = 0, draws: int = 2_000) -> tuple[float, float]:
    """Return the 95 % interval of the mean by drawing from the scores themselves, the same for the same seed.

    Example:
        >>> low, high = bootstrap([0.0, 0.5, 1.0] * 30)
        >>> 0.4 < low < 0.5 < high < 0.6
        True
    """
    import numpy

    if not scores:
        return (0.0, 0.0)
    values, rng = numpy.asarray(scores, dtype=float), numpy.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(draws)]
    low, high = numpy.quantile(means, [0.025, 0.975])
    return (float(low), float(high))


def p_paired(differences: Sequence[float], *, seed: int = 0) -> float:
    """Return how likely a mean difference at least this large is where nothing but chance tells the two apart.

    McNemar's exact test where every difference is -1, 0 or 1; otherwise signs are flipped at random, the same for
    the same seed. Both are two-sided.

    Example:
        >>> round(p_paired([1] * 9 + [-1] + [0] * 20), 4)
        0.0215
    """
    moved = [d for d in differences if d != 0]
    if not moved:
        return 1.0
    if all(d in (-1.0, 1.0) for d in moved):
        return _sign_test(len(moved), sum(d > 0 for d in moved))
    import numpy

    values, rng = numpy.asarray(moved, dtype=float), numpy.random.default_rng(seed)
    seen = abs(values.sum()) * (1 - 1e-12)
    block = max(1, 1_000_000 // len(values))
    hits, left = 0, DRAWS
    while left > 0:
        size = min(block, left)
        signs = rng.integers(0, 2, (size, len(values)), dtype=numpy.int8)
        hits += int((numpy.abs((signs * 2 - 1) @ values) >= seen).sum())
        left -= size
    return (hits + 1) / (DRAWS + 1)


def _sign_test(n: int, up: int) -> float:
    few = min(up, n - up)
    # In logarithms: a thousand examples have binomials that no float holds.
    logs = [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(few + 1)]
    return min(1.0, 2 * math.fsum(math.exp(log - n * math.log(2)) for log in logs))
