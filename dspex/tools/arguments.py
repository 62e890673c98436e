"""A function's parameters -> JSON schemas for the model, and the model's arguments -> values for the function.

Apart from `tool.py`, which only calls: here stands what a parameter's type means on both sides.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, get_origin, get_type_hints

import pydantic
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from dspex.errors import ContentError
from dspex.signatures.annotations import type_name
from dspex.signatures.field import one_line

_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
    "null": (type(None),),
}
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def bare(function: Callable[..., Any]) -> Any:
    """Return the function inside a `functools.partial`; any other as it is."""
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    return inner


def parameters(function: Callable[..., Any], name: str) -> dict[str, inspect.Parameter]:
    """Return the parameters a model can give, by name; `*args` and `**kwargs` too.

    Raises:
        ContentError: the function does not tell them.
    """
    try:
        return dict(inspect.signature(function).parameters)
    except (ValueError, TypeError) as exc:
        raise ContentError(
            f"The parameters of `{name}` cannot be read: {exc}; wrap it in a function with typed parameters."
        ) from None


def types_of(function: Callable[..., Any], name: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the type of each parameter, Any where it has none; those that are known already go first.

    Raises:
        ContentError: a type is written as text that cannot be resolved.
    """
    hints: dict[str, Any] = dict(known)
    names = [n for n, p in parameters(function, name).items() if p.kind not in _VARIABLE]
    if not set(names) <= known.keys():
        inner = bare(function)
        described = inner if inspect.isroutine(inner) or inspect.isclass(inner) else type(inner).__call__
        try:
            found = get_type_hints(
                described.__init__ if inspect.isclass(described) else described, include_extras=True
            )
        except (NameError, TypeError, SyntaxError) as exc:
            raise ContentError(
                f"The parameter types of `{name}` cannot be read: {exc}; define them where the function is, or "
                "give `arg_types=`."
            ) from None
        hints = {**found, **hints}
    return {n: hints.get(n, Any) for n in names}


def schemas_of(
    function: Callable[..., Any], name: str, types: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each parameter, its default included.

    Raises:
        ContentError: a parameter's type has no JSON form.
    """
    found: dict[str, dict[str, Any]] = {}
    for parameter in parameters(function, name).values():
        if parameter.kind in _VARIABLE:
            continue
        schema = _schema(types[parameter.name], f"`{parameter.name}` of `{name}`")
        if parameter.default is not inspect.Parameter.empty:
            schema["default"] = _json_default(parameter.default)
        found[parameter.name] = schema
    return found


def expanded(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON schema with its `$defs` put where they are referred to; what refers to itself stays open there.

    Example:
        >>> expanded({"$ref": "#/$defs/A", "$defs": {"A": {"type": "integer"}}})
        {'type': 'integer'}
    """
    definitions = {**schema.get("definitions", {}), **schema.get("$defs", {})}

    def resolved(part: Any, inside: tuple[str, ...]) -> Any:
        if isinstance(part, list):
            return [resolved(p, inside) for p in part]
        if not isinstance(part, dict):
            return part
        rest = {k: resolved(v, inside) for k, v in part.items() if k not in ("$ref", "$defs", "definitions")}
        reference = part.get("$ref")
        if not isinstance(reference, str):
            return rest
        target = reference.rpartition("/")[2]
        if target in inside or target not in definitions:
            return {"type": "object", **rest}
        return {**resolved(definitions[target], (*inside, target)), **rest}

    found: dict[str, Any] = resolved(schema, ())
    return found


def converted(value: Any, kind: Any, schema: Mapping[str, Any], place: str) -> Any:
    """Return a model's argument as the parameter's type.

    Args:
        value: what the model gave.
        kind: the parameter's type; Any where only the schema is known.
        schema: the parameter's JSON schema.
        place: what it is, for the message, such as "`k` of `search`".

    Raises:
        ContentError: it is no value of the type.
    """
    if kind is Any or kind is inspect.Parameter.empty:
        _check(value, schema, place)
        return value
    adapter = _adapter(kind)
    try:
        return adapter.validate_python(value)
    except pydantic.ValidationError as exc:
        error = exc
    if isinstance(value, pydantic.BaseModel):
        value = value.model_dump()
        attempt: Callable[[], Any] = lambda: adapter.validate_python(value)  # noqa: E731  # one of two ways
    elif isinstance(value, str) and kind is not str and value.lstrip()[:1] in ("{", "["):
        attempt = lambda: adapter.validate_python(json.loads(value))  # noqa: E731  # models write JSON as text
    else:
        raise _refused(place, error) from None
    try:
        return attempt()
    except (ValueError, RecursionError):
        raise _refused(place, error) from None


def _refused(place: str, error: pydantic.ValidationError) -> ContentError:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(p) for p in first["loc"])
    said = one_line(f"{first['msg'][:1].lower()}{first['msg'][1:]}")
    got = one_line(repr(first["input"]))
    got = got if len(got) <= 60 else f"{got[:60]}…"
    return ContentError(
        f"Argument {place} is invalid{f' at `{where}`' if where else ''}: {said}; it was `{got}`."
    )


def _check(value: Any, schema: Mapping[str, Any], place: str) -> None:
    """See that a value fits what a schema says of its own type and options."""
    wanted = schema.get("type")
    names = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
    kinds = [k for n in names for k in _JSON_TYPES.get(n, (object,))]
    fits = not kinds or (
        isinstance(value, tuple(kinds)) and (not isinstance(value, bool) or bool in kinds or object in kinds)
    )
    if not fits:
        raise ContentError(
            f"Argument {place} is invalid: it should be {' or '.join(names)}, it was `{value!r:.60}`."
        )
    options = schema.get("enum")
    if isinstance(options, list) and value not in options:
        said = ", ".join(repr(o) for o in options)
        raise ContentError(
            f"Argument {place} is invalid: it should be one of {said}, it was `{value!r:.60}`."
        )


def _schema(kind: Any, place: str) -> dict[str, Any]:
    if kind is Any:
        return {}
    try:
        plain = get_origin(kind) or kind
        if isinstance(plain, type) and issubclass(plain, pydantic.BaseModel):
            return expanded(kind.model_json_schema())
        return expanded(_adapter(kind).json_schema())
    except (PydanticUserError, TypeError, NameError) as exc:
        reason = one_line(str(exc).partition("\n")[0])
        raise ContentError(
            f"Parameter {place} has the type `{type_name(kind)}`, which a model cannot write: {reason}; use builtin "
            "types, Literal, Enum or pydantic models, or give `args=`."
        ) from None


def _json_default(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)  # a number for the model; pydantic would write a text
    try:
        return to_jsonable_python(value)
    except (PydanticSerializationError, ValueError):
        return repr(value)


def _adapter(kind: Any) -> pydantic.TypeAdapter[Any]:
    try:
        return _cached_adapter(kind)
    except TypeError:  # an unhashable type such as `Annotated[int, [...]]`
        return pydantic.TypeAdapter(kind)


@functools.lru_cache(maxsize=512)
def _cached_adapter(kind: Any) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(kind)
