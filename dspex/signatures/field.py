"""One field of a signature: its name, its type, what it means, whether it goes in or comes out.

A Field is a frozen value. `InputField()` and `OutputField()` make one without a name; the signature that holds
it gives it the name and the type.
"""

from __future__ import annotations

import copy
import enum
import keyword
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from dspex.errors import SignatureError, nearest
from dspex.signatures.annotations import type_content, type_name

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Role = Literal["input", "output"]

CONSTRAINTS: Final = (
    "allow_inf_nan", "decimal_places", "ge", "gt", "le", "lt", "max_digits", "max_length", "min_length",
    "multiple_of", "pattern", "strict",
)  # fmt: skip
"""The pydantic constraints a field takes."""


class Missing(enum.Enum):
    """The absence of a value, where None is a value."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return self.name


MISSING: Final = Missing.MISSING


class Memo(dict[object, Any]):
    """What is derived from a frozen value, kept beside it; a copy of the value starts with an empty one."""

    def __reduce__(self) -> tuple[type[Memo], tuple[()]]:
        return (Memo, ())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Field:
    """One input or output of a signature.

    Example:
        >>> OutputField(desc="the team", min_length=2).named("team", str)
        Field(team: str, output, desc='the team', min_length=2)
    """

    role: Role
    """`input` or `output`."""
    name: str = ""
    """The Python name; empty until a signature holds the field."""
    annotation: Any = None
    """The type; None (not declared) until a signature holds the field."""
    desc: str = ""
    """What the value means, in words the model reads."""
    prefix: str = ""
    """DSPy's prefix: kept, saved and loaded, but our prompts name fields by their name."""
    default: Any = MISSING
    """The value where none is given."""
    default_factory: Callable[[], Any] | None = None
    """Makes the value where none is given."""
    constraints: tuple[tuple[str, Any], ...] = ()
    """Pydantic constraints as sorted (name, value) pairs."""
    memo: Memo = field(default_factory=Memo, init=False, repr=False)
    """What readers derive from this field once, such as its type adapter."""

    @property
    def required(self) -> bool:
        """Whether the field has no default."""
        return self.default is MISSING and self.default_factory is None

    @property
    def json_schema_extra(self) -> dict[str, str]:
        """DSPy's view of the field: prefix, description and kind."""
        return {
            "prefix": self.prefix or f"{infer_prefix(self.name)}:",
            "desc": self.desc or f"${{{self.name}}}",
            "__dspy_field_type": self.role,
        }

    @property
    def type_adapter(self) -> TypeAdapter[Any]:
        """Pydantic's reader of this field's type, constraints included; built once.

        Raises:
            SignatureError: pydantic cannot read values of this type.
        """
        adapter: TypeAdapter[Any] | None = self.memo.get("type_adapter")
        return adapter if adapter is not None else self.memo.setdefault("type_adapter", _adapter(self))

    def default_value(self) -> Any:
        """Return a fresh default, or MISSING where the field is required."""
        if self.default_factory is not None:
            return self.default_factory()
        return self.default if self.default is MISSING else copy.deepcopy(self.default)

    def named(self, name: str, annotation: object = MISSING) -> Field:
        """Return this field under a name and a type; without one its own, and `str` where it has none.

        Raises:
            SignatureError: the name is no Python name or is a keyword.
        """
        kind = self.annotation if annotation is MISSING else annotation
        return replace(self, name=field_name(name), annotation=str if kind is None else kind)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Field):
            return NotImplemented
        if self is other:
            return True
        mine, theirs = self._plain(), other._plain()
        return mine == theirs and (
            self.annotation == other.annotation
            or type_content(self.annotation) == type_content(other.annotation)
        )

    def __hash__(self) -> int:
        return hash((self.name, self.role, self.desc, self.prefix))

    def __repr__(self) -> str:
        parts = [f"{self.name}: {type_name(self.annotation)}" if self.name else "unnamed", self.role]
        parts += [
            f"{key}={value!r}" for key, value in (("desc", self.desc), ("prefix", self.prefix)) if value
        ]
        if not self.required:
            parts.append(
                f"default={self.default!r}" if self.default_factory is None else "default_factory=..."
            )
        return f"Field({', '.join(parts + [f'{k}={v!r}' for k, v in self.constraints])})"

    def content(self) -> dict[str, object]:
        """Return everything that makes this field what it is, as JSON values."""
        return {
            "name": self.name,
            "type": type_content(self.annotation),
            "desc": self.desc,
            "default": None if self.required else repr(self.default_factory or self.default),
            "constraints": [[key, repr(value)] for key, value in self.constraints],
        }

    def _plain(self) -> tuple[object, ...]:
        default = (type(self.default), self.default, getattr(self.default_factory, "__qualname__", None))
        return (self.name, self.role, self.desc, self.prefix, default, self.constraints)


def InputField(  # noqa: N802  # DSPy's name
    *,
    desc: str = "",
    prefix: str = "",
    format: object = None,
    default: Any = MISSING,
    default_factory: Callable[[], Any] | None = None,
    **constraints: object,
) -> Any:
    """Declare an input of a signature.

    Args:
        desc: what the value means; the model reads it.
        prefix: DSPy's prefix; kept and saved, not shown to the model.
        format: accepted for DSPy's sake, without effect.
        default: the value where the caller gives none.
        default_factory: makes that value.
        **constraints: pydantic's, such as `ge`, `max_length` or `pattern`.

    Raises:
        SignatureError: an option is unknown, or both defaults are given.

    Example:
        >>> from dspex.signatures.signature import Signature
        >>> class Triage(Signature):
        ...     ticket: str = InputField(desc="what the customer wrote")
        ...     team: str = OutputField()
        >>> Triage.input_fields["ticket"].desc
        'what the customer wrote'
    """
    return _declare("input", desc, prefix, default, default_factory, constraints)


def OutputField(  # noqa: N802  # DSPy's name
    *,
    desc: str = "",
    prefix: str = "",
    format: object = None,
    default: Any = MISSING,
    default_factory: Callable[[], Any] | None = None,
    **constraints: object,
) -> Any:
    """Declare an output of a signature; the options are those of `InputField`.

    An output with a default, or one that allows None, may be absent from the model's answer.

    Raises:
        SignatureError: an option is unknown, or both defaults are given.

    Example:
        >>> OutputField(desc="from 0 to 1", ge=0, le=1).constraints
        (('ge', 0), ('le', 1))
    """
    return _declare("output", desc, prefix, default, default_factory, constraints)


def infer_prefix(name: str) -> str:
    """Return DSPy's label for a field name.

    Example:
        >>> infer_prefix("someHTTPHeader_2")
        'Some HTTP Header 2'
    """
    words = re.sub(
        r"([a-z0-9])([A-Z])|([A-Z]+)(?=[A-Z][a-z])|([A-Za-z])(?=\d)|(\d)(?=[A-Za-z])", _spaced, name
    )
    return " ".join(w if w.isupper() else w.capitalize() for w in re.split(r"[_\s]+", words) if w)


def field_name(name: object) -> str:
    """Return the name as Python knows it.

    Raises:
        SignatureError: it is no Python name or is a keyword.
    """
    if not isinstance(name, str):
        raise SignatureError(f"A field name must be a str, not `{type(name).__name__}`.")
    if keyword.iskeyword(name):
        raise SignatureError(f"`{name}` is a Python keyword and cannot name a field; try `{name}_`.")
    if not name.isidentifier():
        raise SignatureError(f"`{one_line(name)}` cannot name a field;{_near_name(name)}.")
    return unicodedata.normalize("NFKC", name)  # as Python does, so that keyword arguments meet their field


def one_line(text: str) -> str:
    """Return text with everything that would break a one-line message made a space."""
    return "".join(c if c.isprintable() else " " for c in text)


def _near_name(name: str) -> str:
    near = re.sub(r"\W+", "_", name.strip()).strip("_")
    near = f"field_{near}" if near[:1].isdigit() else near
    return f" try `{near}`" if near.isidentifier() else " use letters, digits and `_`"


def _spaced(match: re.Match[str]) -> str:
    one, two, upper, letter, digit = match.groups()
    return f"{one} {two}" if one else f"{upper or letter or digit} "


def _declare(
    role: Role,
    desc: str,
    prefix: str,
    default: Any,
    default_factory: Callable[[], Any] | None,
    constraints: dict[str, object],
) -> Field:
    call = f"`{role.capitalize()}Field`"
    for option in constraints:
        if option not in CONSTRAINTS:
            known = ("desc", "prefix", "format", "default", "default_factory", *CONSTRAINTS)
            raise SignatureError(
                f"{call} has no option `{option}`.{nearest(option, known)} It has: {', '.join(known)}."
            )
    if default is not MISSING and default is not ... and default_factory is not None:
        raise SignatureError(f"{call} has both `default` and `default_factory`; give one of them.")
    return Field(
        role=role,
        desc=desc,
        prefix=prefix,
        default=MISSING if default is ... else default,
        default_factory=default_factory,
        constraints=tuple(sorted(constraints.items())),
    )


def _adapter(field: Field) -> TypeAdapter[Any]:
    from typing import Annotated

    import pydantic
    from pydantic.errors import PydanticUserError

    kind: Any = field.annotation
    if field.constraints:
        kind = Annotated[kind, pydantic.Field(**dict(field.constraints))]
    try:
        return pydantic.TypeAdapter(kind)
    except (PydanticUserError, TypeError, NameError) as exc:
        reason = one_line(str(exc).partition("\n")[0])
        raise SignatureError(
            f"Values of `{field.name}: {type_name(field.annotation)}` cannot be read from text: {reason} "
            "Use a builtin type, Literal, Enum, dataclass or pydantic model, and constraints that fit it."
        ) from None
