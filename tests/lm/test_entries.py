"""Laws of a history's entry: nobody can tell that it is written out late."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from dspex.lm.entries import Entry

WHOLE = {"a": 1, "b": [2]}

LOOKS: dict[str, Callable[[Any], Any]] = {
    "item": lambda e: e["a"],
    "get": lambda e: (e.get("a"), e.get("z", 0)),
    "in": lambda e: ("a" in e, "z" in e),
    "len": len,
    "bool": bool,
    "iter": list,
    "reversed": lambda e: list(reversed(e)),
    "keys": lambda e: sorted(e.keys()),
    "values": lambda e: list(e.values()),
    "items": lambda e: list(e.items()),
    "equal": lambda e: (e == WHOLE, e == WHOLE, e != WHOLE, e == {}),
    "repr": repr,
    "dict": dict,
    "unpacked": lambda e: {**e},
    "or": lambda e: (e | {"c": 3}, {"c": 3} | e),
    "json": json.dumps,
    "copy": lambda e: e.copy(),
    "shallow": copy.copy,
    "deep": copy.deepcopy,
    "pickled": lambda e: pickle.loads(pickle.dumps(e)),
    "update": lambda e: {}.update(e) or dict(e),
    "match": lambda e: _matched(e),
    "call": lambda e: (lambda **given: given)(**e),
}


def _matched(entry: Any) -> Any:
    match entry:
        case {"a": found, **rest}:
            return found, rest
    return None


@pytest.mark.parametrize("look", LOOKS)
def test_each_first_look_finds_all(look: str):
    """Whichever way a dict is looked at, it is as if it had been filled from the start."""
    assert LOOKS[look](Entry(lambda: dict(WHOLE))) == LOOKS[look](dict(WHOLE))


def test_a_change_before_the_first_look_is_kept():
    """What a user writes wins over what is filled in."""
    entry = Entry(lambda: dict(WHOLE))
    entry["a"] = 5
    entry.update(c=6)
    assert entry.pop("b") == [2]
    assert entry == {"a": 5, "c": 6}


def test_it_is_written_out_once():
    """And not before somebody looks."""
    made: list[int] = []
    entry = Entry(lambda: made.append(1) or dict(WHOLE))
    assert made == []
    assert (entry["a"], entry["b"], len(entry)) == (1, [2], 2)
    assert made == [1]
