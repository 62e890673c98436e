"""An image for a model to see: an address that is passed on, or the image itself as a `data:` URI."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Self

import pydantic

from dspex.errors import ContentError
from dspex.types import pictures
from dspex.types.fetch import fetch, is_web
from dspex.types.media import MAX_BYTES, checked_data_uri, data_uri, read_path, short, shown_uri
from dspex.types.parts import unsaved
from dspex.types.type import Type


class Image(Type):
    """An image, as an input of a signature.

    Args:
        source: an address, a `data:` URI, the bytes of an image file, an image of PIL, an array of pixels, a
            `pathlib.Path`, or another Image. An address is passed on to the provider, not downloaded, and a str
            is never taken for a path: use `Image.from_path`.
        url: the same, by DSPy's other name.
        download: fetch the address now; the same as `Image.from_url`.
        verify: see to the certificate when it downloads.

    Raises:
        ContentError: the source is no image, or larger than `Image.max_bytes`.

    Example:
        >>> Image("https://example.org/cat.png")
        Image(url='https://example.org/cat.png')
    """

    __dspex_type__ = "image"
    model_config = pydantic.ConfigDict(frozen=True, str_strip_whitespace=True, extra="forbid")
    max_bytes: ClassVar[int] = MAX_BYTES

    url: str

    def __init__(
        self, source: Any = None, /, *, download: bool | None = None, verify: bool | None = None, **data: Any
    ) -> None:
        if source is None and (download is not None or verify is not None):
            # Pydantic hands the keys of a dict in as keyword arguments: text from a model must not start a download.
            raise ContentError(
                "`download` and `verify` go with a positional address; or use `Image.from_url`."
            )
        if source is not None and "url" in data:
            raise ContentError("`Image` received both a source and `url`; give one of them.")
        if isinstance(source, dict) and set(source) == {"url"}:
            source = source["url"]
        if download and isinstance(source, str) and is_web(source):
            source = type(self).from_url(source, verify=verify is not False)
        if source is not None:
            data["url"] = self._read(source)
        elif "url" in data:
            data["url"] = self._read(data["url"], explicit=False)
        super().__init__(**data)

    def format(self) -> list[dict[str, Any]]:
        """Return the image as a content part."""
        return [{"type": "image_url", "image_url": {"url": self.url}}]

    @classmethod
    def from_url(cls, url: str, verify: bool = True, timeout: float | None = 30.0) -> Self:
        """Download an image. The address is followed wherever it leads: check those of strangers first.

        Raises:
            ContentError: the address is not http or https, nothing comes, or it is no image.
        """
        content, mime = fetch(url, "this image", cls.max_bytes, verify=verify, timeout=timeout)
        return cls(data_uri(content, pictures.image_type(content) or mime or "application/octet-stream"))

    @classmethod
    def from_path(cls, file_path: str | os.PathLike[str]) -> Self:
        """Read an image, or a PDF, from a file.

        Raises:
            ContentError: it is no file, too large, or of a kind that neither its name nor its content tells.
        """
        content, mime = read_path(file_path, "this image", cls.max_bytes)
        mime = mime or pictures.image_type(content)
        if not mime:
            raise ContentError(f"The kind of `{file_path}` cannot be told; give it an ending such as `.png`.")
        return cls(data_uri(content, mime))

    @classmethod
    def from_file(cls, file_path: str) -> Self:
        """Read an image from a file; DSPy's older name of `from_path`."""
        return cls.from_path(file_path)

    @classmethod
    def from_PIL(cls, pil_image: Any) -> Self:  # noqa: N802  # DSPy's name
        """Take an image of PIL; DSPy's older name of `Image(pil_image)`."""
        return cls(pil_image)

    @pydantic.model_validator(mode="before")
    @classmethod
    def validate_input(cls, data: Any) -> Any:
        """Read an image from what stands for one alone; a dict with `url` goes through `__init__`."""
        if isinstance(data, (cls, dict)):
            return data
        return {"url": cls._read(data, explicit=False)}

    @classmethod
    def _read(cls, source: Any, explicit: bool = True) -> str:
        """Return the address or `data:` URI of a source; a path only where the user's own code gave it."""
        part = unsaved(source)
        if part is not None and isinstance(part.get("image_url"), dict):
            source = part["image_url"].get("url")
        if isinstance(source, Image):
            return source.url
        if isinstance(source, str):
            return cls._read_text(source.strip())
        if isinstance(source, (bytes, bytearray, memoryview)):
            return pictures.encoded_picture(bytes(source), cls.max_bytes)
        if isinstance(source, os.PathLike) and explicit:
            return cls.from_path(source).url
        if pictures.is_pil(source):
            return pictures.pil_picture(source, cls.max_bytes)
        if pictures.is_array(source):
            return pictures.array_picture(source, cls.max_bytes)
        raise ContentError(
            f"A `{type(source).__name__}` is no image; give an address, bytes or an image of PIL."
        )

    @classmethod
    def _read_text(cls, text: str) -> str:
        if text[:5].lower() == "data:":
            checked_data_uri(text, "this image", cls.max_bytes)
        elif not is_web(text, ("http", "https", "gs")):
            raise ContentError(
                f"`{short(text)}` is no address of an image; read a local file with `Image.from_path(...)`."
            )
        return text

    def __str__(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        return f"Image(url={shown_uri(self.url)!r})"
