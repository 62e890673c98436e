"""Numbers, sentences, tiles and rows: what Python says is what the browser says."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.events.event import AnyEvent, RunEnd, RunStopping
from dspex.runs.state import fold
from dspex_widgets import numbers
from dspex_widgets.describe import describe, short
from dspex_widgets.diff import diff_words
from dspex_widgets.views import best_of, chips, instructions, rows, tiles
from tests.dspex_widgets.samples import GOLDEN, JOURNALS, a_journal, a_state

NUMBERS: dict[str, Callable[[float], str]] = {
    "money": numbers.money,
    "tokens": numbers.tokens,
    "percent": lambda value: numbers.score(value, True),
    "plain": lambda value: numbers.score(value, False),
    "duration": numbers.duration,
}
SENTENCES = [
    pytest.param(case, id=f"{path.stem}-{index}")
    for path in sorted((GOLDEN / "describe").glob("*.json"))
    for index, case in enumerate(json.loads(path.read_text()))
]


@pytest.mark.parametrize("kind", json.loads((GOLDEN / "numbers.json").read_text()))
def test_numbers_are_written_as_in_the_browser(kind: str):
    """Both languages write every number of the golden file alike."""
    cases = json.loads((GOLDEN / "numbers.json").read_text())[kind]
    assert [NUMBERS[kind](value) for value, _ in cases] == [text for _, text in cases]


@pytest.mark.parametrize(("column", "texts"), json.loads((GOLDEN / "columns.json").read_text()))
def test_the_dollars_of_a_column_are_written_alike(column: list[float], texts: list[str]):
    """No column mixes two and four decimals, in either language."""
    assert list(map(numbers.money_of(column), column)) == texts


@pytest.mark.parametrize("case", SENTENCES)
def test_events_are_told_as_in_the_browser(case: dict):
    """Both languages tell every event of the golden files in the same words."""
    # The browser completes an event of another version; here a field that is never missing is put in.
    event = msgspec.convert({"reason": "", **case["event"]}, type=AnyEvent)
    assert describe(event, case.get("percent")) == case["text"]


@pytest.mark.parametrize("name", JOURNALS)
def test_every_recorded_event_is_told_in_one_line(name: str):
    """No event is without words, and none breaks its line."""
    for event in a_journal(name):
        told = describe(event)
        assert told
        assert "\n" not in told


@given(st.text())
def test_short_is_one_line_of_bounded_length(text: str):
    """A model's text never takes more than its line."""
    line = short(text)
    assert len(line) <= 200
    assert not set(line) & set("\t\r\n")


@pytest.mark.parametrize("name", JOURNALS)
def test_there_are_five_tiles_in_a_fixed_order(name: str):
    """Whatever the run, the same five numbers stand in the same places."""
    assert [t.name for t in tiles(a_state(name))] == [
        "Best score",
        "Candidates",
        "LM calls",
        "Tokens",
        "Cost",
    ]


def test_tiles_say_what_the_target_shows():
    """Best score and gain, calls and cache, tokens, cost and cap, as on the design's picture."""
    state = a_state("rich")
    dropped = sum(c.state == "dropped" for c in state.candidates)
    best, candidates, calls, tokens, cost = tiles(state)
    assert (best.value, best.beside, best.tone, best.below) == ("88.5", "▲ 26.9", "up", "c15 · baseline 61.5")
    assert (candidates.value, candidates.beside, candidates.below) == ("19", "of 30", f"{dropped} dropped")
    assert (calls.value, calls.below) == ("297", "38% cached")
    assert tokens.value == "312 k"
    assert cost.value.startswith("$0.")
    assert cost.filled is not None
    assert "proposals $" in cost.below


def test_unknown_prices_are_said():
    """A cost that leaves calls out says so."""
    cost = tiles(a_state("failed"))[-1]
    assert (cost.tone, cost.below) == ("warn", "price unknown for 1 call")


def test_rows_begin_with_the_best_and_keep_the_baseline():
    """A shortened table still compares: its first line is the best, and the baseline is among the others."""
    state = a_state("rich")
    assert len(rows(state)) == len(state.candidates)
    few = rows(state, 5)
    assert len(few) == 5
    assert [few[0].name, few[-1].name] == [state.best, state.baseline]
    assert [row.best for row in few] == [True, False, False, False, False]


def test_a_score_like_the_baselines_is_no_gain():
    """An arrow with nothing beside it would be praise for nothing."""
    state = a_state("rich")
    best, base = best_of(state), state.candidate(state.baseline)
    assert best is not None
    assert base is not None
    best.mean = base.mean
    tile = tiles(state)[0]
    assert (tile.beside, tile.tone, tile.below) == ("", "", "c15 · baseline 61.5")


def test_a_pinned_candidate_says_why_it_leads():
    """It may lead with a score that others beat."""
    state = a_state("rich")
    best = best_of(state)
    assert best is not None
    best.pinned = "ada"
    assert tiles(state)[0].below == "c15, pinned · baseline 61.5"


def test_failures_are_said_beside_the_status():
    """Examples without a score are not to be overlooked."""
    assert "1 failure" in chips(a_state("rich"))
    assert not [chip for chip in chips(a_state("finished")) if "failure" in chip]


def test_running_candidates_say_how_far_they_are():
    """A candidate in the middle of its evaluation shows the share that is done, and no interval yet."""
    state = fold(event for event in a_journal("stopped") if not isinstance(event, RunStopping | RunEnd))
    row = next(row for row in rows(state) if row.state == "running")
    assert row.n == "3/6"
    assert row.spread == ""


def test_instruction_is_marked_against_the_baseline():
    """The best candidate's words are shown as what changed."""
    state = a_state("rich")
    [told] = instructions(state, best_of(state))
    assert told.against == "c15 against the baseline"
    assert told.demos == "2 demonstrations"
    assert {piece.type for piece in told.pieces} == {"same", "del", "ins"}


words = st.text(alphabet="ab .,\n", max_size=60)


@given(words, words)
def test_diff_loses_no_text(before: str, after: str):
    """Without the insertions it is the old text, without the deletions the new one."""
    pieces = diff_words(before, after)
    assert "".join(p.text for p in pieces if p.type != "ins") == before
    assert "".join(p.text for p in pieces if p.type != "del") == after
    assert all(p.text for p in pieces)


def test_diff_of_long_texts_is_bounded():
    """Two long unlike texts are one replacement, not a minute of comparing."""
    pieces = diff_words("same " + "a " * 2000 + "end", "same " + "b " * 2000 + "end")
    assert [p.type for p in pieces] == ["same", "del", "ins", "same"]
