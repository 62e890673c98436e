"""How long an answer may get where its request sets no limit: learned from those before, for what a budget sets aside.

Apart from the meter because it remembers. Under a cap the first such calls of a model go few at a time, one more for
each that has ended, so that a model that writes much is found out while it costs little.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from dspex import _host

USUAL_MAX_TOKENS = 1024
"""What an answer is taken to need at the least."""
MARGIN = 1.25
"""An answer may be so much longer than the longest before it."""
ENOUGH = 64
"""Calls after which nobody waits for those before."""


class Foresight:
    """What is known of one model's answers.

    Attributes:
        longest: the tokens of the longest that nothing bounded.

    Example:
        >>> seen = Foresight()
        >>> seen.most
        1024
        >>> seen.learn(4000)
        >>> seen.most
        5000
    """

    def __init__(self) -> None:
        self.longest = 0
        self._ended = self._out = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._lock = threading.Lock()

    @property
    def most(self) -> int:
        """The tokens to set aside for an answer."""
        return max(USUAL_MAX_TOKENS, int(self.longest * MARGIN))

    def learn(self, tokens: int) -> None:
        """Note how long an answer was."""
        self.longest = max(self.longest, tokens)

    def enter(self) -> bool:
        """Begin a call; False where it has to wait for others, see `turn`."""
        with self._lock:
            if self._ended < ENOUGH and self._out > self._ended:
                return False
            self._out += 1
            return True

    def leave(self) -> None:
        """End a call, whatever came of it: one that failed cost nothing."""
        with self._lock:
            self._out -= 1
            self._ended += 1
        self.pass_on()

    async def turn(self) -> None:
        """Wait until it may be worth trying to `enter` again; on the host loop."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._ended >= ENOUGH or self._out <= self._ended:
                return
            self._waiting.append(future)
        try:
            await future
        finally:
            with self._lock:
                if future in self._waiting:
                    self._waiting.remove(future)

    def pass_on(self) -> None:
        """Let others try: there is room, or whoever was let try went away."""
        with self._lock:
            room = len(self._waiting) if self._ended >= ENOUGH else self._ended + 1 - self._out
            freed = [self._waiting.popleft() for _ in range(max(0, min(room, len(self._waiting))))]
        for future in freed:
            future.get_loop().call_soon_threadsafe(_host.release, future)


_known: dict[str, Foresight] = {}


def foresight_of(model: str) -> Foresight:
    """Return what is known of a model's answers, in this process."""
    return _known.setdefault(model, Foresight())


def _forget() -> None:
    """Know nothing any more: who waited when a process was forked is not in the child."""
    _known.clear()


_host.after_fork(_forget)
