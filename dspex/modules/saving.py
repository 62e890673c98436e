"""Programs as JSON files: what was learned, never code, never pickle.

The shape is DSPy's: predictor path -> state, beside `metadata`. A file is read whole and checked before anything
of the program changes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex._version import __version__
from dspex.errors import ProgramError, nearest
from dspex.events.event import Log
from dspex.scope.scope import current

if TYPE_CHECKING:
    from dspex.modules.module import Module

MAX_BYTES = 64 * 1024 * 1024
METADATA = "metadata"
_GONE = ("cache_in_memory",)
"""What DSPy 3.0 wrote of a model and later ones do not know."""


def write(program: Module, path: Path, *, pickled: bool = False) -> Path:
    """Write a program's state to a JSON file and return its path.

    Raises:
        ProgramError: a pickle is asked for, or a state has no JSON form.
    """
    name = path.name.removesuffix(path.suffix) or "program"
    if pickled:
        raise ProgramError(
            "`save_program` and `modules_to_serialize` pickle code, which dspex never does: what was learned is saved as "
            f'JSON, `program.save("{name}.json")`, and loaded into the same code, `Program().load("{name}.json")`.'
        )
    if path.suffix != ".json":
        raise ProgramError(f"`{path.name}`: programs are saved as JSON, never pickled; use `{name}.json`.")
    from dspex.modules.recipe import describe

    state = program.dump_state()
    state[METADATA] = {
        # DSPy compares what it finds here with its own versions and knows no other names.
        "dependency_versions": {"python": f"{sys.version_info.major}.{sys.version_info.minor}"},
        "dspex": __version__,
        "program": {"class": type(program).__name__, **describe(program)},
    }
    path.write_text(json.dumps(state, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def load(path: str, allow_pickle: bool = False, *, allow_unsafe_lm_state: bool = False) -> Module:
    """Return a saved program of dspex's own modules: `Predict`, `ChainOfThought` and pipelines of them.

    For a program whose class is your own, make one and load into it: `Triage().load("triage.json")`.

    Args:
        path: a JSON file that `program.save(...)` wrote.
        allow_pickle: accepted for DSPy's sake; nothing is ever unpickled.
        allow_unsafe_lm_state: whether a saved model may call an address on another machine.

    Raises:
        ProgramError: a pickle, no such file, or one that does not tell how the program is made.

    Example:
        >>> import tempfile
        >>> from dspex.modules.predict import Predict
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     load(Predict("question -> answer: int").save(f"{folder}/qa.json"))
        Predict(question -> answer)
    """
    from dspex.modules.recipe import build

    document = _document(Path(path))
    told = document.get(METADATA)
    recipe = told.get("program") if isinstance(told, dict) else None
    program = build(recipe) if isinstance(recipe, dict) else None
    if program is None:
        name = recipe.get("class") if isinstance(recipe, dict) else None
        name = name if isinstance(name, str) and name.isidentifier() else "Program"
        raise ProgramError(
            f"`{path}` holds what a program learned, not its code; make the program and load into it: "
            f'`{name}(...).load("{path}")`.'
        )
    return program.load_state(_state(document), allow_unsafe_lm_state=allow_unsafe_lm_state)


def read(path: Path) -> dict[str, Any]:
    """Read a saved program's state.

    Raises:
        ProgramError: no such file, too large, or not a saved program.
    """
    return _state(_document(path))


def restore(program: Module, state: Mapping[str, Any], *, trusted: bool = False) -> None:
    """Put a state into a program, all of it or nothing."""
    predictors = dict(program.named_predictors())
    for path in state:
        if path not in predictors and path != METADATA:
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
    path = ""
    try:
        for path, predictor in predictors.items():
            predictor.load_state(state[path], allow_unsafe_lm_state=trusted)
    except ProgramError as exc:
        for known, predictor in predictors.items():
            vars(predictor).update(before[known])
        raise ProgramError(f"`{path}`: {exc}") from exc


def saved_lm(state: Mapping[str, Any], *, trusted: bool) -> Any:
    """Return the model a predictor was saved with; a key that DSPy left in the file is not used.

    Raises:
        SettingsError: the model calls a foreign address or is of a foreign class, and the file is not trusted.
    """
    from dspex.lm.base import BaseLM
    from dspex.lm.secret import is_credential

    kept = {name: value for name, value in state.items() if not is_credential(name) and name not in _GONE}
    if any(is_credential(name) for name in state):
        text = "The saved program holds a key in plain text. It is not used: take it out of the file."
        current().emit(Log(level="warning", text=text))
    return BaseLM.load_state(kept, allow_custom_lm_class=trusted, allow_unsafe_lm_state=trusted)


def _document(path: Path) -> dict[str, Any]:
    if path.is_dir() or path.suffix != ".json":
        what = f"the folder `{path.name}`" if path.is_dir() else f"`{path.name}`"
        raise ProgramError(
            f"{what[0].upper()}{what[1:]} is none: only JSON files are loaded; a pickle could run anything. "
            'In DSPy, save it with `program.save("program.json")`.'
        )
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ProgramError(f"`{path}` is larger than {MAX_BYTES >> 20} MB; that is no saved program.")
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProgramError(f"There is no file `{path}`.") from None
    except (ValueError, RecursionError) as exc:
        raise ProgramError(f"`{path}` is not a saved program: {exc}") from None
    if not isinstance(document, dict):
        raise ProgramError(
            f"`{path}` is not a saved program: it holds a {type(document).__name__}, not an object."
        )
    return document


def _state(document: dict[str, Any]) -> dict[str, Any]:
    return {path: state for path, state in document.items() if path != METADATA}
