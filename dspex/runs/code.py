"""What a function or a class says, as a digest: two that say the same are the same, wherever they were defined.

A notebook's cell run again makes new objects of the same code, and an edited one makes others under the same name.
Only what is written is looked at: line numbers and comments do not count; the user's own functions and classes that
it names do, and so do numbers, texts and programs that it reads by a global name.
"""

from __future__ import annotations

import dis
import functools
import inspect
import sys
import textwrap
import types
from collections.abc import Mapping
from typing import Any

from dspex import _canon
from dspex.errors import DataError

_DEEP = 12
_PLAIN = (types.FunctionType, staticmethod, classmethod, property, functools.cached_property)


def code_of(thing: object) -> dict[str, str]:
    """Return what tells whether a function, class or callable object is still the same, as texts.

    Example:
        >>> same(code_of(lambda x: x + 1), code_of(lambda x: x + 1)), same(code_of(len), code_of(lambda x: x + 1))
        (True, False)
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"code": _canon.digest(_said(thing, {}, 0)), "text": _text(thing), "python": version}


def same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Tell whether two say the same; what another Python compiled is compared by its text."""
    if one.get("python") == other.get("python"):
        return one.get("code") == other.get("code")
    return bool(one.get("text")) and one.get("text") == other.get("text")


def path_of(thing: object) -> str:
    """Return `module:name` where a function or class can be imported by it, "" where it cannot."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == "__main__":
        return ""
    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return f"{module}:{name}" if found is thing else ""


def load(path: str) -> Any:
    """Return what can be imported as `module:name`.

    Raises:
        ImportError: there is none, with the reason.
    """
    import importlib

    module, _, name = path.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ImportError(f"`{module}` has no `{name}`") from None
    return found


def names() -> dict[str, Any]:
    """Return the notebook's own names: those of the program that Python was started with."""
    main = sys.modules.get("__main__")
    return {name: value for name, value in list(vars(main).items()) if name[:1] != "_"} if main else {}


def name_of(thing: object) -> str:
    """Return the notebook's own name for an object; "" where it has none."""
    return next((name for name, value in names().items() if value is thing), "")


def _said(thing: Any, seen: dict[int, str], depth: int) -> Any:
    """Return what a thing says as plain JSON; each part of a ring once."""
    if isinstance(thing, functools.partial):
        return ["partial", *(_said(p, seen, depth + 1) for p in (thing.func, thing.args, thing.keywords))]
    thing = _unwrapped(thing)
    if id(thing) in seen or depth > _DEEP:
        return ["seen", seen.get(id(thing), "")]
    if isinstance(thing, types.FunctionType):
        seen[id(thing)] = thing.__qualname__
        return _function(thing, seen, depth)
    if isinstance(thing, type):
        seen[id(thing)] = thing.__qualname__
        return _class(thing, seen, depth)
    try:
        return ["value", _canon.to_builtins(thing)]
    except DataError:
        pass  # no value that can be written down: it is told by its class and what it holds
    if isinstance(thing, (list, tuple)):
        return ["list", *(_said(part, seen, depth + 1) for part in thing)]
    if isinstance(thing, dict):
        return ["dict", *([str(k), _said(v, seen, depth + 1)] for k, v in thing.items())]
    seen[id(thing)] = type(thing).__qualname__
    if not is_users(type(thing)):
        return ["object", f"{type(thing).__module__}.{type(thing).__qualname__}"]
    held = {k: v for k, v in getattr(thing, "__dict__", {}).items() if k[:1] != "_"}
    return ["object", _said(type(thing), seen, depth + 1), _said(held, seen, depth + 1)]


def _function(fn: types.FunctionType, seen: dict[int, str], depth: int) -> list[Any]:
    cells = [_cell(c, seen, depth) for c in fn.__closure__ or ()]
    defaults = _said([fn.__defaults__, fn.__kwdefaults__], seen, depth + 1)
    return ["function", _code(fn.__code__), defaults, cells, _named(fn, seen, depth)]


def _code(code: types.CodeType) -> list[Any]:
    consts = [_code(c) if isinstance(c, types.CodeType) else _constant(c) for c in code.co_consts]
    return [code.co_code.hex(), consts, list(code.co_names), list(code.co_varnames), list(code.co_freevars)]


def _constant(value: object) -> str:
    return repr(sorted(map(repr, value))) if isinstance(value, frozenset) else repr(value)


def _named(fn: types.FunctionType, seen: dict[int, str], depth: int) -> dict[str, Any]:
    """Return what a function reads by a global name and the user has written."""
    told: dict[str, Any] = {}
    read, written = _globals(fn.__code__)
    for name in sorted(read - written):  # what it fills itself is what it notes, not what it says
        thing = _unwrapped(fn.__globals__.get(name))
        if isinstance(thing, (types.FunctionType, type)):
            if thing.__module__ == fn.__module__ or is_users(thing):
                told[name] = _said(thing, seen, depth + 1)
        elif _is_fixed(thing):
            told[name] = _constant(thing)
        elif callable(getattr(thing, "dump_state", None)):
            told[name] = _learned(thing)
    return told


def _globals(code: types.CodeType) -> tuple[set[str], set[str]]:
    """Return the global names that a function and those inside it read, and those they write."""
    read, written = set[str](), set[str]()
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            read.add(step.argval)
        elif step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            written.add(step.argval)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            more = _globals(inner)
            read, written = read | more[0], written | more[1]
    return read, written


def _is_fixed(value: object) -> bool:
    """Tell whether a value is plain and cannot be filled, so that it is what somebody wrote."""
    if isinstance(value, (tuple, frozenset)):
        return all(_is_fixed(part) for part in value)
    return type(value) in (str, bytes, int, float, bool)


def _learned(program: Any) -> list[Any]:
    """Return what a program that a function asks, such as a judge, asks and shows, and which model it asks."""
    kind = f"{type(program).__module__}.{type(program).__qualname__}"
    try:
        fields = [str(part.signature) for _, part in getattr(program, "named_predictors", tuple)()]
        return ["program", kind, fields, _models_by_name(_canon.to_builtins(program.dump_state()))]
    except (DataError, TypeError, AttributeError):
        return ["program", kind]  # what it holds cannot be written down


def _models_by_name(state: Any) -> Any:
    """Return a program's state with each model as its name: where it is reached is not what it says."""
    if not isinstance(state, dict):
        return state
    if isinstance(state.get("model"), str):
        return ["model", state["model"]]
    return {name: _models_by_name(part) for name, part in state.items()}


def _class(cls: type, seen: dict[int, str], depth: int) -> list[Any]:
    told: list[Any] = ["class", cls.__qualname__]
    for kind in cls.__mro__:
        if not is_users(kind):
            told.append(f"{kind.__module__}.{kind.__qualname__}")
            continue
        spec = getattr(
            kind, "spec", None
        )  # a signature: its fields say all, its methods are none of the user's
        if spec is not None and kind is cls:
            told.append(str(spec))
            continue
        members = {k: v for k, v in vars(kind).items() if isinstance(v, _PLAIN) or not k.startswith("__")}
        told.append(
            [[k, _member(v, seen, depth)] for k, v in sorted(members.items()) if not k.startswith("__anno")]
        )
    return told


def _member(value: Any, seen: dict[int, str], depth: int) -> Any:
    if isinstance(value, property):
        return [_said(fn, seen, depth + 1) for fn in (value.fget, value.fset) if fn is not None]
    if isinstance(value, functools.cached_property):
        return _said(value.func, seen, depth + 1)
    if isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType)):
        return "slot"
    return _said(value, seen, depth + 1)


def _cell(cell: types.CellType, seen: dict[int, str], depth: int) -> Any:
    try:
        held = cell.cell_contents
    except ValueError:
        return ["empty"]
    # What can be filled is what the function notes, not what it says.
    return (
        ["holds", type(held).__name__]
        if isinstance(held, (list, dict, set))
        else _said(held, seen, depth + 1)
    )


def _unwrapped(thing: Any) -> Any:
    thing = getattr(thing, "__func__", thing)
    return inspect.unwrap(thing) if hasattr(thing, "__wrapped__") else thing


def is_users(kind: type | types.FunctionType) -> bool:
    """Tell whether a class or function is the user's: neither ours nor installed."""
    module = (kind.__module__ or "").split(".")[0]
    if module in ("dspex", "builtins", "abc", "typing", "pydantic", "enum"):
        return False
    file = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""
    installed = "site-packages" in file or module in sys.stdlib_module_names
    return not installed or module == "__main__"


def _text(thing: Any) -> str:
    try:
        text = inspect.getsource(
            _unwrapped(thing if callable(thing) and hasattr(thing, "__name__") else type(thing))
        )
    except (OSError, TypeError):
        return ""
    return _canon.digest(textwrap.dedent(text).strip())
