"""What a work lets people change while it goes on: the shape of it, as the floors below know it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Course(Protocol):
    """What can be changed in one run; each act raises UsageError where it cannot be done."""

    def race(self) -> object:
        """Return the race of candidates."""
        ...

    def submit(self, program: Any, *, what: str, by: str, origin: str) -> str:
        """Have a person's candidate scored beside the others; return its id at once."""
        ...

    def drop(self, id: str, reason: str) -> None:
        """Give a candidate up."""
        ...

    def concurrency(self, n: int) -> None:
        """Have `n` examples in flight at once from here on."""
        ...

    def use(self, lm: Any) -> Mapping[str, Any]:
        """Ask another model from here on; return its name as `model`, and what it is found again by."""
        ...

    def reset(self) -> list[str]:
        """Ask providers again that are left alone; return the models whose they are."""
        ...
