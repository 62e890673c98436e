"""Saved programs: JSON in DSPy's shape, read whole or not at all."""

from __future__ import annotations

import enum
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


@pytest.mark.parametrize("asked", [{"save_program": True}, {"modules_to_serialize": [json]}])
def test_code_is_never_saved(tmp_path: Path, asked: dict[str, object]) -> None:
    """DSPy's ways to pickle a program are refused with the JSON way, and nothing is written."""
    with pytest.raises(ProgramError, match=r'`program\.save\("p\.json"\)`'):
        a_program().save(tmp_path / "p", **asked)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_allow_pickle_unpickles_nothing(tmp_path: Path) -> None:
    """The word is accepted; the file is refused all the same, as is a folder."""
    (tmp_path / "p.pkl").write_bytes(b"\x80\x04N.")
    for load in (a_program().load, dspex.load):
        for path in (tmp_path / "p.pkl", tmp_path):
            with pytest.raises(ProgramError, match="a pickle could run anything"):
                load(path, allow_pickle=True)


def test_the_versions_stand_in_the_file(tmp_path: Path) -> None:
    """What DSPy would compare holds only what it knows; our own version stands beside it."""
    told = json.loads(a_program().save(tmp_path / "p.json").read_text())["metadata"]
    assert list(told["dependency_versions"]) == ["python"]
    assert told["dspex"] == dspex.__version__


def test_dspex_load_makes_our_own_programs_anew(tmp_path: Path) -> None:
    """A predictor, with its signature's name, types and options, needs no code of the user's."""
    program = dspex.ChainOfThought(dspex.Signature("question, k: int -> answers: list[str]"), temperature=0.5)
    program.predict.demos = [dspex.Example(question="q", k=1, answers=["a"])]
    again = dspex.load(program.save(tmp_path / "p.json"))
    assert type(again) is dspex.ChainOfThought
    assert again.dump_state() == program.dump_state()
    assert again.predict.signature.equals(program.predict.signature)
    assert again.predict.config == {"temperature": 0.5}


def test_dspex_load_says_what_to_write_for_a_program_of_the_users(tmp_path: Path) -> None:
    """The file names the class, and no class is imported for it."""

    class Mine(dspex.Module):
        def __init__(self) -> None:
            self.sort = dspex.Predict(Sort)

    class Kind(enum.Enum):
        A = 1

    with pytest.raises(ProgramError, match=r"make the program and load into it: `Mine\(\.\.\.\)\.load"):
        dspex.load(Mine().save(tmp_path / "p.json"))
    own_type = dspex.Predict(dspex.Signature("a -> b: Kind", custom_types={"Kind": Kind}))
    with pytest.raises(ProgramError, match=r"`Predict\(\.\.\.\)\.load"):
        dspex.load(own_type.save(tmp_path / "q.json"))


@pytest.mark.parametrize(
    "recipe",
    [
        {"kind": "Pipeline", "parts": [3]},
        {"kind": "os.system"},
        {"kind": "Predict", "signature": "no"},
        [],
        None,
    ],
)
def test_a_recipe_that_tells_nothing_makes_nothing(tmp_path: Path, recipe: object) -> None:
    """Whatever stands in a file, the answer is one line."""
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"metadata": {"program": recipe}}))
    with pytest.raises(ProgramError):
        dspex.load(path)


def test_a_bad_state_among_good_ones_changes_no_predictor(tmp_path: Path) -> None:
    """Loading is all or nothing, in programs of many parts too."""
    program = dspex.Predict("a -> b") >> dspex.Predict("b -> c")
    state = program.dump_state()
    state["parts[0]"] = {**state["parts[0]"], "demos": [{"a": "new"}]}
    state["parts[1]"] = {**state["parts[1]"], "signature": {"instructions": "x", "fields": []}}
    with pytest.raises(ProgramError, match=r"`parts\[1\]`: "):
        program.load_state(state)
    assert [p.demos for p in program.predictors()] == [[], []]


def test_a_saved_model_at_a_foreign_address_needs_trust(tmp_path: Path) -> None:
    """Prompts would go there; the caller says whether that is meant."""
    program = dspex.Predict(Sort)
    program.set_lm(dspex.LM("openai/x", api_base="https://example.org/v1", api_key="k"))
    path = program.save(tmp_path / "p.json")
    with pytest.raises(ProgramError, match="allow_unsafe_lm_state=True"):
        dspex.Predict(Sort).load(path)
    trusted = dspex.Predict(Sort).load(path, allow_unsafe_lm_state=True)
    assert "example.org" in repr(trusted.lm)
