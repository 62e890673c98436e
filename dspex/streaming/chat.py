r"""The chat layout while it is written: values between `[[ ## name ## ]]` lines.

Follows `adapters/markers.py` line by line. Kept back are: a line that may become a marker, the line ends before
one, and backslashes that may belong to an escaped one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dspex.adapters import markers
from dspex.streaming.fields import FieldReader

_DECORATION = re.compile(r"[ \t>]*(?:\*{0,2}|`|#+[ \t]?)")
"""What may stand in a line before a marker."""
_MARK = re.compile(r"\[\[[ \t]*#")
_MARK_BEGINS = re.compile(r"\[(?:\[[ \t]*)?\Z")


class ChatFields(FieldReader):
    r"""Reads the layout with marker lines.

    Example:
        >>> reader = ChatFields(["a", "b"])
        >>> [p.text for part in ("[[ ## a", " ## ]]\none", " two\n\n[[ ## b ## ]]\n") for p in reader.feed(part)]
        ['one', ' two', '']
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self._tail = ""
        self._fresh = True
        """Whether the tail begins a line."""
        self._line_ends = 0
        """Line ends that wait for what comes after them."""
        self._marked = self._dos = False
        self._found: set[str] = set()

    def texts(self, whole: str) -> Mapping[str, str]:
        """Return the texts of all fields of a whole answer."""
        found = markers.split(whole, self.names)
        if not found and len(self.names) == 1 and whole.strip():
            return {self.names[0]: markers.without_end(whole).strip()}
        return found

    def _take(self, text: str) -> None:
        self._tail += text
        if self._dos:
            self._tail = self._tail.replace("\r\n", "\n")
        while self._step():
            pass

    def _step(self) -> bool:
        """Take one marker or one line off the tail; False where it must grow first."""
        mark = markers.LINE.match(self._tail) if self._fresh else None
        if mark is not None:
            rest = self._tail[mark.end() :]
            line_ended = self._tail[mark.end() - 1] == "\n"
            if not line_ended and rest in ("", "*", "\r"):
                return False
            if not self._marked and not line_ended and rest.startswith("\r\n"):
                self._dos, self._tail = True, self._tail.replace("\r\n", "\n")
                return True
            self._marked = True
            self._begin(mark[1])
            self._tail, self._fresh = rest, line_ended
            return True
        line, line_end, rest = self._tail.partition("\n")
        if line_end:
            self._line(line)
            self._tail, self._fresh = rest, True
            return True
        certain = self._certain()
        if certain:
            self._content(self._tail[:certain])
            self._tail, self._fresh = self._tail[certain:], False
        return False

    def _certain(self) -> int:
        """Return how much of the tail, which has no line end, can be nothing but text."""
        mark = _MARK.search(self._tail) or _MARK_BEGINS.search(self._tail)
        end = mark.start() if mark else len(self._tail.rstrip("\r"))
        sure = self._tail[:end].rstrip("\\").rstrip(" \t")
        return 0 if self._fresh and _DECORATION.fullmatch(sure) else len(sure)

    def _begin(self, name: str) -> None:
        self._end()
        known = markers.known(name, list(self.names))
        self.field = known if known not in self._found else None
        if known is not None:
            self._found.add(known)

    def _line(self, line: str) -> None:
        end = markers.LAST.search(line) if "[[" in line else None
        if end is None:
            self._content(line)
            self._line_ends += 1
        else:
            self._content(line[: end.start()].rstrip(" \t"))
            self._end()

    def _content(self, text: str) -> None:
        if self.field is not None and text:
            self._say(self.field, "\n" * self._line_ends + markers.unescape(text))
            self._line_ends = 0

    def _end(self) -> None:
        if self.field is not None:
            # The layout's own line ends are two; more of them belong to the value.
            self._say(self.field, "\n" * max(0, self._line_ends - 2), last=True)
        self.field, self._line_ends = None, 0
