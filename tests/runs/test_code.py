"""Two functions or classes are the same where they say the same, wherever and however often they were defined."""

from __future__ import annotations

import functools
import importlib
import shutil
import sys
from pathlib import Path
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


GLOBALS = """
LIMIT = 0.5
NAMES = ("bug", "billing")
team = "a name of the notebook that the metric only uses for a field"
judge = dspex.Predict("answer -> good: bool")
seen = []
calls = 0
def metric(example, prediction, trace=None):
    global calls
    calls += 1
    seen.append(example)
    return judge(answer=prediction.team).good and prediction.team in NAMES and LIMIT
"""


def with_globals(old: str = "", new: str = "") -> dict[str, str]:
    names: dict[str, Any] = {"__name__": "cell", "dspex": dspex}
    exec(GLOBALS.replace(old, new) if old else GLOBALS, names)
    return code_of(names["metric"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 0.5", "LIMIT = 0.25"),
        ('("bug", "billing")', '("bug", "account")'),
        ("answer -> good: bool", "answer -> good: float"),
        ('dspex.Predict("answer -> good: bool")', 'dspex.ChainOfThought("answer -> good: bool")'),
    ],
)
def test_a_value_or_a_judge_that_it_reads_is_part_of_it(old: str, new: str) -> None:
    """A threshold that changed gives other scores, as an edited function does."""
    assert same(with_globals(), with_globals())
    assert not same(with_globals(), with_globals(old, new))


@pytest.mark.parametrize(
    ("old", "new"), [("seen = []", "seen = [1]"), ("calls = 0", "calls = 7"), ('team = "a', 'team = "b')]
)
def test_what_it_notes_or_does_not_read_is_no_part_of_it(old: str, new: str) -> None:
    """A counter, a list it fills, and a global that has a field's name."""
    assert same(with_globals(), with_globals(old, new))


def test_the_model_that_a_judge_asks_is_part_of_it_and_where_that_is_reached_is_not() -> None:
    """Another address or key gives the same scores, another model does not."""

    def metric_of(lm: dspex.LM) -> dict[str, str]:
        names: dict[str, Any] = {"__name__": "cell", "judge": lm}
        exec("def metric(example, prediction):\n    return judge(prediction)", names)
        return code_of(names["metric"])

    here, there = (dspex.LM("openai/a", api_base=f"http://localhost:{port}") for port in (1, 2))
    assert same(metric_of(here), metric_of(there))
    assert not same(metric_of(here), metric_of(dspex.LM("openai/b")))


def test_a_function_of_the_users_own_module_is_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A helper file that was edited changes the metric that imports from it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    told = []
    for body in ("text.strip()", "text.lower()"):
        (tmp_path / "own_helper.py").write_text(f"def clean(text):\n    return {body}\n")
        monkeypatch.delitem(sys.modules, "own_helper", raising=False)
        importlib.invalidate_caches()
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        told.append(
            code_of(defined("from own_helper import clean\ndef metric(e, p):\n    return clean(p)")["metric"])
        )
    assert not same(*told)
