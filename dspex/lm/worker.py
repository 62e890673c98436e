"""The process that runs litellm for a kernel: `python -m dspex.lm.worker <pid of the kernel>`.

It reads frames from stdin, answers each request in a task of its own and ends when its kernel does. Whatever
libraries print goes to stderr: stdout's own place belongs to the frames.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable

import msgspec

from dspex import _host
from dspex.errors import LMError, LMInvalidRequestError, LMUnexpectedError
from dspex.lm import litellm
from dspex.lm.frames import (
    Answer,
    Ask,
    Failure,
    FrameError,
    Frames,
    FromWorker,
    Leave,
    Piece,
    Ping,
    Pong,
    Ready,
    Surroundings,
    Took,
    asked_in,
    failure_of,
    of_kernel,
    pack,
)
from dspex.lm.messages import Chunk, Response
from dspex.lm.secret import Secret, redact

WINDOW = 64
"""Pieces of one stream that may be on their way; then the provider's stream is not read further."""
LOOK = 1.0
"""Seconds between two looks at whether the kernel lives: somebody else may hold the other end of our stdin."""


class Window:
    """Sends the pieces of one stream, and has it wait while too many are on their way.

    Args:
        send: takes each piece.
    """

    def __init__(self, send: Callable[[Chunk], None]) -> None:
        self._send = send
        self._left = WINDOW
        self._more = asyncio.Event()

    def __call__(self, chunk: Chunk) -> None:
        """Send a piece."""
        self._left -= 1
        self._send(chunk)

    def took(self, pieces: int) -> None:
        """Note that so many are dealt with."""
        self._left += pieces
        self._more.set()

    async def room(self) -> None:
        """Wait until one more may be sent."""
        while self._left <= 0:
            self._more.clear()
            await self._more.wait()


class Serving:
    """Does what the kernel says; all of it on the host loop.

    Args:
        write: takes bytes for the kernel.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._said: list[bytes] = []
        self._tasks: dict[int, asyncio.Task[Response]] = {}
        self._windows: dict[int, Window] = {}
        self._ready = asyncio.Event()

    async def begin(self) -> None:
        """Import litellm and say so; where that fails, each request says how."""
        try:
            await litellm.library()
            # Half a million objects that stay: looking through them again and again is a tenth of the work.
            gc.collect()
            gc.freeze()
        finally:
            # Said before anything leaves this machine: a call lost before that was never sent.
            self._say(Ready())
            self._flush()
            self._ready.set()

    def take(self, frames: list[bytes]) -> None:
        """Act on what the kernel said."""
        for frame in frames:
            try:
                said = of_kernel.decode(frame)
            except msgspec.DecodeError as exc:
                self._refuse(frame, exc)
                continue
            match said:
                case Ask() as ask:
                    self._begin(ask)
                case Surroundings(values=values):
                    _apply(values)
                case Took(id=id, pieces=pieces):
                    if id in self._windows:
                        self._windows[id].took(pieces)
                case Leave(id=id):
                    if id in self._tasks:
                        self._tasks[id].cancel()
                case Ping():
                    self._say(Pong())

    def _refuse(self, frame: bytes, exc: msgspec.DecodeError) -> None:
        """Answer a request that cannot be read: who asked waits for an answer of any kind, and so do those after it."""
        unread = asked_in(frame)
        if unread is None:
            raise FrameError(f"the kernel said what nobody can read ({exc})")
        words = f"The request cannot be sent: {exc}"
        self._say(Failure(id=unread, kind=LMInvalidRequestError.kind, message=words))

    def _begin(self, ask: Ask) -> None:
        task = self._tasks[ask.id] = asyncio.ensure_future(self._answer(ask))
        task.add_done_callback(lambda task: self._end(ask, task))

    async def _answer(self, ask: Ask) -> Response:
        transport = litellm.LiteLLMTransport(
            ask.route, api_key=None if ask.api_key is None else Secret(ask.api_key), timeout=ask.timeout,
            headers={name: Secret(value) for name, value in ask.headers.items()},
            credentials={name: Secret(value) for name, value in ask.credentials.items()}, workers=0,
        )  # fmt: skip
        await self._ready.wait()
        if not ask.stream:
            return await transport.send(ask.asked())
        window = self._windows[ask.id] = Window(lambda chunk: self._say(Piece(id=ask.id, chunk=chunk)))
        return await transport.stream(ask.asked(), window)

    def _end(self, ask: Ask, task: asyncio.Task[Response]) -> None:
        del self._tasks[ask.id]
        self._windows.pop(ask.id, None)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            try:
                self._say(Answer(id=ask.id, response=task.result()))
            except FrameError as exc:
                self._say(_unforeseen(ask, exc))
        elif isinstance(error, LMError):
            self._say(failure_of(ask.id, error))
        else:
            self._say(_unforeseen(ask, error))

    def _say(self, frame: FromWorker) -> None:
        # What is said in one turn of the loop goes out in one write.
        if not self._said:
            asyncio.get_running_loop().call_soon(self._flush)
        self._said.append(pack(frame))

    def _flush(self) -> None:
        said, self._said = self._said, []
        if said:
            self._write(b"".join(said))


def main() -> None:
    """Serve until the kernel is gone."""
    kernel = int(sys.argv[1])
    reads, writes = _own_pipes()
    # Ctrl-C means the kernel's work; it says itself what of ours is to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serving, frames = Serving(lambda data: _write(writes, data)), Frames()
    loop = _host.loop()
    _host.submit(serving.begin())
    while data := _read(reads, kernel):
        if found := list(frames.feed(data)):
            loop.call_soon_threadsafe(serving.take, found)
    # Nobody is left to hear of anything: connections and threads end with the process.
    os._exit(0)


def _own_pipes() -> tuple[int, int]:
    """Return stdin and stdout under other numbers; under their own are now nothing and stderr."""
    reads, writes = os.dup(0), os.dup(1)
    if sys.platform == "win32":
        import msvcrt

        for pipe in (reads, writes):
            msvcrt.setmode(pipe, os.O_BINARY)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return reads, writes


def _read(pipe: int, kernel: int) -> bytes:
    """Return what came, b"" where the kernel is gone."""
    if sys.platform != "win32":
        import select

        while not select.select([pipe], [], [], LOOK)[0]:
            if os.getppid() != kernel:
                return b""
    return os.read(pipe, 1 << 18)


def _write(pipe: int, data: bytes) -> None:
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(pipe, left) :]
    except OSError:
        os._exit(0)  # the kernel is gone


def _apply(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _unforeseen(ask: Ask, error: BaseException) -> Failure:
    """Say what no part of ours foresaw: the kernel waits for an answer of any kind."""
    secrets = [
        Secret(value) for value in (ask.api_key, *ask.headers.values(), *ask.credentials.values()) if value
    ]
    return Failure(
        id=ask.id,
        kind=LMUnexpectedError.kind,
        message=f"litellm's process failed: {type(error).__name__}: {redact(str(error), secrets)}",
        model=ask.request.model,
        provider=ask.route.provider,
    )


if __name__ == "__main__":
    main()
