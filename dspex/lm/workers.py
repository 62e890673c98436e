"""Run litellm in processes of its own: started when first needed, replaced when they end, gone with the kernel.

litellm takes seconds to import and milliseconds of the interpreter for each call; in the kernel it would hold up
everything else. All of this lives on the host loop. A process that ends under a call is replaced and the call is
sent anew, once, unless a piece of its answer was handed on; one that keeps ending is left alone for a while.
"""

from __future__ import annotations

import asyncio
from collections import deque

from dspex import _clock, _host
from dspex.errors import LMError, LMInvalidRequestError, LMTransportError, LMUnavailableError
from dspex.events.event import LMRetry
from dspex.lm.failures import Caller, timed_out
from dspex.lm.frames import Answer, Ask, FrameError, error_of
from dspex.lm.messages import Response
from dspex.lm.process import Worker
from dspex.lm.stream import Delivery
from dspex.lm.transport import OnChunk
from dspex.scope.scope import current

RESTARTS = 3
WITHIN = 60.0
"""More than so many ends within so many seconds, and no process is started until they are past."""
BUSY = 8
"""Calls under way in each process before a further one is started, where it may be."""
SLACK = 2.0
"""Seconds that a process may be late with the news that its time is over."""
IMPORT = 60.0
"""The same for one that has yet to import litellm."""


class Workers:
    """All processes of this kernel, shared by all models.

    Example:
        >>> Workers()
        <Workers: 0 processes, 0 calls under way>
    """

    def __init__(self) -> None:
        self._all: list[Worker] = []
        self._ends: deque[float] = deque()
        self._last: Worker | None = None

    def __repr__(self) -> str:
        calls = sum(len(worker.calls) for worker in self._all)
        return f"<Workers: {len(self._all)} processes, {calls} calls under way>"

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that live."""
        return [worker.pid for worker in self._all if worker.pid]

    async def answer(
        self, ask: Ask, caller: Caller, *, limit: int, seconds: float, on_chunk: OnChunk | None
    ) -> Response | LMError:
        """Have a request answered, or give the error.

        Args:
            ask: the request.
            caller: for the words of an error.
            limit: how many processes there may be.
            seconds: what the answer may take there; a process that hangs cannot keep the time itself.
            on_chunk: takes the pieces; None to ask for the whole.
        """
        delivery = None if on_chunk is None else Delivery(on_chunk)
        sent = 0
        while (worker := self._pick(limit)) is not None:
            try:
                said = await worker.carry(ask, delivery, seconds + (SLACK if worker.ready else IMPORT))
            except FrameError as exc:
                return caller.error(LMInvalidRequestError, "The request cannot be sent", str(exc))
            except TimeoutError:
                return _with(timed_out(caller, seconds), "" if delivery is None else delivery.text)
            if isinstance(said, Answer):
                return said.response
            partial = "" if delivery is None else delivery.text
            if said is not None:
                return _with(error_of(said), partial)
            if delivery is not None and delivery.any:
                words = (
                    f"litellm's process {worker.end} in the midst of the answer; the beginning is `.partial`"
                )
                return _with(caller.error(LMTransportError, words, worker.last_words), partial)
            # Before it was ready nothing of the call had left this machine.
            sent += worker.ready
            if sent > 1:
                words = f"litellm's process {worker.end} under this call, and so did the one before"
                return caller.error(LMTransportError, words, worker.last_words)
            _tell(ask, sent)
        return self._down(caller)

    async def close(self) -> None:
        """End all processes and wait until they are gone."""
        ending, self._all = self._all, []
        for worker in ending:
            worker.kill()
        if ending:
            gone = [asyncio.ensure_future(worker.ended.wait()) for worker in ending]
            for waiting in (await asyncio.wait(gone, timeout=0.5))[1]:
                waiting.cancel()

    def _pick(self, limit: int) -> Worker | None:
        """Return the process with the most room, a new one where all are busy; None where that may not be."""
        living = self._all
        busy = all(len(worker.calls) >= BUSY for worker in living)
        if busy and len(living) < limit and not self._rest():
            living.append(Worker(self._note))
        # One that still imports takes calls only where nobody else can.
        return min(living, key=lambda worker: (not worker.ready, len(worker.calls)), default=None)

    def _note(self, worker: Worker) -> None:
        if worker in self._all:
            self._all.remove(worker)
            self._ends.append(_clock.monotonic())
            self._last = worker

    def _rest(self) -> float:
        """Return for how many seconds no process is to be started."""
        now = _clock.monotonic()
        while self._ends and now - self._ends[0] >= WITHIN:
            self._ends.popleft()
        return self._ends[-RESTARTS - 1] + WITHIN - now if len(self._ends) > RESTARTS else 0.0

    def _down(self, caller: Caller) -> LMError:
        rest, last = self._rest(), self._last
        words = (
            f"The process that runs litellm ended {len(self._ends)} times within {WITHIN:g} s, the last "
            f"{(last and last.end) or 'just now'}. It is started again in {rest:.0f} s; `LM(..., pool=Pool(workers=0))` "
            "runs litellm in this process instead"
        )
        said = last.last_words if last else ""
        return caller.error(
            LMUnavailableError, words, said and f"its last words were {said}", retry_after=rest
        )


_shared: dict[asyncio.AbstractEventLoop, Workers] = {}
_inherited: list[object] = []


def shared() -> Workers:
    """Return the running loop's processes."""
    loop = asyncio.get_running_loop()
    if loop not in _shared:
        _shared[loop] = Workers()
        _host.on_close(_shared[loop].close)
    return _shared[loop]


def _forget() -> None:
    """Leave the processes to the parent of a forked child; what is collected there would end them."""
    _inherited.append(dict(_shared))
    _shared.clear()


_host.after_fork(_forget)


def _with(error: LMError, partial: str) -> LMError:
    error.partial = partial
    return error


def _tell(ask: Ask, sent: int) -> None:
    """Tell of a call that is sent anew: it may be paid for twice."""
    if sent:
        scope = current()
        scope.emit(LMRetry(model=ask.request.model, role=scope.role, error="worker", attempt=sent, wait=0.0))
