"""Starting a run over a program: what is checked first, in the caller's thread, and what is frozen."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dspex.data.example import Example
from dspex.errors import DataError, ProgramError, SettingsError
from dspex.evaluate.course import Course
from dspex.evaluate.recipe import Caller, fingerprint, write_down
from dspex.events.event import Log, RunKind
from dspex.lm.base import BaseLM
from dspex.lm.lm import LM
from dspex.modules.module import Module
from dspex.runs import lost
from dspex.runs import run as _run
from dspex.runs.plan import Kept, Plan, Work
from dspex.scope.budget import read_caps
from dspex.scope.scope import current
from dspex.settings import Settings, current_settings, fixed, required_lm


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a caller wants run."""

    program: Module
    work: RunKind
    method: str
    metric: str = ""
    budget: float | Mapping[str, float | None] | None = None
    seed: int | None = None
    name: str | None = None
    planned: int | None = None
    sizes: dict[str, int]
    examples: Sequence[Example] = ()
    """What candidates are scored on, where that is known before it is read."""
    asks: bool = True
    """Whether a model is asked at all; where not, none need be set."""
    caller: Caller | None = None
    """Who was asked to start the run and with what: by it a run of a dead kernel is resumed."""


def launch(order: Order, work: Work) -> _run.Run:
    """Start the work as a run that keeps the settings of this moment.

    Raises:
        SettingsError: no model is set, the budget allows nothing, or the name is no text.
        JournalError: runs cannot be kept on disk.
    """
    frozen = current_settings()
    caps = read_caps(order.budget)  # refuses what allows nothing, before a run exists
    if order.name is not None and not _is_line(order.name):
        raise SettingsError(f"`name` takes a line of text to call the run, not `{order.name!r}`.")
    models = _models(order.program, asks=order.asks)
    plan = Plan(
        name=order.name or program_name(order.program),
        work=order.work,
        method=order.method,
        metric=order.metric,
        models=tuple(dict.fromkeys(lm.model for lm in models)),
        practice=any(isinstance(lm, LM) and lm.practice for lm in models),
        budget_usd=caps.pop("usd", None),
        limits=caps,
        seed=frozen.seed if order.seed is None else order.seed,
        sizes=order.sizes,
        planned=order.planned,
        examples=order.examples,
        restart=_restart(order.caller, frozen) if order.caller is not None else None,
    )

    def with_frozen(kept: Kept) -> Any:
        with fixed(frozen) as laid:
            kept.course = Course(laid, kept.notes, kept.steered)
            if order.caller is not None and not kept.lived:
                _write_down(kept, order.caller, frozen)
            return work(kept)

    return _run.start(plan, with_frozen)


def _restart(caller: Caller, settings: Settings) -> Callable[[Mapping[str, Any]], Any] | None:
    """Return what starts the same again in this kernel; None where its data could be read only once."""
    if any(isinstance(value, (Iterator, AsyncIterator)) for value in caller.given.values()):
        return None

    def restart(changes: Mapping[str, Any]) -> Any:
        with fixed(settings):
            return caller.method.start(**{**caller.given, **changes})

    return restart


def _write_down(kept: Kept, caller: Caller, settings: Settings) -> None:
    """Keep how the run was started, and say where a dead one was started alike; in the run's thread."""
    scope = current()
    try:
        recipe = write_down(caller, settings)
    except (DataError, TypeError, ValueError) as exc:
        text = f"How this run was started cannot be written down, so it could not be resumed if its kernel died: {exc}"
        scope.emit(Log(level="warning", text=text))
        return
    mark = fingerprint(recipe)
    kept.describe(recipe, mark)
    if (notice := lost.notice(mark, but=scope.run)) is not None:
        scope.emit(Log(level="info", text=notice))


def program_name(program: Module) -> str:
    """Return what a person would call the program: its signature's name, or its class's."""
    predictors = program.predictors()
    if len(predictors) == 1 and (program is predictors[0] or program.native_async):
        spec = predictors[0].signature.spec
        if spec.name != "StringSignature":
            return spec.name
        outputs = [field.name for field in spec.outputs if field.name != "reasoning"]
        return f"{', '.join(f.name for f in spec.inputs)} -> {', '.join(outputs)}"
    return type(program).__name__


def check_program(program: object, what: str = "program") -> Module:
    """Return the program if it is one.

    Raises:
        ProgramError: it is a class, a signature, or something else.
    """
    if isinstance(program, Module):
        return program
    if isinstance(program, type) and issubclass(program, Module):
        raise ProgramError(
            f"`{what}` is the class `{program.__name__}`; make a program of it: `{program.__name__}()`."
        )
    if isinstance(program, (str, type)):
        raise ProgramError(f"`{what}` is a signature; make a program of it, such as `dspex.Predict({what})`.")
    raise ProgramError(f"`{what}` takes a dspex program (a Module), not `{type(program).__name__}`.")


def check_examples(examples: Iterable[Any] | None, what: str) -> list[Example]:
    """Return the examples as a list if there are any and each says which fields are inputs.

    Raises:
        DataError: none, or one that is no Example or does not name its inputs.
    """
    if examples is None or isinstance(examples, (str, bytes, dict)) or not isinstance(examples, Iterable):
        kind = "nothing" if examples is None else f"a {type(examples).__name__}"
        raise DataError(f"`{what}` takes a list of examples, not {kind}.")
    rows = list(examples)
    if not rows:
        raise DataError(f"`{what}` is empty: give at least one `dspex.Example(...).with_inputs(...)`.")
    for index, row in enumerate(rows):
        if not isinstance(row, Example):
            raise DataError(
                f"`{what}[{index}]` is a {type(row).__name__}, not an Example; "
                f"`dspex.datasets.from_records(rows, inputs=[...])` makes examples of plain rows."
            )
        if row.input_keys is None:
            fields = ", ".join(row.keys())
            raise DataError(
                f"`{what}[{index}]` does not say which of its fields ({fields}) are inputs; "
                f"write `.with_inputs(...)`."
            )
    return rows


def check_inputs(program: Module, examples: Sequence[Example], what: str) -> None:
    """Refuse examples that lack an input which the program needs, before anything is spent.

    Raises:
        DataError: an input is missing.
    """
    needed = set(program._ports().required)
    for index, row in enumerate(examples):
        keys = row.input_keys or frozenset()
        if missing := sorted(needed - keys):
            raise DataError(
                f"`{what}[{index}]` lacks the input `{missing[0]}` of `{program_name(program)}`; "
                f"its inputs are: {', '.join(sorted(keys)) or 'none'}."
            )


def _is_line(name: object) -> bool:
    """Tell whether a name can be shown: text without line ends, control characters or halves of a surrogate pair."""
    return isinstance(name, str) and not any(unicodedata.category(char) in ("Cc", "Cs") for char in name)


def _models(program: Module, *, asks: bool) -> list[BaseLM]:
    own = [predictor.lm for predictor in program.predictors()]
    if (asks or current_settings().lm is not None) and (any(lm is None for lm in own) or not own):
        return [required_lm(), *(lm for lm in own if lm is not None)]
    return [lm for lm in own if lm is not None]
