"""One process that runs litellm, as the kernel sees it: its pipes, the calls it has under way, its end.

Apart from `workers.py`, which decides how many there are and what becomes of calls whose process ended. Keys reach
it by the pipe alone, with each call and where the environment changed; its command line names the kernel's id.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import cast

import msgspec

from dspex.lm.frames import (
    Answer,
    Ask,
    Failure,
    FrameError,
    Frames,
    FromKernel,
    FromWorker,
    Leave,
    Piece,
    Ping,
    Ready,
    Surroundings,
    Took,
    of_worker,
    pack,
)
from dspex.lm.secret import is_credential, public_url
from dspex.lm.transport import OnChunk

BEAT = 10.0
"""Seconds between two questions to a process that works, whether it is there."""
DEAF = 3
"""Questions without a word in return, after which it is ended."""
TOOK = 16
"""Pieces of a stream after which the process is told that they are dealt with."""
GRACE = 0.5
"""Seconds for the other half of an end: the process's after its pipes', its pipes' after its own."""
LAST_WORDS = 2048
"""Bytes of a process's stderr that are kept."""

_ids = itertools.count(1)


class Worker(asyncio.SubprocessProtocol):
    """One process and the calls it has under way.

    Attributes:
        calls: what each call waits on; None in it says that the process ended.
        ready: whether litellm is imported there.
        end: how it ended, "" while it lives.
        last_words: the last it wrote to stderr.

    Args:
        on_end: told as soon as it takes no more calls.
    """

    def __init__(self, on_end: Callable[[Worker], None]) -> None:
        self.calls: dict[int, asyncio.Queue[Piece | Answer | Failure | TimeoutError | None]] = {}
        self.ready = False
        self.end = ""
        self.last_words = ""
        self.ended = asyncio.Event()
        self._on_end: Callable[[Worker], None] | None = on_end
        self._why = ""
        self._process: asyncio.SubprocessTransport | None = None
        self._frames = Frames()
        self._unsaid: list[bytes] = []
        self._stderr = bytearray()
        self._surroundings = {
            name: value for name, value in surroundings().items() if not is_secret(name, value)
        }
        self._unheard = 0
        self._beat: asyncio.TimerHandle | None = None
        # An empty context: what reads its pipes must not keep the first caller's run alive.
        self._starting = asyncio.get_running_loop().create_task(
            self._start(dict(self._surroundings)), context=contextvars.Context()
        )

    @property
    def pid(self) -> int:
        """The process's id, 0 before it has one."""
        return 0 if self._process is None else self._process.get_pid() or 0

    async def carry(self, ask: Ask, on_chunk: OnChunk | None, seconds: float) -> Answer | Failure | None:
        """Have the process answer a request; None where it ended before.

        Raises:
            FrameError: the request cannot be written.
            TimeoutError: no answer came within so many seconds.
        """
        ask.id = next(_ids)
        frame = pack(ask)
        said = self.calls[ask.id] = asyncio.Queue()
        self._tell_surroundings()
        self._write(frame)
        # An empty context, as below: a timer that was cancelled may be kept until its time.
        late = asyncio.get_running_loop().call_later(
            seconds, said.put_nowait, TimeoutError(), context=contextvars.Context()
        )
        taken, over = 0, False
        try:
            while isinstance(word := await said.get(), Piece):
                if on_chunk is not None:
                    on_chunk(word.chunk)
                taken += 1
                if taken % TOOK == 0:
                    self._say(Took(id=ask.id, pieces=TOOK))
            if isinstance(word, TimeoutError):
                raise word
            over = True
            return word
        finally:
            late.cancel()
            del self.calls[ask.id]
            if not over:
                self._say(Leave(id=ask.id))

    def kill(self, why: str = "") -> None:
        """End the process.

        Args:
            why: what the error of its calls says; "" for how it ended.
        """
        self._why = self._why or why
        self._leave()
        if self._process is None:
            self._starting.cancel()
        else:
            self._end_it()

    # ---------------------------------------------------------------------------- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note that the process runs, and tell it what is waiting."""
        self._process = cast(asyncio.SubprocessTransport, transport)
        unsaid, self._unsaid = self._unsaid, []
        self._write(b"".join(unsaid))
        self._beat = asyncio.get_running_loop().call_later(BEAT, self._ask_after)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Take what the process wrote."""
        if fd != 1:
            self._stderr += data
            del self._stderr[:-LAST_WORDS]
            return
        self._unheard = 0
        try:
            for frame in self._frames.feed(data):
                self._take(of_worker.decode(frame))
        except (FrameError, msgspec.DecodeError) as exc:
            self.kill(f"said what nobody can read ({exc})")

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Note that a pipe closed; without it the process is of no use."""
        if fd != 2 and self._on_end is not None:
            self._leave()
            # Mostly it has just ended by itself: to ask now would take its exit code from whoever waits for it.
            asyncio.get_running_loop().call_later(GRACE, self._end_it)

    def process_exited(self) -> None:
        """Note the end; what it wrote before is read first, unless others hold its pipes."""
        asyncio.get_running_loop().call_later(GRACE, self._ended)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the process is gone and all it wrote is read."""
        self._ended()

    # ------------------------------------------------------------------------------------- private

    async def _start(self, environment: dict[str, str]) -> None:
        loop = asyncio.get_running_loop()
        command = (sys.executable, "-P", "-W", "ignore", "-m", "dspex.lm.worker", str(os.getpid()))
        # It finds what the kernel finds, but not what lies in the folder the notebook was started in.
        path = os.pathsep.join(str(place) for place in sys.path if place)
        up = False
        try:
            await loop.subprocess_exec(
                lambda: self, *command, env=environment | {"PYTHONPATH": path},
                start_new_session=True,  # Ctrl-C in a terminal goes to the whole session
            )  # fmt: skip
            up = True
        except (OSError, ValueError) as exc:
            self._why = f"could not be started by `{sys.executable}` ({exc})"
        finally:
            if not up:  # whatever it was: calls wait
                self._ended()

    def _take(self, frame: FromWorker) -> None:
        match frame:
            case Piece() | Answer() | Failure():
                if frame.id in self.calls:
                    self.calls[frame.id].put_nowait(frame)
            case Ready():
                self.ready = True

    def _tell_surroundings(self) -> None:
        now = surroundings()
        if now is self._surroundings:
            return
        before, self._surroundings = self._surroundings, now
        changed: dict[str, str | None] = {
            name: value for name, value in now.items() if before.get(name) != value
        }
        changed |= {name: None for name in before if name not in now}
        if changed:
            self._say(Surroundings(values=changed))

    def _say(self, frame: FromKernel) -> None:
        self._write(pack(frame))

    def _write(self, data: bytes) -> None:
        if self._process is None:
            self._unsaid.append(data)
        elif self._on_end is not None:
            pipe = cast(asyncio.WriteTransport, self._process.get_pipe_transport(0))
            pipe.write(data)

    def _ask_after(self) -> None:
        """End a process that works and says nothing any more, such as one that hangs in foreign code."""
        if self._unheard >= DEAF:
            self.kill(f"said nothing for {DEAF * BEAT:g} s and was ended")
            return
        if self.calls:
            self._unheard += 1
            self._say(Ping())
        self._beat = asyncio.get_running_loop().call_later(BEAT, self._ask_after)

    def _end_it(self) -> None:
        if self._process is not None and not self.end:
            try:
                self._process.kill()
            except ProcessLookupError:
                return  # it was quicker

    def _leave(self) -> None:
        """Take no more calls."""
        if self._on_end is not None:
            on_end, self._on_end = self._on_end, None
            on_end(self)

    def _ended(self) -> None:
        if self.end:
            return
        self._leave()
        code = None if self._process is None else self._process.get_returncode()
        self.end = self._why or ending(code)
        self.last_words = self._stderr.decode("utf-8", "replace").strip()
        if self._beat is not None:
            self._beat.cancel()
        if self._process is not None:
            self._process.close()
        self.ended.set()
        for said in self.calls.values():
            said.put_nowait(None)


class _Environment:
    """The environment as it is, read anew only where it changed: that is asked at each call."""

    def __init__(self) -> None:
        self._raw: object = None
        self._values: dict[str, str] = {}

    def read(self) -> dict[str, str]:
        # The mapping itself decodes every value each time, which takes 50 us.
        raw = getattr(os.environ, "_data", os.environ)
        if raw != self._raw:
            self._raw = kept = dict(raw)
            decoded = ((os.fsdecode(name), os.fsdecode(value)) for name, value in kept.items())
            # What is no text cannot go into a frame.
            self._values = {name: value for name, value in decoded if _is_text(name + value)}
        return self._values


_environment = _Environment()


def surroundings() -> dict[str, str]:
    """Return the environment; the same object as before where nothing changed."""
    return _environment.read()


def is_secret(name: str, value: str = "") -> bool:
    """Tell whether an environment variable is to reach a process by its pipe alone: by its name, or a password in it.

    Example:
        >>> is_secret("OPENAI_API_KEY"), is_secret("HTTPS_PROXY", "http://me:secret@proxy:3128"), is_secret("HOME", "/")
        (True, True, False)
    """
    named = is_credential(name.lower()) or name.endswith(("APIKEY", "PASSPHRASE"))
    return named or ("@" in value and public_url(value) != value)


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def ending(code: int | None) -> str:
    """Say how a process ended.

    Example:
        >>> ending(1), ending(-9)
        ('ended with exit code 1', 'was ended by SIGKILL')
    """
    if code is None:
        return "ended"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
