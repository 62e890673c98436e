"""The bridges between sync and async: who runs where, what travels along, and how it ends."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time

import pytest

from dspex import _clock, _host
from dspex.errors import ProgramError
from dspex.testing.clock import FakeClock
from tests.runs.kernels import LIMIT, Kernel, output

place: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="nowhere")


async def thread() -> int:
    return threading.get_ident()


async def host_thread() -> int:
    return await _host.hop(thread())


def on_the_host(coro):
    """Run on the host loop from this thread."""
    return _host.submit(coro).result(LIMIT)


def test_what_does_not_wait_stays_in_the_callers_thread() -> None:
    """A sync call that nothing holds up costs no change of thread."""
    assert _host.drive(thread()) == threading.get_ident()


def test_what_waits_hops_to_the_one_host_thread() -> None:
    """From a plain thread every hop ends in the same other thread."""
    first, second = _host.drive(host_thread()), _host.drive(host_thread())
    assert first == second != threading.get_ident()


def test_a_foreign_loop_hops_to_the_same_host() -> None:
    """Under the user's own `asyncio.run` what waits still waits on the host loop."""
    assert asyncio.run(host_thread()) == _host.drive(host_thread())


def test_the_host_does_not_hop_to_itself() -> None:
    """On the host loop a hop is a plain await, in the same task."""

    async def same_task() -> bool:
        outer = asyncio.current_task()

        async def inner() -> object:
            return asyncio.current_task()

        return await _host.hop(inner()) is outer

    assert on_the_host(same_task())


def test_a_sync_call_inside_a_running_foreign_loop_works() -> None:
    """A notebook cell runs inside the kernel's loop; a sync call there waits for the host, not for that loop."""

    async def cell() -> int:
        return _host.drive(host_thread())

    assert asyncio.run(cell()) == _host.drive(host_thread())


@pytest.mark.parametrize("bridge", [_host.drive, _host.portal.run])
def test_a_sync_call_on_the_host_loop_is_refused_with_words(bridge) -> None:
    """Waiting on the loop's own thread would stop the loop, so it says what to write instead."""

    async def careless() -> None:
        bridge(thread(), "`Predict`")

    with pytest.raises(ProgramError, match=r"`Predict` was called on dspex's own event loop; write `await`"):
        on_the_host(careless())


def test_waiting_outside_of_a_hop_is_refused_with_words() -> None:
    """A driven coroutine that waits for a foreign thing cannot go on in a plain thread."""

    async def foreign() -> None:
        await asyncio.sleep(0)

    with pytest.raises(ProgramError, match="waited for something outside of dspex"):
        _host.drive(foreign())


def test_errors_come_out_as_they_are() -> None:
    """What fails on the host fails in the caller with the same error."""

    async def fail() -> None:
        raise LookupError("gone")

    async def hop() -> None:
        await _host.hop(fail())

    with pytest.raises(LookupError, match="gone"):
        _host.drive(hop())
    with pytest.raises(LookupError, match="gone"):
        asyncio.run(hop())


def test_context_travels_with_every_bridge() -> None:
    """A value set by the caller is seen on the host, in workers and in spawned threads."""
    place.set("here")

    async def look() -> str:
        return place.get()

    async def look_in_worker() -> str:
        return await _host.in_worker(place.get)

    seen: list[str] = []
    assert _host.portal.run(look()) == "here"
    assert _host.drive(_host.hop(look())) == "here"
    assert asyncio.run(_host.hop(look())) == "here"
    assert _host.portal.run(look_in_worker()) == "here"
    _host.spawn("look", lambda: seen.append(place.get())).join(LIMIT)
    assert seen == ["here"]


def test_the_first_callers_context_does_not_stick_to_the_host() -> None:
    """What one caller had set is not there for the next."""
    where = contextvars.ContextVar("where", default="nowhere")

    async def look() -> str:
        return await _host.in_worker(where.get)

    contextvars.copy_context().run(lambda: (where.set("first"), _host.portal.run(look())))
    assert _host.portal.run(look()) == "nowhere"


def test_a_users_function_runs_in_the_callers_thread_when_driven() -> None:
    """A sync program called from a plain thread stays in it, also below another one."""

    async def inner() -> int:
        return await _host.in_worker(threading.get_ident)

    async def outer() -> int:
        return await _host.in_worker(lambda: _host.drive(inner()))

    assert _host.drive(outer()) == threading.get_ident()


def test_a_users_function_never_runs_on_the_host_thread() -> None:
    """It may block, so the loop hands it to a worker."""

    async def run() -> bool:
        return await _host.in_worker(threading.get_ident) == threading.get_ident()

    assert on_the_host(run()) is False


def test_workers_that_wait_for_workers_do_not_lock_up() -> None:
    """Many users' functions that each wait for another one all come to an end."""
    width = 80  # more than any fixed number of threads one would choose

    async def leaf() -> int:
        return await _host.in_worker(lambda: 1)

    async def all_at_once() -> int:
        gate = threading.Barrier(width)

        def wait_for_all_then_nest() -> int:
            gate.wait(LIMIT)
            return _host.portal.run(leaf())

        return sum(await asyncio.gather(*(_host.in_worker(wait_for_all_then_nest) for _ in range(width))))

    assert on_the_host(all_at_once()) == width


@pytest.mark.parametrize("end", [SystemExit(3), KeyboardInterrupt("no")])
def test_a_user_who_exits_does_not_end_the_host(end) -> None:
    """`exit()` in a user's function or coroutine comes out at the caller; the loop goes on for all others."""

    def leave() -> None:
        raise end

    async def leave_async() -> None:
        raise end

    for act in (_host.in_worker(leave), leave_async()):
        with pytest.raises(type(end)):
            _host.submit(act).result(LIMIT)
    assert on_the_host(thread()) != threading.get_ident()


def test_a_users_stop_iteration_is_an_error_like_others() -> None:
    """`next()` on nothing in a user's function raises at the caller and holds nobody up."""

    async def first_of_none() -> object:
        return await _host.in_worker(lambda: next(iter([])))

    with pytest.raises(RuntimeError, match="StopIteration"):
        _host.submit(first_of_none()).result(LIMIT)
    with pytest.raises(RuntimeError, match="StopIteration"):
        _host.drive(first_of_none())


def test_cancelling_the_caller_cancels_what_it_hopped_for() -> None:
    """A cancelled task of a foreign loop leaves nothing running on the host."""
    started, ended = threading.Event(), threading.Event()

    async def hang() -> None:
        started.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    async def caller() -> None:
        task = asyncio.ensure_future(_host.hop(hang()))
        await asyncio.to_thread(started.wait, LIMIT)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(caller())
    assert ended.wait(LIMIT)


WAITING = """
    import asyncio
    from dspex import _host
    async def hang():
        print("waiting\\n", end="")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            print("cut\\n", end="")
    try:
        {call}
    except KeyboardInterrupt:
        print("interrupted\\n", end="")
    async def ok():
        return "alive"
    print(_host.portal.run(ok()))
"""


@pytest.mark.parametrize("call", ["_host.drive(_host.hop(hang()))", "_host.portal.run(hang())"])
def test_ctrl_c_cuts_what_is_waited_for(call: str) -> None:
    """An interrupt while blocked comes out at once, ends the wait on the host and leaves the host alive."""
    with Kernel(WAITING.format(call=call), flags=("-W", "error", "-X", "dev")) as kernel:
        assert kernel.line() == "waiting"
        kernel.interrupt()
        status, out, err = kernel.end()
    assert (status, err) == (0, "")
    assert sorted(out.split()) == ["alive", "cut", "interrupted"]


def test_ctrl_c_cuts_also_what_has_only_been_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left running where the interrupt falls between asking the host and waiting for it."""
    submit = _host.submit

    def interrupted(coro):
        submit(coro)
        raise KeyboardInterrupt

    async def hang() -> None:
        await asyncio.get_running_loop().create_future()

    async def others() -> int:
        for _ in range(5):
            await asyncio.sleep(0)
        return len(asyncio.all_tasks()) - 1

    before = on_the_host(others())
    with monkeypatch.context() as patch:
        patch.setattr(_host, "submit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _host.portal.run(hang())
    assert on_the_host(others()) == before


def test_a_process_ends_quietly_with_work_in_flight() -> None:
    """No hang, no warning and no traceback at the end of a process, whatever still waits."""
    said = output("""
        import asyncio, threading, time
        from dspex import _host
        async def hang():
            await asyncio.get_running_loop().create_future()
        async def stuck():
            await _host.in_worker(threading.Event().wait)
        async def close():
            print("closed", flush=True)
        held = [_host.submit(act()) for act in (hang, stuck) * 3]
        _host.on_close(close)
        async def turn():
            pass
        _host.portal.run(turn())
        print("end", flush=True)
    """)
    assert said.split() == ["end", "closed"]


def test_a_forked_child_starts_afresh() -> None:
    """Threads do not live on in a forked child: it gets a host, listeners and runs of its own."""
    said = output(
        """
        import os, sys, tempfile, threading
        os.environ["DSPEX_HOME"] = tempfile.mkdtemp()
        from dspex import _host, runs
        from dspex.events.listeners import subscribe, drain
        from dspex.events.bus import bus
        from dspex.events.event import Log
        from dspex.runs.engine import Plan
        from dspex.runs.run import start
        async def who():
            return threading.get_ident()
        plan = Plan(name="p", work="evaluate", method="m")
        go = threading.Event()
        parents = start(plan, lambda kept: go.wait(10) and "parent")
        _host.portal.run(who())
        heard = []
        subscribe("log", heard.append)
        child = os.fork()
        if child == 0:
            told = []
            subscribe("log", told.append)
            bus.emit(Log(level="info", text="child"))
            assert drain() and [e.text for e in told] == ["child"], told
            _host.portal.run(who())
            assert runs.live() == []
            mine = start(plan, lambda kept: "child")
            assert mine.result(5) == "child", mine
            assert mine.id != parents.id
            try:
                parents.stop()
            except Exception as exc:
                print(exc, flush=True)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        go.set()
        assert parents.result(5) == "parent"
        assert drain() and heard == []
        print("both", flush=True)
        """,
        flags=("-W", "error"),
    )
    assert said.splitlines() == ["Run r1 belongs to another kernel: it cannot stop from here.", "both"]


def test_waiting_takes_the_clock_that_is_in_place() -> None:
    """Time is asked for in one place, so a test's clock holds for all."""
    with FakeClock(start=100.0) as clock:
        before = _clock.now(), _clock.monotonic()
        clock.advance(5)
        assert (before, _clock.now(), _clock.monotonic()) == ((100.0, 0.0), 105.0, 5.0)
    assert _clock.now() == pytest.approx(time.time(), abs=60)
