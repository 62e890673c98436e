"""The one thread that writes to widgets: at most ten batches a second, and never more than the page can bear.

A notebook server drops everything, the user's own output too, from a kernel that talks too much; so one budget
of messages is shared by all panels. Workers and the journal only leave notes in the links.
"""

from __future__ import annotations

import contextvars
import threading

from dspex import _clock, _host
from dspex.events.bus import bus
from dspex.events.event import Log
from dspex_widgets.link import Act, Link

PERIOD = 0.1
"""Seconds between two batches."""
RATE = 20.0
"""Messages a second, over all panels."""
BURST = 10.0
"""Messages that may go at once after a silence."""
IDLE = 1.0
"""Seconds after which a live run is looked at though nothing was noted: its end may have come without an event."""


class Bucket:
    """A store of permits that fills steadily up to `most`."""

    def __init__(self, rate: float, most: float) -> None:
        self._rate = rate
        self._most = self._left = most
        self._at = _clock.monotonic()

    def take(self, now: float) -> bool:
        """Take one permit; False where there is none yet."""
        self._left = min(self._most, self._left + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Broadcaster:
    """Serves all links of the kernel."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._links: list[Link] = []
        self._waiting: dict[Link, Act] = {}
        self._bucket = Bucket(RATE, BURST)
        self._noted = threading.Event()
        self._never = threading.Event()
        self._running = False
        self.wake = self._noted.set

    def add(self, link: Link) -> None:
        """Serve the link from now on."""
        with self._lock:
            self._links.append(link)
            if not self._running:
                self._running = True
                # An empty context: with the cell's own, all output would be pinned to the cell that came first.
                contextvars.Context().run(_host.spawn, "widgets", self._serve)
        self.wake()

    def flush(self) -> bool:
        """Send what is due, each panel in turn; return whether something still waits."""
        now = _clock.monotonic()
        with self._lock:
            # Whoever was first is last next time, so that a small budget is shared evenly.
            self._links = [link for link in self._links[1:] + self._links[:1] if not link.closed]
            links = list(self._links)
        waits = [self._send(link, now) for link in links]
        return any(waits)

    def _send(self, link: Link, now: float) -> bool:
        try:
            while (act := self._waiting.pop(link, None) or link.next(now)) is not None:
                if not self._bucket.take(now):
                    self._waiting[link] = act
                    return True
                act()
        except Exception as exc:  # a comm fails in any way it likes; the other panels and the run go on
            link.drop()
            what = f"The widget of run {link.run.id} was unhooked: {type(exc).__name__}: {exc}"
            bus.emit(Log(level="warning", text=what))
        return False

    def _serve(self) -> None:
        while True:
            live = any(link.live for link in list(self._links))
            self._noted.wait(IDLE if live else None)
            self._noted.clear()
            if self.flush():
                self._noted.set()
            self._never.wait(PERIOD)


broadcaster = Broadcaster()
