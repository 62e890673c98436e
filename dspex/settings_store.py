"""Settings as a JSON file: models by their state, adapters by name and options; never a key, never code.

Apart from the settings, because only `save` and `load_settings` need it.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dspex._version import __version__
from dspex.adapters.adapter import Adapter
from dspex.errors import SettingsError
from dspex.lm.base import BaseLM
from dspex.lm.lm import LM

ADAPTERS = {
    "ChatAdapter": "dspex.adapters.chat",
    "JSONAdapter": "dspex.adapters.json",
    "XMLAdapter": "dspex.adapters.xml",
}
"""Adapters that a file may name, and the module of each."""
_PLAIN = (str, int, float, bool, type(None))


def write_settings(path: str | os.PathLike[str], values: Mapping[str, Any]) -> None:
    """Write settings to a JSON file.

    Raises:
        SettingsError: the file is to be a pickle, or a value cannot be written.
    """
    place = _checked(path)
    plain = {name: _written(name, value) for name, value in values.items()}
    text = json.dumps({"settings": plain, "metadata": {"dspex": __version__}}, indent=2, ensure_ascii=False)
    place.write_text(text + "\n", encoding="utf-8")


def read_settings(path: str | os.PathLike[str], known: Sequence[str]) -> dict[str, Any]:
    """Read settings from a JSON file.

    Raises:
        SettingsError: there is none, or it holds something else.
    """
    place = _checked(path)
    try:
        plain = json.loads(place.read_text(encoding="utf-8"))["settings"]
        return {name: _read(name, value) for name, value in plain.items() if name in known}
    except FileNotFoundError:
        raise SettingsError(f"There is no file `{place}`.") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        if isinstance(exc, SettingsError):
            raise
        raise SettingsError(f"`{place}` does not hold saved settings: {exc}") from None


def _checked(path: str | os.PathLike[str]) -> Path:
    place = Path(path)
    if place.suffix != ".json":
        name = f"{place.stem or 'settings'}.json"
        raise SettingsError(f"`{place.name}`: settings are kept as JSON, never pickled; use `{name}`.")
    return place


def _written(name: str, value: Any) -> Any:
    if isinstance(value, BaseLM):
        return value.dump_state()
    if isinstance(value, Adapter):
        kind = type(value)
        if ADAPTERS.get(kind.__name__) == kind.__module__:
            taken = inspect.signature(kind).parameters
            options = {k: v for k, v in vars(value).items() if k in taken and isinstance(v, _PLAIN)}
            return {"adapter": kind.__name__, "options": options}
    elif isinstance(value, _PLAIN):
        return value
    raise SettingsError(
        f"The setting `{name}` is a `{type(value).__name__}`, which no JSON file can hold; leave it out with "
        f'`exclude_keys=["{name}"]`.'
    )


def _read(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "lm":
        return LM.load_state(value)
    if name == "adapter":
        if value["adapter"] not in ADAPTERS:
            raise SettingsError(f"The saved adapter `{value['adapter']}` is none of: {', '.join(ADAPTERS)}.")
        kind = value["adapter"]
        return getattr(importlib.import_module(ADAPTERS[kind]), kind)(**value["options"])
    return value
