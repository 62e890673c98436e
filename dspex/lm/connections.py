"""Connections to model endpoints: opened on demand, kept open between calls, one call at a time on each.

All of it lives on the host loop. Apart from `http1.py`, which reads the bytes, and from `http.py`, which decides
who carries a call: here is only who may write on which socket, and what a cancelled call leaves behind.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import aiohappyeyeballs

from dspex.lm.http1 import Answer, BadAnswer

if TYPE_CHECKING:
    import ssl

CONNECTIONS = 1024
"""Open at once to one endpoint; further calls wait for one of them."""
REST = 15.0
"""Seconds without a call after which a connection is closed."""
REMEMBER = 120.0
"""Seconds for which the addresses behind a name are remembered."""
STAGGER = 0.25
"""Seconds after which another address of the same name is tried beside one that does not answer."""
AHEAD = 1024 * 1024
"""Bytes of a streamed answer that may wait for their reader."""


class Origin(NamedTuple):
    """Where a connection leads."""

    host: str
    port: int
    tls: bool


class Connection(asyncio.Protocol):
    """One connection; `ask` and `stream` send a request and read its answer."""

    __slots__ = (
        "_answer", "_broken", "_loop", "_parts", "_pool", "_streams", "_transport", "_waiter", "origin", "since",
    )  # fmt: skip

    def __init__(self, pool: Connections, origin: Origin) -> None:
        self.origin = origin
        self.since = 0.0
        self._pool = pool
        self._loop = pool.loop
        self._transport: asyncio.Transport | None = None
        self._answer: Answer | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._parts: list[bytes] = []
        self._broken: Exception | None = None
        self._streams = False

    # ------------------------------------------------------------------------------------- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio calls it first."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        answer = self._answer
        if answer is None or answer.done:
            self.abort()  # nobody asked for them
            return
        try:
            answer.feed(data)
        except BadAnswer as exc:
            self._fail(exc)
            return
        if answer.heavy and self._transport is not None:
            self._transport.pause_reading()  # or the loop goes on reading while there is anything
            self._loop.call_soon(self._read_on)
        if answer.done or (self._streams and answer.status):
            self._wake()
            if self._streams and not answer.done and sum(map(len, self._parts)) > AHEAD:
                assert self._transport is not None
                self._transport.pause_reading()

    def _read_on(self) -> None:
        ahead = self._streams and sum(map(len, self._parts)) > AHEAD
        if self._transport is not None and not self._transport.is_closing() and not ahead:
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio calls it last."""
        self._transport = None
        self._pool.lost(self)
        answer = self._answer
        if answer is None or answer.done:
            return
        try:
            answer.end()
        except BadAnswer as reason:
            self._fail(reason if exc is None else BadAnswer(f"the connection broke: {_why(exc)}"))
        else:
            self._wake()

    # --------------------------------------------------------------------------------------------- asking

    @property
    def usable(self) -> bool:
        """Whether a request may be sent on it."""
        return self._transport is not None and not self._transport.is_closing()

    def abort(self) -> None:
        """Close at once; whoever writes at the other end sees it."""
        if self._transport is not None:
            self._transport.abort()

    async def ask(self, data: bytes, seconds: float) -> tuple[Answer, bytes]:
        """Send a request and return its whole answer and the body.

        Args:
            data: the request.
            seconds: for all of it.

        Raises:
            BadAnswer: the connection broke, or what came is no answer.
            TimeoutError: it did not come in time.
        """
        answer = self._begin(data)
        late = self._loop.call_later(seconds, self._late)
        waiter = self._waiter = self._loop.create_future()
        try:
            await waiter
        finally:
            late.cancel()
            self._end(answer)
        parts = self._parts
        return answer, parts[0] if len(parts) == 1 else b"".join(parts)

    async def stream(
        self, data: bytes, seconds: float, silence: float
    ) -> AsyncGenerator[tuple[Answer, bytes], None]:
        """Send a request and yield its answer with each piece of the body; first with b"", when the head is there.

        Args:
            data: the request.
            seconds: for all of it.
            silence: for the head, and between two pieces.

        Raises:
            BadAnswer, TimeoutError: as `ask` does.
        """
        self._streams = True
        answer = self._begin(data)
        late = self._loop.call_later(seconds, self._late)
        try:
            await self._more(silence)
            yield answer, b""
            while True:
                parts = list(self._parts)
                self._parts.clear()
                if self._transport is not None:
                    self._transport.resume_reading()
                for part in parts:
                    yield answer, part
                if answer.done and not self._parts:
                    return
                if not self._parts:
                    await self._more(silence)
        finally:
            late.cancel()
            self._streams = False
            self._end(answer)

    async def _more(self, silence: float) -> None:
        """Wait for the next bytes."""
        if self._broken is not None:
            raise self._broken
        self._waiter = self._loop.create_future()
        quiet = self._loop.call_later(silence, self._late)
        try:
            await self._waiter
        finally:
            quiet.cancel()

    def _begin(self, data: bytes) -> Answer:
        if self._transport is None:
            raise BadAnswer("the server closed the connection without an answer")
        self._parts = []
        self._broken = None
        answer = self._answer = Answer(self._parts.append)
        self._transport.write(data)
        return answer

    def _end(self, answer: Answer) -> None:
        """Give the connection back, or close it where something may still come on it."""
        self._answer = self._waiter = None
        if answer.done and answer.keep and self.usable:
            self._pool.release(self)
        else:
            self.abort()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _fail(self, reason: Exception) -> None:
        self._broken = reason
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_exception(reason)
        self.abort()

    def _late(self) -> None:
        self._fail(TimeoutError())


class Connections:
    """All connections of one loop.

    Args:
        loop: whose.
        certificates: gives what TLS is made with, when it is first needed.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, certificates: Callable[[], Awaitable[ssl.SSLContext]]
    ) -> None:
        self.loop = loop
        self._certificates = certificates
        self._idle: dict[Origin, list[Connection]] = {}
        self._open: dict[Origin, int] = {}
        self._waiting: dict[Origin, deque[asyncio.Future[None]]] = {}
        self._all: set[Connection] = set()
        self._known: dict[tuple[str, int], tuple[float, asyncio.Task[list[Any]]]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def idle(self, origin: Origin) -> Connection | None:
        """Return an open connection nobody uses, the one used last; None where there is none."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.usable:
                return connection
        return None

    async def acquire(self, origin: Origin) -> Connection:
        """Return a connection nobody uses: an open one, a new one, or the next that is given back.

        Raises:
            OSError: none could be opened.
        """
        while (connection := self.idle(origin)) is None:
            if self._open.get(origin, 0) < CONNECTIONS:
                return await self._connect(origin)
            turn: asyncio.Future[None] = self.loop.create_future()
            self._waiting.setdefault(origin, deque()).append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._next(origin)  # it was our turn; it is the next one's now
                raise
        return connection

    def release(self, connection: Connection) -> None:
        """Take a connection back for the next call."""
        connection.since = self.loop.time()
        self._idle.setdefault(connection.origin, []).append(connection)
        if self._waiting:
            self._next(connection.origin)
        if self._sweep is None:
            self._sweep = self.loop.call_later(REST, self._close_rested)

    def lost(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        if connection in self._all:
            self._all.discard(connection)
            self._open[connection.origin] -= 1
            self._next(connection.origin)

    async def close(self) -> None:
        """Close all."""
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self._all):
            connection.abort()
        for _, task in self._known.values():
            task.cancel()
        await asyncio.sleep(0)  # they close in the loop's next turn

    async def _connect(self, origin: Origin) -> Connection:
        connection = Connection(self, origin)
        self._all.add(connection)
        self._open[origin] = self._open.get(origin, 0) + 1
        sock: socket.socket | None = None
        try:
            tls = await self._certificates() if origin.tls else None
            found = await self._addresses(origin)
            sock = await aiohappyeyeballs.start_connection(
                found, happy_eyeballs_delay=STAGGER, interleave=1, loop=self.loop
            )
            name = origin.host if origin.tls else None
            await self.loop.create_connection(lambda: connection, sock=sock, ssl=tls, server_hostname=name)
        except BaseException as exc:  # whatever ended it, a cancel too: place and socket are given back
            if sock is not None:
                sock.close()
            self.lost(connection)
            if isinstance(exc, RuntimeError):  # uvloop has its own kind for some errors of sockets
                raise ConnectionError(str(exc)) from None
            raise
        return connection

    async def _addresses(self, origin: Origin) -> list[Any]:
        """Return what is behind a name; asked once at a time, and remembered for a while."""
        key = (origin.host, origin.port)
        until, task = self._known.get(key, (0.0, None))
        if task is None or self.loop.time() >= until or (task.done() and _failed(task)):
            # In a context of its own: whoever asks first leaves nothing in what others wait for.
            task = self.loop.create_task(self._resolve(*key), context=contextvars.Context())
            self._known[key] = (self.loop.time() + REMEMBER, task)
        return await asyncio.shield(task)

    async def _resolve(self, host: str, port: int) -> list[Any]:
        try:
            return socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            )
        except socket.gaierror:
            return list(await self.loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))

    def _next(self, origin: Origin) -> None:
        """Let the one who waits longest look again."""
        waiting = self._waiting.get(origin)
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._waiting.pop(origin, None)

    def _close_rested(self) -> None:
        self._sweep = None
        now = self.loop.time()
        for origin, idle in list(self._idle.items()):
            fresh = [connection for connection in idle if connection.usable and now - connection.since < REST]
            for connection in set(idle).difference(fresh):
                connection.abort()
            self._idle[origin] = fresh
            if not fresh:
                del self._idle[origin]
        if self._idle:
            self._sweep = self.loop.call_later(REST / 2, self._close_rested)


def _failed(task: asyncio.Task[list[Any]]) -> bool:
    return task.cancelled() or task.exception() is not None


def _why(exc: Exception) -> str:
    return str(exc) or type(exc).__name__
