"""Buttons: each known word is one method of the run, everything else is nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.errors import UsageError
from dspex.runs.state import RunState
from dspex_widgets.controls import Controls
from dspex_widgets.protocol import Done, Failure, Message, ReportReady

VERBS = ["pause", "resume", "stop", "cancel"]
SAID = {
    "evaluate": "Your instruction joins the race as c9.",
    "label": "Your comment joins the metric's feedback from here on.",
}


class Steered:
    """Stands where the run stands and notes what is called."""

    def __init__(self, report: Callable[[], Path] = lambda: Path("dspex-r1.html")) -> None:
        self.calls: list[tuple[str, str]] = []
        self.report = report
        self.done = False

    def __getattr__(self, verb: str):
        assert verb in VERBS, f"a button called `{verb}`"
        return lambda by: self.calls.append((verb, by))


class Steerable:
    """Notes what is called, with all its arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.state = RunState(columns={"t001": 0})

    def __getattr__(self, verb: str):
        def call(*args: object, **options: object) -> str:
            self.calls.append((verb, *args, options))
            return "c9"

        return call


def test_a_late_click_on_resume_begins_no_other_life() -> None:
    """A run that is over may be resumed by its method alone, whoever pressed a button before they saw its end."""
    run = Steered()
    run.done = True
    Controls(run, Heard()).hear({"op": "resume"})  # type: ignore[arg-type]  # it stands where a run stands
    assert run.calls == []


class Heard:
    """Notes what a panel is told."""

    def __init__(self) -> None:
        self.posted: list[Message] = []
        self.notes: list[str] = []
        self.answered = threading.Event()

    def post(self, message: Message) -> None:
        self.posted.append(message)
        self.answered.set()

    def ask(self) -> None:
        self.notes.append("ask")

    def leave(self) -> None:
        self.notes.append("leave")


@pytest.mark.parametrize("verb", VERBS)
def test_button_is_one_method(verb: str):
    """A button calls its method once and says who asked."""
    run, heard = Steered(), Heard()
    Controls(run, heard).hear({"op": verb})
    assert run.calls == [(verb, "button")]
    assert heard.posted == []


def test_report_is_written_elsewhere_and_answered():
    """The report is made on a thread of its own, and the browser is told where it is."""
    threads: list[str] = []

    def report() -> Path:
        threads.append(threading.current_thread().name)
        return Path.cwd() / "dspex-r1.html"

    run, heard = Steered(report), Heard()
    Controls(run, heard).hear({"op": "report"})
    assert heard.answered.wait(5)
    assert heard.posted == [ReportReady(path="dspex-r1.html")]
    assert threads == ["dspex-report"]


@pytest.mark.parametrize(
    ("error", "said"),
    [(UsageError("no folder"), "no folder"), (RuntimeError("odd"), "RuntimeError: odd")],
)
def test_failed_report_is_answered(error: Exception, said: str):
    """Whatever goes wrong, the button does not wait for ever."""

    def report() -> Path:
        raise error

    run, heard = Steered(report), Heard()
    controls = Controls(run, heard)
    for _ in range(2):
        heard.answered.clear()
        controls.hear({"op": "report"})
        assert heard.answered.wait(5)
        for thread in threading.enumerate():
            if thread.name == "dspex-report":
                thread.join(5)
    assert heard.posted == [Failure(text=f"The report was not written: {said}")] * 2


def test_second_report_while_one_is_written_is_left_aside():
    """A button pressed ten times writes one report."""
    gate, started = threading.Event(), threading.Event()
    written: list[int] = []

    def report() -> Path:
        started.set()
        assert gate.wait(5)
        written.append(1)
        return Path("x.html")

    run, heard = Steered(report), Heard()
    controls = Controls(run, heard)
    controls.hear({"op": "report"})
    assert started.wait(5)
    for _ in range(9):
        controls.hear({"op": "report"})
    gate.set()
    assert heard.answered.wait(5)
    assert written == [1]


def test_refusal_is_said_to_the_browser():
    """A run that is over answers a late button with words, not with silence."""

    class Over:
        def pause(self, by: str) -> None:
            raise UsageError("Run r1 is over: it cannot pause from here.")

    heard = Heard()
    Controls(Over(), heard).hear({"op": "pause"})
    assert heard.posted == [Failure(text="Run r1 is over: it cannot pause from here.")]


@pytest.mark.parametrize(
    ("asked", "call"),
    [
        ({"op": "pause", "now": True}, ("pause", {"now": True})),
        ({"op": "reset"}, ("reset", {})),
        ({"op": "pin", "candidate": "c1"}, ("pin", "c1", {})),
        ({"op": "pin", "candidate": "c1", "pinned": False}, ("pin", "c1", {"pinned": False})),
        ({"op": "drop", "candidate": "c1", "reason": "too long"}, ("drop", "c1", {"reason": "too long"})),
        ({"op": "budget", "caps": {"usd": 5, "calls": 100.0}}, ("budget", {"usd": 5.0, "calls": 100})),
        ({"op": "concurrency", "n": 8}, ("concurrency", 8, {})),
        (
            {"op": "evaluate", "predictor": "p", "instruction": " mine "},
            ("evaluate", {"instruction": " mine ", "predictor": "p"}),
        ),
        (
            {"op": "evaluate", "candidate": "c3", "instruction": "mine"},
            ("evaluate", {"instruction": "mine", "predictor": "", "origin": "c3"}),
        ),
        (
            {"op": "label", "example": "t001", "comment": "<b>mine</b>"},
            ("label", "t001", {"comment": "<b>mine</b>"}),
        ),
    ],
)
def test_steering_is_one_method_with_its_arguments(asked: dict, call: tuple):
    """What a button came with reaches the run's method as it was given, and the browser hears that it is done."""
    run, heard = Steerable(), Heard()
    Controls(run, heard).hear(asked)
    *args, options = call
    assert run.calls == [(*args, {**options, "by": "button"})]
    assert heard.posted == (
        [] if asked["op"] == "pause" else [Done(op=asked["op"], text=SAID.get(asked["op"], ""))]
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"op": "pin"}, "No candidate was named to pin: choose one in the table."),
        ({"op": "drop", "reason": "x"}, "No candidate was named to drop: choose one in the table."),
        ({"op": "evaluate", "instruction": " \n "}, "There is no instruction to evaluate: write one first."),
        ({"op": "budget"}, "No cap was given: name one, such as 5.00 dollars."),
        ({"op": "concurrency"}, "At least one example must be scored at once."),
        (
            {"op": "label", "example": "t001", "comment": " \n"},
            "There is nothing to say of the example: write a comment first.",
        ),
        (
            {"op": "label", "example": "__proto__", "comment": "x"},
            "This example is not among those shown; choose one in the picture.",
        ),
    ],
)
def test_steering_without_its_arguments_is_answered(asked: dict, said: str):
    """A button that lacks something reaches no method and says what it lacks."""
    run, heard = Steerable(), Heard()
    Controls(run, heard).hear(asked)
    assert (run.calls, heard.posted) == ([], [Failure(text=said)])


def test_method_that_is_missing_is_one_readable_line():
    """A run of an older version answers with words."""
    heard = Heard()
    Controls(object(), heard).hear({"op": "pin", "candidate": "c1"})
    [failure] = heard.posted
    assert failure.text == "This run cannot `pin`: its dspex is older than the widget. Install one version."


def test_what_a_method_raises_is_answered():
    """An error that is not ours ends in the browser, not in the kernel's log."""

    class Broken:
        def reset(self, by: str) -> None:
            raise RuntimeError("odd")

    heard = Heard()
    Controls(Broken(), heard).hear({"op": "reset"})
    assert heard.posted == [Failure(text="RuntimeError: odd")]


names = st.text(max_size=4).filter(lambda name: name not in {"n", "now", "caps"})
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(VERBS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.just("op"), inner, max_size=3),
    max_leaves=6,
)


@given(json_values | st.fixed_dictionaries({"op": json_values}))
def test_anything_else_is_left_aside(content: object):
    """No content of a message raises, and none reaches anything but the known words."""
    run, heard = Steered(), Heard()
    Controls(run, heard).hear(content)
    op = content.get("op") if isinstance(content, dict) else None
    expected = [(op, "button")] if isinstance(op, str) and op in VERBS and len(content) <= 8 else []
    assert run.calls == expected
    assert heard.posted == []
