"""Answers as a file to hand on: whoever has it re-runs a notebook without a key and without a cent.

JSON lines: a head that says what the file is, then one answer a line under the hash of what was asked. It holds no
prompt and no key, and what looks like a key in an answer is masked. Lines are sorted, so that a file in version
control changes only where answers do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from dspex.errors import SettingsError
from dspex.lm.messages import Choice, Response
from dspex.lm.secret import redact
from dspex.lm.store import Store
from dspex.lm.stream import LONGEST_ANSWER

FORMAT = "dspex answers"
VERSION = 1
_KEY = re.compile(r"[!-~]{1,200}")


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    version: int
    keys: str
    """Which version of keys the answers are under."""


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    response: Response


def export(store: Store, path: str | os.PathLike[str], keys: str) -> int:
    """Write the answers that this process has used; return how many.

    Args:
        store: whose answers.
        path: the file; written whole or not at all.
        keys: which version of keys they are under.

    Raises:
        SettingsError: the file cannot be written.
    """
    place = to_write(path)
    part = place.with_name(f"{place.name}.part")
    count = 0
    try:
        with part.open("wb") as file:
            _write(file.write, _Head(format=FORMAT, version=VERSION, keys=keys))
            for key in sorted(store.used):
                response = store.kept(key)
                if response is not None and _KEY.fullmatch(key):
                    plain = msgspec.structs.replace(response, cost=None, cached=False)
                    _write(file.write, _Line(key=key, response=without_keys(plain)))
                    count += 1
        part.replace(place)
    except OSError as exc:
        with suppress(OSError):  # what could not be written need not be removed
            part.unlink()
        raise SettingsError(f"The answers cannot be written to `{place}`: {exc.strerror or exc}.") from None
    return count


def load(store: Store, path: str | os.PathLike[str], keys: str) -> int:
    """Add the answers of a file that `export` wrote; return how many are new here. Answers that are there stay.

    Raises:
        SettingsError: there is no such file, or a line of it is no answer; nothing is added then.
    """
    place = named(path)
    for _ in _entries(place, keys):
        pass  # every line is looked at before the first is taken
    added = sum(store.add(line.key, line.response) for line in _entries(place, keys))
    if not store.flush():  # the disk did not take them: where it was given up, memory does
        for line in _entries(place, keys):
            store.add(line.key, line.response)
    return added


def named(path: str | os.PathLike[str]) -> Path:
    """Return a file's path.

    Raises:
        SettingsError: the name ends in `.pkl`, for nothing is ever pickled; or it is none.
    """
    try:
        place = Path(path).expanduser()
    except (RuntimeError, TypeError, ValueError) as exc:
        raise SettingsError(f"`{path!r}` is no name of a file: {exc}") from None
    if place.suffix in (".pkl", ".pickle"):
        raise SettingsError(
            f"`{place.name}`: answers are kept as JSON, never pickled; use `{place.stem}.jsonl`."
        )
    if not place.name or "\0" in str(place):
        raise SettingsError(f'{str(path)!r} is no name of a file; write one such as "answers.jsonl".')
    return place


def to_write(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file that is to be written.

    Raises:
        SettingsError: there is a folder, a device or a pipe under that name: a file would take its place.
    """
    place = named(path)
    try:
        there = place.exists() and not place.is_file()
    except (OSError, ValueError) as exc:
        raise SettingsError(f"`{place}` cannot be written: {exc}.") from None
    if there:
        raise SettingsError(
            f"`{place}` cannot be read and cannot be written: it is no plain file. Name another."
        )
    return place


def masked(value: Any) -> Any:
    """Return plain JSON values with everything in their texts masked that is a key or looks like one.

    Example:
        >>> masked({"said": ["my key is sk-abcdef123456"]})
        {'said': ['my key is ***']}
    """
    if isinstance(value, str):
        return redact(value, limit=len(value) + 1)
    if isinstance(value, (list, tuple)):
        return [masked(part) for part in value]
    if isinstance(value, dict):
        return {name: masked(part) for name, part in value.items()}
    return value


def without_keys(response: Response) -> Response:
    """Return an answer with every key in its texts masked; vectors, whose base64 may look like anything, stay."""
    choices = masked(msgspec.to_builtins(response.choices))
    return msgspec.structs.replace(response, choices=msgspec.convert(choices, tuple[Choice, ...]))


def _write(write: Callable[[bytes], object], line: msgspec.Struct) -> None:
    write(msgspec.json.encode(line) + b"\n")


def _entries(path: Path, keys: str) -> Iterator[_Line]:
    try:
        with path.open("rb") as file:
            _check(path, file.readline(LONGEST_ANSWER), keys)
            number = 1
            while raw := file.readline(LONGEST_ANSWER):
                number += 1
                if raw.strip():
                    yield _line(path, number, raw)
    except OSError as exc:
        raise SettingsError(f"`{path}` cannot be read: {exc.strerror or exc}.") from None


def _check(path: Path, raw: bytes, keys: str) -> None:
    try:
        head = msgspec.json.decode(raw, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        head = None
    if head is None or head.format != FORMAT:
        raise SettingsError(f"`{path}` is no file of answers; `dspex.cache.export(...)` writes one.")
    if (head.version, head.keys) != (VERSION, keys):
        raise SettingsError(
            f"`{path}` was written by a version of dspex that keeps answers otherwise; export it again with this one."
        )


def _line(path: Path, number: int, raw: bytes) -> _Line:
    try:
        line = msgspec.json.decode(raw, type=_Line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise SettingsError(f"`{path}`, line {number}, is no answer: {exc}. Nothing was added.") from None
    whole = all(choice.finish in ("stop", "tool_calls") for choice in line.response.choices)
    if not _KEY.fullmatch(line.key) or not (line.response.choices or line.response.vectors) or not whole:
        raise SettingsError(f"`{path}`, line {number}, holds no whole answer. Nothing was added.")
    return line
