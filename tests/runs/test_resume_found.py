"""What a resumed run finds again is what it was started with, under whatever name; what only looks like it is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from dspex import runs
from dspex.events.event import ExampleScored
from tests.runs.test_resume import BEGIN, DATA, HEAD, METRIC, PROGRAM, killed, resumed

LIMITED = "LIMIT = 1.0\n" + METRIC.replace("return same(", "return LIMIT * same(")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for this test alone, which the other kernels share."""
    monkeypatch.setenv("DSPEX_HOME", str(tmp_path))
    return tmp_path


def test_a_metric_under_another_name_takes_the_scores_that_there_are(own_home: Path) -> None:
    """No example is judged twice, and none is told twice."""
    killed(own_home)
    assert resumed(own_home, metric=METRIC.replace("def right", "def correct")).startswith("finished 10 10 ")
    told = Counter(event.example for event in runs.open("r1").events if isinstance(event, ExampleScored))
    assert set(told.values()) == {1}
    assert runs.open("r1").state.examples == 10


def test_a_threshold_that_the_metric_reads_is_part_of_it(own_home: Path) -> None:
    """Half of the scores by one and half by another would be no result."""
    killed(own_home, HEAD + DATA + LIMITED + PROGRAM + BEGIN)
    said = resumed(own_home, metric=LIMITED.replace("LIMIT = 1.0", "LIMIT = 0.5"))
    assert "`metric` has changed: the function `right` says something else now" in said
    assert resumed(own_home, metric=LIMITED).startswith("finished 10 10 ")


def test_data_that_is_none_is_refused_in_one_line(own_home: Path) -> None:
    """With what was given."""
    killed(own_home)
    assert "`devset` takes examples, and `int` is given" in resumed(own_home, given="devset=5")


LAZY = """
train, val, test = dspex.datasets.load("tickets")
class Lazy:
    def __init__(self, count):
        self.count = count
    def __iter__(self):
        return iter(val[: self.count])
lazy = Lazy(10)
stream = (row for row in lazy)
del train, test
"""


def test_a_source_that_has_changed_is_refused(own_home: Path) -> None:
    """By its class and what it was made with: the rows themselves nobody reads through before."""
    killed(own_home, HEAD + LAZY + METRIC + PROGRAM + BEGIN.replace("val[:]", "lazy"))
    for edit in (("Lazy(10)", "Lazy(5)"), ("iter(val[:", "iter(val[1:")):
        said = resumed(own_home, data=LAZY.replace(*edit))
        assert "`devset` has changed: its `Lazy` says something else now" in said
    assert resumed(own_home, data=LAZY).startswith("finished 10 10 ")


def test_a_generator_goes_on_only_where_it_is_whole(own_home: Path) -> None:
    """A rest of it would be taken for all, and a list is not what the run was started with."""
    killed(own_home, HEAD + LAZY + METRIC + PROGRAM + BEGIN.replace("val[:]", "stream"))
    said = resumed(own_home, data=LAZY + "next(stream)\n")
    assert "`devset` is a generator that was read from already: make it anew" in said
    said = resumed(own_home, data=LAZY, given="devset=val")
    assert "`devset` was a `builtins:generator`, and a `dspex.data.dataset:Dataset` is given" in said
    assert resumed(own_home, data=LAZY).startswith("finished 10 10 ")
