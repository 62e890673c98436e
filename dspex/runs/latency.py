"""How long calls took, as a small histogram: bounded, mergeable, and the same whole numbers in both languages.

A bucket is a millisecond wide up to 32 ms and 1/16 of its octave above, so a quantile is off by 3 % at the most and
an hour of waiting needs no more than 304 buckets. `js/src/store/latency.ts` counts alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

LINEAR = 32
"""Buckets of one millisecond each; above them an octave has `STEPS` buckets."""
STEPS = 16
LONGEST = 2**22 - 1
"""Milliseconds: about seventy minutes; longer calls are counted there."""


def bucket_of(seconds: float) -> int:
    """Return the index of the bucket a call of so many seconds falls into.

    Example:
        >>> bucket_of(0.005), bucket_of(0.8), bucket_of(1e9)
        (5, 105, 303)
    """
    ms = math.floor(seconds * 1000 + 0.5) if 0 < seconds < LONGEST else LONGEST if seconds > 0 else 0
    ms = min(ms, LONGEST)
    if ms < LINEAR:
        return ms
    octave = ms.bit_length() - 1
    return LINEAR + (octave - 5) * STEPS + ((ms >> (octave - 4)) & (STEPS - 1))


def middle_of(bucket: int) -> int:
    """Return the middle of a bucket in milliseconds.

    Example:
        >>> middle_of(5), middle_of(bucket_of(0.8))
        (5, 816)
    """
    if bucket < LINEAR:
        return bucket
    octave, step = divmod(bucket - LINEAR, STEPS)
    width = 1 << (octave + 1)
    return (STEPS + step) * width + width // 2


def quantile(counts: Sequence[int], share: float) -> int | None:
    """Return the milliseconds that `share` of the calls stay within; None where there were none.

    Example:
        >>> quantile([0, 3, 0, 1], 0.5), quantile([0, 3, 0, 1], 0.95), quantile([], 0.5)
        (1, 3, None)
    """
    wanted = max(1, math.ceil(share * sum(counts)))
    seen = 0
    for bucket, count in enumerate(counts):
        seen += count
        if seen >= wanted:
            return middle_of(bucket)
    return None


def counted(counts: list[int], seconds: float) -> None:
    """Count one call; the list grows up to the longest call's bucket."""
    bucket = bucket_of(seconds)
    if bucket >= len(counts):
        counts.extend([0] * (bucket + 1 - len(counts)))
    counts[bucket] += 1
