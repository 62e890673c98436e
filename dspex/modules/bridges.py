"""asyncify and syncify: a program for code of the other kind, with the settings of whoever calls it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from types import MethodType
from typing import Any
from weakref import WeakKeyDictionary

from dspex import _host
from dspex.modules.module import Module
from dspex.settings import current_settings

_doors: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[int, asyncio.Semaphore]] = WeakKeyDictionary()
"""For each event loop, how many may be inside at once, and who lets them in."""


def asyncify(program: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Return an async function that calls the program without holding up the event loop.

    At most `async_max_workers` calls run at once on an event loop. Each has the settings of the code that made it.

    Args:
        program: a module, or any function; a plain one runs in a worker thread.

    Example:
        >>> import asyncio
        >>> asyncio.run(asyncify(str.upper)("hello"))
        'HELLO'
    """

    async def call(*args: Any, **kwargs: Any) -> Any:
        async with _door():
            if isinstance(program, Module):
                return await program.acall(*args, **kwargs)
            if inspect.iscoroutinefunction(program):
                return await program(*args, **kwargs)
            return await _host.in_worker(lambda: program(*args, **kwargs))

    return call


def syncify(program: Module, in_place: bool = True) -> Module:
    """Return an async program in a form that plain code can call.

    Args:
        program: a module with `aforward`.
        in_place: whether to give the module itself a `forward`; otherwise it is wrapped in another module.

    Example:
        >>> class Shout(Module):
        ...     async def aforward(self, text):
        ...         return text.upper()
        >>> syncify(Shout()).forward(text="hello")
        'HELLO'
    """
    if not in_place:
        return _Sync(program)

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _host.portal.run(self.aforward(*args, **kwargs), f"`{type(self).__name__}.forward`")

    program.forward = MethodType(forward, program)  # type: ignore[method-assign]  # that is what is asked for
    return program


class _Sync(Module):
    """A module around an async one."""

    def __init__(self, program: Module) -> None:
        super().__init__()
        self.program = program

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the async program and wait."""
        return _host.portal.run(self.program.acall(*args, **kwargs), f"`{type(self.program).__name__}`")


def _door() -> asyncio.Semaphore:
    loop, width = asyncio.get_running_loop(), current_settings().async_max_workers
    known = _doors.get(loop)
    if known is None or known[0] != width:
        known = _doors[loop] = (width, asyncio.Semaphore(width))
    return known[1]
