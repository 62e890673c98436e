"""Download what an address names, because the user's own code asked for that.

Apart from `media.py`, because it is the only file of the types that opens a connection. It goes wherever the address
leads, into a private network too: whoever takes addresses from strangers checks them first.
"""

from __future__ import annotations

import ssl
import urllib.request
from http.client import HTTPException
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from dspex.errors import ContentError
from dspex.types.media import check_size, short


def is_web(url: str, schemes: tuple[str, ...] = ("http", "https")) -> bool:
    """Tell whether text is an address of one of these schemes.

    Example:
        >>> is_web("https://example.org/cat.png"), is_web("file:///etc/passwd"), is_web("cat.png")
        (True, False, False)
    """
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and url.isprintable() and " " not in url
    except ValueError:
        return False


def fetch(url: str, what: str, limit: int, *, verify: bool, timeout: float | None) -> tuple[bytes, str]:
    """Return what stands at an address and its media type as the server says, or an empty one.

    Raises:
        ContentError: the address is of another scheme, nothing comes, or too much.
    """
    if not is_web(url):
        raise ContentError(f"`from_url` takes an address with http or https, not `{short(url)}`.")
    secure = ssl.create_default_context()
    if not verify:
        secure.check_hostname, secure.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(url, headers={"User-Agent": "dspex"})  # noqa: S310 - the scheme was checked
    try:
        with _opener(secure).open(request, timeout=timeout) as answer:
            return _body(answer, what, limit), answer.headers.get("Content-Type", "").partition(";")[
                0
            ].strip().lower()
    except HTTPError as exc:
        exc.close()
        raise ContentError(
            f"`{short(url)}` answered {exc.code} {exc.reason}; see whether it is right."
        ) from exc
    except (URLError, HTTPException, OSError) as exc:
        reason = getattr(exc, "reason", exc)
        raise ContentError(
            f"`{short(url)}` cannot be downloaded: {reason}; see whether it is right."
        ) from exc


def _opener(secure: ssl.SSLContext) -> urllib.request.OpenerDirector:
    """Return what speaks http and https and nothing else, so that no redirect leads to a local file."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=secure),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _body(answer: IO[bytes], what: str, limit: int) -> bytes:
    content = answer.read(limit + 1)
    check_size(len(content), what, limit)
    return content
