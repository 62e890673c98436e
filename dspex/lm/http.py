"""One question over HTTP and its answer: over connections of our own, or through a proxy by aiohttp.

Apart from the transports because connections outlive them: copies of an LM and all runs share them. They are
opened at first use, belong to the host loop and are closed at exit.
"""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from dspex import _host
from dspex.lm.http1 import LONGEST_BODY, LONGEST_UNZIPPED, BadAnswer, head_of

if TYPE_CHECKING:
    import ssl

    import aiohttp

    from dspex.lm.connections import Connection, Connections, Origin

PROXIED = 1024
"""Connections through proxies at once."""
_PLAIN = re.compile(r"https?://[\w.\-:\[\]]+(?:[/?][\w\-.~/%:@!$&'()*+,;=?]*)?", re.ASCII)
_open: tuple[asyncio.AbstractEventLoop, Connections] | None = None
_session: tuple[asyncio.AbstractEventLoop, aiohttp.ClientSession] | None = None


class Reply(NamedTuple):
    """An answer; `headers` are found by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Piece(NamedTuple):
    """A piece of an answer, with the head that stands for all of it."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class _Target(NamedTuple):
    """Where an address leads."""

    origin: Origin
    head: bytes
    """The lines that every request there begins with."""


async def post(url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply:
    """Send a body and return the whole answer; on the host loop. Nothing is tried again, no redirect is followed.

    Args:
        url: where to.
        headers: besides those every request has.
        body: what to send.
        seconds: for all of it, from connecting to the last byte.

    Raises:
        TimeoutError: it took longer.
        OSError, ValueError: the connection could not be made or broke, or what came is no answer.
    """
    target = target_of(url)
    if target is None:
        async with _proxied(url, headers, body, seconds, seconds) as reply:
            return Reply(reply.status, _lowered(reply.headers), await read_all(reply))
    connection, left = await _connected(target, seconds)
    answer, whole = await connection.ask(_written(target, headers, body), left)
    return Reply(answer.status, answer.headers, whole)


async def pieces(
    url: str, headers: Mapping[str, str], body: bytes, seconds: float, silence: float
) -> AsyncGenerator[Piece, None]:
    """Send a body and yield the answer's pieces as they come; the first has no data, only status and headers.

    Close the iterator (`aclosing`) to leave early; the server sees it.

    Args:
        url, headers, body, seconds: as for `post`.
        silence: seconds for the head, and between two pieces.

    Raises:
        TimeoutError, OSError, ValueError: as `post` does.
    """
    target = target_of(url)
    if target is None:
        async with _proxied(url, headers, body, seconds, silence) as reply:
            told = _lowered(reply.headers)
            yield Piece(reply.status, told, b"")
            async with aclosing(_read(reply)) as parts:
                async for data in parts:
                    yield Piece(reply.status, told, data)
        return
    connection, left = await _connected(target, seconds)
    async with aclosing(connection.stream(_written(target, headers, body), left, silence)) as stream:
        async for answer, data in stream:
            yield Piece(answer.status, answer.headers, data)


async def read_all(reply: aiohttp.ClientResponse) -> bytes:
    """Return the body of an answer that aiohttp reads.

    Raises:
        BadAnswer: it is longer than any answer.
    """
    return b"".join([part async for part in _read(reply)])


def why(exc: Exception) -> str:
    """Say why a connection failed, as the end of a sentence; and look at the surroundings anew for the next one.

    Whoever sets a proxy or a certificate because a call failed need not start the kernel again.
    """
    target_of.cache_clear()
    proxy_for.cache_clear()
    text = str(exc) or type(exc).__name__
    if "CERTIFICATE_VERIFY_FAILED" in text:
        _context.cache_clear()
        text += ". If you trust that server, name the file with its certificate in SSL_CERT_FILE"
    return text


async def session() -> aiohttp.ClientSession:
    """Return the running loop's aiohttp session: for proxies, and for what is no question to a model."""
    global _session
    loop = asyncio.get_running_loop()
    if (known := _usable(loop)) is not None:
        return known
    # Import and certificates take half a second that must not hold up others on the loop.
    tls = await _host.in_worker(_prepare)
    if (known := _usable(loop)) is not None:
        return known
    import aiohttp

    connector = aiohttp.TCPConnector(limit=PROXIED, ttl_dns_cache=300, ssl=tls)
    # All keys share it: a cookie that is set with one of them must not go along with another.
    made = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
    _session = (loop, made)
    _host.on_close(made.close)
    return made


@lru_cache(maxsize=64)
def proxy_for(base: str) -> str | None:
    """Return the proxy the environment names for an address, or None.

    aiohttp's own `trust_env` would also look into ~/.netrc, in a thread at each call, and then refuse our header.
    """
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(base)
    proxy = getproxies().get(parts.scheme)
    return proxy if proxy and not proxy_bypass(parts.netloc.rpartition("@")[2]) else None


@lru_cache(maxsize=256)
def target_of(url: str) -> _Target | None:
    """Return where an address leads; None where a proxy, a user in it or strange characters are aiohttp's work."""
    if _PLAIN.fullmatch(url) is None or proxy_for(url) is not None:
        return None
    parts = urlsplit(url)
    if not parts.hostname:
        return None
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    every = {"Host": parts.netloc, "Accept": "*/*", "Accept-Encoding": "identity"}
    head = head_of(f"POST {path} HTTP/1.1", every)
    from dspex.lm.connections import Origin  # what it needs takes milliseconds that others need not wait for

    return _Target(Origin(parts.hostname, parts.port or (443 if tls else 80), tls), head)


async def _connected(target: _Target, seconds: float) -> tuple[Connection, float]:
    """Return a connection, and the seconds that are left."""
    open_ = _connections()
    connection = open_.idle(target.origin)
    if connection is not None:
        return connection, seconds
    began = open_.loop.time()
    async with asyncio.timeout(seconds):
        connection = await open_.acquire(target.origin)
    return connection, seconds - (open_.loop.time() - began)


def _connections() -> Connections:
    global _open
    loop = asyncio.get_running_loop()
    if _open is None or _open[0] is not loop:
        from dspex.lm.connections import Connections

        _open = (loop, Connections(loop, _tls))
        _host.on_close(_open[1].close)
    return _open[1]


def _written(target: _Target, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = head_of(f"Content-Length: {len(body)}", headers)
    return b"".join((target.head, lines, b"\r\n", body))


@asynccontextmanager
async def _proxied(
    url: str, headers: Mapping[str, str], body: bytes, seconds: float, silence: float
) -> AsyncGenerator[aiohttp.ClientResponse, None]:
    opened = await session()
    import aiohttp

    limits = aiohttp.ClientTimeout(total=seconds, sock_read=silence)
    try:
        async with opened.post(
            url,
            data=body,
            headers=headers,
            proxy=proxy_for(url),
            timeout=limits,
            # A redirect would carry key and prompt to an address nobody chose.
            allow_redirects=False,
        ) as reply:
            yield reply
    except aiohttp.ClientError as exc:
        raise ConnectionError(str(exc) or type(exc).__name__) from None


async def _read(reply: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """Yield what comes of a body; aiohttp unzips it, too, and knows no end of it."""
    left = LONGEST_UNZIPPED if "Content-Encoding" in reply.headers else LONGEST_BODY
    async for part in reply.content.iter_any():
        left -= len(part)
        if left < 0:
            reply.close()
            raise BadAnswer("the answer is too long")
        yield part


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


async def _tls() -> ssl.SSLContext:
    # Certificates take some milliseconds that must not hold up others on the loop.
    return _context() if _context.cache_info().currsize else await _host.in_worker(_context)


@lru_cache(maxsize=1)
def _context() -> ssl.SSLContext:
    import ssl

    context = ssl.create_default_context()
    try:
        import certifi
    except ImportError:
        return context
    # Some Pythons come without certificates of their own; those of the system stay valid beside these.
    context.load_verify_locations(certifi.where())
    return context


def _prepare() -> ssl.SSLContext:
    importlib.import_module("aiohttp")
    return _context()


def _usable(loop: asyncio.AbstractEventLoop) -> aiohttp.ClientSession | None:
    if _session is None or _session[0] is not loop or _session[1].closed:
        return None
    return _session[1]
