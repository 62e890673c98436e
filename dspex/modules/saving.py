"""Programs as JSON files: what was learned, never code, never pickle.

The shape is DSPy's: predictor path -> state, beside `metadata`. A file is read whole and checked before anything
of the program changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex._version import __version__
from dspex.errors import ProgramError, nearest

if TYPE_CHECKING:
    from dspex.modules.module import Module

MAX_BYTES = 64 * 1024 * 1024


def write(program: Module, path: Path) -> Path:
    """Write a program's state to a JSON file and return its path."""
    if path.suffix != ".json":
        raise ProgramError(
            f"`{path.name}`: programs are saved as JSON, never pickled; use `{path.stem or 'program'}.json`."
        )
    import platform

    versions = {"python": platform.python_version(), "dspex": __version__}
    state = {**program.dump_state(), "metadata": {"dependency_versions": versions}}
    path.write_text(json.dumps(state, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> dict[str, Any]:
    """Read a saved program's state.

    Raises:
        ProgramError: no such file, too large, or not a saved program.
    """
    if path.suffix != ".json":
        raise ProgramError(f"`{path.name}`: only JSON files are loaded; a pickle could run anything.")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ProgramError(f"`{path}` is larger than {MAX_BYTES >> 20} MB; that is no saved program.")
        state = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProgramError(f"There is no file `{path}`.") from None
    except (ValueError, RecursionError) as exc:
        raise ProgramError(f"`{path}` is not a saved program: {exc}") from None
    if not isinstance(state, dict):
        raise ProgramError(
            f"`{path}` is not a saved program: it holds a {type(state).__name__}, not an object."
        )
    state.pop("metadata", None)
    return state


def restore(program: Module, state: Mapping[str, Any]) -> None:
    """Put a state into a program, all of it or nothing."""
    predictors = dict(program.named_predictors())
    for path in state:
        if path not in predictors and path != "metadata":
            raise ProgramError(
                f"The saved program has a predictor `{path}` that `{type(program).__name__}` lacks."
                f"{nearest(path, predictors)}"
            )
    missing = [path for path in predictors if path not in state]
    if missing:
        raise ProgramError(
            f"The saved program lacks the predictor `{missing[0]}` of `{type(program).__name__}`."
        )
    before = {path: dict(vars(predictor)) for path, predictor in predictors.items()}
    try:
        for path, predictor in predictors.items():
            predictor.load_state(state[path])
    except ProgramError as exc:
        for known, predictor in predictors.items():
            vars(predictor).update(before[known])
        raise ProgramError(f"`{path}`: {exc}") from exc
