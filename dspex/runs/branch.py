"""A new run from a candidate of another: the same recipe, with what the candidate has learned to start from."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from dspex.errors import ResumeError, UsageError
from dspex.runs import home, past, replay
from dspex.runs.file import read_payload

if TYPE_CHECKING:
    from dspex.runs.handle import Run

PROGRAMS = ("student", "program")
"""Names under which a recipe has the program that is worked on."""


def branch_off(run: Run, candidate: str, by: str, given: Mapping[str, Any]) -> Run:
    """Start a new run of the same kind from a candidate.

    Args:
        run: whose candidate it is; live or long over, of this kernel or a dead one.
        candidate: its id; "" for the best one.
        by: who wants it.
        given: what the user says is what.

    Raises:
        UsageError: there is no such candidate.
        ResumeError: what the run was started with is gone or has changed.
    """
    if run._engine is not None:
        run._engine.flush()
    state = run.state
    seen = state.candidate(candidate or state.best)
    if seen is None or not seen.program:
        known = ", ".join(one.id for one in state.candidates) or "none yet"
        which = f"`{candidate or state.best}`" if candidate or state.best else "with a score yet"
        raise UsageError(f"Run {run.id} has no candidate {which}; it has {known}.")
    path = run._folder / home.JOURNAL
    recipe = past.recipe_of(path)
    if not recipe:
        raise ResumeError(f"Run {run.id} does not tell how it was started: nothing can be branched from it.")
    told = msgspec.json.decode(recipe)
    name = next((name for name in PROGRAMS if told["given"].get(name, {}).get("is") == "program"), None)
    if name is None:
        raise ResumeError(f"Run {run.id} was started with no program that could be branched from.")
    told["given"][name]["state"] = msgspec.json.decode(read_payload(path, seen.program))
    module = importlib.import_module(replay.starter(recipe))
    with replay.from_origin(f"{run.id}/{seen.id}"):
        made: Run = module.start_again(msgspec.json.encode(told), given)
    if run._engine is not None and not run._engine.done.is_set():
        from dspex.runs.steering import Steering

        Steering(run._engine).branched(seen.id, made.id, by)
    return made
