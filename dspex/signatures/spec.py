"""The signature as a frozen value: instructions, inputs and outputs.

Class and string syntax are two ways to write one of these. Optimizers change it by making another; equality and
hash are by content, so that a re-run notebook cell changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from dspex import _canon
from dspex.errors import SignatureError, nearest
from dspex.signatures.annotations import type_name
from dspex.signatures.field import Field, Memo

STRING_NAME = "StringSignature"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureSpec:
    """What a program step takes, gives and is told to do.

    Raises:
        SignatureError: there is no output, a name is used twice, or a field is on the wrong side.

    Example:
        >>> from dspex.signatures.parse import parse_signature
        >>> spec = parse_signature("question, k: int -> answer")
        >>> spec.with_instructions("Be brief.").instructions, str(spec)
        ('Be brief.', 'question, k: int -> answer')
    """

    instructions: str
    """What the model is told to do."""
    inputs: tuple[Field, ...]
    """What goes in, in the order the model sees it."""
    outputs: tuple[Field, ...]
    """What comes out, in the order the model writes it."""
    name: str = field(default=STRING_NAME, compare=False)
    """The class name; no part of the content."""
    memo: Memo = field(default_factory=Memo, init=False, repr=False, compare=False)
    """What readers derive from this value once, such as an adapter's rendered system message."""

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for one in (*self.inputs, *self.outputs):
            if one.name in seen:
                raise SignatureError(f"`{self.name}` has two fields named `{one.name}`; rename one of them.")
            seen.add(one.name)
        if not self.outputs:
            raise SignatureError(
                f"`{self.name}` has no output; add one, for example `answer: str = dspex.OutputField()`, "
                "or after `->` in a string."
            )
        wrong = [f.name for f in self.inputs if f.role != "input"]
        wrong += [f.name for f in self.outputs if f.role != "output"]
        if wrong:
            raise SignatureError(
                f"`{self.name}.{wrong[0]}` is on the wrong side: inputs come before outputs."
            )

    @property
    def fields(self) -> Mapping[str, Field]:
        """All fields by name, inputs first."""
        known: Mapping[str, Field] | None = self.memo.get("fields")
        if known is None:
            known = MappingProxyType({f.name: f for f in (*self.inputs, *self.outputs)})
            self.memo["fields"] = known
        return known

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hex; the name is no part of it."""
        known: str | None = self.memo.get("digest")
        if known is None:
            sides = ([f.content() for f in self.inputs], [f.content() for f in self.outputs])
            known = self.memo.setdefault("digest", _canon.digest([self.instructions, *sides]))
        return known

    def with_instructions(self, instructions: str) -> SignatureSpec:
        """Return this signature with other instructions."""
        return replace(self, instructions=instructions)

    def append(self, field: Field) -> SignatureSpec:
        """Return this signature with a field added last on its side."""
        return self.insert(-1, field)

    def prepend(self, field: Field) -> SignatureSpec:
        """Return this signature with a field added first on its side."""
        return self.insert(0, field)

    def insert(self, index: int, field: Field) -> SignatureSpec:
        """Return this signature with a field added at a place on its side; -1 is the end.

        Raises:
            SignatureError: the place is out of range or the name is taken.
        """
        side = list(self.inputs if field.role == "input" else self.outputs)
        place = index + len(side) + 1 if index < 0 else index
        if not 0 <= place <= len(side):
            raise SignatureError(
                f"`{self.name}` has {len(side)} {field.role} fields: `{field.name}` cannot go to place {index}; "
                f"use 0 to {len(side)}, or -1 for the end."
            )
        side.insert(place, field)
        return self._with_side(field.role, side)

    def delete(self, name: str) -> SignatureSpec:
        """Return this signature without a field.

        Raises:
            SignatureError: there is no such field, or it is the only output.
        """
        role = self.field(name).role
        return self._with_side(role, [f for f in self._side(role) if f.name != name])

    def with_updated_fields(self, name: str, annotation: object = None, **changes: Any) -> SignatureSpec:
        """Return this signature with a field's type, `desc`, `prefix` or `default` changed.

        Raises:
            SignatureError: there is no such field or no such property.
        """
        old = self.field(name)
        allowed = ("desc", "prefix", "default", "default_factory")
        for key in changes:
            if key not in allowed:
                raise SignatureError(
                    f"A field has no `{key}` to update.{nearest(key, allowed)} It has: {', '.join(allowed)}."
                )
        new = replace(old, annotation=old.annotation if annotation is None else annotation, **changes)
        return self._with_side(old.role, [new if f.name == name else f for f in self._side(old.role)])

    def field(self, name: str) -> Field:
        """Return the field of this name.

        Raises:
            SignatureError: there is none.
        """
        known = self.fields.get(name)
        if known is None:
            raise SignatureError(
                f"`{self.name}` has no field `{name}`.{nearest(name, self.fields)} It has: {', '.join(self.fields)}."
            )
        return known

    def dump_state(self) -> dict[str, Any]:
        """Return what optimizers may change, in DSPy's JSON shape."""
        extras = [f.json_schema_extra for f in (*self.inputs, *self.outputs)]
        rows = [{"prefix": extra["prefix"], "description": extra["desc"]} for extra in extras]
        return {"instructions": self.instructions, "fields": rows}

    def load_state(self, state: Mapping[str, Any]) -> SignatureSpec:
        """Return this signature with the instructions and field texts of a saved one.

        Raises:
            SignatureError: the saved signature has another number of fields, or no instructions.
        """
        rows, instructions = state.get("fields"), state.get("instructions")
        rows = [{}] * len(self.fields) if rows is None else rows
        if not isinstance(instructions, str) or not isinstance(rows, (list, tuple)):
            raise SignatureError(
                f"The saved state of `{self.name}` has no `instructions`; was it saved by `dump_state`?"
            )
        if len(rows) != len(self.fields):
            raise SignatureError(
                f"The saved state of `{self.name}` has {len(rows)} fields, the signature has {len(self.fields)}: "
                f"{', '.join(self.fields)}; load it into the signature it was saved from."
            )
        loaded = [_loaded(f, row) for f, row in zip(self.fields.values(), rows, strict=True)]
        cut = len(self.inputs)
        return replace(
            self, instructions=instructions, inputs=tuple(loaded[:cut]), outputs=tuple(loaded[cut:])
        )

    def __str__(self) -> str:
        sides = (", ".join(_written(f) for f in side) for side in (self.inputs, self.outputs))
        return " -> ".join(sides).strip()

    def _side(self, role: str) -> tuple[Field, ...]:
        return self.inputs if role == "input" else self.outputs

    def _with_side(self, role: str, fields: Iterable[Field]) -> SignatureSpec:
        return replace(self, **{f"{role}s": tuple(fields)})  # type: ignore[arg-type]  # both sides are tuples


def default_instructions(inputs: Iterable[Field], outputs: Iterable[Field]) -> str:
    """Return the instructions of a signature that says none.

    Example:
        >>> from dspex.signatures.field import InputField, OutputField
        >>> default_instructions([InputField().named("question")], [OutputField().named("answer")])
        'Given `question`, give `answer`.'
    """
    given, wanted = _listed(inputs), _listed(outputs)
    return f"Given {given}, give {wanted}." if given else f"Give {wanted}."


def _listed(fields: Iterable[Field]) -> str:
    names = [f"`{f.name}`" for f in fields]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _written(field: Field) -> str:
    kind = type_name(field.annotation)
    return field.name if kind == "str" else f"{field.name}: {kind}"


def _loaded(field: Field, row: Mapping[str, Any]) -> Field:
    extra = field.json_schema_extra
    prefix, desc = row.get("prefix", extra["prefix"]), row.get("description", extra["desc"])
    # A text that only says what we would infer is no text of its own: keep the field as it was written.
    return replace(
        field,
        prefix=field.prefix if prefix == extra["prefix"] else prefix,
        desc=field.desc if desc == extra["desc"] else ("" if desc == f"${{{field.name}}}" else desc),
    )
