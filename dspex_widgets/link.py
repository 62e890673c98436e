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
from dspex_widgets.protocol import Delta, Message, Snapshot, decode_state, encode

MOST_EVENTS = 500
"""A longer batch goes as one snapshot."""
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
        self._batches: deque[Sequence[AnyEvent]] = deque()
        self._answers: deque[Message] = deque()
        self._freezes: list[Act] = []
        self._panel: Panel | None = None
        self._asked = self._over = False
        self._watched = True
        snapshot, self._leave_run = run.follow(self._take)
        self.snapshot = snapshot.decode()
        self._sent = self._kept = decode_state(snapshot).seq
        self._kept_at = self._news_at = float("-inf")

    # ------------------------------------------------------------ notes, from any thread

    def _take(self, events: Sequence[AnyEvent]) -> None:
        self._batches.append(events)
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
        self._batches.clear()
        self.closed = True
        self.settled.set()

    def _news(self, panel: Panel, now: float) -> Act | None:
        if now < self._news_at:
            return None
        events = [e for _ in range(len(self._batches)) for e in self._batches.popleft() if e.seq > self._sent]
        self._over = self._over or any(isinstance(e, RunEnd) for e in events)
        gap = bool(events) and events[0].seq != self._sent + 1
        if self._asked or (self._watched and (gap or len(events) > MOST_EVENTS)):
            self._asked = False
            self._news_at = now + PERIOD
            return lambda: self._send_state(panel)
        if not events:
            return None
        self._news_at = now + PERIOD
        first, self._sent = self._sent + 1, events[-1].seq
        if not self._watched:
            return None
        delta = Delta(from_=first, to=self._sent, ev=events)
        return lambda: panel.send(encode(delta))

    def _send_state(self, panel: Panel) -> None:
        state: RunState = self.run.state
        self._sent = max(self._sent, state.seq)
        panel.send(encode(Snapshot(seq=state.seq, state=state)))

    def _trait(self, panel: Panel, now: float) -> Act | None:
        over = self._over or self.run.done
        if self._kept >= self._sent or (not over and now < self._kept_at):
            return None
        return lambda: self._keep(panel, now)

    def _keep(self, panel: Panel, now: float) -> None:
        text = self.run.snapshot().decode()
        self._kept = self._sent
        self._kept_at = now + REFRESH * max(1.0, len(text) / LARGE)
        panel.snapshot = text

    def _end(self, panel: Panel) -> Act | None:
        if not (self._over or self.run.done) or self._batches:
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
