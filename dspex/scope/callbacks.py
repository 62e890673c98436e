"""Callbacks in DSPy's shape: told at once, in the caller's thread, with the object and its inputs.

The bus hands on events, plain values and later. DSPy's users need the instance and the inputs, and code of theirs
(tracing, above all) must run before and after the work in the same context. So this is a second kind of listener,
called by hand at the places that emit events: modules, models, adapters, tools, evaluations. Without callbacks such
a place looks up one tuple and goes on. A callback that raises is told to the bus; the work goes on.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self, TypeVar, cast

from msgspec.structs import replace

from dspex.events.event import Log
from dspex.scope.ambient import ambient
from dspex.scope.scope import current, move_to

T = TypeVar("T")


class _ActiveCallId:
    """Reads like DSPy's ContextVar of the same name."""

    def get(self) -> str | None:
        """Return the id of the call around the running code; None where there is none."""
        return current().call_id

    def __repr__(self) -> str:
        return f"<ACTIVE_CALL_ID: {self.get()}>"


ACTIVE_CALL_ID = _ActiveCallId()
"""The call around the running code; in a start handler, the parent of the call that starts."""


class BaseCallback:
    """Base of callbacks: override the handlers you need.

    A start handler gets `call_id`, `instance` and `inputs`; an end handler `call_id`, `outputs` and `exception`.
    Give callbacks to `configure`, `context`, or to a module, model, adapter, tool or `Evaluate` of its own.

    Example:
        >>> class Names(BaseCallback):
        ...     def on_module_start(self, call_id, instance, inputs):
        ...         print("starts:", type(instance).__name__)
        >>> import dspex
        >>> with dspex.context(lm=dspex.LM("practice"), callbacks=[Names()]):
        ...     _ = dspex.Predict("ticket -> team")(ticket="I was charged twice.")
        starts: Predict
    """

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """A module is about to run."""

    def on_module_end(
        self, call_id: str, outputs: Any | None, exception: BaseException | None = None
    ) -> None:
        """A module returned or raised."""

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """A model is about to be asked."""

    def on_lm_end(self, call_id: str, outputs: Any | None, exception: BaseException | None = None) -> None:
        """A model answered or failed."""

    def on_adapter_format_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """An adapter is about to write a prompt."""

    def on_adapter_format_end(
        self, call_id: str, outputs: Any | None, exception: BaseException | None = None
    ) -> None:
        """An adapter wrote a prompt."""

    def on_adapter_parse_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """An adapter is about to read an answer."""

    def on_adapter_parse_end(
        self, call_id: str, outputs: Any | None, exception: BaseException | None = None
    ) -> None:
        """An adapter read an answer or could not."""

    def on_tool_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """A tool is about to be called."""

    def on_tool_end(self, call_id: str, outputs: Any | None, exception: BaseException | None = None) -> None:
        """A tool returned or raised."""

    def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """An evaluation is about to begin."""

    def on_evaluate_end(
        self, call_id: str, outputs: Any | None, exception: BaseException | None = None
    ) -> None:
        """An evaluation ended."""


def listening(instance: Any) -> tuple[Any, ...]:
    """Return who is told of this instance's calls: those of the settings, then its own."""
    own = getattr(instance, "callbacks", None)
    return (*ambient().callbacks, *own) if own else ambient().callbacks


class Told:
    """One call that callbacks are told of: `with Told(...) as told: told.outputs = work()`.

    Args:
        callbacks: from `listening`.
        kind: `module`, `lm`, `adapter_format`, `adapter_parse`, `tool` or `evaluate`.
        instance: what is called.
        inputs: with what, by parameter name.
    """

    def __init__(self, callbacks: tuple[Any, ...], kind: str, instance: Any, inputs: dict[str, Any]) -> None:
        self.call_id = os.urandom(16).hex()
        self.outputs: Any = None
        self._callbacks = callbacks
        self._kind = kind
        self._instance = instance
        self._inputs = inputs
        self._parent: str | None = None

    def __enter__(self) -> Self:
        given = {"call_id": self.call_id, "instance": self._instance, "inputs": self._inputs}
        self._tell("start", given)
        scope = current()
        self._parent = scope.call_id
        move_to(replace(scope, call_id=self.call_id))
        return self

    def __exit__(self, _type: object, exception: BaseException | None, _traceback: object) -> None:
        # Set, not reset by token: a generator may be closed in another context than it was started in.
        move_to(replace(current(), call_id=self._parent))
        self._tell("end", {"call_id": self.call_id, "outputs": self.outputs, "exception": exception})

    def _tell(self, when: str, given: Mapping[str, Any]) -> None:
        name = f"on_{self._kind}_{when}"
        for callback in self._callbacks:
            try:
                getattr(callback, name)(**given)
            except Exception as exc:  # foreign code that only watches: whatever it raises, the work goes on
                text = f"The callback `{type(callback).__name__}.{name}` raised {type(exc).__name__}: {exc}"
                current().emit(Log(level="warning", text=text))


async def told(
    callbacks: tuple[Any, ...],
    kind: str,
    instance: Any,
    inputs: dict[str, Any],
    work: Callable[[], Awaitable[T]],
) -> T:
    """Await `work()` and tell the callbacks before and after."""
    with Told(callbacks, kind, instance, inputs) as telling:
        telling.outputs = await work()
        return telling.outputs  # type: ignore[no-any-return]  # it is a T


def with_callbacks(fn: Callable[..., T]) -> Callable[..., T]:
    """Decorate a method so that callbacks are told when it starts and ends.

    What they are told as is the instance's `callback_kind`, such as `tool`; a module where it has none. Of an
    adapter the methods `format` and `parse` may be decorated.

    Example:
        >>> class Search:
        ...     callback_kind = "tool"
        ...     @with_callbacks
        ...     def __call__(self, query):
        ...         return query.upper()
        >>> Search()("a")
        'A'
    """
    signature = inspect.signature(fn)

    def telling(callbacks: tuple[Any, ...], instance: Any, args: Any, kwargs: Any) -> Told:
        kind = getattr(instance, "callback_kind", "module")
        kind = f"adapter_{fn.__name__}" if kind == "adapter" else kind
        bound = signature.bind(instance, *args, **kwargs)
        bound.apply_defaults()
        inputs = dict(list(bound.arguments.items())[1:])
        return Told(callbacks, kind, instance, inputs)

    @functools.wraps(fn)
    def call(instance: Any, *args: Any, **kwargs: Any) -> Any:
        callbacks = listening(instance)
        if not callbacks:
            return fn(instance, *args, **kwargs)
        with telling(callbacks, instance, args, kwargs) as now:
            now.outputs = fn(instance, *args, **kwargs)
            return now.outputs

    @functools.wraps(fn)
    async def acall(instance: Any, *args: Any, **kwargs: Any) -> Any:
        callbacks = listening(instance)
        if not callbacks:
            return await fn(instance, *args, **kwargs)  # type: ignore[misc]  # a coroutine function's result
        with telling(callbacks, instance, args, kwargs) as now:
            now.outputs = await fn(instance, *args, **kwargs)  # type: ignore[misc]
            return now.outputs

    return cast(Callable[..., T], acall if inspect.iscoroutinefunction(fn) else call)
