"""The report: one file, no network, harmless whatever is in it, and never half a file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from dspex.errors import UsageError
from dspex.runs.feed import Feed
from dspex.runs.run import Run
from dspex.runs.state import RunState
from dspex_widgets import assets
from dspex_widgets.freeze import as_html
from dspex_widgets.report import page, write
from tests.dspex_widgets.samples import HOSTILE, JOURNALS, a_state, poisoned


def a_run(state: RunState) -> Run:
    """Give a run of the past with this state."""
    return Run(Path(state.run or "r1"), Feed(state))


def parts(html: str) -> tuple[str, str]:
    """Give the recorded state and the script of a report."""
    found = re.findall(r"<script([^>]*)>(.*?)</script>", html, re.DOTALL)
    assert len(found) == 2, "nothing but our two scripts"
    assert found[0][0] == ' type="application/json" data-dspex-run'
    assert found[1][0] == ""
    return found[0][1], found[1][1]


@pytest.mark.parametrize("name", JOURNALS)
def test_report_holds_the_state_and_the_frozen_run(name: str):
    """Every recorded run is inside twice: as data for the views, as HTML for who forbids scripts."""
    state = a_state(name)
    html = page(state)
    data, code = parts(html)
    assert msgspec.json.decode(data, type=RunState) == state
    assert as_html(state) in html
    assert code == assets.script("report.js"), "our own script needs no change to be put inside a page"


def test_report_can_reach_nothing():
    """The page forbids every request, and names no address."""
    html = page(a_state("rich"))
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert "connect-src" not in rules
    assert rules["img-src"] == "data:"
    head = html.partition("<main>")[0]
    assert html.index("Content-Security-Policy") < html.index("<style>"), "the policy comes first"
    assert not re.search(r"https?://|src=|@import", head)


@pytest.mark.parametrize("text", HOSTILE, ids=[repr(text)[:24] for text in HOSTILE])
def test_no_text_leaves_its_place_in_the_page(text: str):
    """No model's text ends the data's script or begins another."""
    data, _ = parts(page(poisoned(text)))
    assert "<" not in data
    assert json.loads(data)["reason"] == text


def test_report_is_written_whole(tmp_path: Path):
    """The file is there with all of its content, an old one is replaced, and nothing else is left behind."""
    target = tmp_path / "x.html"
    target.write_text("old")
    assert write(a_run(a_state("finished")), target) == target
    assert target.read_text().endswith("</html>\n")
    assert [path.name for path in tmp_path.iterdir()] == ["x.html"]


def test_run_finds_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`run.report()` writes beside the notebook under the run's name."""
    monkeypatch.chdir(tmp_path)
    assert a_run(a_state("finished")).report() == Path("dspex-r1.html")
    assert (tmp_path / "dspex-r1.html").stat().st_size > 10_000


def test_places_that_cannot_be_written_are_said(tmp_path: Path):
    """A missing folder and a folder in the file's place each get a line that says what to do."""
    run = a_run(a_state("finished"))
    with pytest.raises(UsageError, match="does not exist; make it first"):
        write(run, tmp_path / "no" / "x.html")
    with pytest.raises(UsageError, match="is a folder; name a file in it"):
        write(run, tmp_path)
    with pytest.raises(UsageError, match="cannot be written"):
        write(run, tmp_path / ("x" * 300 + ".html"))
    assert list(tmp_path.iterdir()) == []


def test_missing_front_end_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without the built script the error names the command that builds it."""
    monkeypatch.setattr(assets, "STATIC", tmp_path)
    assets.script.cache_clear()
    try:
        with pytest.raises(UsageError, match="make build"):
            page(a_state("finished"))
    finally:
        assets.script.cache_clear()
