"""The values of one message as text in a layout, and the content they make: text alone, or text and parts.

Apart from the layouts: each only says what stands around a value and how its text is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from dspex.adapters.rendering import render_value
from dspex.lm.messages import Part
from dspex.signatures.field import MISSING, Field
from dspex.types.base import Special, special_kind
from dspex.types.parts import Collector

if TYPE_CHECKING:
    from dspex.adapters.adapter import Fields

NOT_GIVEN = "(not given)"
Content = str | tuple[Part, ...]
Place = tuple[str, str, Field, str]
"""A field's name, what stands before its value, the field, what stands after."""


def user_content(
    places: Iterable[Place],
    values: Fields,
    escape: Callable[[str], str],
    *,
    absent: str | None = NOT_GIVEN,
    head: str = "",
    tail: str = "",
) -> Content:
    """Return inputs, each in its place, cut where parts belong.

    Args:
        places: the inputs.
        values: by field name; one that is missing and has no default says so, or is left out if `absent` is None.
        escape: makes what looks like the layout harmless in a value.
        absent: what stands for a missing value.
        head, tail: what stands before and after all of them.
    """
    texts = [head] if head else []
    collector: Collector | None = None
    get = values.get
    for name, before, field, after in places:
        value = get(name, MISSING)
        if type(value) is str:
            texts.append(before + escape(value) + after)
            continue
        if value is MISSING:
            value = field.default_value()
        if value is not MISSING:
            if collector is None:
                collector = Collector()
            texts.append(before + escape(_text(value, field, collector)) + after)
        elif absent is not None:
            texts.append(before + absent + after)
    if tail:
        texts.append(tail)
    text = "\n\n".join(texts)
    return collector.cut(text) if collector is not None and collector.taken else text


def output_texts(
    places: Iterable[Place], values: Fields, write: Callable[[object, Field], str], absent: str = NOT_GIVEN
) -> list[str]:
    """Return the outputs, each in its place; those without a value say so."""
    get = values.get
    texts: list[str] = []
    for name, before, field, after in places:
        value = get(name, MISSING)
        texts.append(before + (absent if value is MISSING else write(value, field)) + after)
    return texts


def gives_any(places: Sequence[Place], values: Fields) -> bool:
    """Tell whether there is a value for any of the fields."""
    get = values.get
    if places and get(places[0][0], MISSING) is not MISSING:
        return True  # nearly always, and without a generator
    return any(get(place[0], MISSING) is not MISSING for place in places)


def _text(value: object, field: Field, collector: Collector) -> str:
    if isinstance(value, Special):
        form = value.prompt_form()
        return form if isinstance(form, str) else collector.take(form)
    if isinstance(value, (list, tuple)) and value and all(special_kind(type(one)) == "tool" for one in value):
        return "\n".join(
            str(one.prompt_form()) for one in value
        )  # each in words, as JSON would only quote them
    return render_value(value, field, collector)
