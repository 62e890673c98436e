"""Pictures in memory -> `data:` URIs: encoded bytes, PIL images, arrays of pixels.

PIL and numpy are not needed: their objects are known by what they can do.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from dspex.errors import ContentError
from dspex.types.media import check_size, data_uri

_HEADS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_BRANDS = {b"avif": "image/avif", b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heif"}
_COLORS = {1: 0, 2: 4, 3: 2, 4: 6}
"""Channels of an array -> PNG's colour type."""


def image_type(content: bytes) -> str:
    r"""Return the media type of an encoded image, known by its first bytes; empty for anything else.

    Example:
        >>> image_type(b"GIF89a..."), image_type(b"hello")
        ('image/gif', '')
    """
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12], "")
    return next((mime for head, mime in _HEADS if content.startswith(head)), "")


def encoded_picture(content: bytes, limit: int) -> str:
    """Return the bytes of a picture's file as a `data:` URI.

    Raises:
        ContentError: they are no picture, or too many.
    """
    check_size(len(content), "this image", limit)
    mime = image_type(content)
    if not mime:
        raise ContentError(
            "These bytes could not be identified as an image; give those of a PNG, JPEG, GIF or WebP."
        )
    return data_uri(content, mime)


def is_pil(value: Any) -> bool:
    """Tell whether a value behaves as an image of PIL."""
    return all(hasattr(value, name) for name in ("save", "size", "mode", "getbands"))


def pil_picture(image: Any, limit: int) -> str:
    """Return an image of PIL as a `data:` URI, in its own format or as PNG.

    Raises:
        ContentError: it cannot be encoded, or is too large.
    """
    buffer = io.BytesIO()
    try:
        image.save(buffer, format=image.format or "PNG")
    except (OSError, ValueError, KeyError) as exc:
        raise ContentError(
            f"This image cannot be encoded: {exc}; convert it with `image.convert('RGB')`."
        ) from exc
    return encoded_picture(buffer.getvalue(), limit)


def is_array(value: Any) -> bool:
    """Tell whether a value behaves as an array of numpy."""
    return all(hasattr(value, name) for name in ("shape", "dtype", "tobytes", "astype"))


def array_picture(array: Any, limit: int) -> str:
    """Return an array of height x width (x 1 to 4 channels) as a PNG in a `data:` URI.

    Whole numbers go from 0 to 255, fractions from 0 to 1.

    Raises:
        ContentError: the array has another form, or is too large.
    """
    shape = tuple(int(n) for n in array.shape)
    channels = shape[2] if len(shape) == 3 else 1
    if len(shape) not in (2, 3) or channels not in _COLORS or 0 in shape:
        raise ContentError(
            f"An array of shape {shape} is no image; give (height, width) or (height, width, 3)."
        )
    if str(array.dtype).startswith(("float", "bool")):
        array = (array.astype("float64").clip(0, 1) * 255).round()
    elif str(array.dtype) != "uint8":
        array = array.clip(0, 255)
    raw = array.astype("uint8").tobytes()
    height, row = shape[0], shape[1] * channels
    lines = b"".join(b"\x00" + raw[i * row : (i + 1) * row] for i in range(height))
    header = struct.pack(">2I5B", shape[1], height, 8, _COLORS[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    png = _HEADS[0][0] + b"".join(_chunk(kind, body) for kind, body in chunks)
    return encoded_picture(png, limit)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
