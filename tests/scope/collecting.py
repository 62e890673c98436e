"""A flow taken to its end from a plain thread: what tests of flows, and the kernels they start, share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from dspex import _host
from dspex.scope.flow import flow

T = TypeVar("T")
R = TypeVar("R")


def run_all(
    source: Iterable[T], work: Callable[[T], Awaitable[R]], width: int, what: str = "this"
) -> list[R]:
    """Do all the work from a plain thread and return the results in the source's order."""

    async def collect() -> list[R]:
        results = [pair async for pair in flow(source, work, width)]
        return [result for _, result in sorted(results, key=lambda pair: pair[0])]

    return _host.portal.run(collect(), what)
