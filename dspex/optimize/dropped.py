"""Giving a candidate up while it is scored: what is in flight is cut off, and no further example is begun.

Apart from the race, which decides what a given-up candidate counts for: here is only how its scoring ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dspex.data.example import Example


class Dropped(Exception):
    """Control flow: a person gave the candidate up while it was being scored."""


class Wanted(list[Example]):
    """Examples to score a candidate on, as long as it is wanted.

    Args:
        rows: the examples.
        gone: whether the candidate was given up; asked before each of them.

    Raises:
        Dropped: it was; while they are gone through.

    Example:
        >>> rows = [Example(ticket="Down!").with_inputs("ticket")] * 2
        >>> len(list(Wanted(rows, lambda: False)))
        2
        >>> list(Wanted(rows, lambda: True))
        Traceback (most recent call last):
        ...
        dspex.optimize.dropped.Dropped
    """

    def __init__(self, rows: Sequence[Example], gone: Callable[[], bool]) -> None:
        super().__init__(rows)
        self._gone = gone

    def __iter__(self) -> Iterator[Example]:
        for row in super().__iter__():
            if self._gone():
                raise Dropped
            yield row
