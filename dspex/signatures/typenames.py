"""Resolve the text of a type to the type, through Python's syntax tree and without evaluating anything.

Names come, in this order, from the caller's `custom_types`, a namespace, the types everybody knows, `__main__`
(where a notebook defines its classes), and what the root package offers: `dspex.Image`, `dspy.Image` or `Image`.
"""

from __future__ import annotations

import ast
import builtins
import collections.abc
import datetime
import decimal
import enum
import pathlib
import sys
import threading
import types
import typing
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NoReturn, Union

from dspex.errors import nearest
from dspex.signatures.annotations import is_type

_BUILTINS = (
    "str",
    "int",
    "float",
    "bool",
    "bytes",
    "complex",
    "object",
    "list",
    "dict",
    "tuple",
    "set",
    "frozenset",
)
_TYPING = ("Any", "Optional", "Union", "Literal", "Sequence", "Mapping", "Iterable", "Annotated")
_DATETIME = ("date", "datetime", "time", "timedelta")
KNOWN: dict[str, object] = {
    **{name: getattr(builtins, name) for name in _BUILTINS},
    **{name: getattr(typing, name) for name in _TYPING},
    **{name: getattr(datetime, name) for name in _DATETIME},
    "List": list,
    "Dict": dict,
    "Tuple": tuple,
    "Set": set,
    "FrozenSet": frozenset,
    "Decimal": decimal.Decimal,
    "Path": pathlib.Path,
    "UUID": uuid.UUID,
}
_MODULES: dict[str, object] = {
    "collections": collections, "datetime": datetime, "decimal": decimal, "pathlib": pathlib, "typing": typing,
    "uuid": uuid,
}  # fmt: skip
_OURS = ("Audio", "Code", "File", "History", "Image", "Reasoning", "Tool", "ToolCallResults", "ToolCalls")
"""Types of the root package that need no `dspex.` before them; it stands above this floor and is asked, not imported."""
_ARITY = {list: 1, set: 1, frozenset: 1, dict: 2}


class Unknown(Exception):  # caught by the parser alone, which knows the whole text
    """A place in the type text that cannot be resolved."""

    def __init__(self, what: str, at: int, advice: str) -> None:
        super().__init__(what)
        self.what, self.at, self.advice = what, at, advice


class TypeNames:
    """The names a type text may use.

    Example:
        >>> TypeNames(None, None).resolve("list[int]")
        list[int]
    """

    Unknown = Unknown

    def __init__(self, custom: Mapping[str, object] | None, namespace: Mapping[str, object] | None) -> None:
        main = sys.modules.get("__main__")
        self._custom = custom or {}
        self._places: tuple[Mapping[str, object], ...] = (
            self._custom,
            namespace or {},
            KNOWN,
            vars(main) if main else {},
        )

    def resolve(self, text: str) -> Any:
        """Return the type a text stands for.

        Raises:
            Unknown: it is no type, or holds a name that nobody knows.
        """
        if not text:
            raise Unknown("A type is missing", 0, "write one after `:`, or leave the `:` out for `str`.")
        try:
            found = self._type(_parsed(text), text)
            return types.NoneType if found is None else found
        except SyntaxError as exc:
            at = min(max((exc.offset or 1) - 1, 0), len(text))
            advice = (
                "a string signature takes no defaults; use the class form."
                if "=" in text
                else "write a type such as `list[str]`."
            )
            raise Unknown("This is no type", at, advice) from None
        except (ValueError, RecursionError, MemoryError):
            raise Unknown("This type cannot be read", 0, "write a type such as `list[str]`.") from None

    def _type(self, node: ast.expr, text: str) -> Any:
        match node:
            case ast.Constant(value=None):
                return None
            case ast.Constant(value=str(inner)):
                return self.resolve(inner.strip())
            case ast.Name() | ast.Attribute():
                return self._name(node, text)
            case ast.Subscript(value=base, slice=inside):
                return self._generic(self._type(base, text), inside, text)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return _made(Union, (self._type(left, text), self._type(right, text)), node, text)
        shown = _source(text, node)
        _fail(f"`{shown}` is no type", node, text, f"for a fixed value write `Literal[{shown}]`.")

    def _name(self, node: ast.expr, text: str) -> Any:
        parts = _dotted(node, text)
        whole = ".".join(parts)
        if whole in self._custom:
            return self._custom[whole]
        found: object = None
        for place in self._looked_up(parts):
            if parts[0] in place:
                found = _walk(place[parts[0]], parts[1:])
                if found is not None and is_type(found):
                    return found
        if found is not None:
            kind = type(found).__name__
            _fail(f"`{whole}` is no type but a value of type `{kind}`", node, text, "name a type there.")
        known = {
            *KNOWN,
            *_OURS,
            *self._custom,
            *(k for p in self._places[1:] for k, v in p.items() if isinstance(v, type)),
        }
        near = nearest(whole, sorted(known)).strip()
        advice = f"pass your own types as `custom_types={{'{whole}': ...}}`."
        _fail(
            f"Unknown type `{whole}`",
            node,
            text,
            f"{near[0].lower()}{near[1:]} Or {advice}" if near else advice,
        )

    def _looked_up(self, parts: list[str]) -> Iterator[Mapping[str, object]]:
        """Yield where a name may be, the nearest to the caller first."""
        root = sys.modules.get("dspex")
        yield from self._places[:2]
        if len(parts) > 1:
            yield _MODULES
            yield {"dspex": root, "dspy": root}
        yield from self._places[2:]
        if parts[0] in _OURS:
            yield {parts[0]: _walk(root, parts[:1])}

    def _generic(self, base: Any, inside: ast.expr, text: str) -> Any:
        items = inside.elts if isinstance(inside, ast.Tuple) else [inside]
        if base is Literal:
            return _made(Literal, tuple(self._value(i, text) for i in items), inside, text)
        wanted = _ARITY.get(typing.get_origin(base) or base)
        if wanted is not None and len(items) != wanted:
            name = getattr(base, "__name__", str(base))
            sample = "dict[str, int]" if wanted == 2 else f"{name}[str]"
            _fail(
                f"`{name}` takes {wanted} type{'s' * (wanted > 1)}, not {len(items)},",
                inside,
                text,
                f"write for example `{sample}`.",
            )
        if base is typing.Annotated:
            return self._type(items[0], text)  # what follows would have to be evaluated
        args = tuple(self._argument(base, i, text) for i in items)
        return _made(base, args if len(args) != 1 else args[0], inside, text)

    def _argument(self, base: Any, node: ast.expr, text: str) -> Any:
        if isinstance(node, ast.Constant) and node.value is Ellipsis:
            return ...
        own = isinstance(base, type) and base.__module__ not in ("builtins", "typing", "collections.abc")
        if own and isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value  # a class of the user's own reads its words itself, as `Code["python"]`
        return self._type(node, text)

    def _value(self, node: ast.expr, text: str) -> Any:
        """Read one option of a Literal."""
        match node:
            case ast.Constant(value=str() | bytes() | bool() | int() | None as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
                return -number
            case ast.Attribute():
                parts = _dotted(node, text)
                for place in self._places:
                    found = _walk(place.get(parts[0]), parts[1:])
                    if isinstance(found, enum.Enum):
                        return found
        shown = _source(text, node)
        _fail(f"`{shown}` cannot be an option", node, text, f"quote it: `Literal['{shown}']`.")


def _made(base: Any, args: Any, node: ast.expr, text: str) -> Any:
    try:
        return base[args]
    except TypeError as exc:
        _fail(
            f"`{_source(text, node)}` does not fit its type ({exc})",
            node,
            text,
            "write for example `list[str]`.",
        )


def _dotted(node: ast.expr, text: str) -> list[str]:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        _fail(f"`{_source(text, node)}` is no type", node, text, "write a name such as `pathlib.Path`.")
    return [node.id, *parts]


def _walk(start: object, path: list[str]) -> object:
    """Follow a dotted name through modules and classes only: other objects may answer anything."""
    for part in path:
        if part.startswith("_") or not isinstance(start, (types.ModuleType, type)):
            return None
        start = getattr(start, part, None)
    return start


def _source(text: str, node: ast.expr) -> str:
    return ast.get_source_segment(text, node) or "..."


def _fail(what: str, node: ast.expr, text: str, advice: str) -> NoReturn:
    at = len(text.encode()[: node.col_offset].decode(errors="ignore"))  # the tree counts bytes
    raise Unknown(what, at, advice)


_parsing = threading.Lock()


def _parsed(text: str) -> ast.expr:
    # Two threads in `ast.parse` at once can raise a SystemError on Python before 3.11.8 and 3.12.2 (gh-106905).
    with _parsing:
        return ast.parse(text, mode="eval").body
