"""Value -> prompt text, and text -> value: what every adapter's layout is filled with.

The law, held by property tests: `parse_value(render_value(v, field), field)` is `v` for each output field.
"""

from __future__ import annotations

from typing import Any

from dspex.adapters.reading import Unreadable, read_value
from dspex.adapters.rendering import render_value, type_phrase
from dspex.errors import AdapterParseError
from dspex.signatures.field import Field

__all__ = ["parse_value", "render_value", "type_phrase"]


def parse_value(text: str, field: Field) -> Any:
    """Return the value that a text from the model stands for.

    Raises:
        AdapterParseError: the text is no value of the field's type.

    Example:
        >>> from dspex.signatures.field import OutputField
        >>> parse_value("`1,200`.", OutputField().named("count", int))
        1200
    """
    try:
        return read_value(text, field)
    except Unreadable as exc:
        raise AdapterParseError(
            f"{exc!s}; the text is in `.lm_response`.", adapter_name="", signature="", lm_response=text
        ) from None
