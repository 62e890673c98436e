"""The text of output fields while it is being written: what every layout's reader has in common.

A reader is fed the answer in any pieces. It gives out what surely belongs to a field and keeps back what may still
turn out to be a marker. When the answer is whole, the adapter's own reading of it is the truth: what was given out
is completed from there, so that the pieces of a field are together the text the adapter reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a field's text."""

    field: str
    text: str
    last: bool = False


class FieldReader:
    """Base of the layouts' readers: `feed` every piece, then `finish` once.

    Args:
        names: the output fields of the signature.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.field: str | None = None
        """The field that is being written; None between fields."""
        self._all: list[str] = []
        self._pieces: list[Piece] = []
        self._said: dict[str, list[str]] = {}
        self._ended: set[str] = set()

    def feed(self, text: str) -> list[Piece]:
        """Take a piece of the answer; return what it makes certain."""
        self._all.append(text)
        self._take(text)
        return self._given()

    def finish(self) -> list[Piece]:
        """Return the rest: the answer is whole."""
        whole = "".join(self._all)
        for name, text in self.texts(whole).items():
            said = "".join(self._said.get(name, ()))
            if name not in self._ended and text.startswith(said):
                self._say(name, text[len(said) :], last=True)
        for name in self._said:
            if name not in self._ended:
                self._say(name, "", last=True)
        return self._given()

    def texts(self, whole: str) -> Mapping[str, str]:
        """Return the texts of all fields of a whole answer, as the adapter reads it."""
        raise NotImplementedError

    def _take(self, text: str) -> None:
        raise NotImplementedError

    def _say(self, name: str, text: str, *, last: bool = False) -> None:
        if text or last:
            self._said.setdefault(name, []).append(text)
            self._pieces.append(Piece(name, text, last))
        if last:
            self._ended.add(name)

    def _given(self) -> list[Piece]:
        given, self._pieces = self._pieces, []
        return given
