"""The file of a cassette: a head, then one request and what was said to it a line, to be read by people.

Apart from `cassette.py`, which decides what is played and what is recorded. Each line is written as it comes; what a
process that died left of a line is written over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from dspex.errors import SettingsError
from dspex.lm.messages import Response

FORMAT = "dspex cassette"
VERSION = 1


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What the file is."""

    format: str
    version: int


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider said to a request it does not take."""

    kind: str = ""
    message: str = ""
    status: int = 0
    provider: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request and what was said to it."""

    key: str
    request: dict[str, Any]
    """For people, with keys masked; what counts is `key`, the hash of the request itself."""
    response: Response | None = None
    refusal: Refusal | None = None


class Tape:
    """The file, read and written.

    Args:
        path: where it is.
        anew: whether to write a new one beside it, which takes its place at `finish`.
    """

    def __init__(self, path: Path, *, anew: bool) -> None:
        self.path = path
        self._anew = anew
        self._target = path.with_name(f"{path.name}.part") if anew else path
        self._whole = 0
        """Bytes of the file that are whole lines."""

    def read(self) -> Iterator[Line]:
        """Yield the lines of a file that is there.

        Raises:
            FileNotFoundError: it is not.
            SettingsError: it cannot be read, or is no cassette.
        """
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as exc:
            raise SettingsError(f"`{self.path}` cannot be read: {exc.strerror or exc}.") from None
        for number, text in enumerate(raw.splitlines(keepends=True), 1):
            try:
                if number == 1:
                    self._check(msgspec.json.decode(text, type=Head))
                elif text.strip():
                    yield msgspec.json.decode(text, type=Line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
                if number > 1 and not text.endswith(b"\n"):
                    return  # cut off when whoever recorded it died
                raise SettingsError(
                    f"`{self.path}`, line {number}, is no line of a cassette: {exc}."
                ) from None
            self._whole += len(text)

    def append(self, line: Line | None) -> None:
        """Write a line at the end, and the head before the first one; None for the head alone.

        Raises:
            SettingsError: the file cannot be written.
        """
        raw = b"" if line is None else msgspec.json.encode(line) + b"\n"
        if not self._whole:
            raw = msgspec.json.encode(Head(format=FORMAT, version=VERSION)) + b"\n" + raw
        try:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            with self._target.open("r+b" if self._whole else "w+b") as file:
                file.seek(max(0, self._whole - 1))
                if file.read(1) not in (b"", b"\n"):
                    raw = b"\n" + raw  # somebody's editor took the last line's end away
                file.seek(self._whole)
                file.truncate()
                file.write(raw)
        except OSError as exc:
            raise SettingsError(f"`{self.path}` cannot be written: {exc.strerror or exc}.") from None
        self._whole += len(raw)

    def finish(self) -> None:
        """Put a new file in the old one's place."""
        if self._anew:
            if not self._whole:
                self.append(None)
            try:
                self._target.replace(self.path)
            except OSError as exc:
                raise SettingsError(f"`{self.path}` cannot be written: {exc.strerror or exc}.") from None

    def drop(self) -> None:
        """Give a new file up; the old one stays."""
        if self._anew:
            with suppress(OSError):  # what could not be written need not be removed
                self._target.unlink()

    def _check(self, head: Head) -> None:
        if (head.format, head.version) != (FORMAT, VERSION):
            raise SettingsError(
                f'`{self.path}` is no cassette that this dspex can play; record it anew with mode="record".'
            )
