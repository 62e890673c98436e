"""The smallest value that a JSON schema allows, for answers nobody demonstrated."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import cast

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]
_MOST_VALUES, _DEEPEST = 1000, 40
"""A schema that asks for more has no finite value, or none that anybody would read."""
_LONGEST = 10_000
_SMALLEST, _LARGEST = 1e-9, 1e15
"""Bounds beyond these are left out of account, so that no sum overflows."""
_IN_WORDS = re.compile(r"\b(at least|more than|at most|less than|a multiple of) (-?\d+(?:\.\d+)?)\b( long)?")
_WORDED = {
    "at least": "minimum",
    "more than": "exclusiveMinimum",
    "at most": "maximum",
    "less than": "exclusiveMaximum",
    "a multiple of": "multipleOf",
    "at least long": "minLength",
    "at most long": "maxLength",
}
_FORMATS = {
    "date": "2000-01-01",
    "time": "00:00:00Z",
    "date-time": "2000-01-01T00:00:00Z",
    "duration": "P1D",
    "email": "name@example.org",
    "hostname": "example.org",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
}


def minimal(schema: object, filler: str = "") -> JSON:
    """Return a small value that the schema allows: required properties only, first choice of each enum.

    Args:
        schema: a decoded JSON schema; anything else gives None.
        filler: what to write where any string will do.

    Example:
        >>> minimal({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "minimum": 1}}})
        {'n': 1}
    """
    return _Writer(schema, filler).value(schema)


def number(schema: Mapping[str, object], *, whole: bool, first: float = 0.0) -> int | float:
    """Return `first` if the bounds of a schema allow it, else a number near them that they do allow.

    Example:
        >>> number({"minimum": 1, "maximum": 5}, whole=True, first=12.0)
        5
    """
    least, above = _bound(schema, "minimum", -math.inf), _bound(schema, "exclusiveMinimum", -math.inf)
    most, below = _bound(schema, "maximum", math.inf), _bound(schema, "exclusiveMaximum", math.inf)
    step = _bound(schema, "multipleOf", 0.0)
    low, high = max(least, above), min(most, below)
    beside = (most, below - 1.0) if first > high else (least, above + 1.0)
    stepped = [
        math.floor(end / step + way) * step
        for end, way in ((low, 1), (high, 0))
        if step and math.isfinite(end)
    ]
    start = math.trunc(first) if whole and math.isfinite(first) else first
    for tried in (start, *beside, most, below - 1.0, (low + high) / 2, *stepped):
        if not math.isfinite(tried):
            continue
        value: int | float = math.ceil(tried) if whole else tried
        in_step = not step or math.isclose(value / step, round(value / step), abs_tol=1e-9)
        if least <= value <= most and above < value < below and in_step:
            return value
    return 0


def fitting(schema: Mapping[str, object], text: str) -> str:
    """Return a text cut or lengthened to what a schema allows."""
    least = min(int(_bound(schema, "minLength", 0.0)), _LONGEST)
    short = text[: max(0, int(_bound(schema, "maxLength", _LONGEST)))]
    return short + "-" * (least - len(short))


def in_words(description: str) -> dict[str, object]:
    """Read the bounds that a field's description tells in words.

    Example:
        >>> in_words("stars; at least 1; at most 5")
        {'minimum': 1.0, 'maximum': 5.0}
    """
    return {
        name: float(said[2])
        for said in _IN_WORDS.finditer(description)
        if (name := _WORDED.get(said[1] + (said[3] or "")))
    }


class _Writer:
    """One walk through a schema: its definitions, those it stands in, and how much it may still write."""

    def __init__(self, schema: object, filler: str) -> None:
        definitions = schema.get("$defs") if isinstance(schema, dict) else None
        self._definitions = definitions if isinstance(definitions, dict) else {}
        self._filler = filler
        self._inside: list[str] = []
        self._left = _MOST_VALUES
        self._depth = 0

    def value(self, schema: object) -> JSON:
        self._left -= 1
        if not isinstance(schema, dict) or self._left < 0 or self._depth > _DEEPEST:
            return None
        self._depth += 1
        value = self._chosen(schema)
        self._depth -= 1
        return value

    def _chosen(self, schema: dict[str, object]) -> JSON:
        if "$ref" in schema:
            return self._referred(str(schema["$ref"]))
        for key in ("const", "default"):
            if key in schema:
                return cast(JSON, schema[key])
        if options := _items(schema, "enum"):
            return cast(JSON, options[0])
        if options := _items(schema, "anyOf") or _items(schema, "oneOf"):
            return self.value(self._easiest(options))
        if parts := _items(schema, "allOf"):
            return self.value({k: v for part in parts if isinstance(part, dict) for k, v in part.items()})
        return self._plain(schema)

    def _referred(self, reference: str) -> JSON:
        if self._inside.count(reference) > 1:
            return None
        self._inside.append(reference)
        value = self.value(self._definitions.get(reference.rpartition("/")[2]))
        self._inside.pop()
        return value

    def _easiest(self, options: list[object]) -> object:
        """Prefer a value over null, for an empty answer helps nobody; but do not walk in a circle."""
        for option in options:
            if (
                isinstance(option, dict)
                and option.get("type") != "null"
                and option.get("$ref") not in self._inside
            ):
                return option
        return options[-1]

    def _plain(self, schema: dict[str, object]) -> JSON:
        """Answer by type; without one it is a string, or an object if it has properties."""
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = "null" if "null" in kind else next(iter(kind), None)
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            return self._array(schema)
        if kind == "string":
            known = schema.get("format")
            return _FORMATS.get(known if isinstance(known, str) else "") or fitting(schema, self._filler)
        if kind in ("integer", "number"):
            return number(schema, whole=kind == "integer")
        return False if kind == "boolean" else None

    def _object(self, schema: dict[str, object]) -> JSON:
        known = schema.get("properties")
        properties = known if isinstance(known, dict) else {}
        names = [name for name in _items(schema, "required") if isinstance(name, str)]
        return {name: self.value(properties.get(name)) for name in names}

    def _array(self, schema: dict[str, object]) -> JSON:
        items = [self.value(one) for one in _items(schema, "prefixItems")]
        while len(items) < _bound(schema, "minItems", 0.0) and self._left > 0:
            items.append(self.value(schema.get("items")))
        return items


def _items(schema: dict[str, object], key: str) -> list[object]:
    value = schema.get(key)
    return value if isinstance(value, list) else []


def _bound(schema: Mapping[str, object], key: str, otherwise: float) -> float:
    value = schema.get(key)
    if isinstance(value, (int, float)) and (value == 0 or _SMALLEST <= abs(value) <= _LARGEST):
        return float(value)
    return otherwise
