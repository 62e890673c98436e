"""Adapters: between signatures and the messages a model reads and writes.

The adapters that few programs use are loaded when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dspex.adapters.adapter import Adapter, Fields
from dspex.adapters.chat import ChatAdapter
from dspex.adapters.convert import parse_value, render_value, type_phrase

if TYPE_CHECKING:
    from dspex.adapters.json import JSONAdapter
    from dspex.adapters.two_step import TwoStepAdapter
    from dspex.adapters.xml import XMLAdapter

__all__ = [
    "Adapter",
    "ChatAdapter",
    "Fields",
    "JSONAdapter",
    "TwoStepAdapter",
    "XMLAdapter",
    "parse_value",
    "render_value",
    "type_phrase",
]

_LAZY = {"JSONAdapter": "json", "TwoStepAdapter": "two_step", "XMLAdapter": "xml"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
