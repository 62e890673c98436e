"""Saved programs across the two libraries: DSPy's files load here, and ours load there."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest

import dspex
from dspex.lm.lm import LM

GOLDEN = Path(__file__).parents[1] / "golden" / "dspy"
VERSIONS = ("3.0.1", "3.4.1")
DSPY = os.environ.get("DSPY_PYTHON", "")
"""Another Python that has DSPy, for where this one lacks it."""


class Sort(dspex.Signature):
    """Sort a ticket to the team that can resolve it."""

    ticket: str = dspex.InputField(desc="what the customer wrote")
    team: Literal["billing", "account", "bug"] = dspex.OutputField(desc="who resolves it")


class Desk(dspex.Module):
    """The desk of `tests/golden/dspy/build.py`."""

    def __init__(self) -> None:
        super().__init__()
        self.sort = dspex.Predict(Sort)
        self.reply = dspex.ChainOfThought(dspex.Signature("ticket, team -> reply", "Write a reply."))
        self.checks = [
            dspex.Predict(dspex.Signature("reply -> polite: bool", "Is it polite?")),
            dspex.Predict(dspex.Signature("reply, facts: list[str] -> true: bool", "Is it true?")),
        ]
        self.by_language = {
            "de": dspex.Predict(dspex.Signature("reply -> german", "Auf Deutsch.")),
            1: dspex.Predict(dspex.Signature("reply -> first", "The first sentence.")),
        }


def programs() -> dict[str, dspex.Module]:
    """Return the programs that both libraries have."""
    return {
        "desk": Desk(),
        "predict": dspex.Predict(dspex.Signature("question -> answer: int", "Count.")),
        "best_of_n": dspex.BestOfN(
            dspex.ChainOfThought(Sort), N=2, reward_fn=lambda i, p: 1.0, threshold=1.0
        ),
        "multi_chain": dspex.MultiChainComparison(dspex.Signature("question -> answer", "Count."), M=2),
    }


def told(state: Any) -> Any:
    """Return what a state says, without the texts each library words itself and the ways to write a model."""
    if isinstance(state, dict) and "instructions" in state:
        return state["instructions"]
    if isinstance(state, dict) and "model" in state:
        return {name: state[name] for name in ("model", "temperature", "max_tokens")}
    if isinstance(state, dict):
        return {name: told(part) for name, part in state.items() if name != "metadata"}
    return state


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["desk", "predict", "best_of_n"])
def test_a_program_saved_by_dspy_loads(name: str, version: str) -> None:
    """Instructions, demonstrations and models arrive as they were."""
    path = GOLDEN / f"{name}-{version}.json"
    program = programs()[name].load(path)
    assert told(program.dump_state()) == told(json.loads(path.read_text()))


@pytest.mark.parametrize("version", VERSIONS)
def test_what_dspy_taught_is_used(version: str) -> None:
    """The desk has its instruction, demonstrations, own model and field texts."""
    desk = Desk().load(GOLDEN / f"desk-{version}.json")
    assert desk.sort.signature.instructions == "Sort it.\nBe quick – and right."
    assert desk.sort.demos[0].toDict() == {
        "ticket": "I was charged twice.",
        "team": "billing",
        "augmented": True,
    }
    assert desk.checks[1].demos[0].facts == ["2 + 2 = 4"]
    assert desk.sort.signature.input_fields["ticket"].desc == "what the customer wrote"
    lm = desk.checks[0].lm
    assert isinstance(lm, LM)
    assert (lm.model, lm.kwargs["temperature"]) == ("openai/gpt-4o-mini", 0.3)


def test_a_key_that_dspy_left_in_a_file_is_not_used_and_told() -> None:
    """DSPy 3.0 wrote keys into files; the log says so, and nothing of ours writes it again."""
    told: list[str] = []
    assert "sk-none" in (GOLDEN / "desk-3.0.1.json").read_text()
    with dspex.events.subscribe("log", lambda e: told.append(e.text)):
        desk = Desk().load(GOLDEN / "desk-3.0.1.json")
    assert "holds a key in plain text" in told[0]
    assert "sk-none" not in json.dumps(desk.dump_state())


@pytest.mark.timeout(120)
def test_what_we_save_loads_in_dspy(tmp_path: Path) -> None:
    """DSPy reads our files into the same programs, with nothing lost."""
    if not DSPY and importlib.util.find_spec("dspy") is None:
        pytest.skip("DSPy is not installed here")
    ours = programs()
    for name in ("desk", "predict", "best_of_n"):
        ours[name].load(GOLDEN / f"{name}-3.4.1.json")
    for name, program in ours.items():
        program.save(tmp_path / f"{name}.json")
    command = [DSPY or sys.executable, str(GOLDEN / "build.py"), "read", str(tmp_path)]
    environment = {
        **os.environ,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "DSPY_CACHEDIR": str(tmp_path / "cache"),
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = {name: entry["state"] for name, entry in json.loads(done.stdout).items()}
    assert told(theirs) == told({name: program.dump_state() for name, program in ours.items()})
