"""The layouts a prompt may ask for: markers, one JSON object, or tags; told apart, read and written.

Apart from reading prompts, because the practice model thinks the same in each of them. Knows no adapter: it has
only the words of the prompt to go by, as any model.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from typing import Literal

Layout = Literal["chat", "json", "xml"]
Values = tuple[tuple[str, str], ...]

COMPLETED = "[[ ## completed ## ]]"

_JSON = re.compile(r"^Answer with one JSON object in this layout", re.MULTILINE)
_XML = re.compile(r"^Write every message in this layout, each value between its tags:", re.MULTILINE)
_MARKER = re.compile(r"^[ \t]*\[\[ ## (\w+) ## \]\]", re.MULTILINE)
_ANY_MARKER = re.compile(r"(?<!\\)\[\[(?=[ \t]*##[ \t]*[^\s\[\]#]+[ \t]*##[ \t]*\]\])")


def layout_of(system: str) -> Layout:
    """Return the layout that a system message asks for.

    Example:
        >>> layout_of("Answer with one JSON object in this layout, and nothing around it:")
        'json'
    """
    return "json" if _JSON.search(system) else "xml" if _XML.search(system) else "chat"


def questions(text: str, names: tuple[str, ...], layout: Layout) -> Values:
    """Read the inputs of a user's message."""
    return _tagged(text, names) if layout == "xml" else marked(text, names)


def answers(text: str, names: tuple[str, ...], layout: Layout) -> Values:
    """Read the outputs of a demonstration."""
    if layout == "xml":
        return _tagged(text, names)
    if layout == "json" and (members := _members(text)):
        return tuple((name, _plain(members[name])) for name in names if name in members)
    return marked(text.partition(COMPLETED)[0], names)


def write(values: Sequence[tuple[str, str, bool]], layout: Layout) -> str:
    """Write an answer: names, texts, and whether a text is a string or JSON by itself.

    Example:
        >>> write([("team", "bug", True), ("score", "2", False)], "json")
        '{"team": "bug", "score": 2}'
    """
    if layout == "json":
        members = (f"{json.dumps(n)}: {json.dumps(t, ensure_ascii=False) if s else t}" for n, t, s in values)
        return f"{{{', '.join(members)}}}"
    if layout == "xml":
        return "\n\n".join(f"<{n}>\n{html.escape(t, quote=False)}\n</{n}>" for n, t, _ in values)
    return "\n\n".join([*(f"[[ ## {n} ## ]]\n{_escaped(t)}" for n, t, _ in values), COMPLETED])


def marked(text: str, names: tuple[str, ...]) -> Values:
    """Read the values below the markers of these fields; any other marker is part of a value."""
    starts: list[tuple[str, int, int]] = []
    seen: set[str] = set()
    for marker in _MARKER.finditer(text):
        if (name := marker[1]) in names and name not in seen:
            seen.add(name)
            starts.append((name, marker.start(), marker.end()))
    ends = [start for _, start, _ in starts[1:]] + [len(text)]
    return tuple((name, text[begin:end].strip()) for (name, _, begin), end in zip(starts, ends, strict=False))


def _tagged(text: str, names: tuple[str, ...]) -> Values:
    found: list[tuple[str, str]] = []
    for name in names:
        _, begun, rest = text.partition(f"<{name}>")
        value, ended, _ = rest.partition(f"</{name}>")
        if begun and ended:
            found.append((name, html.unescape(value).strip()))
    return tuple(found)


def _members(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _escaped(value: str) -> str:
    """Give a marker inside a value the backslash that the layout asks for; one it has already is kept."""
    return _ANY_MARKER.sub(r"\\\g<0>", value) if "##" in value else value
