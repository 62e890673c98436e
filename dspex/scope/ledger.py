"""What costly acts gave, by the place they happen at and what they are of: the memory that makes resume a replay.

A place is named by the spans that lead to it, never by time or by whichever came first, so that the same code walks
through the same places in every life of a run. An act is named by its place and its content; equal acts at one
place are counted. Outside of runs there is no ledger and nothing is kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Protocol

from dspex.events.event import Event


class Book(Protocol):
    """Where a run's acts are kept."""

    def find(self, key: bytes) -> bytes | None:
        """Return what the act gave in an earlier life of the run; None where it is not known."""
        ...

    def keep(self, key: bytes, body: bytes, event: Event, *, failed: bool = False) -> None:
        """Keep what an act gave, in one commit with the event that tells of it, which is emitted next."""
        ...

    def told(self, event: Event) -> bool:
        """Tell whether an earlier life of the run has told this event; each telling answers once."""
        ...


class Step:
    """One costly act: what it gave in an earlier life of the run, or a place to keep what it gives now."""

    __slots__ = ("_book", "_key")

    def __init__(self, book: Book, key: bytes) -> None:
        self._book = book
        self._key = key

    def recorded(self) -> bytes | None:
        """Return what was kept for this act; None where it is to be done."""
        return self._book.find(self._key)

    def keep(self, body: bytes, event: Event, *, failed: bool = False) -> None:
        """Keep what the act gave; emit `event` next: both reach the disk together or not at all.

        Args:
            body: what it gave, whatever form that has.
            event: what tells of it.
            failed: whether that is a failure, which a run that is resumed after a failure tries again.
        """
        self._book.keep(self._key, body, event, failed=failed)


class Ledger:
    """A place in a run's work.

    Args:
        book: where acts are kept.
        path: the place's name: the spans that lead to it.

    Example:
        >>> class Nothing:
        ...     def find(self, key): return None
        >>> top = Ledger(Nothing())
        >>> top.below("c01").path == top.below("c01").path, top.below("c02", 5).path == top.below("c02", 5).path
        (False, True)
    """

    __slots__ = ("_counts", "book", "path")

    def __init__(self, book: Book, path: bytes = b"") -> None:
        self.book = book
        self.path = path
        self._counts: dict[bytes, Iterator[int]] = {}

    def below(self, name: str, at: int | None = None) -> Ledger:
        """Return the place one span deeper.

        Args:
            name: what is done there.
            at: its position, where the caller has one: then nothing is counted, and a million places cost no memory.
        """
        word = name.encode("utf-8", "surrogatepass")
        # Each word with its length before it, so that no two ways run together into one.
        way = b"%b%d:%b" % (self.path, len(word), word)
        return Ledger(self.book, b"%b#%d" % (way, self._nth(way)) if at is None else b"%b@%d" % (way, at))

    def step(self, kind: str, *content: bytes) -> Step:
        """Return the act of this kind and content; equal ones at this place are the first, the second, and so on."""
        import hashlib  # four milliseconds that `import dspex` need not take

        # Each part after its length, so that no two contents run together into one.
        told = b"%b %d:%b" % (kind.encode(), len(self.path), self.path)
        for part in content:
            told += b"%d:%b" % (len(part), part)
        what = hashlib.sha256(told).digest()[:16]
        return Step(self.book, what + self._nth(what).to_bytes(4, "little"))

    def _nth(self, what: bytes) -> int:
        # Both steps are one operation each for the interpreter, so threads that meet here need no lock.
        return next(self._counts.setdefault(what, itertools.count()))
