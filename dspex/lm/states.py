"""Which class a saved model is of, and whether it may be made: a file may name any class of any package.

Apart because it is the one place where a name in a file becomes code, and only where the caller said so.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dspex.errors import SettingsError

if TYPE_CHECKING:
    from dspex.lm.base import BaseLM

CLASS_KEY = "_dspy_lm_class"
"""Where DSPy writes a model's class, so that each of us reads the other's files."""
_USUAL = ("dspy.clients.lm.LM", "dspex.lm.lm.LM")


def class_path(lm: BaseLM) -> dict[str, str]:
    """Return what a saved model says about its class; nothing where it is the usual one."""
    path = f"{type(lm).__module__}.{type(lm).__qualname__}"
    return {} if path in _USUAL else {CLASS_KEY: path}


def load_lm(cls: type[BaseLM], state: Mapping[str, Any], *, custom: bool, trusted: bool) -> BaseLM:
    """Return the model a state describes.

    Raises:
        SettingsError: it describes none, or of a class that may not be made.
    """
    from dspex.lm.base import BaseLM
    from dspex.lm.lm import LM

    given = dict(state)
    path = str(given.pop(CLASS_KEY, "") or _USUAL[1])
    if not isinstance(given.get("model"), str):
        raise SettingsError("This is no saved LM: it names no `model`.")
    kind = cls
    if cls is BaseLM:
        kind = LM if path in _USUAL else _imported(path, custom=custom)
    if not issubclass(kind, BaseLM):
        raise SettingsError(f"The saved model's class `{path}` is no `dspex.BaseLM`.")
    if issubclass(kind, LM):
        return kind.load_state(given, allow_unsafe_lm_state=trusted)
    if kind is not cls and "load_state" in vars(kind):
        return kind.load_state(given)
    return kind(**given)


def _imported(path: str, *, custom: bool) -> type[BaseLM]:
    if not custom:
        raise SettingsError(
            f"The saved model is a `{path}`, and making it runs that code. If you know it, pass "
            "allow_custom_lm_class=True, or allow_unsafe_lm_state=True where a program is loaded."
        )
    module, _, name = path.rpartition(".")
    try:
        found: type[BaseLM] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as exc:
        raise SettingsError(f"The saved model's class `{path}` cannot be imported: {exc}") from None
    if not isinstance(found, type):
        raise SettingsError(f"The saved model's class `{path}` is no class.")
    return found
