"""Earlier turns of a conversation, as an input of a signature."""

from __future__ import annotations

from typing import Any

import pydantic

from dspex.types.base import Special


class History(pydantic.BaseModel, Special):
    """Earlier turns: each a dict with values for the signature's own fields, inputs and outputs.

    Example:
        >>> History(messages=[{"question": "Capital of France?", "answer": "Paris"}]).messages[0]["answer"]
        'Paris'
    """

    __dspex_type__ = "history"
    model_config = pydantic.ConfigDict(frozen=True, str_strip_whitespace=True, extra="forbid")

    messages: list[dict[str, Any]]
