"""Values that are more than text: images, files, code, conversations, and the base of a user's own.

What needs pydantic is loaded when it is first asked for: `import dspex` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dspex.types.base import Special, is_special, special_kind, special_type, special_types
from dspex.types.parts import to_parts
from dspex.types.reasoning import Reasoning

if TYPE_CHECKING:
    from dspex.types.audio import Audio
    from dspex.types.citations import Citations
    from dspex.types.code import Code
    from dspex.types.document import Document
    from dspex.types.file import File
    from dspex.types.history import History
    from dspex.types.image import Image
    from dspex.types.type import Type

__all__ = [
    "Audio",
    "Citations",
    "Code",
    "Document",
    "File",
    "History",
    "Image",
    "Reasoning",
    "Special",
    "Type",
    "is_special",
    "special_kind",
    "special_type",
    "special_types",
    "to_parts",
]

_LAZY = ("Audio", "Citations", "Code", "Document", "File", "History", "Image", "Type")


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    return getattr(importlib.import_module(f"{__name__}.{name.lower()}"), name)
