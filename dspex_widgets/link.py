"""One panel's line to its run: what has happened, what was sent, what is due next.

The journal's thread and the browser's messages only leave notes here; the broadcaster's thread alone acts on
them, one message at a time. Nothing in this file waits or starts anything.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from dspex.events.event import AnyEvent, RunEnd
from dspex.runs.run import Run
from dspex.runs.state import RunState
from dspex_widgets.protocol import Delta, Message, Snapshot, decode_state, encode, text_of, values_of

MOST_EVENTS = 500
"""A longer batch goes as one snapshot."""
SHORT = 10_000
"""Bytes up to which a batch goes as it is; a longer one that is also longer than the state goes as a snapshot."""
REFRESH = 2.0
"""Seconds between two refreshes of the trait that page reloads start from; more where the state is large."""
LARGE = 100_000
PERIOD = 0.099
"""Seconds between two batches; a breath less than the broadcaster's, so that its every round may send one."""

Act = Callable[[], object]


class Panel(Protocol):
    """What a link needs of a widget."""

    snapshot: str

    def send(self, content: dict[str, object]) -> object:
        """Send a custom message."""
        ...

    def close(self) -> None:
        """Close the channel."""
        ...


class Backlog:
    """Events on their way to a panel, never more than one batch: of more, only the result will be sent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[AnyEvent] = []
        self._long = False
        self.last = 0
        """The number of the newest event that came."""
        self.ended = False
        """Whether the run's end was among them."""

    def put(self, events: Sequence[AnyEvent]) -> None:
        """Take a batch of the journal's; nothing of it is kept where all would be too many."""
        with self._lock:
            self.last = events[-1].seq if events else self.last
            self.ended = self.ended or any(isinstance(event, RunEnd) for event in events)
            self._long = self._long or len(self._events) + len(events) > MOST_EVENTS
            if self._long:
                self._events = []
            else:
                self._events.extend(events)

    def take(self) -> tuple[Sequence[AnyEvent], bool]:
        """Return what waits, and whether there was more than one batch may hold: then nothing is left of it."""
        with self._lock:
            events, long = self._events, self._long
            self._events, self._long = [], False
            return events, long

    @property
    def empty(self) -> bool:
        """Whether there is nothing to take."""
        return not self._events and not self._long


class Link:
    """Follows a run for one panel.

    Args:
        run: what is followed.
        wake: called whenever there may be something to do; must not wait.
    """

    def __init__(self, run: Run, wake: Callable[[], object]) -> None:
        self.run = run
        self.settled = threading.Event()
        """Set once the displays were given their frozen form, or the panel failed."""
        self.closed = False
        self._wake = wake
        self._backlog = Backlog()
        self._answers: deque[Message] = deque()
        self._freezes: list[Act] = []
        self._panel: Panel | None = None
        self._asked = False
        self._watched = True
        snapshot, self._leave_run = run.follow(self._take)
        self.snapshot = snapshot.decode()
        self._size = len(snapshot)
        self._sent = self._kept = decode_state(snapshot).seq
        self._kept_at = self._news_at = float("-inf")

    # ------------------------------------------------------------ notes, from any thread

    def _take(self, events: Sequence[AnyEvent]) -> None:
        self._backlog.put(events)
        self._wake()

    def post(self, message: Message) -> None:
        """Queue an answer for the browser."""
        self._answers.append(message)
        self._wake()

    def ask(self) -> None:
        """Have a snapshot sent: the browser starts afresh or has a gap."""
        self._watched = self._asked = True
        self._wake()

    def leave(self) -> None:
        """Note that no view is left."""
        self._watched = False
        self._wake()

    def show_in(self, freeze: Act) -> None:
        """Have `freeze()` called once at the end of the run: it gives one display its lasting form."""
        self._freezes.append(freeze)
        if self._panel is not None:
            self.ask()  # one more view of a widget that may have had none for a while
        self._wake()

    def begin(self, panel: Panel) -> None:
        """Start sending; the panel holds `snapshot` and is open."""
        self._panel = panel
        self._wake()

    # ------------------------------------------------------------ acts, on the broadcaster's thread

    @property
    def live(self) -> bool:
        """Whether the run may still bring something."""
        return not self.settled.is_set()

    def next(self, now: float) -> Act | None:
        """Return the one act that is due, or None; each act is one message."""
        panel = self._panel
        if panel is None or self.closed:
            return None
        if self._answers:
            message = self._answers.popleft()
            return lambda: panel.send(encode(message))
        return self._news(panel, now) or self._trait(panel, now) or self._end(panel)

    def drop(self) -> None:
        """Let go of the run and the panel."""
        self._leave_run()
        self._backlog.take()
        self.closed = True
        self.settled.set()

    def _news(self, panel: Panel, now: float) -> Act | None:
        if now < self._news_at:
            return None
        waiting, long = self._backlog.take()
        long = long and self._backlog.last > self._sent  # a snapshot may have brought them meanwhile
        events = [event for event in waiting if event.seq > self._sent]
        gap = bool(events) and events[0].seq != self._sent + 1
        if self._asked or (self._watched and (gap or long)):
            self._asked = False
            self._news_at = now + PERIOD
            return lambda: self._send_state(panel)
        if long:
            self._sent = max(self._sent, self._backlog.last)  # nobody looks; the trait is kept up to date
        if not events:
            return None
        self._news_at = now + PERIOD
        first, self._sent = self._sent + 1, events[-1].seq
        if not self._watched:
            return None
        delta = Delta(from_=first, to=self._sent, ev=events)
        return lambda: self._send_events(panel, delta)

    def _send_events(self, panel: Panel, delta: Delta) -> None:
        text = text_of(delta)
        if len(text) > max(SHORT, self._size):
            self._send_state(panel)
        else:
            panel.send(values_of(text))

    def _send_state(self, panel: Panel) -> None:
        state: RunState = self.run.state
        self._sent = max(self._sent, state.seq)
        text = text_of(Snapshot(seq=state.seq, state=state))
        self._size = len(text)
        panel.send(values_of(text))

    def _trait(self, panel: Panel, now: float) -> Act | None:
        over = self._backlog.ended or self.run.done
        if self._kept >= self._sent or (not over and now < self._kept_at):
            return None
        return lambda: self._keep(panel, now)

    def _keep(self, panel: Panel, now: float) -> None:
        text = self.run.snapshot().decode()
        self._kept, self._size = self._sent, len(text)
        self._kept_at = now + REFRESH * max(1.0, len(text) / LARGE)
        panel.snapshot = text

    def _end(self, panel: Panel) -> Act | None:
        if not (self._backlog.ended or self.run.done) or not self._backlog.empty:
            return None
        if self._freezes:
            return self._freezes.pop(0)
        if not self.settled.is_set():
            self._leave_run()
            self.settled.set()
        # Until its last view has gone, the widget may be all that a reloaded page has of this run.
        return None if self._watched else lambda: self._close(panel)

    def _close(self, panel: Panel) -> None:
        self.closed = True
        panel.close()
