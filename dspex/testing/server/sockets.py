"""The test server's sockets: just enough of HTTP/1.1 to answer a POST, to stream, and to break a connection on purpose.

Apart from what is answered, and own code, because a general server costs more for each request than the client
whose speed is measured against it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import cast

HEAD_END = b"\r\n\r\n"
LONGEST_HEAD = 64 * 1024
BACKLOG = 4096
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 429: "Too Many Requests",
            500: "Internal Server Error", 503: "Service Unavailable"}  # fmt: skip


class Asked:
    """One request as it came, and the ways to answer it.

    Attributes:
        method, path: of its first line.
        headers: by name, as they were written.
        body: its bytes.
    """

    __slots__ = ("_connection", "body", "headers", "method", "path", "started")

    def __init__(self, connection: Connection, method: str, path: str, headers: dict[str, str]) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = b""
        self.started = False
        self._connection = connection

    def header(self, name: str) -> str:
        """Return a header however its name was written; "" where there is none."""
        return next((value for word, value in self.headers.items() if word.lower() == name), "")

    def reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole answer; the statuses that have no body go without."""
        if status in (204, 304):
            body = b""
        head = _head(status, {"Content-Length": str(len(body)), **(headers or {})})
        self.started = True
        self._connection.send(head + body)

    def begin(self, status: int, headers: Mapping[str, str], *, chunked: bool = True) -> None:
        """Send the head of an answer whose body follows in pieces."""
        self.started = True
        coding = {"Transfer-Encoding": "chunked"} if chunked else {}
        self._connection.send(_head(status, {**headers, **coding}))

    async def piece(self, data: bytes, *, chunked: bool = True) -> None:
        """Send a piece of the body; waits while the client does not read."""
        self._connection.send(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
        await self._connection.room.wait()

    def end(self) -> None:
        """Say that a body in pieces is whole."""
        self._connection.send(b"0\r\n\r\n")

    def raw(self, data: bytes) -> None:
        """Send bytes as they are and close the connection."""
        self.started = True
        self._connection.send(data)
        self._connection.close()

    def abort(self) -> None:
        """Break the connection."""
        self.started = True
        self._connection.abort()


Handler = Callable[[Asked], Awaitable[None]]


class Connection(asyncio.Protocol):
    """One client's connection: reads requests, one after the other, and has each handled as a task.

    A client that goes away ends its handler, as it ends the work at a good provider.
    """

    def __init__(self, sockets: Sockets) -> None:
        self.room = asyncio.Event()
        self.room.set()
        self._sockets = sockets
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio calls it first."""
        self._transport = cast(asyncio.Transport, transport)
        if self._sockets.stopped:  # it had come before the door was shut, and is let in only now
            self.abort()
            return
        self._sockets.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio calls it last."""
        self._sockets.open.discard(self)
        self._transport = None
        self.room.set()
        if self.task is not None:
            self.task.cancel()

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self.room.clear()

    def resume_writing(self) -> None:
        """The client has read."""
        self.room.set()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._buffer += data
        if self.task is None:
            self._next()

    def send(self, data: bytes) -> None:
        """Write, where the client is still there."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """Close when all is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, as a crash would."""
        if self._transport is not None:
            self._transport.abort()

    def _next(self) -> None:
        head, found, _ = self._buffer.partition(HEAD_END)
        if not found:
            if len(self._buffer) > LONGEST_HEAD:
                self.abort()
            return
        try:
            asked, length = self._read_head(head)
        except ValueError:
            self.send(_head(400, {"Content-Length": "0"}))
            self.close()
            return
        start = len(head) + len(HEAD_END)
        if len(self._buffer) < start + length:
            return
        asked.body = bytes(self._buffer[start : start + length])
        del self._buffer[: start + length]
        self.task = asyncio.get_running_loop().create_task(self._handle(asked))
        self.task.add_done_callback(self._handled)

    def _read_head(self, head: bytearray) -> tuple[Asked, int]:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _version = first.split(" ")
        headers = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = next((value for name, value in headers.items() if name.lower() == "content-length"), "0")
        return Asked(self, method, path, headers), int(length)

    async def _handle(self, asked: Asked) -> None:
        await self._sockets.handler(asked)

    def _handled(self, task: asyncio.Task[None]) -> None:
        self.task = None
        if task.cancelled():
            self.abort()
        elif (failure := task.exception()) is not None:
            self.send(_whole(500, f"{type(failure).__name__}: {failure}".encode()))
            self.close()
        elif self._transport is not None and self._buffer:
            self._next()


class Sockets:
    """The listening socket and all connections, which may be closed and opened again on the same port.

    Args:
        handler: answers one request; what it raises becomes status 500.
    """

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.open: set[Connection] = set()
        self.stopped = False
        self.port = 0
        self._listening: asyncio.Server | None = None

    async def listen(self, port: int = 0) -> None:
        """Begin to take connections on 127.0.0.1; port 0 is any free one."""
        await self._serve(_bound(port))

    def again(self) -> Coroutine[None, None, None]:
        """Take connections on the same port as before, from now on; what is returned must be awaited on the loop."""
        # Bound and listening at once: who connects before the loop comes to it waits and is not refused.
        return self._serve(_bound(self.port))

    def stop(self) -> list[asyncio.Task[None]]:
        """Take no more connections, break those that are open, and return the handlers that end by it."""
        self.stopped = True
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()
        tasks = [connection.task for connection in self.open if connection.task is not None]
        for connection in list(self.open):
            connection.abort()
        for task in tasks:
            task.cancel()
        return tasks

    async def _serve(self, bound: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self.stopped = False
        self._listening = await loop.create_server(lambda: Connection(self), sock=bound, backlog=BACKLOG)
        self.port = bound.getsockname()[1]


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    if os.name == "posix":
        # Otherwise the port is kept from us for a while after connections on it were closed.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(BACKLOG)
    made.setblocking(False)
    return made


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1")


def _whole(status: int, text: bytes) -> bytes:
    return _head(status, {"Content-Type": "text/plain", "Content-Length": str(len(text))}) + text
