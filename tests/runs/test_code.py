"""Two functions or classes are the same where they say the same, wherever and however often they were defined."""

from __future__ import annotations

import functools
from typing import Any

import pytest

import dspex
from dspex.runs.code import code_of, load, path_of, same

METRIC = """
import functools
LIMIT = 3
def helper(text):
    return text.strip()
def metric(example, prediction, trace=None):
    {comment}
    return helper(example.answer) == helper(prediction.answer)
class Judge:
    strict = True
    def __init__(self, weight=1.0):
        self.weight = weight
        self._seen = []
    @property
    def half(self):
        return self.weight / 2
    def __call__(self, example, prediction, trace=None):
        return self.weight if metric(example, prediction) else 0.0
def made(weight):
    def inner(example, prediction):
        return weight
    return inner
"""


def defined(source: str) -> dict[str, Any]:
    """Return what a notebook's cell defines."""
    names: dict[str, Any] = {"__name__": "cell"}
    exec(source, names)
    return names


def cell(change: tuple[str, str] = ("", ""), comment: str = "pass") -> dict[str, Any]:
    return defined(
        METRIC.replace("{comment}", comment).replace(*change)
        if change[0]
        else METRIC.replace("{comment}", comment)
    )


def test_a_cell_run_again_says_the_same() -> None:
    """New objects, other lines, other comments."""
    first, again = cell(), cell(comment="# other words\n\n    pass")
    for name in ("metric", "Judge", "helper", "made"):
        assert same(code_of(first[name]), code_of(again[name])), name
    assert same(code_of(first["Judge"](2.0)), code_of(again["Judge"](2.0)))
    assert same(code_of(first["made"](1)), code_of(again["made"](1)))


EDITS = {
    "the body": ("metric", ("== helper(prediction", "!= helper(prediction")),
    "a constant": ("metric", ("trace=None):\n    pass", "trace=None):\n    return 1")),
    "a default": ("metric", ("trace=None):\n    pass", "trace=0):\n    pass")),
    "a function it names": ("metric", ("text.strip()", "text.lower()")),
    "a function that a method names": ("Judge", ("text.strip()", "text.lower()")),
    "a method": ("Judge", ("else 0.0", "else 0.5")),
    "a property": ("Judge", ("self.weight / 2", "self.weight / 3")),
    "a class's value": ("Judge", ("strict = True", "strict = False")),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_says_something_else(edit: str) -> None:
    """Whatever of it was edited, near or one step away."""
    name, change = EDITS[edit]
    first, other = cell()[name], cell(change)[name]
    assert not same(code_of(first), code_of(other))


def test_what_a_function_holds_is_part_of_it() -> None:
    """Another value inside is another function; a list it fills is not what it says."""
    assert not same(code_of(cell()["made"](1)), code_of(cell()["made"](2)))
    assert not same(code_of(dspex.exact("a")), code_of(dspex.exact("b")))
    assert not same(code_of(cell()["Judge"](1.0)), code_of(cell()["Judge"](2.0)))
    assert not same(code_of(functools.partial(len)), code_of(functools.partial(len, "x")))
    seen: list[int] = []

    def noting(x: int) -> None:
        seen.append(x)

    before = code_of(noting)
    noting(1)
    assert same(before, code_of(noting))


def test_what_another_python_compiled_is_compared_by_its_text() -> None:
    """Or it is another, where there is none to be had."""
    here = code_of(test_a_cell_run_again_says_the_same)
    there = {**here, "python": "3.99", "code": "other"}
    assert here["text"]
    assert same(here, there)
    assert not same(here, {**there, "text": ""})
    assert not same({**here, "text": ""}, {**there, "text": ""})


def test_a_ring_of_functions_has_an_end() -> None:
    """Two that name each other."""
    ring = defined("def a(n):\n    return b(n)\ndef b(n):\n    return a(n)\n")
    other = defined("def a(n):\n    return b(n)\ndef b(n):\n    return a(n + 1)\n")
    assert same(code_of(ring["a"]), code_of(ring["a"]))
    assert not same(code_of(ring["a"]), code_of(other["a"]))


def test_paths_lead_back() -> None:
    """Only where importing gives the very thing."""
    assert path_of(dspex.Predict) == "dspex.modules.predict:Predict"
    assert load("dspex.modules.predict:Predict.acall") == dspex.Predict.acall
    assert path_of(dspex.exact("a")) == ""
    assert path_of(lambda: 0) == ""
    with pytest.raises(ImportError, match=r"`dspex\.errors` has no `Nothing`"):
        load("dspex.errors:Nothing")
