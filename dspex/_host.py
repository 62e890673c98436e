"""The one background thread with the one event loop, and the only bridges between sync and async.

Async code is written once. `drive` runs it for a sync caller in the caller's own thread; whatever truly waits
(network, timers, limits) passes through `hop`, which takes that part to the host loop. A cache hit or an
in-process model therefore costs no change of thread. Nobody else starts a thread or a loop.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextvars
import os
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from dspex.errors import ProgramError

T = TypeVar("T")
IDLE = 10.0
"""Seconds after which a worker thread without work ends."""


class _Local(threading.local):
    driving = 0


_local = _Local()


class _Workers:
    """Threads for users' plain functions: one more whenever none is idle.

    There is no upper bound, since a function that waits for another must find a thread; whoever hands out work
    bounds it. They are daemons, so that a function that blocks cannot hold up the end of the process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle = 0
        self._queue: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def submit(self, fn: Callable[[], T]) -> concurrent.futures.Future[T]:
        """Run `fn` in one of the threads."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        with self._lock:
            short = self._idle == 0
            self._idle -= not short
        self._queue.put(lambda: _fulfil(future, fn))
        if short:
            context = contextvars.Context()
            threading.Thread(
                target=context.run, args=(self._serve,), name="dspex-worker", daemon=True
            ).start()
        return future

    def _serve(self) -> None:
        while True:
            try:
                work = self._queue.get(timeout=IDLE)
            except queue.Empty:
                with self._lock:
                    if self._idle:
                        self._idle -= 1
                        return
                continue  # somebody has just counted on this thread
            work()
            del work  # an idle thread keeps nothing alive
            with self._lock:
                self._idle += 1


def _fulfil(future: concurrent.futures.Future[T], fn: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(fn())
    except StopIteration as exc:
        error = RuntimeError("a function raised StopIteration, which no coroutine can pass on")
        error.__cause__ = exc
        future.set_exception(error)
    except BaseException as exc:  # whatever a user's function raises belongs to whoever waits for it
        future.set_exception(exc)


class Host:
    """The loop's owner; started at first use, again after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._closing: list[Callable[[], Awaitable[None]]] = []
        self.workers = _Workers()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, running."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            return loop
        with self._lock:
            if self._loop is None or self._loop.is_closed():
                self._loop = self._start()
            return self._loop

    def on_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have `close` awaited on the loop when the process ends."""
        self._closing.append(close)

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = _new_loop()
        ready = threading.Event()
        ending = self._ending = threading.Event()

        def serve() -> None:
            asyncio.set_event_loop(loop)
            loop.call_soon(ready.set)
            while not ending.is_set():
                try:
                    loop.run_forever()
                except (SystemExit, KeyboardInterrupt):
                    continue  # a user's code left; whoever waits for it is told, all others go on
            loop.close()

        # An empty context: work brings its own, and nothing of the first caller's may leak into all others.
        context = contextvars.Context()
        self._thread = threading.Thread(target=context.run, args=(serve,), name="dspex-host", daemon=True)
        self._thread.start()
        ready.wait()
        return loop

    def shut_down(self, grace: float = 1.0) -> None:
        """Cut what waits, close what is open and stop the loop; at process end."""
        loop, self._loop = self._loop, None
        if loop is None or self._thread is None or not loop.is_running():
            return
        future = asyncio.run_coroutine_threadsafe(self._finish(), loop)
        concurrent.futures.wait([future], timeout=grace)
        self._ending.set()
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join(grace)

    async def _finish(self) -> None:
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.gather(*(close() for close in self._closing), return_exceptions=True)
        await asyncio.get_running_loop().shutdown_asyncgens()

    def forget(self) -> None:
        """Drop all after a fork: threads do not live on in the child."""
        self.__init__()  # type: ignore[misc]  # the same object must start afresh, others hold it


def _new_loop() -> asyncio.AbstractEventLoop:
    """Make the loop; uvloop's, where it is installed, takes half the time for the same work."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def after_fork(forget: Callable[[], None]) -> None:
    """Call `forget` in every forked child: threads do not live on there, and locks may be held by nobody."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)


_host = Host()
atexit.register(_host.shut_down)
after_fork(_host.forget)


def loop() -> asyncio.AbstractEventLoop:
    """Return the host loop, running."""
    return _host.loop


def on_close(close: Callable[[], Awaitable[None]]) -> None:
    """Have `close` awaited on the host loop when the process ends."""
    _host.on_close(close)


def on_host() -> bool:
    """Tell whether this code runs on the host loop's own thread."""
    try:
        return asyncio.get_running_loop() is _host._loop
    except RuntimeError:
        return False


def is_driving() -> bool:
    """Tell whether this code is driven for a sync caller, in whose thread nothing may wait."""
    return bool(_local.driving)


def submit(coro: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Start a coroutine on the host loop, in a copy of the caller's context."""
    return asyncio.run_coroutine_threadsafe(coro, _host.loop)


def block(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the host loop and wait in this thread; Ctrl-C at any moment cancels it."""
    given_up = False
    tasks: list[asyncio.Task[Any] | None] = []

    async def wanted() -> T:
        tasks.append(asyncio.current_task())
        if given_up:
            coro.close()
            raise asyncio.CancelledError
        return await coro

    try:
        future = submit(wanted())
        while True:
            done, _ = concurrent.futures.wait([future], timeout=0.5)
            if done:
                return future.result()
    except KeyboardInterrupt:
        # It may have come before `submit` returned: what is on its way to the loop must not run on unwanted.
        given_up = True
        _host.loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks if task is not None])
        raise


def drive(coro: Coroutine[Any, Any, T], what: str = "this") -> T:
    """Run a coroutine to its end in the caller's thread; only what passes `hop` leaves the thread.

    Args:
        coro: waits for nothing but `hop` and `in_worker`.
        what: the caller's name for it, for the error.

    Raises:
        ProgramError: called on the host loop's own thread, where waiting would stop the loop.
    """
    if on_host() and not _local.driving:
        coro.close()
        raise ProgramError(f"{what} was called on dspex's own event loop; write `await` with its async form.")
    _local.driving += 1
    try:
        coro.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # StopIteration is not generic
    finally:
        _local.driving -= 1
    coro.close()
    raise ProgramError(f"{what} waited for something outside of dspex; call its async form with `await`.")


class _Portal:
    """The sync bridge for coroutines that need a loop all the way."""

    def run(self, coro: Coroutine[Any, Any, T], what: str = "this") -> T:
        """Run on the host loop and wait in this thread."""
        if on_host():
            coro.close()
            raise ProgramError(
                f"{what} was called on dspex's own event loop; write `await` with its async form."
            )
        return block(coro)


portal = _Portal()


async def hop(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the host loop from wherever the caller is, and return what it returns."""
    if _local.driving:
        return block(coro)
    if on_host():
        return await coro
    return await asyncio.wrap_future(submit(coro))


async def native(coro: Coroutine[Any, Any, T]) -> T:
    """Await a user's own coroutine on the loop it was made for: the caller's, or ours where a sync call has none."""
    return block(coro) if _local.driving else await coro


async def in_worker(fn: Callable[..., T], *args: object) -> T:
    """Run a user's plain function where it may block: in a worker thread, with the caller's context."""
    if _local.driving:
        depth, _local.driving = _local.driving, 0
        try:
            return fn(*args)
        finally:
            _local.driving = depth
    context = contextvars.copy_context()
    return await asyncio.wrap_future(_host.workers.submit(lambda: context.run(fn, *args)))


def release(future: asyncio.Future[None]) -> None:
    """Let whoever awaits the future go on; called on its loop, harmless where it was cancelled meanwhile."""
    if not future.done():
        future.set_result(None)


def spawn(name: str, fn: Callable[[], None]) -> threading.Thread:
    """Start a daemon thread that runs `fn` in a copy of the caller's context."""
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(fn,), name=f"dspex-{name}", daemon=True)
    thread.start()
    return thread
