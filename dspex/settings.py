"""Which model and adapter programs use: `configure` for the process, `context` for a block of code.

Settings are one frozen value. `configure` replaces the process's; `context` lays changes over it in a ContextVar,
so threads and tasks see their own and a re-run cell changes nothing. A run freezes the settings it starts with.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, cast

from dspex.adapters.adapter import Adapter
from dspex.adapters.chat import ChatAdapter
from dspex.errors import SettingsError, nearest
from dspex.lm.base import BaseLM
from dspex.scope.ambient import Ambient, Layer, ambient, lay, lift, process, set_process, top
from dspex.scope.usage import UsageTracker


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Ambient):
    """All settings, frozen; unknown names are refused where they are set."""

    lm: BaseLM | None = None
    """The model programs ask where they have none of their own."""
    adapter: Adapter = ChatAdapter()
    """How signatures become prompts and answers become values."""
    num_threads: int = 16
    """Examples in flight at once in an evaluation."""
    async_max_workers: int = 8
    """Programs at once behind `asyncify`."""
    max_errors: int = 10
    """Failures after which `batch`, `Parallel` and optimizers give up, unless they are told otherwise."""
    provide_traceback: bool = False
    """Whether failures of a batch are told with their traceback."""
    warn_on_type_mismatch: bool = True
    """Whether an input of another type than its field's is told."""
    trace: list[Any] | None = None
    """Where (predictor, inputs, prediction) of each call are noted, if anywhere."""
    max_trace_size: int = 10_000
    """Steps that `trace` holds at most."""
    send_stream: Any = None
    """Where a streamed program sends what it has; see `streamify`."""
    stream_listeners: tuple[Any, ...] = ()
    """What is taken from the stream."""
    seed: int = 0
    """Seed of runs that name none."""


_NAMES = tuple(sorted(f.name for f in fields(Settings)))
_WHOLE = {
    "num_threads": 1,
    "async_max_workers": 1,
    "max_errors": 1,
    "max_history_size": 0,
    "max_trace_size": 0,
}
"""Settings that are whole numbers, and the smallest each may be."""
_lock = threading.Lock()
set_process(Settings())


def current_settings() -> Settings:
    """Return the settings of the running code."""
    return cast(Settings, ambient())


def configure(**changes: Any) -> None:
    """Set the process's settings, for every thread and task, from now on.

    Args:
        lm: a `dspex.LM`, or None.
        adapter: an adapter; the chat adapter by default.
        callbacks: who is told of every call; see `BaseCallback`.
        track_usage: whether answers carry the tokens they took; see `Prediction.get_lm_usage`.
        num_threads: examples in flight at once in an evaluation; 16 by default.
        max_errors: failures after which a batch gives up; 10 by default.
        trace, max_trace_size: a list that notes each step of programs, and how many it holds.
        max_history_size, disable_history: how many calls are remembered; 10,000 by default.
        async_max_workers: programs at once behind `asyncify`; 8 by default.
        rm: what `Retrieve` asks for passages, such as a `BM25`.
        seed: seed of runs that name none; 0 by default.

    Raises:
        SettingsError: a name is unknown or a value cannot be.

    Example:
        >>> configure(num_threads=8)
        >>> settings.num_threads
        8
    """
    check(changes)
    with _lock:
        set_process(replace(process(), **_tidy(changes)))


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
    token = lay(_tidy(changes))
    try:
        yield
    finally:
        lift(token)


@contextmanager
def fixed(value: Settings) -> Iterator[Layer]:
    """Use exactly these settings inside the `with` block: a run keeps those it started with.

    Yields:
        what can be changed by hand while the block runs, such as the model that a person switches.
    """
    token = lay({name: getattr(value, name) for name in _NAMES})
    laid = top()
    assert laid is not None, "it was laid in the line above"
    try:
        yield laid
    finally:
        lift(token)


@contextmanager
def track_usage() -> Iterator[UsageTracker]:
    """Count the tokens of every paid call inside the `with` block, by model.

    Blocks may be nested: the outer one counts what the inner one counted, when that ends. Answers from the cache
    cost nothing and are not counted.

    Example:
        >>> from dspex.lm.lm import LM
        >>> with track_usage() as tracker:
        ...     _ = LM("practice")("Hello")
        >>> list(tracker.get_total_tokens())
        ['practice']
    """
    tracker, around = UsageTracker(), current_settings().usage_tracker
    token = lay({"usage_tracker": tracker})
    try:
        yield tracker
    finally:
        lift(token)
        if around is not None:
            around.take(tracker)


def load_settings(path: str | os.PathLike[str], allow_pickle: bool = False) -> dict[str, Any]:
    """Return the settings that `settings.save` wrote: pass them to `configure`.

    Args:
        path: a JSON file.
        allow_pickle: accepted as in DSPy; nothing is ever unpickled.

    Raises:
        SettingsError: no such file, or not saved settings.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "settings.json")
        >>> settings.save(path)
        >>> configure(**load_settings(path))
    """
    from dspex.settings_store import read_settings

    return read_settings(path, _NAMES)


class Snapshot(dict[str, Any]):
    """Settings as a dict whose items are attributes too; what `settings.copy()` returns."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class _Face:
    """`dspex.settings`: reads the settings of the running code, and sets the process's."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name not in _NAMES:
            raise AttributeError(
                f"No setting `{name}`.{nearest(name, _NAMES)} Settings: {', '.join(_NAMES)}."
            )
        value = getattr(current_settings(), name)
        return list(value) if isinstance(value, tuple) else value

    def __setattr__(self, name: str, value: Any) -> None:
        configure(**{name: value})

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __setitem__(self, name: str, value: Any) -> None:
        configure(**{name: value})

    def __contains__(self, name: object) -> bool:
        return name in _NAMES

    def get(self, name: str, default: Any = None) -> Any:
        """Return a setting, or the default where there is none of this name."""
        return getattr(self, name) if name in _NAMES else default

    def configure(self, **changes: Any) -> None:
        """Set the process's settings; see `dspex.configure`."""
        configure(**changes)

    def context(self, **changes: Any) -> Any:
        """Use other settings in a block; see `dspex.context`."""
        return context(**changes)

    def copy(self) -> Snapshot:
        """Return the settings of the running code as a dict: `dspex.context(**settings.copy())` lays them again."""
        return Snapshot({name: getattr(self, name) for name in _NAMES})

    @property
    def config(self) -> Snapshot:
        """The same as `copy()`."""
        return self.copy()

    def save(
        self,
        path: str | os.PathLike[str],
        modules_to_serialize: Sequence[Any] | None = None,
        exclude_keys: Sequence[str] | None = None,
    ) -> None:
        """Write the settings to a JSON file; without keys, and without what is no plain value.

        Args:
            path: the file, `.json`.
            modules_to_serialize: accepted as in DSPy; no code is ever written.
            exclude_keys: settings to leave out.

        Raises:
            SettingsError: the name ends in `.pkl`; nothing is ever pickled.
        """
        from dspex.settings_store import write_settings

        skip = {
            *(exclude_keys or ()),
            "callbacks",
            "usage_tracker",
            "trace",
            "send_stream",
            "stream_listeners",
        }
        write_settings(path, {name: value for name, value in self.copy().items() if name not in skip})

    def load(self, path: str | os.PathLike[str], allow_pickle: bool = False) -> dict[str, Any]:
        """Return saved settings; see `dspex.load_settings`."""
        return load_settings(path, allow_pickle)

    def __dir__(self) -> list[str]:
        return [*_NAMES, *(name for name in vars(_Face) if not name.startswith("_"))]

    def __repr__(self) -> str:
        now = current_settings()
        return f"Settings({', '.join(f'{n}={getattr(now, n)!r}' for n in _NAMES)})"


settings = _Face()


def required_lm(own: BaseLM | None = None) -> BaseLM:
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
        if name in _WHOLE:
            _check_whole(name, value)
        elif name in _CHECKS and value is not None:
            _CHECKS[name](value)


def _check_whole(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < _WHOLE[name]:
        raise SettingsError(f"`{name}` takes a whole number of at least {_WHOLE[name]}, not `{value!r}`.")


def _check_lm(value: Any) -> None:
    if not isinstance(value, BaseLM):
        hint = f' Write `dspex.LM("{value}")`.' if isinstance(value, str) else ""
        raise SettingsError(f"`lm` takes a `dspex.LM`, not `{type(value).__name__}`.{hint}")


def _check_adapter(value: Any) -> None:
    if isinstance(value, type) or not callable(getattr(value, "format", None)):
        name = value.__name__ if isinstance(value, type) else type(value).__name__
        hint = f" Write `{name}()`." if isinstance(value, type) else ""
        raise SettingsError(f"`adapter` takes an adapter such as `dspex.ChatAdapter()`, not `{name}`.{hint}")


def _check_callbacks(value: Any) -> None:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise SettingsError(f"`callbacks` takes a list of callbacks, not `{type(value).__name__}`.")


def _check_trace(value: Any) -> None:
    if not isinstance(value, list):
        raise SettingsError(f"`trace` takes a list that is filled, or None, not `{type(value).__name__}`.")


def _check_rm(value: Any) -> None:
    if isinstance(value, type) or not callable(value):
        raise SettingsError(
            f"`rm` takes a retriever such as `dspex.BM25(corpus)`, or a function, not `{type(value).__name__}`."
        )


_CHECKS: dict[str, Callable[[Any], None]] = {
    "lm": _check_lm,
    "adapter": _check_adapter,
    "callbacks": _check_callbacks,
    "trace": _check_trace,
    "rm": _check_rm,
}


def _tidy(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes as they are kept: lists frozen, None where it means the usual."""
    tidy = dict(changes)
    for name in ("callbacks", "stream_listeners"):
        if name in tidy:
            tidy[name] = tuple(tidy[name] or ())
    if "adapter" in tidy and tidy["adapter"] is None:
        tidy["adapter"] = ChatAdapter()
    return tidy
