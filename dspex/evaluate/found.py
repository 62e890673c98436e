"""Finding again what a run was started with: given by hand, among the notebook's own names, or by import path.

What is found must say what the run's recipe says, or it is not the same: it is refused, with what changed.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from dspex import _canon
from dspex.data.dataset import BUNDLED
from dspex.data.dataset import load as load_bundled
from dspex.data.example import Example
from dspex.errors import DspexError
from dspex.evaluate.recipe import Ref, classes_of, digest_of, kind_of, ref_of, shape_of
from dspex.lm.base import BaseLM
from dspex.lm.lm import LM
from dspex.modules.module import Module
from dspex.modules.recipe import build
from dspex.runs.code import code_of, load, names, same
from dspex.settings import current_settings

MISSING: Any = object()
_BESIDE = ("api_base", "cache", "num_retries", "timeout", "latency", "price", "launch_kwargs", "train_kwargs")
"""What a model may have otherwise and still give the same answers."""


class ChangedError(Exception):
    """What was found, or given, is not what the run was started with; the text says what changed."""


def find(ref: Ref, what: str, given: Any = MISSING) -> Any:
    """Return the value that a recipe tells of.

    Args:
        ref: the value as JSON.
        what: its name for a person, such as `trainset`.
        given: what the user says it is.

    Raises:
        ChangedError: it is not to be found, or what is given has changed.
    """
    kind = ref["is"]
    if kind == "dict":
        return {name: find(part, f"{what}[{name!r}]") for name, part in ref["items"].items()}
    if kind == "list":
        return [find(part, what) for part in ref["items"]] if given is MISSING else given
    if kind == "value":
        if given is not MISSING and ref_of(given) != ref:
            raise ChangedError(f"`{what}` is {given!r}, and was {ref['value']!r}")
        return ref["value"]
    if kind in _FINDERS:
        return _FINDERS[kind](ref, what, given)
    return _object(ref, what, given)


def _program(ref: Ref, what: str, given: Any) -> Module:
    said = f"the program `{ref['name'] or ref['class'].partition(':')[2]}`"
    if given is not MISSING:
        if not isinstance(given, Module):
            raise ChangedError(f"`{what}` takes a program, not a `{type(given).__name__}`")
        if changes := _changes(ref, given):
            raise ChangedError(f"{said} has changed: {changes}")
        return _with_state(given, ref, said)
    changes = ""
    for program in _programs(ref):
        if not (now := _changes(ref, program)):
            return _with_state(program, ref, said)
        changes = changes or now
    raise ChangedError(f"{said} has changed: {changes}" if changes else f"{said} is not defined here")


def _programs(ref: Ref) -> Iterator[Module]:
    """Yield what may be the program: under its own name, anywhere in the notebook, made by its class or recipe."""
    here, cls = names(), ref["class"].partition(":")[2]
    if isinstance(named := here.get(ref["name"]), Module):
        yield named
    yield from (
        value for value in here.values() if isinstance(value, Module) and type(value).__qualname__ == cls
    )
    if (made := build(ref["made"])) is not None:
        yield made
    try:
        kind = here.get(cls) or load(ref["class"])
        if isinstance(kind, type) and issubclass(kind, Module):
            yield kind()
    except (ImportError, TypeError, ValueError, DspexError):
        return  # its class is nowhere, or takes arguments that nobody knows


def _changes(ref: Ref, program: Module) -> str:
    """Say how a program differs from the one a run was started with; "" where it does not."""
    for name, code in classes_of(program).items():
        was = ref["code"].get(name)
        if was is None or not same(was, code):
            return f"the code of `{name}` is another"
    if missing := ref["code"].keys() - classes_of(program).keys():
        return f"it has no `{min(missing)}` any more"
    was, now = ref["shape"], shape_of(program)
    for path, fields in was["predictors"].items():
        if path not in now["predictors"]:
            return f"it has no predictor `{path}` any more"
        if now["predictors"][path] != fields:
            new, old = now["predictors"][path], fields
            return f"`{path}` is `{new[0]}` with {new[1]}, and was `{old[0]}` with {old[1]}"
    if more := now["predictors"].keys() - was["predictors"].keys():
        return f"it has a new predictor `{min(more)}`"
    for name in was["values"].keys() | now["values"].keys():
        if was["values"].get(name) != now["values"].get(name):
            return f"`{name}` is {now['values'].get(name)!r}, and was {was['values'].get(name)!r}"
    return ""


def _with_state(program: Module, ref: Ref, said: str) -> Module:
    """Return the program as it was when the run began: the notebook's own may have learned since."""
    if _canon.to_builtins(program.dump_state()) == ref["state"]:
        return program
    fresh = program.deepcopy()
    models = {path: p.lm for path, p in program.named_predictors() if p.lm is not None}
    try:
        fresh.load_state(ref["state"], allow_unsafe_lm_state=True)
    except DspexError as exc:
        raise ChangedError(f"{said} cannot take the state it began with: {exc}") from None
    for path, predictor in fresh.named_predictors():
        own = models.get(path)
        if own is not None and predictor.lm is not None and own.dump_state() == predictor.lm.dump_state():
            predictor.lm = own  # the same model, and this one knows its key
    return fresh


def _rows(ref: Ref, what: str, given: Any) -> Sequence[Example]:
    count = f"{ref['count']} example{'s' if ref['count'] != 1 else ''}"
    if given is not MISSING:
        rows = list(given) if isinstance(given, Iterable) else [given]
        if not all(isinstance(row, Example) for row in rows):
            raise ChangedError(f"`{what}` takes examples, and `{type(given).__name__}` is given")
        if digest_of(rows) == ref["digest"]:
            return rows
        raise ChangedError(f"`{what}` has changed: {_difference(ref, rows, count)}")
    named = names().get(ref["name"])
    sequences = [named, *names().values()]
    for value in sequences:
        if _is_rows(value) and len(value) == ref["count"] and digest_of(value) == ref["digest"]:
            return list(value)
    if gathered := _gather(ref):
        return gathered
    if named is not None and _is_rows(named):
        raise ChangedError(f"`{what}` has changed: {_difference(ref, list(named), count)}")
    raise ChangedError(f"`{what}`, {count}, is not among the notebook's names")


def _difference(ref: Ref, rows: list[Example], count: str) -> str:
    if len(rows) != ref["count"]:
        return f"it has {len(rows)} examples, and had {ref['count']}"
    was = ref.get("rows") or []
    other = [i for i, (row, old) in enumerate(zip(rows, was, strict=False)) if row.digest != old]
    return f"{len(other) or 'some'} of {count} differ" + (
        f", the first at position {other[0]}" if other else ""
    )


def _gather(ref: Ref) -> list[Example]:
    """Put the rows together from whatever data the notebook has: slices and samples have no name of their own."""
    wanted = ref.get("rows") or []
    pool: dict[str, Example] = {}
    for rows in _all_rows():
        pool.update((row.digest, row) for row in rows)
        if all(digest in pool for digest in wanted):
            return [pool[digest] for digest in wanted]
    return []


def _all_rows() -> Iterator[Sequence[Example]]:
    for value in names().values():
        if _is_rows(value):
            yield value
        elif isinstance(value, (tuple, list, dict)) and len(value) < 20:
            parts = value.values() if isinstance(value, dict) else value
            yield from (part for part in parts if _is_rows(part))
    for name in BUNDLED:
        yield from load_bundled(name)


def _is_rows(value: Any) -> bool:
    if isinstance(value, (str, bytes, Mapping, Example)) or not isinstance(value, Sequence) or not len(value):
        return False
    return isinstance(value[0], Example) and all(isinstance(row, Example) for row in value)


def _object(ref: Ref, what: str, given: Any) -> Any:
    """Return a value that no recipe can hold, such as a source of examples: of the same class, saying the same."""
    was, byhand = ref.get("class", ref["is"]), given is not MISSING
    if not byhand:
        given = names().get(ref.get("name", ""), MISSING)
    if given is MISSING or kind_of(given) != was:
        raise ChangedError(
            f"`{what}` was a `{was}`, and a `{kind_of(given)}` is given" if byhand
            else f"`{what}`, a `{was}`, cannot be made again from here"
        )  # fmt: skip
    if "code" in ref and not same(ref["code"], code_of(given)):
        raise ChangedError(f"`{what}` has changed: its `{was.partition(':')[2]}` says something else now")
    if inspect.isgenerator(given) and inspect.getgeneratorstate(given) != inspect.GEN_CREATED:
        raise ChangedError(f"`{what}` is a generator that was read from already: make it anew")
    return given


def _function(ref: Ref, what: str, given: Any) -> Any:
    """Return a function, or an object that is called like one, that says the same."""
    said = f"the function `{ref['name']}`" if ref["name"] else f"a function without a name (`{what}`)"
    if given is not MISSING:
        if callable(given) and same(ref["code"], code_of(given)):
            return _called(given, ref)
        raise ChangedError(f"`{what}` has changed: what is given does not say the same as {said}")
    named = names().get(ref["name"], MISSING)
    found = [named, *(value for value in names().values() if callable(value)), *_imported(ref)]
    for value in found:
        if value is not MISSING and callable(value) and same(ref["code"], code_of(value)):
            return _called(value, ref)
    if named is MISSING and ref["name"] == "<lambda>":
        raise ChangedError(f"`{what}` was a lambda, and no name in the notebook holds it")
    raise ChangedError(
        f"`{what}` has changed: {said} says something else now" if callable(named) or _imported(ref)
        else f"`{what}`: {said} is not defined here"
    )  # fmt: skip


def _called(found: Any, ref: Ref) -> Any:
    """Return a function under the name it had when the run began: what it gave is kept under that name."""
    name = ref.get("called", "")
    if not isinstance(found, types.FunctionType) or not name or found.__name__ == name:
        return found
    copy = types.FunctionType(found.__code__, found.__globals__, name, found.__defaults__, found.__closure__)
    copy.__kwdefaults__, copy.__module__ = found.__kwdefaults__, found.__module__
    copy.__dict__.update(found.__dict__)
    return copy


def _imported(ref: Ref) -> list[Any]:
    try:
        if "made" in ref:
            factory, arguments = ref["made"]
            return [load(factory)(*arguments)]
        if ref["is"] == "callable":
            kind = load(ref["class"])
            return [kind()] if isinstance(kind, type) else []
        return [load(ref["path"])] if ref["path"] else []
    except (ImportError, TypeError, ValueError, DspexError):
        return []


def _model(ref: Ref, what: str, given: Any) -> BaseLM:
    asked = _answering(ref["state"])
    if given is not MISSING:
        given = LM(given) if isinstance(given, str) else given
        if isinstance(given, BaseLM) and _answering(given.dump_state()) == asked:
            return given
        raise ChangedError(
            f"`{what}` has changed: it is {given!r}, and was {ref['state'].get('model')!r} {asked}"
        )
    here = [current_settings().lm, names().get(ref["name"]), *names().values()]
    for value in here:
        # The notebook's own first: it may know a key that no journal holds.
        if (
            isinstance(value, BaseLM)
            and kind_of(value) == ref["class"]
            and value.dump_state() == ref["state"]
        ):
            return value
    for value in here:
        if (
            isinstance(value, BaseLM)
            and kind_of(value) == ref["class"]
            and _answering(value.dump_state()) == asked
        ):
            return value
    try:
        return BaseLM.load_state(ref["state"], allow_custom_lm_class=True, allow_unsafe_lm_state=True)
    except (DspexError, TypeError) as exc:
        raise ChangedError(f"the model `{ref['state'].get('model')}` cannot be made again ({exc})") from None


def _answering(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name not in _BESIDE}


_FINDERS: dict[str, Callable[[Ref, str, Any], Any]] = {
    "program": _program,
    "rows": _rows,
    "function": _function,
    "callable": _function,
    "model": _model,
}
