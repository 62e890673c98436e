r"""The `[[ ## name ## ]]` lines that stand before each value, and how a value may hold such a line itself.

A value's own marker gets a backslash, `\[[ ## name ## ]]`, and reading takes one away; both count backslashes,
so that every text comes back as it was. Reading forgives what models do around markers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

COMPLETED = "completed"
_CLOSING = f"\n\n[[ ## {COMPLETED} ## ]]"
_NEXT = "\n\n[[ ## "

_NAME = r"[ \t]*##[ \t]*([^\s\[\]#]+)[ \t]*##[ \t]*\]\]"
_AHEAD = rf"\[\[(?={_NAME})"
# Each pattern starts at one place in a run of spaces or backslashes: hostile text costs no more than its length.
_ESCAPE = re.compile(rf"(?<!\\)\\*{_AHEAD}")
_UNESCAPE = re.compile(rf"(?<!\\)\\+{_AHEAD}")
_AFTER = r"(?:\*\*|`|:)?[ \t]*\n?"
LINE = re.compile(rf"^[ \t>]*(?:\*\*|`|#+[ \t])?\[\[{_NAME}{_AFTER}", re.MULTILINE)
_ANYWHERE = re.compile(rf"(?<!\\)\[\[{_NAME}{_AFTER}")
LAST = re.compile(
    rf"(?<!\\)\[\[[ \t]*##[ \t]*{COMPLETED}[ \t]*##[ \t]*\]\]\**[ \t]*$", re.MULTILINE | re.IGNORECASE
)


def marker(name: str) -> str:
    """Return the line that stands before a value.

    Example:
        >>> marker("answer")
        '[[ ## answer ## ]]'
    """
    return f"[[ ## {name} ## ]]"


def escape(text: str) -> str:
    r"""Return text in which nothing can be taken for a marker.

    Example:
        >>> print(escape("see [[ ## answer ## ]]"))
        see \[[ ## answer ## ]]
    """
    return _ESCAPE.sub(r"\\\g<0>", text) if "##" in text else text


def unescape(text: str) -> str:
    """Return the text that `escape` was given."""
    return _UNESCAPE.sub(lambda found: found[0][1:], text) if "##" in text else text


def split(text: str, names: Iterable[str]) -> dict[str, str]:
    r"""Return the values by field name, the first of each; what is not in `names` is left out.

    Markers count at the start of a line. Only where a name is missing are markers inside lines looked at, because
    a model also writes about markers.

    Example:
        >>> split("Sure! [[ ## B ## ]] 2\n[[ ## a ## ]]\n1\n\n[[ ## completed ## ]]", ["a", "b"])
        {'a': '1', 'b': '2'}
    """
    wanted = list(names)
    exact = _exact(text, wanted)
    if exact is not None:
        return exact
    found = _sections(text, LINE, wanted)
    if len(found) < len(wanted) and "##" in text:
        anywhere = _sections(text, _ANYWHERE, wanted)
        found = anywhere if len(anywhere) > len(found) else found
    return {name: found[name] for name in wanted if name in found}


def without_end(text: str) -> str:
    """Return the text before the last marker, for an answer that has no other."""
    end = LAST.search(text)
    return text[: end.start()].rstrip(" \t") if end else text


def _exact(text: str, names: list[str]) -> dict[str, str] | None:
    """Read the layout as it stands in the prompt, to the letter; None for anything else, and for values about markers."""
    # Each marker has two `##` and there are no others, so no value holds one and nothing is escaped.
    if text.count("##") != 2 * len(names) + 2 or not text.endswith(_CLOSING):
        return None
    found: dict[str, str] = {}
    start = 0
    for name in names:
        line = f"[[ ## {name} ## ]]\n"
        end = text.find(_NEXT, start)
        if not text.startswith(line, start) or end < start + len(line):
            return None
        found[name] = text[start + len(line) : end]
        start = end + 2
    return found if start + len(_CLOSING) == len(text) + 2 else None


def _sections(text: str, pattern: re.Pattern[str], names: list[str]) -> dict[str, str]:
    marks = list(pattern.finditer(text))
    if not marks:
        return {}
    if text.startswith("\r\n", marks[0].end()) and text[marks[0].end() - 1] != "\n":
        text = text.replace("\r\n", "\n")  # the layout itself was written with these line ends
        marks = list(pattern.finditer(text))
    found: dict[str, str] = {}
    ends = [m.start() for m in marks[1:]] + [len(text)]
    for mark, end in zip(marks, ends, strict=True):
        name = known(mark[1], names)
        if name is not None and name not in found:
            body = text[mark.end() : end]
            body = body.rstrip(" \t") if pattern is _ANYWHERE else body
            body = without_end(body) if name != COMPLETED else body
            # The layout's own line ends and no more: what is left belongs to the value.
            found[name] = unescape(body.removesuffix("\n").removesuffix("\n"))
    return found


def known(name: str, names: list[str]) -> str | None:
    """Return the field that a marker names; letter case is passed over where it leaves no doubt."""
    if name in names:
        return name
    same = [n for n in names if n.casefold() == name.casefold()]
    return same[0] if len(same) == 1 else None
