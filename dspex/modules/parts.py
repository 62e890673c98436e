"""Walking a program: which modules sit where in its attributes, lists and dicts, and copying them.

Apart from `Module`, which builds its answers on this: here a program is a tree of objects and nothing more.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

KEPT_OUT = ("callbacks", "history")
"""What belongs to one object alone: copies start without it, and no part is looked for in it."""


class Part:
    """What a program is made of: the base of `Module`, for walks that know nothing else of it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part of a program sits: in which object, under which key."""

    path: str
    holder: object
    key: Any
    part: Any

    def put(self, new: object) -> None:
        """Put another part here."""
        if isinstance(self.holder, Part):
            setattr(self.holder, self.key, new)
        else:
            cast(dict[Any, object], self.holder)[self.key] = new


def places(holder: object, path: str, seen: set[int], *, again: bool = False) -> Iterator[Place]:
    """Yield where parts sit, each part once; with `again`, every further place of the same part too.

    What lies in a frozen part (its `_compiled` is true) is left out with it.
    """
    for key, step, inner in members(holder):
        here = path + step if path else step.removeprefix(".")
        if id(inner) in seen:
            if again and isinstance(inner, Part):
                yield Place(here, holder, key, inner)
            continue
        if frozen(inner):
            continue
        if isinstance(inner, Part):
            seen.add(id(inner))
            yield Place(here, holder, key, inner)
        if isinstance(inner, (Part, list, tuple, dict)):
            seen.add(id(inner))
            yield from places(inner, here, seen, again=again)


def all_below(whole: Part, skip_frozen: bool) -> Iterator[tuple[str, object]]:
    """Yield (path, object) for everything held by a program, the nearest first; the program itself is `self`."""
    waiting: deque[tuple[str, object]] = deque([("self", whole)])
    seen = {id(whole)}
    while waiting:
        path, inner = waiting.popleft()
        yield path, inner
        if skip_frozen and frozen(inner):
            continue
        for _, step, further in members(inner):
            if id(further) not in seen:
                seen.add(id(further))
                waiting.append((path + step, further))


def members(holder: object) -> list[tuple[Any, str, object]]:
    """Return (key, step of the path, object) for what an object holds."""
    if isinstance(holder, Part):
        return [(name, f".{name}", inner) for name, inner in vars(holder).items() if name not in KEPT_OUT]
    if isinstance(holder, dict):
        return [(key, f"['{key}']", inner) for key, inner in holder.items()]  # whatever the key: DSPy's paths
    if isinstance(holder, (list, tuple)):
        return [(i, f"[{i}]", inner) for i, inner in enumerate(holder)]
    return []


def frozen(part: object) -> bool:
    """Tell whether a part is not to learn further; DSPy's `_compiled`."""
    return isinstance(part, Part) and bool(getattr(part, "_compiled", False))


def copied(value: Any, memo: dict[int, Any]) -> Any:
    """Return a deep copy; what cannot be copied, such as a lock or a connection, is shared."""
    if id(value) in memo:
        return memo[id(value)]
    if type(value) is list:
        rows: list[Any] = []
        memo[id(value)] = rows
        rows.extend(copied(inner, memo) for inner in value)
        return rows
    if type(value) is dict:
        table: dict[Any, Any] = {}
        memo[id(value)] = table
        table.update((key, copied(inner, memo)) for key, inner in value.items())
        return table
    try:
        return copy.deepcopy(value, memo)
    except (TypeError, AttributeError, NotImplementedError, RecursionError, copy.Error):
        return value
