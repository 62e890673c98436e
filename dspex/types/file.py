"""A file for a model to read: its content as a `data:` URI, or the id that the provider gave it."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Self

import pydantic

from dspex.errors import ContentError
from dspex.types.media import MAX_BYTES, check_size, checked_data_uri, data_uri, read_path, short, shown_uri
from dspex.types.parts import unsaved
from dspex.types.type import Type

_FIELDS = ("file_data", "file_id", "filename")


class File(Type):
    """A file such as a PDF, as an input of a signature.

    Args:
        source: bytes, a `data:` URI, a `pathlib.Path`, an object with the fields below, or another File.
        file_data: the content as `data:<type>;base64,<content>`.
        file_id: the provider's id of a file that it holds already.
        filename: what the file is called.

    Raises:
        ContentError: the source is no file, or larger than `File.max_bytes`.

    Example:
        >>> File.from_bytes(b"hello", filename="note.txt", mime_type="text/plain")
        File(file_data='data:text/plain;base64,<8 characters>', filename='note.txt')
    """

    __dspex_type__ = "file"
    model_config = pydantic.ConfigDict(frozen=True, str_strip_whitespace=True, extra="forbid")
    max_bytes: ClassVar[int] = MAX_BYTES

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None

    def __init__(self, source: Any = None, /, **data: Any) -> None:
        if source is not None:
            found = self._read(source, explicit=True)
            if both := sorted(found.keys() & data.keys()):
                raise ContentError(
                    f"`File` received {', '.join(f'`{b}`' for b in both)} twice; give it once."
                )
            data = {**found, **data}
        if isinstance(content := data.get("file_data"), str):
            if content.strip()[:5].lower() == "data:":
                checked_data_uri(content.strip(), "this file", self.max_bytes)
            check_size(len(content) * 3 // 4, "this file", self.max_bytes)
        super().__init__(**data)

    def format(self) -> list[dict[str, Any]]:
        """Return the file as a content part."""
        return [{"type": "file", "file": {n: v for n in _FIELDS if (v := getattr(self, n))}}]

    @classmethod
    def from_path(
        cls, file_path: str | os.PathLike[str], filename: str | None = None, mime_type: str | None = None
    ) -> Self:
        """Read a file; its name and type are the path's where they are not given.

        Raises:
            ContentError: it is no file, cannot be read or is too large.
        """
        content, guessed = read_path(file_path, "this file", cls.max_bytes)
        kind = mime_type or guessed or "application/octet-stream"
        return cls.from_bytes(content, filename or os.path.basename(file_path), kind)  # noqa: PTH119 - keeps a str

    @classmethod
    def from_bytes(
        cls, file_bytes: bytes, filename: str | None = None, mime_type: str = "application/octet-stream"
    ) -> Self:
        """Take the content of a file.

        Raises:
            ContentError: it is too large.
        """
        check_size(len(file_bytes), "this file", cls.max_bytes)
        return cls(file_data=data_uri(file_bytes, mime_type), filename=filename)

    @classmethod
    def from_file_id(cls, file_id: str, filename: str | None = None) -> Self:
        """Name a file that the provider holds already."""
        return cls(file_id=file_id, filename=filename)

    @pydantic.model_validator(mode="before")
    @classmethod
    def validate_input(cls, data: Any) -> Any:
        """Read a file from what stands for one alone; a dict with the fields goes through `__init__`."""
        return data if isinstance(data, cls) else cls._read(data, explicit=False)

    @classmethod
    def _read(cls, source: Any, explicit: bool) -> dict[str, Any]:
        part = unsaved(source)
        if part is not None and isinstance(part.get("file"), dict):
            source = part["file"]
        if isinstance(source, File):
            return {n: v for n in _FIELDS if (v := getattr(source, n)) is not None}
        if isinstance(source, dict):
            if not source.keys() & set(_FIELDS):
                raise ContentError("A `File` needs at least one of `file_data`, `file_id` and `filename`.")
            return dict(source)
        if isinstance(source, str):
            if source.strip()[:5].lower() != "data:":
                raise ContentError(
                    f"`{short(source)}` is no `data:` URI; read a local file with `File.from_path(...)`."
                )
            return {"file_data": source}
        if isinstance(source, (bytes, bytearray, memoryview)):
            return cls._read(cls.from_bytes(bytes(source)), explicit)
        if isinstance(source, os.PathLike) and explicit:
            return cls._read(cls.from_path(source), explicit)
        raise ContentError(
            f"A `{type(source).__name__}` is no file; give bytes, a `data:` URI or a `pathlib.Path`."
        )

    def __str__(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        known = ((n, v) for n in _FIELDS if (v := getattr(self, n)) is not None)
        return f"File({', '.join(f'{n}={shown_uri(v)!r}' for n, v in known)})"
