"""The frozen run: portable, safe whatever the models wrote, and the same text for the same run."""

from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.runs.state import RunState
from dspex_widgets.chart import chart
from dspex_widgets.freeze import MIME, as_html, as_text, freeze
from dspex_widgets.markup import escape, tag
from tests.dspex_widgets.samples import HOSTILE, JOURNALS, a_state, poisoned

TAGS = {"b", "del", "div", "img", "ins", "span", "table", "tbody", "td", "th", "thead", "tr"}
ATTRIBUTES = {"alt", "scope", "src", "style"}
PROPERTIES = {
    "align-items", "background", "background-color", "border", "border-bottom", "border-collapse", "border-radius",
    "box-sizing", "color", "display", "flex", "flex-wrap", "font-family", "font-size", "font-weight", "gap", "height",
    "letter-spacing", "line-height", "margin", "max-height", "max-width", "min-width", "opacity", "overflow", "overflow-wrap",
    "overflow-x", "padding", "table-layout", "text-align", "text-decoration", "text-transform", "vertical-align",
    "white-space", "width",
}  # fmt: skip
"""All of it is on the lists of JupyterLab's sanitizer."""


class Reader(HTMLParser):
    """Reads HTML as a browser does and notes what is there."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.depth: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag != "img":
            self.depth.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.depth.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")


def assert_portable(html: str) -> Reader:
    """Hold the HTML to what every notebook leaves in place."""
    read = Reader(html)
    assert not read.depth, "an element is open"
    assert set(read.tags) <= TAGS
    assert {name for _, name, _ in read.attributes} <= ATTRIBUTES
    for element, name, value in read.attributes:
        if name == "src":
            assert re.fullmatch(r"data:image/svg\+xml;base64,[A-Za-z0-9+/]+=*", value)
            assert element == "img"
            assert_picture(base64.b64decode(value.partition(",")[2]).decode())
        if name == "style":
            declared = [part.partition(":") for part in value.split(";") if part]
            assert {prop.strip() for prop, _, _ in declared} <= PROPERTIES
            assert not re.search(r"url|expression|@|\\|javascript", value)
    return read


def assert_picture(svg: str) -> None:
    """Hold the chart to shapes and words: no script, no reference."""
    for element in ElementTree.fromstring(svg).iter():
        assert element.tag.removeprefix("{http://www.w3.org/2000/svg}") in {"svg", "path", "circle", "text"}
        assert not [name for name in element.attrib if name.startswith("on") or "href" in name]


@pytest.mark.parametrize("name", JOURNALS)
def test_recorded_runs_freeze_into_portable_html(name: str):
    """Every recorded run, whole or broken, becomes HTML that no notebook takes apart."""
    state = a_state(name)
    read = assert_portable(as_html(state))
    assert state.status in read.text


@pytest.mark.parametrize("text", HOSTILE, ids=[repr(text)[:24] for text in HOSTILE])
def test_texts_of_models_stay_texts(text: str):
    """Whatever a model or a user wrote, wherever it is shown, it is read and not obeyed."""
    state = poisoned(text)
    read = assert_portable(as_html(state))
    harmless = Reader(as_html(poisoned("harmless")))
    assert sorted(set(read.tags)) == sorted(set(harmless.tags) | ({"del", "ins"} & set(read.tags)))
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", as_html(state) + as_text(state)
    )


def test_nothing_is_taken_for_a_formula():
    """Two amounts of money in one line, and a backslash, stay what they are where a notebook typesets formulas."""
    html = as_html(poisoned("task $0.13 · proposals $0.08 \\(x\\) $$y$$ \\begin{a}"))
    texts = re.split(r"<[^>]*>", html)
    assert "$" in texts
    assert "\\" in texts
    assert not [text for text in texts if len(text) > 1 and re.search(r"[$\\]", text)]


@given(st.text())
def test_escaped_text_reads_back(text: str):
    """Escaping changes how a text is written, not what it says, but for controls."""
    read = Reader(tag("div", text))
    assert set(read.tags) <= {"div", "span"}
    kept = re.sub("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffd\r]", "", text)
    assert re.sub("[\x00-\x1f\ufffd]", "", read.text) == kept.replace("\r", "")


def test_elements_outside_the_list_cannot_be_written():
    """A slip in our own code is an error, not a hole."""
    with pytest.raises(ValueError, match="script"):
        tag("script", "x")
    with pytest.raises(ValueError, match="onclick"):
        tag("div", onclick="x")
    assert escape("<b>") == "&lt;b&gt;"


def test_text_says_the_result_and_nothing_that_changes():
    """The plain text is the same whenever and however fast the run went."""
    state = a_state("finished")
    later = msgspec.structs.replace(state, started=state.started + 1000, updated=state.updated + 5000)
    later.log, later.run = [], state.run
    assert as_text(later) == as_text(state)
    assert as_text(state).splitlines()[:5] == [
        "Run r1 · BootstrapFewShot on triage: finished (all 4 candidates scored), best 87.5 (+37.5), 5 candidates",
        "practice model, simulated prices",
        "",
        "   id    score    95%  n  what",
        "★  c4     87.5  ±17.7  8  8 demonstrations",
    ]


def test_failures_say_how_they_are_tried_again():
    """A frozen output has no button, so it names the method; a run without failures says nothing of it."""
    assert "run.retry_failed() tries again what failed" in Reader(as_html(a_state("rich"))).text
    assert "retry_failed" not in as_html(a_state("finished"))


def test_failures_say_why():
    """How many, of which kind, and what the last of them said; where none failed, nothing is said of it."""
    text = Reader(as_html(a_state("evaluate"))).text
    assert "Why examples failed" in text
    assert "`openai` failed (503): overloaded, try again later." in text
    assert "Why examples failed" not in as_html(a_state("finished"))


def test_where_candidates_come_from_is_told_where_it_says_something():
    """A column that says `base` in every line gives its room to the others."""
    assert ">from<" in as_html(a_state("rich"))
    assert ">from<" not in as_html(a_state("finished"))


def test_long_instructions_scroll():
    """A long text takes a part of the page; where styles are stripped all of it is there."""
    html = as_html(poisoned("x" * 5000))
    assert "max-height:320px" in html
    assert "x" * 5000 in html


def test_long_tables_are_cut_and_say_so():
    """Twelve candidates are listed, then how many more there are."""
    state = a_state("rich")
    assert as_text(state).endswith("and 8 more")
    assert "and 8 more" in Reader(as_html(state)).text
    assert [table.count("<tr") for table in as_html(state).split("<table") if ">what<" in table] == [1 + 12]


def test_bundle_carries_the_run_for_other_tools():
    """The data beside the HTML names the run and holds its state, so that it can be found and drawn again."""
    state = a_state("rich")
    data = freeze(state)[MIME]
    assert isinstance(data, dict)
    again = msgspec.convert(json.loads(json.dumps(data["state"])), type=RunState)
    assert (data["run"], data["status"]) == ("r12", "finished")
    assert again.candidates == state.candidates
    assert len(again.log) < 20


def test_chart_draws_every_scored_candidate():
    """One dot for each candidate with a score, the line of the best and the baseline."""
    state = a_state("rich")
    svg = chart(state)
    assert svg.count("<circle") == sum(c.mean is not None for c in state.candidates)
    assert "baseline 61.5" in svg
    assert svg.count('stroke-width="2"') == 1


@given(
    st.lists(
        st.floats(-1e12, 1e12, allow_nan=False) | st.floats(0, 1), min_size=0, max_size=5
    )
)  # fmt: skip
def test_chart_takes_any_scores(means: list[float]):
    """Scores of any size make a picture that can be drawn."""
    state = poisoned("x")
    for mean in means:
        seen = msgspec.structs.replace(state.candidates[-1], mean=mean, low=None, high=None)
        state.candidates.append(seen)
    svg = chart(state)
    assert_picture(svg)
    assert "nan" not in svg
    assert "inf" not in svg
