"""DSPy's import paths: every name users import from them is there, as an attribute and as an import."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys

import pytest

import dspex
from dspex import compat

NAMES = [(path, name) for path, names in compat.PATHS.items() for name in names.split()]


@pytest.mark.parametrize(("path", "name"), NAMES)
def test_every_name_of_a_path_is_found(path: str, name: str) -> None:
    """`from dspex.<path> import <name>` and `dspex.<path>.<name>` are the same thing."""
    value = getattr(importlib.import_module(f"dspex.{path}"), name)
    here = dspex
    for part in path.split("."):
        here = getattr(here, part)
    assert getattr(here, name) == value


@pytest.mark.parametrize("name", sorted(dspex._LAZY))
def test_every_lazy_name_is_found(name: str) -> None:
    """The table of the root package names only what is there."""
    assert getattr(dspex, name) is not None


def test_a_star_import_brings_all_public_names() -> None:
    """`from dspex import *` works, lazy names included."""
    space: dict[str, object] = {}
    exec("from dspex import *", space)
    assert set(dspex.__all__) <= set(space)


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda: dspex.MIPROv2, "`MIPROv2` comes in a later release of dspex."),
        (lambda: dspex.teleprompt.GEPA, "`GEPA` comes in a later release of dspex."),
        (lambda: dspex.Predct, "`dspex` has no `Predct`. Did you mean"),
        (lambda: dspex.utils.DumyLM, "`dspex.utils` has no `DumyLM`. Did you mean `DummyLM`?"),
        (
            lambda: dspex.adapters.ChatAdaptor,
            "`dspex.adapters` has no `ChatAdaptor`. Did you mean `ChatAdapter`?",
        ),
    ],
)
def test_a_name_that_is_not_there_says_what_to_do(act, text: str) -> None:
    """One line: later, or the nearest name."""
    with pytest.raises(AttributeError) as caught:
        act()
    assert str(caught.value).startswith(text)


def test_a_later_name_is_no_name_of_today() -> None:
    """What is announced for later is not there yet: the list must shrink as names come."""
    assert sorted(set(dspex.__all__) & compat.LATER) == []


def test_completion_knows_the_paths() -> None:
    """`dir()` tells what may follow the dot."""
    assert {"teleprompt", "utils", "Predict", "streamify"} <= set(dir(dspex))
    assert {"DummyLM", "callback"} <= set(dir(dspex.utils))


def test_the_paths_cost_nothing_until_they_are_used() -> None:
    """`import dspex` imports neither streaming nor types nor what only DSPy's paths name."""
    code = "import sys, dspex; sys.stdout.write(' '.join(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20
    )
    loaded = set(done.stdout.split())
    late = {
        "dspex.streaming.streamify",
        "dspex.testing.dummy",
        "dspex.lm.caching",
        "dspex.lm.history",
        "json_repair",
    }
    assert sorted(loaded & late) == []


def test_what_came_by_a_path_is_known_by_its_real_place() -> None:
    """A class found by DSPy's path pickles by the module it lives in, for users who do pickle."""
    from dspex.primitives import Example

    assert pickle.loads(pickle.dumps(Example(a=1))) == Example(a=1)
    assert Example.__module__ == "dspex.data.example"
