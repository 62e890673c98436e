"""Which model and adapter programs use: `configure` for the process, `context` for a block of code.

Settings are one frozen value. `configure` replaces the process's; `context` lays changes over it in a ContextVar,
so threads and tasks see their own and a re-run cell changes nothing. A run freezes the settings it starts with.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from typing import Any

from dspex.adapters.adapter import Adapter
from dspex.adapters.chat import ChatAdapter
from dspex.errors import SettingsError, nearest
from dspex.lm.lm import LM


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, frozen; unknown names are refused where they are set."""

    lm: LM | None = None
    """The model programs ask where they have none of their own."""
    adapter: Adapter = ChatAdapter()
    """How signatures become prompts and answers become values."""
    num_threads: int = 16
    """Examples in flight at once in an evaluation."""
    seed: int = 0
    """Seed of runs that name none."""


_NAMES = tuple(f.name for f in fields(Settings))
_lock = threading.Lock()
_process = Settings()
_over: ContextVar[Mapping[str, Any]] = ContextVar("dspex_settings", default={})  # noqa: B039 - never changed in place


def current_settings() -> Settings:
    """Return the settings of the running code."""
    over = _over.get()
    return replace(_process, **over) if over else _process


def configure(**changes: Any) -> None:
    """Set the process's settings, for every thread and task, from now on.

    Args:
        lm: a `dspex.LM`, or None.
        adapter: an adapter; the chat adapter by default.
        num_threads: examples in flight at once in an evaluation; 16 by default.
        seed: seed of runs that name none; 0 by default.

    Raises:
        SettingsError: a name is unknown or a value cannot be.

    Example:
        >>> configure(num_threads=8)
        >>> settings.num_threads
        8
    """
    global _process
    check(changes)
    with _lock:
        _process = replace(_process, **changes)


@contextmanager
def context(**changes: Any) -> Iterator[None]:
    """Use other settings inside the `with` block, in this thread or task and what it starts.

    Raises:
        SettingsError: a name is unknown or a value cannot be.

    Example:
        >>> with context(num_threads=2):
        ...     settings.num_threads
        2
    """
    check(changes)
    token = _over.set({**_over.get(), **changes})
    try:
        yield
    finally:
        _over.reset(token)


@contextmanager
def fixed(value: Settings) -> Iterator[None]:
    """Use exactly these settings inside the `with` block: a run keeps those it started with."""
    token = _over.set({name: getattr(value, name) for name in _NAMES})
    try:
        yield
    finally:
        _over.reset(token)


class _Face:
    """`dspex.settings`: reads the settings of the running code."""

    def __getattr__(self, name: str) -> Any:
        if name not in _NAMES:
            raise AttributeError(
                f"No setting `{name}`.{nearest(name, _NAMES)} Settings: {', '.join(_NAMES)}."
            )
        return getattr(current_settings(), name)

    def configure(self, **changes: Any) -> None:
        """Set the process's settings; see `dspex.configure`."""
        configure(**changes)

    def context(self, **changes: Any) -> Any:
        """Use other settings in a block; see `dspex.context`."""
        return context(**changes)

    def __dir__(self) -> list[str]:
        return [*_NAMES, "configure", "context"]

    def __repr__(self) -> str:
        now = current_settings()
        return f"Settings({', '.join(f'{n}={getattr(now, n)!r}' for n in _NAMES)})"


settings = _Face()


def required_lm(own: LM | None = None) -> LM:
    """Return the model to ask.

    Raises:
        SettingsError: none is set.
    """
    lm = own or current_settings().lm
    if lm is None:
        raise SettingsError(
            'No language model is set: write `dspex.configure(lm=dspex.LM("openai/gpt-4o-mini"))`, '
            'or `dspex.LM("practice")` to try without a key.'
        )
    return lm


def check(changes: Mapping[str, Any]) -> None:
    """Refuse what is no setting.

    Raises:
        SettingsError: a name is unknown or a value cannot be.
    """
    for name, value in changes.items():
        if name not in _NAMES:
            raise SettingsError(
                f"Unknown setting `{name}`.{nearest(name, _NAMES)} Settings: {', '.join(_NAMES)}."
            )
        if name == "lm" and value is not None and not isinstance(value, LM):
            hint = f' Write `dspex.LM("{value}")`.' if isinstance(value, str) else ""
            raise SettingsError(f"`lm` takes a `dspex.LM`, not `{type(value).__name__}`.{hint}")
        if name == "num_threads" and (not isinstance(value, int) or value < 1):
            raise SettingsError(f"`num_threads` takes a whole number of at least 1, not `{value!r}`.")
