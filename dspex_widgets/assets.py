"""The built front end: one script for the live widget, one for the report."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from dspex.errors import UsageError

STATIC = Path(__file__).parent / "static"


@cache
def script(name: str) -> str:
    """Return the text of a built script.

    Raises:
        UsageError: the front end was not built.

    Example:
        >>> script("nothing.js")
        Traceback (most recent call last):
        ...
        dspex.errors.UsageError: The front end is not built: ... Run `make build` in the checkout...
    """
    path = STATIC / name
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        raise UsageError(
            f"The front end is not built: `{path}` is missing. "
            f"Run `make build` in the checkout, or install dspex from a wheel."
        ) from None
