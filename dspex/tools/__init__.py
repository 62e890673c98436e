"""What a model may ask to have called: a user's functions as tools, the calls it asks for, and what they gave.

They are pydantic models and loaded when first asked for: `import dspex` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dspex.tools.calls import ToolCallResults, ToolCalls
    from dspex.tools.tool import Tool

__all__ = ["Tool", "ToolCallResults", "ToolCalls"]

_HOMES = {"Tool": "tool", "ToolCallResults": "calls", "ToolCalls": "calls"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
