"""Word by word, what an instruction gained and lost against another; pure and bounded.

The browser compares by itself (`js/src/views/diff.ts`); both keep a change together as one deletion followed by
one insertion, and show a text too long to compare as one replacement between its common ends.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

LIMIT = 1_000_000
FEW_LETTERS = 8
_ANCHOR = re.compile(r"[.!?;:\n]")
_WORD = re.compile(r"\s+|\w+|[^\s\w]")


class Piece(NamedTuple):
    """A stretch of text that stayed, went or came."""

    type: Literal["same", "del", "ins"]
    text: str


def diff_words(before: str, after: str) -> list[Piece]:
    """Compare two texts by words and marks.

    Example:
        >>> [tuple(piece) for piece in diff_words("Name the team.", "Name one team.")]
        [('same', 'Name '), ('del', 'the'), ('ins', 'one'), ('same', ' team.')]
    """
    old, new = _WORD.findall(before), _WORD.findall(after)
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    middle = _compare(old[head : len(old) - tail], new[head : len(new) - tail])
    pieces = [Piece("same", "".join(new[:head])), *middle, Piece("same", "".join(new[len(new) - tail :]))]
    return _join(_tidy(_join(pieces)))


def _common(one: list[str], other: list[str]) -> int:
    n = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        n += 1
    return n


def _compare(old: list[str], new: list[str]) -> Iterator[Piece]:
    if len(old) * len(new) > LIMIT:
        yield from (Piece("del", "".join(old)), Piece("ins", "".join(new)))
        return
    for what, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            yield Piece("same", "".join(new[j1:j2]))
        else:
            yield from (Piece("del", "".join(old[i1:i2])), Piece("ins", "".join(new[j1:j2])))


def _tidy(pieces: list[Piece]) -> list[Piece]:
    """Gather each change into one deletion followed by one insertion."""
    made: list[Piece] = []
    gone = come = ""
    for index, piece in enumerate(pieces):
        follows = pieces[index + 1].type if index + 1 < len(pieces) else "same"
        bridge = piece.type == "same" and (gone or come) and follows != "same" and _is_filler(piece.text)
        gone += piece.text if piece.type == "del" or bridge else ""
        come += piece.text if piece.type == "ins" or bridge else ""
        if piece.type == "same" and not bridge:
            made += [Piece("del", gone), Piece("ins", come), piece]
            gone = come = ""
    return [*made, Piece("del", gone), Piece("ins", come)]


def _is_filler(text: str) -> bool:
    # A word or two that happen to be common, between two changes, read better as part of them; where a sentence
    # begins or ends the eye wants its anchor.
    return not _ANCHOR.search(text) and sum(c.isalnum() for c in text) <= FEW_LETTERS


def _join(pieces: list[Piece]) -> list[Piece]:
    """Make one piece of each run of one type; empty ones go."""
    made: list[Piece] = []
    for piece in pieces:
        if not piece.text:
            continue
        if made and made[-1].type == piece.type:
            made[-1] = Piece(piece.type, made[-1].text + piece.text)
        else:
            made.append(piece)
    return made
