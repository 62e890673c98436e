"""How a program of our own modules is made, as JSON beside its state; so that `dspex.load` needs no code for it.

Only what a string signature says can be written down, and only classes named here are ever made: a file names no
module to import and nothing to run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dspex import _canon
from dspex.errors import DataError, SignatureError
from dspex.modules.chain_of_thought import ChainOfThought
from dspex.modules.module import Module
from dspex.modules.pipeline import FanOut, Pipeline, Rename
from dspex.modules.predict import Predict
from dspex.signatures.field import Field
from dspex.signatures.parse import parse_signature
from dspex.signatures.signature import make_signature
from dspex.signatures.spec import SignatureSpec

_DEEP = 50


def describe(program: Module) -> dict[str, Any]:
    """Return how the program is made; nothing where that cannot be written down.

    Example:
        >>> describe(Predict("question -> answer: int", temperature=0.7))["signature"]
        'question -> answer: int'
    """
    if type(program) in (Pipeline, FanOut):
        made = [_rename(part) if isinstance(part, Rename) else describe(part) for part in program.parts]  # type: ignore[attr-defined]
        return {"kind": type(program).__name__, "parts": made} if all(made) else {}
    if type(program) is Predict:
        return _asking("Predict", program)
    if type(program) is ChainOfThought and type(program.predict) is Predict:
        return _asking("ChainOfThought", program.predict)
    return {}


def build(recipe: Mapping[str, Any], depth: int = 0) -> Module | None:
    """Return a fresh program made as told; None where the recipe does not tell."""
    kind, parts, signature = recipe.get("kind"), recipe.get("parts"), recipe.get("signature")
    config = recipe.get("config", {})
    if depth < _DEEP and kind in ("Pipeline", "FanOut") and isinstance(parts, list):
        made = [_part(part, depth) for part in parts]
        if None in made:
            return None
        return Pipeline(*made) if kind == "Pipeline" else FanOut(*made)
    if kind in ("Predict", "ChainOfThought") and isinstance(signature, str) and isinstance(config, dict):
        name = recipe.get("name")
        try:
            given = (
                make_signature(signature, signature_name=name)
                if isinstance(name, str)
                else make_signature(signature)
            )
        except SignatureError:
            return None
        predictor = Predict(given)
        predictor.config = dict(config)
        if kind == "Predict":
            return predictor
        thinking = ChainOfThought(given)
        thinking.predict.config = dict(config)
        return thinking
    return None


def _asking(kind: str, predictor: Predict) -> dict[str, Any]:
    spec = predictor.signature.spec
    try:
        config = _canon.to_builtins(predictor.config)
    except DataError:
        return {}
    if not _says_all(spec):
        return {}
    return {"kind": kind, "signature": str(spec), "name": spec.name, **({"config": config} if config else {})}


def _says_all(spec: SignatureSpec) -> bool:
    """Tell whether the string form, read again without the user's own types, means the same fields."""
    try:
        again = parse_signature(str(spec))
    except SignatureError:
        return False
    return [_shape(f) for f in spec.fields.values()] == [_shape(f) for f in again.fields.values()]


def _shape(field: Field) -> tuple[object, ...]:
    return (field.name, field.role, field.annotation, field.required, field.constraints)


def _rename(part: Rename) -> dict[str, Any]:
    return {"rename": dict(part.names)}


def _part(part: Any, depth: int) -> Any:
    if not isinstance(part, dict):
        return None
    names = part.get("rename")
    return names if isinstance(names, dict) else build(part, depth + 1)
