"""Read the body of a signature class: which names are fields, and of which types.

Apart from the class itself because annotations may be text, which means looking for names where the class stands.
"""

from __future__ import annotations

import sys
import types
import typing
from collections import ChainMap
from collections.abc import Mapping
from typing import Any

from dspex.errors import SignatureError, nearest
from dspex.signatures.annotations import is_type, type_name
from dspex.signatures.field import MISSING, Field, field_name


def own_fields(cls: str, body: Mapping[str, Any], scope: ChainMap[str, Any]) -> dict[str, Field]:
    """Read the fields a class body declares, in the order they are written."""
    annotations = _annotations(body)
    declared = {name: value for name, value in body.items() if isinstance(value, Field)}
    for name, kind in annotations.items():
        if name in declared or name.startswith("_") or "ClassVar" in str(kind):
            continue
        shown = kind if isinstance(kind, str) else type_name(kind)
        raise SignatureError(
            f"`{cls}.{name}` is neither input nor output; write `{name}: {shown} = dspex.InputField()` or "
            f"`{name}: {shown} = dspex.OutputField()`."
        )
    visible = scope.new_child({k: v for k, v in body.items() if k not in declared})
    fields = {}
    for name, value in declared.items():
        kind = _resolved(cls, name, annotations[name], visible) if name in annotations else MISSING
        fields[field_name(name)] = value.named(name, kind)
    return fields


def _annotations(body: Mapping[str, Any]) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib

        annotate = annotationlib.get_annotate_from_class_namespace(body)
        if annotate is not None:
            return dict(annotationlib.call_annotate_function(annotate, annotationlib.Format.FORWARDREF))
    return dict(body.get("__annotations__", {}))


def _resolved(cls: str, name: str, kind: object, visible: ChainMap[str, Any]) -> object:
    """Return the type behind an annotation that may be text, as `from __future__ import annotations` makes it."""
    try:
        holder = types.SimpleNamespace(__annotations__={name: kind})
        found = typing.get_type_hints(holder, {}, dict(visible), include_extras=True)[name]
    except NameError as exc:
        unknown = exc.name or str(kind)
        near = nearest(unknown, [str(k) for k, v in visible.items() if is_type(v)])
        raise SignatureError(
            f"`{cls}.{name}`: the type `{unknown}` is not known here.{near} Import or define it before `{cls}`."
        ) from None
    except (TypeError, SyntaxError, AttributeError) as exc:
        raise SignatureError(
            f"`{cls}.{name}`: `{kind}` is no type: {str(exc).partition(chr(10))[0]}"
        ) from None
    if not is_type(found):
        raise SignatureError(
            f"`{cls}.{name}`: `{found!r}` is no type; for fixed values write `Literal[...]`."
        )
    return found
