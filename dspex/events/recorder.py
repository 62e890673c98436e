"""Writes events to a JSONL file, one a line, for people and other tools; journals are elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dspex.events.coding import encode
from dspex.events.event import AnyEvent
from dspex.events.listeners import drain, subscribe


@contextmanager
def record(path: str | os.PathLike[str], pattern: str = "*") -> Iterator[Path]:
    """Write every event that happens inside the `with` block to a JSONL file.

    Args:
        path: the file, made anew.
        pattern: which kinds, as for `subscribe`.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> with record(tempfile.mktemp(suffix=".jsonl"), "log") as path:
        ...     pass
        >>> path.read_text()
        ''
    """
    target = Path(path)
    with target.open("wb") as file:

        def write(event: AnyEvent) -> None:
            file.write(encode(event)[1] + b"\n")

        subscription = subscribe(pattern, write, lossless=True)
        try:
            yield target
        finally:
            drain()
            subscription.finish()  # complete, whether or not another listener held the others up
