"""KNNFewShot: every input gets the demonstrations nearest to it."""

from __future__ import annotations

import pytest

import dspex
from dspex.errors import SettingsError
from tests.programs import Sort, an_lm, learner, question, rows, said


def first_letters(texts: list[str]) -> list[list[float]]:
    """Return a vector by the word's first letter alone."""
    return [[float(text.partition(": ")[2][0] == letter) for letter in "afps"] for text in texts]


def test_a_call_shows_the_nearest_examples_alone() -> None:
    """With labelled demonstrations only, the prompt holds the k nearest rows."""
    lm, transport = an_lm(learner)
    optimizer = dspex.KNNFewShot(k=2, trainset=rows(), vectorizer=first_letters, max_bootstrapped_demos=0)
    program = optimizer.compile(dspex.Predict(Sort))
    with dspex.context(lm=lm):
        assert program(word="sabre").kind == "tool"
        assert program(word="fudge").kind in ("fruit", "tool")
    shown = [[m.content.split("\n")[1] for m in r.messages[1:-1:2]] for r in transport.requests]
    assert "saw" in shown[0]
    assert sorted(shown[1]) == ["fig", "file"]


def test_the_nearest_examples_are_bootstrapped_with_the_metric() -> None:
    """A teacher answers them first; what the metric refuses stays a labelled row."""
    lm, transport = an_lm(lambda _: said("fruit"))
    optimizer = dspex.KNNFewShot(
        k=2, trainset=rows(), vectorizer=first_letters, metric=dspex.exact("kind"), max_labeled_demos=2
    )
    program = optimizer.compile(dspex.Predict(Sort))
    with dspex.context(lm=lm):
        program(word="fudge")
    assert sorted(question(r) for r in transport.requests[:-1]) == ["fig", "file"]
    last = transport.requests[-1]
    assert sorted(m.content.split("\n")[1] for m in last.messages[1:-1:2]) == ["fig", "file"]


def test_the_student_stays_and_the_program_is_one() -> None:
    """The compiled program has predictors, copies and saves as any other."""
    student = dspex.Predict(Sort)
    program = dspex.KNNFewShot(k=1, trainset=rows(), vectorizer=first_letters).compile(student)
    assert [path for path, _ in program.named_predictors()] == ["student"]
    assert program.deepcopy().dump_state() == program.dump_state()
    assert student.demos == []


def test_start_scores_both_programs_in_a_run() -> None:
    """With a validation set the run tells whether neighbours help."""
    optimizer = dspex.KNNFewShot(
        k=2, trainset=rows(), vectorizer=first_letters, metric=dspex.exact("kind"), max_bootstrapped_demos=0
    )
    with dspex.context(lm=an_lm(learner)[0]):
        run = optimizer.start(dspex.Predict(Sort), valset=rows())
        run.result()
    assert [row.what for row in run.state.candidates] == ["as written", "2 nearest"]


def test_unknown_arguments_are_refused() -> None:
    """The error names the nearest word."""
    with pytest.raises(SettingsError, match="Did you mean `max_labeled_demos`"):
        dspex.KNNFewShot(k=1, trainset=rows(), vectorizer=first_letters, max_labelled_demos=3)
