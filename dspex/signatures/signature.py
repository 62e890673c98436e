"""The class syntax of signatures: a class body, or `Signature("question -> answer")`, around a SignatureSpec.

The class holds no state but its spec; every change makes a new class. What belongs to the class sits on the
metaclass, so that a field may have any name.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections import ChainMap
from collections.abc import Mapping
from typing import Any

from dspex.errors import SignatureError
from dspex.signatures.body import own_fields
from dspex.signatures.field import MISSING, Field
from dspex.signatures.parse import parse_signature, parse_type
from dspex.signatures.spec import STRING_NAME, SignatureSpec, default_instructions

_PUBLIC = (
    "append", "append_instructions", "delete", "dump_state", "equals", "fields", "input_fields", "insert",
    "instructions", "load_state", "output_fields", "prepend", "signature", "spec", "with_instructions",
    "with_updated_fields",
)  # fmt: skip


class SignatureMeta(type):
    """What every signature class can do; the class's fields cannot hide it."""

    __dspex_spec__: SignatureSpec | None
    __dspex_declared__: type[Signature]

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        body: dict[str, Any],
        *,
        spec: SignatureSpec | None = None,
        **kwargs: Any,
    ) -> SignatureMeta:
        """Read the class body, or take a spec made elsewhere."""
        parents = [b for b in bases if isinstance(b, SignatureMeta)]
        # A body with neither name nor fields is no class statement but a copy being rebuilt; its spec follows.
        stated = "__qualname__" in body or any(isinstance(value, Field) for value in body.values())
        written = spec is None and bool(parents) and stated
        if written:
            caller = sys._getframe(1)
            scope = ChainMap(caller.f_locals, caller.f_globals)
            own = own_fields(name, body, scope)
            spec = _declared_spec(name, parents, own, body.get("__doc__"))
            body = {key: value for key, value in body.items() if key not in own}
        cls = super().__new__(mcls, name, bases, body, **kwargs)
        cls.__dspex_spec__ = spec
        if written or not parents:
            cls.__dspex_declared__ = typing.cast("type[Signature]", cls)
        return cls

    @property
    def spec(cls) -> SignatureSpec:
        """The signature as a frozen value."""
        if cls.__dspex_spec__ is None:
            raise AttributeError(
                "`Signature` itself has no fields; subclass it, or write `Signature('question -> answer')`."
            )
        return cls.__dspex_spec__

    @property
    def instructions(cls) -> str:
        """What the model is told to do."""
        return cls.spec.instructions

    @property
    def fields(cls) -> dict[str, Field]:
        """All fields by name, inputs first."""
        return dict(cls.spec.fields)

    @property
    def input_fields(cls) -> dict[str, Field]:
        """The inputs by name."""
        return {f.name: f for f in cls.spec.inputs}

    @property
    def output_fields(cls) -> dict[str, Field]:
        """The outputs by name."""
        return {f.name: f for f in cls.spec.outputs}

    @property
    def signature(cls) -> str:
        """The names alone, `question, context -> answer`."""
        return " -> ".join(", ".join(f.name for f in side) for side in (cls.spec.inputs, cls.spec.outputs))

    def with_instructions(cls, instructions: str) -> type[Signature]:
        """Return this signature with other instructions."""
        return cls._derive(cls.spec.with_instructions(instructions))

    def append_instructions(cls, text: str) -> type[Signature]:
        """Return this signature with a further line of instructions."""
        return cls.with_instructions(f"{cls.instructions}\n{text}")

    def append(cls, name: str, field: Any, type_: object = None) -> type[Signature]:
        """Return this signature with a field added last on its side."""
        return cls._derive(cls.spec.append(_field(name, field, type_)))

    def prepend(cls, name: str, field: Any, type_: object = None) -> type[Signature]:
        """Return this signature with a field added first on its side."""
        return cls._derive(cls.spec.prepend(_field(name, field, type_)))

    def insert(cls, index: int, name: str, field: Any, type_: object = None) -> type[Signature]:
        """Return this signature with a field added at a place on its side; -1 is the end."""
        return cls._derive(cls.spec.insert(index, _field(name, field, type_)))

    def delete(cls, name: str) -> type[Signature]:
        """Return this signature without a field."""
        return cls._derive(cls.spec.delete(name))

    def with_updated_fields(cls, name: str, type_: object = None, **changes: Any) -> type[Signature]:
        """Return this signature with a field's type, `desc`, `prefix` or `default` changed."""
        return cls._derive(cls.spec.with_updated_fields(name, type_, **changes))

    def equals(cls, other: object) -> bool:
        """Tell whether another signature has the same instructions and fields; the name does not count."""
        spec = other if isinstance(other, SignatureSpec) else getattr(other, "__dspex_spec__", None)
        return spec is not None and cls.__dspex_spec__ == spec

    def dump_state(cls) -> dict[str, Any]:
        """Return instructions, prefixes and descriptions as JSON values, in DSPy's shape."""
        return cls.spec.dump_state()

    def load_state(cls, state: Mapping[str, Any]) -> type[Signature]:
        """Return this signature with the texts of a saved one."""
        return cls._derive(cls.spec.load_state(state))

    def __dir__(cls) -> list[str]:
        return sorted({*super().__dir__(), *(_PUBLIC if cls.__dspex_spec__ else ())})

    def __repr__(cls) -> str:
        if cls.__dspex_spec__ is None:
            return super().__repr__()
        lines = [f"{cls.__name__}({cls.spec})", *cls.instructions.splitlines()]
        return "\n    ".join(
            [*lines, *(repr(f) for f in cls.spec.fields.values() if f.desc or f.constraints)]
        )

    def _derive(cls, spec: SignatureSpec) -> type[Signature]:
        """Make the class of a changed spec; its parent is the class as written, so that chains stay short."""
        body = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
        return _class(spec, cls.__dspex_declared__, body)


class Signature(metaclass=SignatureMeta):
    """What a program step takes, gives and is told to do.

    Subclass it with fields made by `InputField` and `OutputField`; the docstring is the instruction. Or call it
    with a string, `Signature("question -> answer: int", "instructions")`, or a dict of `name: (type, field)`.

    Raises:
        SignatureError: there is no output, a field is neither input nor output, or the text cannot be read.

    Example:
        >>> Signature("question, context: list[str] -> answer").signature
        'question, context -> answer'
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make an instance of a subclass; of `Signature` itself, a new signature class."""
        if cls is not Signature:
            return super().__new__(cls)
        caller = sys._getframe(1)
        kwargs.setdefault("namespace", ChainMap(caller.f_locals, caller.f_globals))
        return make_signature(*args, **kwargs)

    def __init__(self, **values: Any) -> None:
        spec = type(self).spec
        for name in values:
            spec.field(name)
        for name, field in spec.fields.items():
            value = values[name] if name in values else field.default_value()
            if value is MISSING:
                raise SignatureError(f"`{spec.name}(...)` lacks a value for `{name}`; give `{name}=...`.")
            self.__dict__[name] = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Signature):
            return NotImplemented
        return type(self).equals(type(other)) and self.__dict__ == other.__dict__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.__dict__.items())})"


def make_signature(
    signature: str | Mapping[str, Any],
    instructions: str | None = None,
    signature_name: str = STRING_NAME,
    custom_types: Mapping[str, object] | None = None,
    *,
    namespace: Mapping[str, object] | None = None,
) -> type[Signature]:
    """Make a signature class from its string form or from fields by name.

    Args:
        signature: `inputs -> outputs`, or a mapping of name to a field or to (type, field).
        instructions: what the model is told; a plain sentence over the fields where None.
        signature_name: the name of the class.
        custom_types: types by the name a string gives them.
        namespace: where else a string finds its types.

    Raises:
        SignatureError: the signature cannot be read.

    Example:
        >>> make_signature("question -> answer").instructions
        'Given `question`, give `answer`.'
    """
    if isinstance(signature, str):
        told = None if instructions is None else inspect.cleandoc(instructions)
        spec = parse_signature(
            signature, told, name=signature_name, custom_types=custom_types, namespace=namespace
        )
    elif isinstance(signature, Mapping):
        fields = [_pair(name, value, custom_types, namespace) for name, value in signature.items()]
        spec = _spec(signature_name, fields, instructions)
    else:
        raise SignatureError(
            f"A signature is a string such as `question -> answer` or a dict of fields, not `{type(signature).__name__}`."
        )
    return _class(spec, Signature, {})


def as_signature(
    signature: str | type[Signature] | SignatureSpec,
    *,
    custom_types: Mapping[str, object] | None = None,
    namespace: Mapping[str, object] | None = None,
) -> type[Signature]:
    """Return the signature class for any way to write a signature.

    Raises:
        SignatureError: it is none, or cannot be read.

    Example:
        >>> as_signature("question -> answer").__name__
        'StringSignature'
    """
    if isinstance(signature, SignatureMeta):
        if signature.__dspex_spec__ is None:
            raise SignatureError(
                "`Signature` itself has no fields; give a subclass or a string such as `question -> answer`."
            )
        return signature
    if isinstance(signature, SignatureSpec):
        return _class(signature, Signature, {})
    if isinstance(signature, Signature):
        return type(signature)
    return make_signature(signature, custom_types=custom_types, namespace=namespace)


def _class(spec: SignatureSpec, base: type[Signature], body: dict[str, Any]) -> type[Signature]:
    body = {"__module__": __name__, "__doc__": spec.instructions, **body}
    made = SignatureMeta(spec.name, (base,), body, spec=spec)
    return typing.cast("type[Signature]", made)


def _spec(name: str, fields: list[Field], instructions: str | None) -> SignatureSpec:
    inputs = tuple(f for f in fields if f.role == "input")
    outputs = tuple(f for f in fields if f.role == "output")
    told = default_instructions(inputs, outputs) if instructions is None and outputs else instructions or ""
    return SignatureSpec(name=name, instructions=inspect.cleandoc(told), inputs=inputs, outputs=outputs)


def _declared_spec(
    name: str, parents: list[SignatureMeta], own: dict[str, Field], doc: str | None
) -> SignatureSpec:
    """Merge a class body with what it inherits; a field declared again keeps its place."""
    fields: dict[str, Field] = {}
    specs = [p.__dspex_spec__ for p in parents if p.__dspex_spec__ is not None]
    for spec in reversed(specs):
        fields |= spec.fields
    fields |= own
    if not doc and specs and specs[0].instructions != default_instructions(specs[0].inputs, specs[0].outputs):
        doc = specs[0].instructions
    return _spec(name, list(fields.values()), doc or None)


def _pair(
    name: str, value: Any, custom: Mapping[str, object] | None, namespace: Mapping[str, object] | None
) -> Field:
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], Field):
        kind = (
            parse_type(value[0], custom_types=custom, namespace=namespace)
            if isinstance(value[0], str)
            else value[0]
        )
        return value[1].named(name, str if kind is None else kind)
    return _field(name, value, None)


def _field(name: str, field: Any, kind: object) -> Field:
    if not isinstance(field, Field):
        raise SignatureError(
            f"`{name}` is a `{type(field).__name__}`, not a field; write `dspex.InputField()` or `dspex.OutputField()`."
        )
    kind = parse_type(kind) if isinstance(kind, str) else kind
    return field.named(name, MISSING if kind is None else kind)
