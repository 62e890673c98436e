"""The best of many scores, the same ones every time: equal scores keep the order of the corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy

Numbers: TypeAlias = "numpy.ndarray[Any, Any]"
"""Vectors, one a row; or one number for each passage."""


def best(scores: Numbers, k: int) -> list[int]:
    """Return the places of the `k` highest scores, the highest first.

    Example:
        >>> import numpy
        >>> best(numpy.array([0.1, 0.9, 0.9, 0.5]), 3)
        [1, 2, 3]
    """
    import numpy

    places = numpy.arange(len(scores))
    if k < len(scores):
        least = numpy.partition(scores, len(scores) - k)[len(scores) - k]
        # All that are as good as the last one: which of them a partition leaves in front is chance.
        places = numpy.flatnonzero(scores >= least)
    order = numpy.argsort(-scores[places], kind="stable")[:k]
    return [int(place) for place in places[order]]
