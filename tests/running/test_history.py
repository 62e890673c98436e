"""What models were asked: kept by model, module and process, and shown as text or, in a notebook, as cards."""

from __future__ import annotations

import io
import sys
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest

import dspex
from dspex.lm.history import HistoryView
from dspex.scope import history

NASTY = '<script>alert(1)</script> & "quotes" </pre><img src=x onerror=alert(2)>'


@pytest.fixture(autouse=True)
def _afresh() -> None:
    history.EVERYTHING.clear()


def asked(*teams: str) -> dspex.Predict:
    dspex.configure(lm=dspex.utils.DummyLM([{"team": team} for team in teams]))
    return dspex.Predict("ticket -> team")


def test_a_call_is_kept_by_model_module_and_process() -> None:
    """The same entry in each history; a module keeps what happens inside it and no more."""
    program = dspex.ChainOfThought("ticket -> team")
    other = dspex.Predict("ticket -> team")
    dspex.configure(lm=dspex.utils.DummyLM([{"reasoning": "r", "team": "bug"}, {"team": "bug"}]))
    program(ticket="one")
    other(ticket="two")
    lm = dspex.settings.lm
    assert len(lm.history) == len(history.EVERYTHING) == 2
    assert program.history == program.predict.history == lm.history[:1]
    assert other.history == lm.history[1:]
    assert lm.history[0]["messages"][-1]["role"] == "user"


def test_sizes_are_bounded_and_keeping_can_be_off() -> None:
    """max_history_size holds for every list; disable_history keeps nothing."""
    predict = asked(*"abcdef")
    with dspex.context(max_history_size=2):
        for k in range(4):
            predict(ticket=str(k))
    assert [len(h) for h in (dspex.settings.lm.history, predict.history, history.EVERYTHING)] == [2, 2, 2]
    with dspex.context(disable_history=True):
        predict(ticket="off")
    assert len(predict.history) == 2


def test_copies_of_a_program_begin_without_history() -> None:
    """A copy has not asked anything."""
    predict = asked("bug")
    predict(ticket="x")
    assert predict.deepcopy().history == []


def test_in_a_script_it_is_written_to_the_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """Plain text, no colours where there is no terminal, and nothing is returned."""
    asked("bug")(ticket="It crashes.")
    assert dspex.inspect_history() is None
    text = capsys.readouterr().out
    assert "It crashes." in text
    assert "bug" in text
    assert "System message:" in text
    assert "\x1b" not in text


def test_on_a_terminal_it_has_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a terminal gets escape codes."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    asked("bug")(ticket="x")
    monkeypatch.setattr(sys, "stdout", screen := Terminal())
    dspex.inspect_history()
    assert "\x1b[31m" in screen.getvalue()


def test_models_and_modules_show_their_own_and_a_file_takes_it() -> None:
    """The number counts from the end; `file=` takes plain text."""
    predict = asked("one", "two", "three")
    for k in range(3):
        predict(ticket=f"ticket {k}")
    for show in (dspex.inspect_history, dspex.settings.lm.inspect_history, predict.inspect_history):
        told = io.StringIO()
        show(n=2, file=told)
        assert "ticket 0" not in told.getvalue()
        assert told.getvalue().index("ticket 1") < told.getvalue().index("ticket 2")
    told = io.StringIO()
    dspex.utils.pretty_print_history([], n=1, file=told)
    assert told.getvalue().strip() == ""


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)


def test_a_card_shows_markup_as_text() -> None:
    """Whatever a user or a model wrote, only our own tags are in the card."""
    dspex.LM("openai/any", transport=_says(NASTY), cache=False)(NASTY)
    page = HistoryView(history.EVERYTHING)._repr_html_()
    reader = _Tags()
    reader.feed(page)
    assert reader.tags <= {"div", "details", "summary", "b", "pre"}
    assert "&lt;script&gt;" in page
    assert NASTY in repr(HistoryView(history.EVERYTHING))


def _says(text: str) -> Any:
    from dspex.testing.scripted import Scripted

    return Scripted(text)


def test_in_a_notebook_a_card_is_displayed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a kernel runs the view is displayed, also in the middle of a cell, and nothing is printed."""
    shown: list[Any] = []
    shell = SimpleNamespace(
        get_ipython=lambda: SimpleNamespace(kernel=object()), display=SimpleNamespace(display=shown.append)
    )
    asked("bug")(ticket="x")
    monkeypatch.setitem(sys.modules, "IPython", shell)
    dspex.inspect_history()
    assert isinstance(shown[0], HistoryView)
    assert capsys.readouterr().out == ""


def test_pictures_and_calls_are_told_in_a_line() -> None:
    """Data is not shown, only how much of it there is; calls with their arguments."""
    entry = {
        "model": "m", "timestamp": "now", "usage": {"total_tokens": 3}, "cached": True,
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "Who?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 5000}},
                {"type": "input_audio", "input_audio": {"data": "B" * 5000, "format": "wav"}},
            ]},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}]},
        ],
        "outputs": [{"text": "It is Ada.", "tool_calls": [{"name": "look", "args": {"at": 2}}]}, "other"],
    }  # fmt: skip
    text = repr(HistoryView([entry]))
    assert "<image_url: url: data:image/png;base64, 5000 letters>" in text
    assert "A" * 200 not in text
    assert "B" * 200 not in text
    assert 'Tool call: look({"at": 1})' in text
    assert 'Tool call: look({"at": 2})' in text
    assert "(and 1 other completions)" in text
    assert "from the cache" in HistoryView([entry])._repr_html_()
