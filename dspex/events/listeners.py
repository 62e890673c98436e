"""Anybody may listen: a bounded queue and a thread for each listener.

A slow listener loses the oldest events and is told how many; a failing one is unhooked and the bus says so.
Neither can hold up the work or another listener: with one thread for all, whoever waits would make the rest lose.
"""

from __future__ import annotations

import fnmatch
import threading
import time
from collections import deque
from collections.abc import Callable
from types import CodeType, TracebackType
from typing import Any, Self

from dspex import _canon, _host
from dspex.errors import SettingsError, nearest
from dspex.events.bus import bus
from dspex.events.event import AnyEvent, Event, Log, kind_of

QUEUE = 10_000
"""Events that wait for a listener at most, unless it is lossless."""
PATIENCE = 5.0
"""Seconds that `drain` waits for listeners."""
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
        self._serving = threading.Lock()
        self._wake = threading.Event()
        self._round = threading.Condition()
        self._asked = self._answered = 0
        self._closed = self._over = False
        self._ident = 0

    def take(self, event: AnyEvent) -> None:
        """Queue the event for the listener's thread."""
        if not isinstance(event, self._kinds):
            return
        if len(self._queue) >= QUEUE and not self._lossless:
            self._drop_oldest()
        self._queue.append(event)
        if not self._wake.is_set():  # setting it again would cost as much as the first time
            self._wake.set()

    def wants(self, kind: type[Event]) -> bool:
        """Tell whether the pattern matches this kind."""
        return issubclass(kind, self._kinds)

    @property
    def full(self) -> bool:
        """Never: a slow listener holds nobody up."""
        return False

    def wait_for_room(self) -> None:
        """Return at once."""

    def start(self) -> None:
        """Begin to hand over, on a thread of its own, until it is closed."""
        _host.spawn("listeners", self._run)

    def ask(self) -> int:
        """Ask for a round; return the ticket that its end answers."""
        with self._round:
            self._asked += 1
            ticket = self._asked
        self._wake.set()
        return ticket

    def wait(self, ticket: int, timeout: float) -> bool:
        """Wait until the round that was asked for has ended; False if that took too long."""
        with self._round:
            return self._round.wait_for(lambda: self._over or self._answered >= ticket, timeout)

    @property
    def is_me(self) -> bool:
        """Whether this is the listener's own thread."""
        return self._ident == threading.get_ident()

    def serve(self) -> None:
        """Hand over what is queued now; later events wait for the next round, so that whoever drains is answered."""
        with self._serving:
            for _ in range(len(self._queue)):
                if not self._queue:
                    break
                event = self._queue.popleft()
                try:
                    self._listener(event)
                except (
                    BaseException
                ) as exc:  # a listener is foreign code: it may fail in any way, the work goes on
                    self.close()
                    self._queue.clear()
                    what = f"{type(exc).__name__}: {exc}"
                    text = f"Listener `{_name(self._listener)}` was unhooked: it raised {what}"
                    bus.emit(Log(level="error", text=text))
        if self.dropped > self._told:
            text = f"Listener `{_name(self._listener)}` is too slow: {self.dropped} events were dropped."
            self._told = self.dropped
            bus.emit(Log(level="warning", text=text))

    def close(self) -> None:
        """Stop listening; closing twice is harmless."""
        bus.detach(self)
        _service.remove(self)
        self._closed = True
        self._wake.set()

    def finish(self) -> None:
        """Stop listening and hand over, in this thread, what is still queued."""
        self.close()
        while self._queue:
            self.serve()

    def _drop_oldest(self) -> None:
        try:
            self._queue.popleft()
        except IndexError:
            return  # its thread has emptied the queue meanwhile
        self.dropped += 1

    def _run(self) -> None:
        self._ident = threading.get_ident()
        while not self._closed:
            self._wake.wait()
            self._wake.clear()
            ticket = self._asked  # a round that begins after a question answers it
            if not self._closed:
                self.serve()
            with self._round:
                self._answered = ticket
                self._round.notify_all()
        with self._round:
            self._over = True
            self._round.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        drain()
        self.close()

    def __repr__(self) -> str:
        return f"Subscription({self.pattern!r}, {_name(self._listener)})"


class _Service:
    """Who listens now, by what tells two listeners apart."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, Subscription] = {}

    def add(self, key: str, subscription: Subscription) -> None:
        with self._lock:
            before = self._open.pop(key, None)
            self._open[key] = subscription
        if before is not None:
            before.close()
        subscription.start()
        bus.attach(subscription)

    def remove(self, subscription: Subscription) -> None:
        with self._lock:
            self._open = {k: s for k, s in self._open.items() if s is not subscription}

    def drain(self, timeout: float) -> bool:
        with self._lock:
            listening = list(self._open.values())
        if any(subscription.is_me for subscription in listening):
            return False  # a listener waits for itself
        deadline = time.monotonic() + timeout
        tickets = [(subscription, subscription.ask()) for subscription in listening]
        return all(s.wait(ticket, max(0.0, deadline - time.monotonic())) for s, ticket in tickets)

    def forget(self) -> None:
        """Drop all after a fork: who listened lives in the parent."""
        self.__init__()  # type: ignore[misc]  # the same object must start afresh, subscriptions name it


_service = _Service()
_host.after_fork(_service.forget)


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
        raise SettingsError(
            f"No event matches `{pattern}`.{nearest(pattern, KINDS)} Kinds: {', '.join(KINDS)}."
        )
    _service.add(f"{pattern}|{_identity(listener)}", subscription)
    return subscription


def drain(timeout: float | None = None) -> bool:
    """Wait until every listener has been handed all events emitted so far; False if that took too long.

    Args:
        timeout: seconds; 5 by default.
    """
    return _service.drain(PATIENCE if timeout is None else timeout)


def _name(listener: Listener) -> str:
    return getattr(listener, "__qualname__", type(listener).__name__)


def _identity(listener: Listener) -> str:
    # A re-run cell defines the same function anew, maybe corrected: same place and name, another object.
    name, code = _name(listener), getattr(listener, "__code__", None)
    owner = getattr(listener, "__self__", None)
    if code is None or owner is not None or getattr(listener, "__closure__", None):
        return f"{id(listener if owner is None else owner)} {name}"
    if "<" not in name:
        return f"{listener.__module__}.{name}"
    # Small functions share a name such as `<lambda>`: what they do tells them apart.
    defaults = [id(value) for value in getattr(listener, "__defaults__", None) or ()]
    return _canon.digest([listener.__module__, name, defaults, _shape(code)])


def _shape(code: CodeType) -> list[object]:
    consts = [_shape(value) if isinstance(value, CodeType) else repr(value) for value in code.co_consts]
    return [code.co_code.hex(), code.co_names, consts]
