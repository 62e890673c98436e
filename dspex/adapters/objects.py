"""Finds the one JSON object in a model's answer, whatever stands around it and however it is broken.

Nothing is ever evaluated. What is right JSON is read as it is; only where none is found is broken JSON repaired,
by the json-repair library, and only text that it reads in a moment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

import msgspec

Members = dict[str, str]
"""The JSON text of each member by its key."""

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LOOSE = json.JSONDecoder(strict=False)  # line ends inside strings are what models forget most
_BRACKETS = re.compile(r"[{}\[\]]")
_FENCED = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)
_STARTS = 64
"""How many opening braces are tried in prose."""
_DEPTH = 64
_REPAIRED = 100_000
"""What is deeper or longer is not repaired: the library's time grows with the square."""


def find_object(text: str, names: Collection[str]) -> Members | None:
    """Return the members of the object that answers, or None where there is none.

    Args:
        text: the whole answer.
        names: the keys that are asked for; of several objects the one with most of them is meant.

    Example:
        >>> find_object('Here: {"a": 1, "b": [true,]}', ["a", "b"])
        {'a': '1', 'b': '[true]'}
    """
    body = text.strip()
    if body[:1] == "{" and (found := _strict(body)) is not None:
        return found
    return _best(_inside(body), names) or _best(_mended(body), names)


def _strict(body: str) -> Members | None:
    try:
        return {key: bytes(raw).decode() for key, raw in _MEMBERS.decode(body).items()}
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass  # Python's own reader takes more: NaN, line ends in strings, halves of a surrogate pair
    try:
        return _members(_LOOSE.decode(body))
    except (ValueError, RecursionError):
        return None


def _inside(body: str) -> Iterator[Members]:
    """Yield the objects in code fences and in prose."""
    at = tried = 0
    while tried < _STARTS and (at := body.find("{", at)) >= 0:
        tried += 1
        try:
            value, end = _LOOSE.raw_decode(body, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        members = _strict(body[at:end]) or _members(value)
        at = end
        if members is not None:
            yield members


def _mended(body: str) -> Iterator[Members]:
    """Yield the objects that repair makes of the fenced text, and of all from the first brace on."""
    fences = [found[1] for found in _FENCED.finditer(body) if "{" in found[1]]
    for candidate in (*fences[-1:], body[body.find("{") :] if "{" in body else ""):
        made = repaired(candidate[candidate.find("{") :]) if candidate else None
        for value in made if isinstance(made, list) else [made]:
            if (members := _members(value)) is not None:
                yield members


def repaired(text: str) -> Any:
    """Return the value that broken JSON was most likely meant to be; None where nobody can tell."""
    if len(text) > _REPAIRED or _depth(text) > _DEPTH:
        return None
    from json_repair import loads

    try:
        return loads(text, skip_json_loads=True)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, MemoryError):
        return None  # the library promises no error, and no list of those it raises


def _depth(text: str) -> int:
    """Return how deep brackets are nested; those inside strings count too, and mostly pair up."""
    depth = deepest = 0
    for found in _BRACKETS.finditer(text):
        depth = depth + 1 if found[0] in "{[" else max(depth - 1, 0)
        deepest = max(deepest, depth)
    return deepest


def _members(value: object) -> Members | None:
    if not isinstance(value, dict):
        return None
    try:
        return {str(key): json.dumps(member, ensure_ascii=False) for key, member in value.items()}
    except (ValueError, TypeError, RecursionError):
        return None


def _best(found: Iterator[Members], names: Collection[str]) -> Members | None:
    """Return the first with the most of the names; one with none of them is no answer."""
    wanted = {name.casefold() for name in names}
    ranked = [(sum(key.casefold() in wanted for key in members), members) for members in found]
    most = max((count for count, _ in ranked), default=0)
    return next(members for count, members in ranked if count == most) if most else None
