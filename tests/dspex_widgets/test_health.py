"""Models, holds and examples by candidates in words: what Python says is what the browser says."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import msgspec
import pytest

from dspex.events.event import CandidateProposed, ExampleScored, RunStart
from dspex.runs.state import fold
from dspex_widgets.failures import failures
from dspex_widgets.health import held, models
from dspex_widgets.heat import heat, picture
from tests.dspex_widgets.samples import GOLDEN, a_journal

CASES = [
    pytest.param(case, id=f"{case['journal']}-{case['upto']}")
    for case in json.loads((GOLDEN / "shown.json").read_text())
]


@pytest.mark.parametrize("case", CASES)
def test_words_are_the_browsers(case: dict):
    """Both languages show a run's models, holds, failures and examples in the words of the golden file."""
    state = fold(a_journal(case["journal"])[: case["upto"]])
    assert held(state) == case["held"]
    rows = [msgspec.to_builtins(row) for row in models(state)]
    assert [
        {name: row[name] for name in wanted} for row, wanted in zip(rows, case["models"], strict=True)
    ] == case["models"]
    assert [[row.count, row.kind, row.text] for row in failures(state)] == case["failures"]
    drawn = heat(state)
    told = (
        None if drawn is None else {"caption": drawn.caption, "lines": [list(line) for line in drawn.lines]}
    )
    assert told == case["heat"]


def test_nothing_to_compare_is_no_picture():
    """One candidate alone, or one example alone, is not compared with anything."""
    begin = [RunStart(seq=1, name="x", work="optimize", method="M"), CandidateProposed(seq=2, candidate="a")]
    first = ExampleScored(seq=3, candidate="a", example="1", score=1.0)
    assert heat(fold([*begin, first])) is None


@pytest.mark.parametrize("name", ["rich", "steered", "crooked", "outage"])
def test_picture_is_well_formed(name: str):
    """Whatever the candidates are called, the picture is an SVG of shapes and words."""
    drawn = heat(fold(a_journal(name)))
    if drawn is not None:
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(picture(drawn)).iter()}
        assert tags <= {"svg", "path", "text"}
