"""How a run was started, written down as JSON: who was called with what, so that another kernel can call it again.

Nothing is pickled. A value is written as itself where it is plain; functions, programs and data are written as where
to find them again (an import path, a name in the notebook) and what they say (a digest), so that a changed one is
not taken for the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from dspex import _canon
from dspex._version import __version__
from dspex.data.dataset import Dataset
from dspex.data.example import Example
from dspex.errors import DataError
from dspex.lm.base import BaseLM
from dspex.modules.module import Module
from dspex.modules.recipe import describe
from dspex.runs.code import code_of, is_users, name_of, path_of
from dspex.settings import Settings

Ref = dict[str, Any]
"""A value as JSON: `is` says of which sort, the rest how to find it and what it says."""
PLAIN_SETTINGS = (
    "num_threads", "async_max_workers", "max_errors", "provide_traceback", "warn_on_type_mismatch", "track_usage",
    "max_trace_size", "seed", "allow_tool_async_sync_conversion",
)  # fmt: skip
MOST_ROWS = 100_000
"""Examples that are named one by one, so that they can be gathered again from wherever they are."""
_DEEP = 6
_HELD = (list, tuple, Dataset)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who was asked to start a run, and with what: calling it again starts the same."""

    method: Any
    """The optimizer or evaluation; its `start` takes `given`."""
    given: Mapping[str, Any]


def write_down(caller: Caller, settings: Settings) -> bytes:
    """Return the recipe of a run.

    Args:
        caller: who starts it.
        settings: those it keeps.
    """
    method = caller.method
    recipe = {
        "by": "dspex.evaluate.again",
        "dspex": __version__,
        "method": {
            "class": kind_of(method),
            "code": {} if type(method).__module__.startswith("dspex.") else code_of(type(method)),
            "given": {name: ref_of(value) for name, value in arguments_of(method).items()},
        },
        "given": {name: ref_of(value) for name, value in caller.given.items()},
        "settings": {
            "lm": ref_of(settings.lm),
            "adapter": {"class": kind_of(settings.adapter), "given": _plain_attributes(settings.adapter)},
            **{name: ref_of(getattr(settings, name)) for name in PLAIN_SETTINGS},
        },
    }
    return msgspec.json.encode(recipe)


def fingerprint(recipe: bytes) -> str:
    """Return a digest of what a recipe asks for, whatever the notebook calls its parts and whichever version wrote it."""
    told = msgspec.json.decode(recipe)
    return _canon.digest([_nameless(told[part]) for part in ("method", "given", "settings")])


def arguments_of(method: Any) -> dict[str, Any]:
    """Return what an optimizer or evaluation was made with, by the names its class takes."""
    given = getattr(method, "_given", None)
    signature = inspect.signature(type(method).__init__)
    if given is not None:
        bound = signature.bind(method, *given[0], **given[1])
        told = dict(list(bound.arguments.items())[1:])
        for name, parameter in signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                told.update(told.pop(name, {}))
        return told
    names = [p.name for p in list(signature.parameters.values())[1:]]
    return {name: getattr(method, name) for name in names if hasattr(method, name)}


def ref_of(value: Any, depth: int = 0) -> Ref:
    """Return a value as JSON."""
    if isinstance(value, Module):
        return _program(value)
    if isinstance(value, BaseLM):
        return {"is": "model", "name": name_of(value), "class": kind_of(value), "state": value.dump_state()}
    if _is_rows(value):
        return _rows(value)
    if isinstance(value, Sequence) and not isinstance(value, (*_HELD, str, bytes)):
        return _object(value)
    if callable(value):
        return _function(value)
    if isinstance(value, Mapping) and depth < _DEEP:
        return {"is": "dict", "items": {str(k): ref_of(v, depth + 1) for k, v in value.items()}}
    if isinstance(value, (list, tuple)) and depth < _DEEP:
        return {"is": "list", "items": [ref_of(part, depth + 1) for part in value]}
    try:
        return {"is": "value", "value": _canon.to_builtins(value)}
    except DataError:
        return _object(value)


def kind_of(value: Any) -> str:
    """Return `module:name` of a value's class; of the notebook's own classes, too."""
    return f"{type(value).__module__}:{type(value).__qualname__}"


def shape_of(program: Module) -> dict[str, Any]:
    """Return what a program is made of beside what it learns: its predictors' fields and options, its plain values."""
    predictors = {
        path: [str(predictor.signature.spec), _text(predictor.config)]
        for path, predictor in program.named_predictors()
    }
    values = {
        f"{path}.{name}": _canon.to_builtins(value)
        for path, part in program.named_sub_modules()
        if not type(part).__module__.startswith("dspex.")
        for name, value in vars(part).items()
        if name[:1] != "_" and isinstance(value, (str, int, float, bool))
    }
    return {"predictors": predictors, "values": values}


def classes_of(program: Module) -> dict[str, dict[str, str]]:
    """Return what the user's own classes in a program say, by name."""
    kinds = {type(part) for _, part in program.named_sub_modules()} | {type(program)}
    return {kind.__qualname__: code_of(kind) for kind in kinds if not kind.__module__.startswith("dspex.")}


def digest_of(rows: Sequence[Example]) -> str:
    """Return a digest of examples in their order."""
    return _canon.digest([row.digest for row in rows])


def _program(program: Module) -> Ref:
    return {
        "is": "program",
        "name": name_of(program),
        "class": kind_of(program),
        "made": describe(program),
        "shape": shape_of(program),
        "code": classes_of(program),
        "state": _canon.to_builtins(program.dump_state()),
    }


def _is_rows(value: Any) -> bool:
    if not isinstance(value, _HELD):  # a lazy sequence is not read through for its digest
        return False
    return bool(value) and all(isinstance(row, Example) for row in value)


def _rows(rows: Sequence[Example]) -> Ref:
    told: Ref = {"is": "rows", "name": name_of(rows), "count": len(rows), "digest": digest_of(rows)}
    return told if len(rows) > MOST_ROWS else {**told, "rows": [row.digest for row in rows]}


def _object(value: Any) -> Ref:
    """Tell of a value that cannot be written down, such as a source of examples: by its class and what that says."""
    told = {"is": "object", "name": name_of(value), "class": kind_of(value)}
    return {**told, "code": code_of(value)} if is_users(type(value)) else told


def _function(value: Any) -> Ref:
    name = name_of(value) or getattr(value, "__name__", "")
    if not hasattr(value, "__name__"):
        return {"is": "callable", "name": name, "class": kind_of(value), "code": code_of(value)}
    called = value.__name__  # a metric's name is part of what its scores are kept under
    told = {"is": "function", "name": name, "called": called, "path": path_of(value), "code": code_of(value)}
    made = getattr(value, "made", None)  # a factory of ours says how it made the function
    return {**told, "made": list(made)} if isinstance(made, tuple) else told


def _plain_attributes(value: Any) -> dict[str, Any]:
    return {
        name: held
        for name, held in getattr(value, "__dict__", {}).items()
        if name[:1] != "_" and isinstance(held, (str, int, float, bool, type(None)))
    }


def _text(value: Any) -> str:
    try:
        return _canon.canonical(value)
    except DataError:
        return repr(value)


def _nameless(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _nameless(v) for k, v in value.items() if not (k in ("name", "called") and "is" in value)}
    return [_nameless(part) for part in value] if isinstance(value, list) else value
