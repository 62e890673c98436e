"""Anybody may listen: a bounded queue for each listener, one thread that serves them all.

A slow listener loses the oldest events and is told how many; a failing one is unhooked and the bus says so.
Neither can hold up the work.
"""

from __future__ import annotations

import fnmatch
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from dspex import _canon, _host
from dspex.errors import SettingsError, nearest
from dspex.events.bus import bus
from dspex.events.event import AnyEvent, Event, Log, kind_of

QUEUE = 10_000
KINDS: dict[str, type[Event]] = {kind_of(kind): kind for kind in AnyEvent.__args__}
Listener = Callable[[Any], object]


class Subscription:
    """One listener's place on the bus; `close()` it, or use it in a `with` statement."""

    def __init__(self, pattern: str, listener: Listener, *, lossless: bool) -> None:
        self.pattern = pattern
        self.dropped = 0
        self._kinds = tuple(cls for kind, cls in KINDS.items() if fnmatch.fnmatchcase(kind, pattern))
        self._listener = listener
        self._lossless = lossless
        self._queue: deque[AnyEvent] = deque()
        self._told = 0

    def take(self, event: AnyEvent) -> None:
        """Queue the event for the listeners' thread."""
        if not isinstance(event, self._kinds):
            return
        if len(self._queue) >= QUEUE and not self._lossless:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(event)
        _service.wake.set()

    def wants(self, kind: type[Event]) -> bool:
        """Tell whether the pattern matches this kind."""
        return issubclass(kind, self._kinds)

    @property
    def full(self) -> bool:
        """Never: a slow listener holds nobody up."""
        return False

    def wait_for_room(self) -> None:
        """Return at once."""

    def serve(self) -> None:
        """Hand over all that is queued; on the listeners' thread."""
        while self._queue:
            event = self._queue.popleft()
            try:
                self._listener(event)
            except Exception as exc:  # a listener is foreign code: it may fail in any way, the work goes on
                self.close()
                self._queue.clear()
                text = f"Listener `{_name(self._listener)}` was unhooked: it raised {type(exc).__name__}: {exc}"
                bus.emit(Log(level="error", text=text))
        if self.dropped > self._told:
            text = f"Listener `{_name(self._listener)}` is too slow: {self.dropped} events were dropped."
            self._told = self.dropped
            bus.emit(Log(level="warning", text=text))

    def close(self) -> None:
        """Stop listening; closing twice is harmless."""
        bus.detach(self)
        _service.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        drain()
        self.close()

    def __repr__(self) -> str:
        return f"Subscription({self.pattern!r}, {_name(self._listener)})"


class _Service:
    """The one thread behind all listeners, started with the first."""

    def __init__(self) -> None:
        self.wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._lock = threading.Lock()
        self._open: dict[str, Subscription] = {}
        self._running = False

    def add(self, key: str, subscription: Subscription) -> None:
        with self._lock:
            before = self._open.pop(key, None)
            self._open[key] = subscription
            if not self._running:
                self._running = True
                _host.spawn("listeners", self._run)
        if before is not None:
            bus.detach(before)
        bus.attach(subscription)

    def remove(self, subscription: Subscription) -> None:
        with self._lock:
            self._open = {k: s for k, s in self._open.items() if s is not subscription}

    def drain(self, timeout: float) -> bool:
        self._idle.clear()
        self.wake.set()
        return self._idle.wait(timeout)

    def _run(self) -> None:
        while True:
            self.wake.wait()
            self.wake.clear()
            with self._lock:
                subscriptions = list(self._open.values())
            for subscription in subscriptions:
                subscription.serve()
            if not self.wake.is_set():
                self._idle.set()


_service = _Service()


def subscribe(pattern: str, listener: Listener, *, lossless: bool = False) -> Subscription:
    """Call `listener(event)` for every event whose kind matches the pattern, from now on.

    The listener runs on a thread of its own with a bounded queue. Subscribing the same function with the same
    pattern again (a re-run cell) replaces the former subscription.

    Args:
        pattern: a kind such as `"lm_end"`, or a pattern such as `"lm_*"` or `"*"`.
        listener: any callable of one argument.
        lossless: queue without a bound instead of dropping the oldest events.

    Raises:
        SettingsError: no kind of event matches the pattern.

    Example:
        >>> seen = []
        >>> with subscribe("log", seen.append):
        ...     bus.emit(Log(level="info", text="hello"))
        >>> seen[0].text
        'hello'
    """
    subscription = Subscription(pattern, listener, lossless=lossless)
    if not subscription._kinds:
        raise SettingsError(f"No event matches `{pattern}`.{nearest(pattern, KINDS)} Kinds: {', '.join(KINDS)}.")
    _service.add(f"{pattern}|{_identity(listener)}", subscription)
    return subscription


def drain(timeout: float = 5.0) -> bool:
    """Wait until every listener has been handed all events emitted so far; False if that took too long."""
    return _service.drain(timeout)


def _name(listener: Listener) -> str:
    return getattr(listener, "__qualname__", type(listener).__name__)


def _identity(listener: Listener) -> str:
    # A re-run cell defines the same function anew: same place, same code, another object.
    code = getattr(listener, "__code__", None)
    owner = getattr(listener, "__self__", None)
    if code is None or owner is not None or getattr(listener, "__closure__", None):
        return str(id(listener if owner is None else owner)) + _name(listener)
    return _canon.digest([listener.__module__, _name(listener), code.co_code.hex(), repr(code.co_consts)])
