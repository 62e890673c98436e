"""The XML layout while it is written: values between `<name>` and `</name>`.

Follows `adapters/tags.py`. Kept back are: what may become a tag or an entity, and the line end before one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dspex.adapters import tags
from dspex.streaming.fields import FieldReader

_UNDECIDED = re.compile(r"\r?\n?(?:<[^<>]*|&[a-z]{0,4})?\Z")
"""What at the end of a text may turn out to be no part of the value."""


class TagFields(FieldReader):
    r"""Reads the layout with tags.

    Example:
        >>> reader = TagFields(["a"])
        >>> [p.text for part in ("<a>\n1 &l", "t; 2", "\n</", "a>") for p in reader.feed(part)]
        ['1 ', '< 2', '']
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self._tail = ""
        self._begun = False
        """Whether something of the open field was seen: a line end right after its tag is the layout's own."""
        pattern = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        self._open = re.compile(rf"<({pattern})(?:\s[^<>]*?)?(/?)>", re.IGNORECASE)
        self._close: re.Pattern[str] | None = None

    def texts(self, whole: str) -> Mapping[str, str]:
        """Return the texts of all fields of a whole answer."""
        found = {name: text or "" for name, text in tags.split(whole, self.names).items()}
        if not found and len(self.names) == 1:
            return {self.names[0]: whole.strip()}
        return found

    def _take(self, text: str) -> None:
        self._tail += text
        while self._step():
            pass

    def _step(self) -> bool:
        return self._inside(self._close) if self._close is not None else self._outside()

    def _outside(self) -> bool:
        tag = self._open.search(self._tail)
        if tag is None:
            self._tail = self._tail[max(self._tail.rfind("<"), 0) :] if "<" in self._tail else ""
            return False
        same = [n for n in self.names if n == tag[1]] or [
            n for n in self.names if n.casefold() == tag[1].casefold()
        ]
        name = same[0]
        self._tail = self._tail[tag.end() :]
        if tag[2]:
            return True
        self.field = name if name not in self._said else None
        self._close = re.compile(rf"</{re.escape(name)}(?:\s[^<>]*?)?>", re.IGNORECASE)
        self._begun = False
        return True

    def _inside(self, close: re.Pattern[str]) -> bool:
        if not self._begun:
            if self._tail in ("", "\r"):
                return False
            self._tail = self._tail.removeprefix("\n")
            self._begun = True
        end = close.search(self._tail)
        if end is not None:
            self._content(self._tail[: end.start()].removesuffix("\n"))
            if self.field is not None:
                self._say(self.field, "", last=True)
            self._tail, self.field, self._close = self._tail[end.end() :], None, None
            return True
        undecided = _UNDECIDED.search(self._tail)
        sure = undecided.start() if undecided else len(self._tail)
        self._content(self._tail[:sure])
        self._tail = self._tail[sure:]
        return False

    def _content(self, text: str) -> None:
        if self.field is not None:
            self._say(self.field, tags.unescape(text))
