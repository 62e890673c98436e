"""Which optimizer `--with` means, and where each `-o key=value` goes.

A class is made with the options its constructor takes; options of `start` go there; an optimizer the user made
is taken as it is.
"""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from typing import Any

from dspex.errors import UsageError, nearest
from dspex.optimize import Teleprompter
from dspex_widgets.given import OPTIMIZERS, Given, bare

_ELSEWHERE = {
    "metric": "--metric",
    "trainset": "--train",
    "valset": "--val",
    "budget": "--budget",
    "seed": "--seed",
}
_BEGIN = ("teacher",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """An optimizer ready to start, as a value and as the Python that makes it."""

    optimizer: Teleprompter
    code: str
    begin: dict[str, Any]
    """Options of `start`."""
    begin_code: tuple[str, ...]


def choose(given: Given) -> Chosen:
    """Return the optimizer a line asks for.

    Raises:
        UsageError: it is unknown, or takes no such option.
    """
    found, name = _meant(given)
    kind = found if isinstance(found, type) else type(found)
    takes = options_of(kind) if isinstance(found, type) else []
    starts = [*kind.options, *_BEGIN]
    own: list[tuple[str, str]] = []
    begin: list[tuple[str, str]] = []
    for key, text in given.call.pairs:
        if key in _ELSEWHERE:
            raise UsageError(f"`-o {key}`: write `{_ELSEWHERE[key]}` instead.")
        if key not in takes and key not in starts:
            known = [*takes, *starts]
            raise UsageError(
                f"`{kind.__name__}` takes no option `{key}`.{nearest(key, known)} It takes: {', '.join(known)}."
            )
        (own if key in takes else begin).append((key, text))
    optimizer, code = _made(given, found, name, own)
    return Chosen(
        optimizer=optimizer,
        code=code,
        begin={key: _option(given, key, text) for key, text in begin},
        begin_code=tuple(f"{key}={given.python(text)}" for key, text in begin),
    )


def options_of(kind: type[Teleprompter]) -> list[str]:
    """Return the names of a class's own options.

    Example:
        >>> options_of(OPTIMIZERS["LabeledFewShot"])
        ['k']
    """
    return [name for name in inspect.signature(kind).parameters if name != "metric"]


def known_class(text: str) -> type[Teleprompter] | None:
    """Return the optimizer of dspex with this name, however it is capitalised."""
    return next((kind for name, kind in OPTIMIZERS.items() if name.lower() == text.lower()), None)


def _meant(given: Given) -> tuple[Teleprompter | type[Teleprompter], str]:
    text = bare(given.text("with"))
    if text.isidentifier() and text not in given.shell.user_ns:
        kind = known_class(text)
        if kind is None:
            known = [*OPTIMIZERS, *given.variables(Teleprompter)]
            hint = nearest(text, known) or nearest(text.lower(), {n.lower() for n in known})
            raise UsageError(
                f"`--with`: there is no optimizer `{text}`.{hint} Optimizers: {', '.join(known)}."
            )
        return kind, f"dspex.{kind.__name__}"
    meant = given.value("with")
    if isinstance(meant, Teleprompter) or (isinstance(meant, type) and issubclass(meant, Teleprompter)):
        return meant, given.spell("with")
    raise UsageError(
        f"`--with {text}` is a `{type(meant).__name__}`, not an optimizer; optimizers: {', '.join(OPTIMIZERS)}."
    )


def _made(
    given: Given, found: Teleprompter | type[Teleprompter], name: str, own: list[tuple[str, str]]
) -> tuple[Teleprompter, str]:
    if isinstance(found, Teleprompter):
        if given.has("metric"):
            raise UsageError(f"`--metric`: `{name}` has a metric of its own; leave one of the two out.")
        return found, name
    if found.needs_metric and not given.has("metric"):
        raise UsageError(
            f'`{found.__name__}` needs a metric: add `--metric`, such as `--metric exact("answer")`.'
        )
    options = {key: _option(given, key, text) for key, text in own}
    spelled = [*given.spells({"metric": "metric"}), *(f"{key}={given.python(text)}" for key, text in own)]
    code = f"{name}({', '.join(spelled)})"
    try:
        return found(**given.values({"metric": "metric"}), **options), code
    except TypeError as exc:
        raise UsageError(f"`{code}` cannot be made: {exc}") from None


def _option(given: Given, key: str, text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError, TypeError, RecursionError):
        return given.evaluate(text, f"-o {key}")
