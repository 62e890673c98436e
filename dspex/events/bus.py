"""Numbers every event once and hands it to all sinks, in order.

A sink is called under the bus's lock and must only append: the journal, a run's feed, a listener's queue. A run's
time never goes back, whatever the machine's clock does: where that jumps back, time goes on from where it was.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Protocol

from msgspec.structs import force_setattr

from dspex import _clock, _host
from dspex.events.event import LIVE_ONLY, AnyEvent, Event, RunEnd, RunStart


class Sink(Protocol):
    """Takes events without waiting."""

    def take(self, event: AnyEvent) -> None:
        """Append the event to a queue."""
        ...

    def wants(self, kind: type[Event]) -> bool:
        """Tell whether events of this kind should be made at all."""
        ...

    @property
    def full(self) -> bool:
        """Whether emitters should wait before they emit more."""
        ...

    def wait_for_room(self) -> None:
        """Hold the emitter until there is room."""
        ...


class Bus:
    """The one bus of the process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._sinks: tuple[Sink, ...] = ()
        self._seq: defaultdict[str, int] = defaultdict(int)
        self._wanted: dict[type[Event], bool] = {}
        self._over: set[str] = set()
        self._times: dict[str, tuple[float, float]] = {}

    def emit(self, event: Event, *, run: str = "", span: str = "", parent: str = "") -> None:
        """Number the event and hand it on.

        Events are made fresh by their emitter and belong to the bus from here on, so it completes them in place
        instead of copying each. Of a run that has ended nothing more is said: work that could not be cut off in time
        may still emit.
        """
        with self._lock:
            if run in self._over:
                if not isinstance(event, RunStart):
                    return
                self._over.discard(run)  # the same id in another home
            force_setattr(event, "time", self._time(run) if run else _clock.now())
            force_setattr(event, "run", run)
            force_setattr(event, "span", span)
            force_setattr(event, "parent", parent)
            kind = type(event)  # exact, as no kind has another below it: a test of class would cost more
            if kind not in LIVE_ONLY:
                seq = self._seq[run] = self._seq[run] + 1
                force_setattr(event, "seq", seq)
            sinks = self._sinks
            for sink in sinks:
                sink.take(event)  # type: ignore[arg-type]  # every concrete Event is in AnyEvent; a test holds it
            if kind is RunEnd:
                self._seq.pop(run, None)
                self._times.pop(run, None)
                self._over.add(run)
        for sink in sinks:
            if sink.full:
                sink.wait_for_room()

    def attach(self, sink: Sink) -> None:
        """Have the sink take every event from now on."""
        with self._lock:
            self._sinks = (*self._sinks, sink)
            self._wanted = {}

    def detach(self, sink: Sink) -> None:
        """Hand the sink nothing more."""
        with self._lock:
            self._sinks = tuple(s for s in self._sinks if s is not sink)
            self._wanted = {}

    def wanted(self, kind: type[Event]) -> bool:
        """Tell whether anybody listens to this kind, so that costly events are made only then."""
        known = self._wanted.get(kind)
        if known is None:
            with self._lock:  # an answer from before somebody came must not be kept for after
                known = self._wanted[kind] = any(sink.wants(kind) for sink in self._sinks)
        return known

    def open_run(self, run: str, *, after: int = 0, time: float = 0.0) -> None:
        """Number a run's events from 1, or on from an earlier life's; one of another home may have had the same name.

        Args:
            run: its id.
            after: the last number it has.
            time: when that was.
        """
        with self._lock:
            self._seq[run] = after
            self._times[run] = (time, _clock.monotonic())
            self._over.discard(run)

    def _time(self, run: str) -> float:
        time, ticks = _clock.now(), _clock.monotonic()
        before = self._times.get(run)
        if before is not None and (least := before[0] + max(0.0, ticks - before[1])) > time:
            time = least
        self._times[run] = (time, ticks)
        return time

    def forget(self) -> None:
        """Drop all after a fork: who listened lives in the parent."""
        self.__init__()  # type: ignore[misc]  # the same object must start afresh, others hold it


bus = Bus()
_host.after_fork(bus.forget)
