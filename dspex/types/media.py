"""What images, sounds and files have in common: `data:` URIs, sizes, and reading what the user's own code names.

Nothing here is reached from text: a path or an address becomes bytes only where the caller asked for that.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
import os
import re
from pathlib import Path
from typing import Final

from dspex.errors import ContentError

MAX_BYTES: Final = 50 * 1024 * 1024
"""Above this no provider takes a part; a type's own `max_bytes` changes it for that type."""

_HEAD = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=(?:\"[^\"]*\"|[^;,\"]*))*)(;base64)?,", re.I)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_SHOWN = 60


def data_uri(content: bytes, mime: str) -> str:
    """Return bytes as a `data:` URI.

    Example:
        >>> data_uri(b"hi", "text/plain")
        'data:text/plain;base64,aGk='
    """
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def checked_data_uri(text: str, what: str, limit: int) -> tuple[str, str]:
    """Return the media type and the base64 content of a `data:` URI; an empty content where it is not base64.

    Raises:
        ContentError: it is none, or it is too large.
    """
    head = _HEAD.match(text)
    if head is None:
        raise ContentError(
            f"`{short(text)}` is no `data:` URI; it has to be `data:<type>/<subtype>;base64,<content>`."
        )
    mime, parameters, encoded = head.groups()
    content = text[head.end() :]
    if encoded:
        check_base64(content, what, limit)
    else:
        check_size(len(content), what, limit)
    return f"{mime or 'text/plain'}{parameters}".lower(), content if encoded else ""


def check_base64(content: str, what: str, limit: int) -> None:
    """See that text is base64 and not too large.

    Raises:
        ContentError: it is not.
    """
    check_size(len(content) * 3 // 4, what, limit)
    if not _BASE64.fullmatch(content):
        raise ContentError(f"The content of {what} is no base64 text; encode it with `base64.b64encode`.")


def decoded(content: str) -> bytes:
    """Return the bytes of base64 text, of either alphabet and without its padding too."""
    plain = content.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4))
    except binascii.Error:
        raise ContentError("This is no base64 text; encode it with `base64.b64encode`.") from None


def check_size(size: int, what: str, limit: int) -> None:
    """See that content is not too large.

    Raises:
        ContentError: it is.
    """
    if size > limit:
        kind = what.rsplit(maxsplit=1)[-1].capitalize()
        raise ContentError(
            f"The content of {what} has {size_text(size)}, the limit is {size_text(limit)}; make it smaller, or "
            f"set `{kind}.max_bytes`."
        )


def read_path(path: str | os.PathLike[str], what: str, limit: int) -> tuple[bytes, str]:
    """Return a file's bytes and the media type that its name tells, or an empty one.

    Raises:
        ContentError: it is no file, cannot be read or is too large.
    """
    file = Path(path)
    if not file.is_file():
        where = "" if file.is_absolute() else f" in `{Path.cwd()}`"
        raise ContentError(f"File not found: `{file}`{where}; give the path of a file.")
    check_size(file.stat().st_size, what, limit)
    try:
        content = file.read_bytes()
    except OSError as exc:
        raise ContentError(f"`{file}` cannot be read: {exc.strerror}; see to its permissions.") from exc
    return content, mimetypes.guess_type(file.name)[0] or ""


def short(text: str) -> str:
    """Return the beginning of a text, on one line."""
    line = " ".join(text[: _SHOWN + 1].split())
    return line if len(text) <= _SHOWN else f"{line[:_SHOWN]}…"


def shown_uri(url: str) -> str:
    """Return an address for people: a `data:` URI by its type and size.

    Example:
        >>> shown_uri("data:image/png;base64,iVBORw0KGgo=")
        'data:image/png;base64,<12 characters>'
    """
    head = _HEAD.match(url)
    if head is None:
        return url if len(url) <= 2 * _SHOWN else f"{url[: 2 * _SHOWN]}…"
    return f"{head[0]}<{len(url) - head.end():,} characters>"


def size_text(size: int) -> str:
    """Return a size in words.

    Example:
        >>> size_text(12), size_text(1_536), size_text(2 * 1024 * 1024)
        ('12 bytes', '1.5 KiB', '2.0 MiB')
    """
    if size < 1024:
        return f"{size} bytes"
    return f"{size / 1024:.1f} KiB" if size < 1024 * 1024 else f"{size / 1024 / 1024:.1f} MiB"
