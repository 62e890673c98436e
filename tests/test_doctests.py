"""Every example in a docstring runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import dspex

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(dspex.__path__, "dspex.")
    if not info.name.startswith("dspex.testing.server")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str) -> None:
    """What a docstring shows is what happens."""
    module = importlib.import_module(name)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    outcome = doctest.testmod(module, optionflags=flags)
    assert outcome.failed == 0


def test_there_are_examples() -> None:
    """The walk finds the examples: a broken walk must not pass for success."""
    finder = doctest.DocTestFinder()
    found = sum(
        len(test.examples) for name in MODULES for test in finder.find(importlib.import_module(name), name)
    )
    assert found > 60
