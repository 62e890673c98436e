"""Sound for a model to hear: base64 text and its format."""

from __future__ import annotations

import base64
import io
import os
import wave
from typing import Any, ClassVar, Self

import pydantic

from dspex.errors import ContentError
from dspex.types.fetch import fetch
from dspex.types.media import MAX_BYTES, check_base64, check_size, checked_data_uri, read_path, size_text
from dspex.types.parts import unsaved
from dspex.types.pictures import is_array
from dspex.types.type import Type

_SENT_AS = {"mpeg": "mp3", "wave": "wav", "vnd.wave": "wav"}
"""Subtypes of media types -> the words providers know."""


class Audio(Type):
    """Sound, as an input of a signature.

    Args:
        source: a `data:audio/...` URI, the bytes of a sound file (with `audio_format`), an array of samples (with
            `sampling_rate`), a `pathlib.Path`, an object with `data` and `audio_format`, or another Audio.
        data: base64 text.
        audio_format: such as `wav` or `mp3`.
        sampling_rate: samples a second of an array; 16000 by default.

    Raises:
        ContentError: the source is no sound, or larger than `Audio.max_bytes`.

    Example:
        >>> Audio(b"RIFF....WAVE", audio_format="wav")
        Audio(wav, 12 bytes)
    """

    __dspex_type__ = "audio"
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")
    max_bytes: ClassVar[int] = MAX_BYTES

    data: str
    audio_format: str

    def __init__(self, source: Any = None, /, **data: Any) -> None:
        if source is not None:
            if "data" in data:
                raise ContentError("`Audio` received both a source and `data`; give one of them.")
            rate, form = data.pop("sampling_rate", None), data.pop("audio_format", None)
            if rate is not None and not is_array(source):
                raise ContentError("`sampling_rate` goes with an array of samples; leave it out here.")
            found = self._read(source, form, rate or 16000, explicit=True)
            if form is not None and found["audio_format"] != form:
                raise ContentError("This sound carries its own format; leave `audio_format` out.")
            data = {**found, **data}
        if isinstance(content := data.get("data"), str):
            check_base64(content, "this audio", self.max_bytes)
        super().__init__(**data)

    def format(self) -> list[dict[str, Any]]:
        """Return the sound as a content part."""
        form = _SENT_AS.get(self.audio_format, self.audio_format)
        return [{"type": "input_audio", "input_audio": {"data": self.data, "format": form}}]

    @classmethod
    def from_url(cls, url: str, verify: bool = True, timeout: float | None = 30.0) -> Self:
        """Download a sound. The address is followed wherever it leads: check those of strangers first.

        Raises:
            ContentError: the address is not http or https, nothing comes, or it is no sound.
        """
        content, mime = fetch(url, "this audio", cls.max_bytes, verify=verify, timeout=timeout)
        return cls._of(content, mime or "audio/wav", url)

    @classmethod
    def from_path(cls, file_path: str | os.PathLike[str]) -> Self:
        """Read a sound from a file whose ending tells its format.

        Raises:
            ContentError: it is no file, too large, or no sound by its name.
        """
        content, mime = read_path(file_path, "this audio", cls.max_bytes)
        return cls._of(content, mime, str(file_path))

    @classmethod
    def from_file(cls, file_path: str) -> Self:
        """Read a sound from a file; DSPy's older name of `from_path`."""
        return cls.from_path(file_path)

    @classmethod
    def from_array(cls, array: Any, sampling_rate: int, format: str = "wav") -> Self:
        """Take samples, one column a channel: fractions from -1 to 1, or 16-bit whole numbers.

        Raises:
            ContentError: the array has another form, or a format other than `wav` is asked for.
        """
        if format.lower() != "wav":
            raise ContentError(
                f"Samples are written as `wav`, not `{format}`; encode them and give the bytes."
            )
        shape = tuple(array.shape)
        if len(shape) not in (1, 2):
            raise ContentError(
                f"An array of shape {shape} is no sound; give (samples,) or (samples, channels)."
            )
        if str(array.dtype).startswith("float"):
            array = (array.clip(-1, 1) * 32767).round()
        elif str(array.dtype) != "int16":
            raise ContentError(f"Samples of type `{array.dtype}` are not known; give `float32` or `int16`.")
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(shape[1] if len(shape) == 2 else 1)
            file.setsampwidth(2)
            file.setframerate(sampling_rate)
            file.writeframes(array.astype("<i2").tobytes())
        return cls._of(buffer.getvalue(), "audio/wav", "")

    @pydantic.model_validator(mode="before")
    @classmethod
    def validate_input(cls, data: Any) -> Any:
        """Read a sound from what stands for one alone; a dict with the fields goes through `__init__`."""
        return data if isinstance(data, (cls, dict)) else cls._read(data, None, 16000, explicit=False)

    @classmethod
    def _of(cls, content: bytes, mime: str, where: str) -> Self:
        check_size(len(content), "this audio", cls.max_bytes)
        if not mime.startswith("audio/"):
            raise ContentError(
                f"`{where}` is no sound by its type `{mime or 'unknown'}`; give a file such as `.wav`."
            )
        return cls(data=base64.b64encode(content).decode(), audio_format=_subtype(mime))

    @classmethod
    def _read(cls, source: Any, form: str | None, rate: int, explicit: bool) -> dict[str, Any]:
        part = unsaved(source)
        if part is not None and isinstance(inner := part.get("input_audio"), dict):
            return {"data": inner.get("data"), "audio_format": inner.get("format")}
        if isinstance(source, Audio):
            return {"data": source.data, "audio_format": source.audio_format}
        if isinstance(source, dict) and {"data", "audio_format"} <= source.keys():
            return dict(source)
        if isinstance(source, str) and source[:11].lower() == "data:audio/":
            mime, content = checked_data_uri(source, "this audio", cls.max_bytes)
            if not content:
                raise ContentError("Malformed `data:` URI: sound has to be base64 text.")
            return {"data": content, "audio_format": _subtype(mime)}
        if isinstance(source, str):
            raise ContentError(
                "A str is a sound only as `data:audio/...`; use `Audio.from_path` or `Audio.from_url`."
            )
        if isinstance(source, (bytes, bytearray, memoryview)):
            return {"data": base64.b64encode(source).decode(), "audio_format": form or "wav"}
        if isinstance(source, os.PathLike) and explicit:
            return cls._read(cls.from_path(source), form, rate, explicit)
        if is_array(source):
            return cls._read(cls.from_array(source, rate, form or "wav"), form, rate, explicit)
        raise ContentError(f"A `{type(source).__name__}` is no sound; give bytes, an array or a `data:` URI.")

    def __str__(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        return f"Audio({self.audio_format}, {size_text(len(self.data.rstrip('=')) * 3 // 4)})"


def _subtype(mime: str) -> str:
    return mime.partition("/")[2].partition(";")[0].removeprefix("x-")
