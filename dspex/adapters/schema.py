"""The JSON schema that holds a provider to a signature's outputs.

Providers take a strict dialect: every object closed, every property required, no words they do not know. Types that
cannot be said in it get no schema, and the prompt alone asks for them.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from dspex.signatures.spec import SignatureSpec

_KEPT = {
    "$ref", "anyOf", "const", "description", "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "items",
    "maxItems", "maximum", "minItems", "minimum", "multipleOf", "pattern", "type",
}  # fmt: skip
_DROPPED = {
    "contentMediaType", "default", "deprecated", "discriminator", "examples", "maxLength", "minLength", "readOnly",
    "title", "uniqueItems", "writeOnly",
}  # fmt: skip
"""Words that only narrow or describe: our own reader checks what they say."""
_FORMATS = {"date", "date-time", "duration", "email", "ipv4", "ipv6", "time", "uuid"}
_NONE = msgspec.Raw(b"")


class _OutsideTheDialectError(Exception):
    """A schema says what strict providers cannot be told."""


def response_schema(spec: SignatureSpec) -> msgspec.Raw | None:
    """Return `{"type": "json_schema", ...}` for a signature's outputs, or None where it cannot be said strictly.

    Example:
        >>> from dspex.signatures.signature import Signature
        >>> response_schema(Signature("q -> tags: dict[str, int]").spec) is None
        True
    """
    known: msgspec.Raw | None = spec.memo.get(response_schema)
    if known is None:
        try:
            known = msgspec.Raw(msgspec.json.encode(_form(spec)))
        except _OutsideTheDialectError:
            known = _NONE
        spec.memo[response_schema] = known
    return None if known is _NONE else known


def _form(spec: SignatureSpec) -> dict[str, Any]:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    wanted = [(f.name, "validation", f.type_adapter) for f in spec.outputs]
    try:
        schemas, shared = TypeAdapter.json_schemas(wanted)  # type: ignore[arg-type]  # its keys are names here
    except PydanticUserError as exc:
        raise _OutsideTheDialectError from exc
    properties = {f.name: dict(schemas[(f.name, "validation")]) for f in spec.outputs}
    for field in spec.outputs:
        if field.desc:
            properties[field.name].setdefault("description", field.desc)
    schema = _closed({name: _strict(one) for name, one in properties.items()})
    if shared.get("$defs"):
        schema["$defs"] = {name: _strict(one) for name, one in shared["$defs"].items()}
    name = re.sub(r"[^A-Za-z0-9_-]", "_", spec.name)[:64]
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _strict(schema: Any) -> dict[str, Any]:
    """Return a schema in the strict dialect.

    Raises:
        _OutsideTheDialectError: it cannot be said there.
    """
    if not isinstance(schema, dict):
        raise _OutsideTheDialectError
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}  # a reference stands alone
    if "oneOf" in schema:
        schema = {**{k: v for k, v in schema.items() if k != "oneOf"}, "anyOf": schema["oneOf"]}
    if schema.get("type") == "object":
        return _strict_object(schema)
    if not schema.keys() & {"type", "anyOf", "enum", "const"} or schema.keys() - _KEPT - _DROPPED:
        raise _OutsideTheDialectError  # any value at all, or a tuple
    strict = {key: value for key, value in schema.items() if key in _KEPT}
    if strict.get("format") not in _FORMATS:
        strict.pop("format", None)
    if schema.get("type") == "array" or "items" in strict:
        strict["items"] = _strict(schema.get("items"))
    if "anyOf" in strict:
        strict["anyOf"] = [_strict(one) for one in schema["anyOf"]]
    return strict


def _strict_object(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("additionalProperties") not in (None, False) or "properties" not in schema:
        raise _OutsideTheDialectError  # keys that nobody knows before
    strict = _closed({name: _strict(one) for name, one in schema["properties"].items()})
    if "description" in schema:
        strict["description"] = schema["description"]
    return strict
