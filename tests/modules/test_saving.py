"""Saved programs: JSON in DSPy's shape, read whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import dspex
from dspex.errors import ProgramError
from tests.programs import Sort


def a_program() -> dspex.ChainOfThought:
    """Return a program that has learned something."""
    program = dspex.ChainOfThought(Sort)
    program.predict.signature = program.predict.signature.with_instructions("Sort it well.")
    program.predict.demos = [dspex.Example(word="saw", kind="tool", augmented=True)]
    return program


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    """Instruction and demonstrations survive the file."""
    path = a_program().save(tmp_path / "p.json")
    other = dspex.ChainOfThought(Sort).load(path)
    assert other.predict.signature.instructions == "Sort it well."
    assert [d.toDict() for d in other.predict.demos] == [{"word": "saw", "kind": "tool", "augmented": True}]
    assert other.dump_state() == a_program().dump_state()


def test_the_file_has_dspys_shape(tmp_path: Path) -> None:
    """Predictor paths beside metadata; each with signature, demos, lm."""
    state = json.loads(a_program().save(tmp_path / "p.json").read_text())
    assert set(state) == {"predict", "metadata"}
    assert set(state["predict"]) == {"traces", "train", "demos", "signature", "lm"}
    assert state["predict"]["signature"]["instructions"] == "Sort it well."


def test_no_key_is_in_the_file(tmp_path: Path) -> None:
    """A predictor's own model is saved without its key."""
    program = dspex.Predict(Sort)
    program.set_lm(dspex.LM("openai/gpt-4o-mini", api_key="sk-canary-12345"))
    assert "canary" not in program.save(tmp_path / "p.json").read_text()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not a saved program"),
        ("[1]", "it holds a list, not an object"),
        ("{}", "lacks the predictor `predict`"),
        ('{"predict": {}, "other": {}}', "has a predictor `other`"),
        ('{"predict": {"signature": 3, "demos": [], "lm": null}}', "cannot be read"),
    ],
)
def test_a_bad_file_changes_nothing(tmp_path: Path, text: str, says: str) -> None:
    """A file that is no saved program is refused in one line, and the program stays as it was."""
    path = tmp_path / "bad.json"
    path.write_text(text)
    program = a_program()
    before = program.dump_state()
    with pytest.raises(ProgramError, match=says):
        program.load(path)
    assert program.dump_state() == before


def test_pickle_is_refused_both_ways(tmp_path: Path) -> None:
    """Neither saving nor loading touches a pickle; the error names the JSON way."""
    with pytest.raises(ProgramError, match=r"use `p\.json`"):
        a_program().save(tmp_path / "p.pkl")
    (tmp_path / "p.pkl").write_bytes(b"\x80\x04N.")
    with pytest.raises(ProgramError, match="only JSON files are loaded"):
        a_program().load(tmp_path / "p.pkl")


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(ProgramError, match="There is no file"):
        a_program().load(tmp_path / "none.json")
