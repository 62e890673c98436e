"""The JSON layout while it is written: the members of the first object, as their text arrives.

Text comes decoded, so that its pieces are together the value; every other value comes as JSON. Broken JSON ends
the pieces, not the answer: the adapter repairs it when it is whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from dspex.adapters.objects import find_object
from dspex.streaming.fields import FieldReader

_STRING_ENDS = re.compile(r'["\\]')
_RAW_ENDS = re.compile(r'["{}\[\],]')
_ESCAPE = re.compile(r'\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt])')
_HIGH = re.compile(r"\\u[dD][89abAB]..")
_SPACE = " \t\r\n"


class ObjectFields(FieldReader):
    r"""Reads one JSON object.

    Example:
        >>> reader = ObjectFields(["a", "b"])
        >>> [p.text for part in ('{"a": "on', 'e\\', 'n", "b": [1,', ' 2]}') for p in reader.feed(part)]
        ['on', 'e', '\n', '', '[1,', ' 2]', '']
    """

    def texts(self, whole: str) -> Mapping[str, str]:
        """Return the texts of all fields of a whole answer."""
        members = find_object(whole, self.names) or {}
        return {name: _plain(members[name]) for name in self.names if name in members}

    _tail = ""
    _state = "object"
    _depth = 0
    _quoted = False

    def _take(self, text: str) -> None:
        self._tail += text
        while self._tail and getattr(self, f"_{self._state}")():
            pass

    # Each state takes something off the tail and returns whether it did.

    def _object(self) -> bool:
        start = self._tail.find("{")
        self._tail = self._tail[start + 1 :] if start >= 0 else ""
        return self._go("key") if start >= 0 else False

    def _key(self) -> bool:
        tail = self._tail.lstrip(_SPACE + ",")
        if tail[:1] not in ('"', ""):
            return self._go("lost")
        end = tail.find('":')
        if end < 0:
            # Between a key and its colon there may be room.
            found = re.match(r'"([^"\\]*)"\s*:', tail)
            if found is None:
                return False
            name, end = found[1], found.end()
        else:
            name, end = tail[1:end], end + 2
        self.field = name if name in self.names and name not in self._said else None
        self._tail = tail[end:]
        return self._go("value")

    def _value(self) -> bool:
        self._tail = self._tail.lstrip(_SPACE)
        if not self._tail:
            return False
        if self._tail[0] == '"':
            self._tail = self._tail[1:]
            return self._go("string")
        self._depth, self._quoted = 0, False
        return self._go("raw")

    def _string(self) -> bool:
        found = _STRING_ENDS.search(self._tail)
        if found is None:
            return self._tell(len(self._tail))
        if found.start():
            return self._tell(found.start())
        if found[0] == '"':
            self._tail = self._tail[1:]
            return self._over()
        escape = _ESCAPE.match(self._tail)
        if escape is None:
            return self._go("lost") if len(self._tail) > 5 else False
        end = escape.end()
        if _HIGH.match(escape[0]):
            low = _ESCAPE.match(self._tail, end)
            if low is None and len(self._tail) < end + 6:
                return False  # the second half of a surrogate pair is yet to come
            end = low.end() if low is not None and low[0][:2] == "\\u" else end
        self._say_now(json.loads(f'"{self._tail[:end]}"'))
        self._tail = self._tail[end:]
        return True

    def _raw(self) -> bool:
        at = 0
        while (found := (_STRING_ENDS if self._quoted else _RAW_ENDS).search(self._tail, at)) is not None:
            at = found.end()
            mark = found[0]
            if mark == "\\":
                if at >= len(self._tail):
                    at -= 1
                    break
                at += 1
            elif mark == '"':
                self._quoted = not self._quoted
            elif mark in "{[":
                self._depth += 1
            elif self._depth == 0:
                self._say_now(self._tail[: at - 1].rstrip(_SPACE))
                self._tail = self._tail[at - 1 :]
                return self._over()
            elif mark in "}]":
                self._depth -= 1
        else:
            at = len(self._tail)
        sure = self._tail[:at]
        sure = sure if self._quoted else sure.rstrip(_SPACE)  # space before a comma is none of the value's
        self._say_now(sure)
        self._tail = self._tail[len(sure) :]
        return False

    def _after(self) -> bool:
        tail = self._tail.lstrip(_SPACE)
        self._tail = tail[1:]
        return bool(tail) and self._go("key" if tail[0] == "," else "lost")

    def _lost(self) -> bool:
        self._tail = ""
        return False

    def _tell(self, length: int) -> bool:
        self._say_now(self._tail[:length])
        self._tail = self._tail[length:]
        return True

    def _over(self) -> bool:
        if self.field is not None:
            self._say(self.field, "", last=True)
        self.field = None
        return self._go("after")

    def _say_now(self, text: str) -> None:
        if self.field is not None:
            self._say(self.field, text)

    def _go(self, state: str) -> bool:
        self._state = state
        return True


def _plain(text: str) -> str:
    """Return what a member's JSON says: a text itself, anything else as it is written."""
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, str) else text
