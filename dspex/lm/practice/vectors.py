"""The practice model's vectors: texts that share words lie near one another, without a network or weights.

Each word stem and pair of neighbours adds its weight at a place and with a sign that its checksum gives.
"""

from __future__ import annotations

import math
import zlib

from dspex.lm.practice.words import bag

LENGTH = 256
"""Numbers in a vector: few enough to be quick, and enough that different words rarely meet in one place."""


def vector_of(text: str) -> list[float]:
    """Return the vector of a text, of length 1; all zeros where it has no words.

    Example:
        >>> near = lambda a, b: sum(x * y for x, y in zip(vector_of(a), vector_of(b)))
        >>> near("charged twice", "I was charged twice") > near("charged twice", "where is my parcel")
        True
    """
    vector = [0.0] * LENGTH
    for word, weight in bag(text).items():
        mark = zlib.crc32(word.encode("utf-8", "surrogatepass"))
        vector[mark % LENGTH] += weight if mark & 0x80000000 else -weight
    size = math.sqrt(sum(number * number for number in vector))
    return [number / size for number in vector] if size else vector
