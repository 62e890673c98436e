"""What a module takes and gives, as far as that can be told without running it.

Pipelines match fields by these, and the example check of optimizers too. A signature tells all; plain code tells its
parameters alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dspex.signatures.annotations import allows_none
from dspex.signatures.spec import SignatureSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The fields of a program's two sides."""

    required: tuple[str, ...] = ()
    """Inputs it cannot do without."""
    optional: tuple[str, ...] = ()
    """Inputs it takes where they are there."""
    takes_any: bool = False
    """Whether it takes whatever it is given."""
    gives: tuple[str, ...] | None = None
    """Outputs; None where only its code knows."""

    @property
    def takes(self) -> tuple[str, ...]:
        """All inputs it names."""
        return (*self.required, *self.optional)


def of_spec(spec: SignatureSpec) -> Ports:
    """Return the ports of a signature.

    Example:
        >>> from dspex.signatures.parse import parse_signature
        >>> of_spec(parse_signature("question, hint: str | None -> answer"))
        Ports(required=('question',), optional=('hint',), takes_any=False, gives=('answer',))
    """
    known: Ports | None = spec.memo.get("ports")
    if known is None:
        free = {f.name for f in spec.inputs if not f.required or allows_none(f.annotation)}
        known = spec.memo["ports"] = Ports(
            required=tuple(f.name for f in spec.inputs if f.name not in free),
            optional=tuple(f.name for f in spec.inputs if f.name in free),
            gives=tuple(f.name for f in spec.outputs),
        )
    return known


def of_code(code: Callable[..., Any]) -> Ports:
    """Return the ports of a `forward` method, by its parameters."""
    function = getattr(code, "__func__", None)
    # The same function serves every object of the class: it is read once.
    return _of_function(function, 1) if function is not None else _of_function(code, 0)


def takes_positional(code: Callable[..., Any]) -> bool:
    """Tell whether a `forward` method can be called with values without names."""
    kinds = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    return any(parameter.kind in kinds for parameter in inspect.signature(code).parameters.values())


@lru_cache(maxsize=512)
def _of_function(function: Callable[..., Any], skip: int) -> Ports:
    required: list[str] = []
    optional: list[str] = []
    takes_any = False
    for name, parameter in list(inspect.signature(function).parameters.items())[skip:]:
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_any = True
        elif parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            (required if parameter.default is parameter.empty else optional).append(name)
    return Ports(required=tuple(required), optional=tuple(optional), takes_any=takes_any)
