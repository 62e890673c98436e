"""The host loop's one HTTP session: opened at first use, shared by all endpoints, closed at exit.

Apart from the transport because connections outlive it: copies of an LM and all runs share them.
"""

from __future__ import annotations

import asyncio
import importlib
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dspex import _host

if TYPE_CHECKING:
    import ssl

    import aiohttp

CONNECTIONS = 1024
_open: tuple[asyncio.AbstractEventLoop, aiohttp.ClientSession] | None = None


async def session() -> aiohttp.ClientSession:
    """Return the running loop's session."""
    global _open
    loop = asyncio.get_running_loop()
    if (known := _usable(loop)) is not None:
        return known
    # Import and certificates take half a second that must not hold up others on the loop.
    tls = await _host.in_worker(_prepare)
    if (known := _usable(loop)) is not None:
        return known
    import aiohttp

    connector = aiohttp.TCPConnector(limit=CONNECTIONS, ttl_dns_cache=300, ssl=tls)
    made = aiohttp.ClientSession(connector=connector)
    _open = (loop, made)
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


def _usable(loop: asyncio.AbstractEventLoop) -> aiohttp.ClientSession | None:
    return _open[1] if _open is not None and _open[0] is loop and not _open[1].closed else None


def _prepare() -> ssl.SSLContext:
    import ssl

    importlib.import_module("aiohttp")
    context = ssl.create_default_context()
    try:
        import certifi
    except ImportError:
        return context
    # Some Pythons come without certificates of their own; those of the system stay valid beside these.
    context.load_verify_locations(certifi.where())
    return context
