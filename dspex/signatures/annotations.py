"""Read a type annotation: what it is called, what it consists of, which answers it allows.

Apart from the fields, because a name for people, a content for hashes and a set of options for adapters all
walk the same tree of typing constructs.
"""

from __future__ import annotations

import enum
import sys
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union, get_args, get_origin


def type_name(annotation: object) -> str:
    """Return a type as a person would write it.

    Example:
        >>> type_name(dict[str, int | None])
        'dict[str, int | None]'
    """
    return _spell(annotation, _short, "")


def type_content(annotation: object) -> str:
    """Return what a type consists of, equal for two definitions of the same class.

    A re-run notebook cell makes a new class object with the same name and members; its content is the same.
    """
    return _spell(annotation, _full, "!")


def is_type(value: object) -> bool:
    """Tell whether a value can stand as an annotation."""
    if value is None or isinstance(value, (type, types.UnionType, types.GenericAlias)):
        return True
    return type(value).__module__ == "typing" or get_origin(value) is not None


def without_metadata(annotation: object) -> object:
    """Return the type inside `Annotated[...]`."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def union_members(annotation: object) -> tuple[object, ...]:
    """Return the members of a union; the type alone where it is none."""
    annotation = without_metadata(annotation)
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def allows_none(annotation: object) -> bool:
    """Tell whether None is a value of the type."""
    return any(m is None or m is types.NoneType for m in union_members(annotation))


def options(annotation: object) -> tuple[object, ...] | None:
    """Return the closed set of values of a Literal or Enum; None for an open type."""
    annotation = without_metadata(annotation)
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum) and len(annotation):
        return tuple(annotation)
    return None


def json_schema(annotation: Any) -> dict[str, Any]:
    """Return the JSON schema of a type without the titles pydantic derives from names.

    Raises:
        pydantic.errors.PydanticUserError: the type has no JSON form.
    """
    from pydantic import TypeAdapter

    schema: dict[str, Any] = _untitled(TypeAdapter(annotation).json_schema())
    return schema


def _spell(annotation: object, leaf: Callable[[Any], str], metadata: str) -> str:
    if annotation is None or annotation is types.NoneType:
        return "None"
    if annotation is Ellipsis:
        return "..."
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, list):
        return f"[{', '.join(_spell(a, leaf, metadata) for a in annotation)}]"
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is None:
        return leaf(annotation)
    if origin is Literal:
        return f"Literal[{', '.join(_option(a) for a in args)}]"
    if origin is Annotated:
        inner = _spell(args[0], leaf, metadata)
        return f"{inner}{metadata}{args[1:]!r}" if metadata else inner
    inside = [_spell(a, leaf, metadata) for a in args]
    if origin in (Union, types.UnionType):
        return " | ".join(inside)
    return f"{leaf(origin)}[{', '.join(inside) or '()'}]" if inside or origin is tuple else leaf(origin)


def _option(value: object) -> str:
    return f"{type(value).__name__}.{value.name}" if isinstance(value, enum.Enum) else repr(value)


def _short(annotation: Any) -> str:
    if isinstance(annotation, typing.ForwardRef):
        return annotation.__forward_arg__
    name = getattr(annotation, "__name__", None) or getattr(annotation, "_name", None)
    return str(name or annotation)


def _full(annotation: Any) -> str:
    module = str(getattr(annotation, "__module__", ""))
    name = f"{module}.{getattr(annotation, '__qualname__', annotation)}"
    if module == "builtins":
        return _short(annotation)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return f"{name}{[(m.name, m.value) for m in annotation]!r}"
    if module.partition(".")[0] in sys.stdlib_module_names and module != "__main__":
        return name
    from pydantic.errors import PydanticUserError

    try:
        return f"{name}{json_schema(annotation)!r}"
    except PydanticUserError:
        return name  # no schema, so the name is all there is to compare


def _untitled(schema: Any, named: bool = False) -> Any:
    if isinstance(schema, list):
        return [_untitled(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    # Inside `properties` and `$defs` the keys are the user's own names: a field may be called `title`.
    return {
        key: _untitled(value, named=not named and key in ("properties", "$defs"))
        for key, value in schema.items()
        if named or key != "title" or not isinstance(value, str)
    }
