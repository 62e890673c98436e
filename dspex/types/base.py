"""The mark of a special type, and how an annotation that holds one is recognized.

Apart from `type.py`, and without pydantic, so that adapters can ask `is_special(annotation)` and
`isinstance(value, Special)` while `import dspex` stays fast.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator
from typing import Any, ClassVar, Self, get_args, get_origin

from dspex.signatures.annotations import union_members


class Special:
    """A type with a form of its own in prompts and answers, such as `Image` or `Code`.

    Example:
        >>> from dspex.types.reasoning import Reasoning
        >>> issubclass(Reasoning, Special), Reasoning.type_phrase()
        (True, 'text')
    """

    __slots__ = ()
    __dspex_type__: ClassVar[str] = "custom"
    """What kind of special type: `image`, `audio`, `file`, `document`, `history`, `code`, `reasoning`, `citations`,
    `tool`, `tool_calls`, `tool_results`, or `custom` for a user's own."""

    @classmethod
    def description(cls) -> str:
        """Say in words for the model what values of this type look like; empty where nothing is to say."""
        return ""

    @classmethod
    def type_phrase(cls) -> str:
        """Return the type as a prompt names it for an output, as in `code (Python code)`."""
        return cls.__name__.lower()

    @classmethod
    def input_phrase(cls) -> str:
        """Return the type as a prompt names it for an input."""
        return (
            cls.__dspex_type__.replace("_", " ") if cls.__dspex_type__ != "custom" else cls.__name__.lower()
        )

    @classmethod
    def from_completion(cls, text: str) -> Self:
        """Return the value that a model's text stands for.

        Raises:
            ValueError: it stands for none.
        """
        raise NotImplementedError

    def prompt_form(self) -> str | list[dict[str, Any]]:
        """Return the value as it stands in a prompt: text, or content parts as OpenAI's API writes them."""
        raise NotImplementedError

    def completion_form(self) -> str:
        """Return the text with which a model would answer this value; `from_completion` reads it back."""
        raise NotImplementedError


def is_special(annotation: Any) -> bool:
    """Tell whether values of this annotation are special, or hold special values at any depth.

    Example:
        >>> from dspex.types.reasoning import Reasoning
        >>> is_special(dict[str, list[Reasoning | None]]), is_special(list[str])
        (True, False)
    """
    return next(_walk(annotation, set()), None) is not None


def special_types(annotation: Any) -> tuple[type[Special], ...]:
    """Return the special types that an annotation holds, each once, in their order."""
    return tuple(dict.fromkeys(_walk(annotation, set())))


def special_type(annotation: Any) -> type[Special] | None:
    """Return the special type that the annotation itself is, `Annotated` and `| None` put aside; None for others.

    Example:
        >>> from dspex.types.reasoning import Reasoning
        >>> special_type(Reasoning | None), special_type(list[Reasoning])
        (<class 'dspex.types.reasoning.Reasoning'>, None)
    """
    members = [m for m in union_members(annotation) if m is not None and m is not types.NoneType]
    only = members[0] if len(members) == 1 else None
    return only if isinstance(only, type) and _of_kind(only) else None


def special_kind(annotation: Any) -> str:
    """Return the kind of the special type that the annotation itself is, such as `history`; empty for others."""
    found = special_type(annotation)
    return found.__dspex_type__ if found else ""


def _of_kind(annotation: type) -> bool:
    # A parametrized alias such as `list[int]` passes for a type in places; `__mro__` is what it lacks.
    return Special in getattr(annotation, "__mro__", ())


def _walk(annotation: Any, seen: set[int]) -> Iterator[type[Special]]:
    if id(annotation) in seen:
        return
    seen.add(id(annotation))
    if isinstance(annotation, type) and get_origin(annotation) is None:
        if _of_kind(annotation):
            yield annotation
            return
        for inner in _members(annotation):
            yield from _walk(inner, seen)
    for argument in get_args(annotation):
        yield from _walk(argument, seen)


def _members(kind: type) -> list[Any]:
    """Return the annotations of a model's or dataclass's fields, as far as they are resolved."""
    models = getattr(kind, "model_fields", None)
    if isinstance(models, dict):
        return [getattr(f, "annotation", None) for f in models.values()]
    return [f.type for f in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []
