"""Laws of the processes that run litellm, whatever it does: crash, hang, print, or never come up.

Real processes; in place of litellm they find a small library of that name, which does as it is told.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import signal
import subprocess
import sys
import time
import traceback
import weakref
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from dspex import _host
from dspex.errors import LMError, LMTimeoutError
from dspex.lm import workers
from dspex.lm.litellm import LiteLLMTransport
from dspex.lm.messages import Chunk, Message, Request, Response
from dspex.lm.providers import Route
from dspex.lm.secret import Secret
from dspex.lm.worker import WINDOW, Window
from dspex.lm.workers import Workers
from dspex.testing import FakeClock

pytestmark = pytest.mark.timeout(120)
ON_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals and /proc")
CANARY = "sk-canary-0123456789"
ROUTE = Route(wire="litellm", provider="p", model="p/m")
LIBRARY = """
import asyncio, os, subprocess, sys
with open(os.environ["STARTS"], "a") as starts:
    starts.write("x")
{at_import}

class Answer:
    _hidden_params = {{}}
    def __init__(self, text):
        self.text = text
    def model_dump(self, warnings=False):
        return {{"choices": [{{"message": {{"content": self.text}}, "finish_reason": "stop"}}]}}

async def acompletion(**asked):
    word = asked["messages"][-1]["content"]
    if word == "hang":
        await asyncio.Event().wait()
    if word == "die":
        sys.stderr.write("last words of " + asked.get("api_key", ""))
        sys.stderr.flush()
        os._exit(3)
    if word == "leave":
        raise SystemExit(3)
    if word == "print":
        print("noise", flush=True)
        os.write(1, b"noise" * 100_000)
        subprocess.run([sys.executable, "-c", "print('noise')"])
    if word == "garbage":
        os.write(4, b"\\xff" * 64)  # the second number a process gives, after that of its stdin
        await asyncio.Event().wait()
    return Answer(repr(dict(os.environ)) if word == "environment" else word)
"""


@pytest.fixture
def starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Return a function that puts a library in litellm's place; its file gets a letter for each start."""
    count = tmp_path / "starts"

    def library(at_import: str = "") -> Path:
        place = tmp_path / "library" / "litellm"
        (place / "types").mkdir(parents=True)
        (place / "__init__.py").write_text(LIBRARY.format(at_import=at_import))
        (place / "types" / "__init__.py").touch()
        (place / "types" / "utils.py").write_text("class Delta: pass\n")
        monkeypatch.syspath_prepend(str(place.parent))
        monkeypatch.setenv("STARTS", str(count))
        return count

    kept = dict(workers._shared)
    workers._shared.clear()
    yield library
    _host.portal.run(_close())
    workers._shared.update(kept)


async def _close() -> None:
    await workers.shared().close()
    workers._shared.clear()


def transport(*, limit: int = 1, key: str = CANARY) -> LiteLLMTransport:
    return LiteLLMTransport(ROUTE, api_key=Secret(key), timeout=30, workers=limit)


def a_request(text: str = "hi") -> Request:
    return Request(model="p/m", messages=(Message(role="user", content=text),))


def ask(text: str = "hi") -> Response:
    return _host.portal.run(transport().send(a_request(text)))


def on_host(work: Awaitable[None]) -> None:
    async def run() -> None:
        await work

    _host.portal.run(run())


async def until(true: Callable[[], object]) -> None:
    while not true():
        await asyncio.sleep(0.001)


def the_workers() -> Workers:
    async def ask() -> Workers:
        return workers.shared()

    return _host.portal.run(ask())


def is_gone(pid: int, seconds: float = 20.0) -> bool:
    """Tell whether the process ends; one that ended and was not yet asked for its exit code is gone."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.01)
    return False


def test_what_libraries_print_breaks_no_frame(starts: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    """By print, by file number or from a child of their own."""
    starts("print('importing')")
    monkeypatch.setattr(sys, "path", [Path(place) for place in sys.path])  # as notebooks write it
    assert [ask(text).text for text in ("print", "hi", "print")] == ["print", "hi", "print"]


def test_a_process_that_speaks_no_frames_is_replaced(starts: Callable[..., Path]):
    """The call is sent anew, once; then its error says what happened."""
    count = starts()
    with pytest.raises(LMError, match="said what nobody can read"):
        ask("garbage")
    assert count.read_text() == "xx"
    assert ask().text == "hi"


def test_a_call_that_kills_its_process_is_sent_twice_at_most(starts: Callable[..., Path]):
    """The second end is the call's error, with the last words and without the key in them."""
    count = starts()
    with pytest.raises(LMError) as caught:
        ask("die")
    assert caught.value.kind == "transport"
    assert str(caught.value) == (
        "litellm's process ended with exit code 3 under this call, and so did the one before: last words of ***"
    )
    assert count.read_text() == "xx"


def test_a_crash_loop_ends_with_one_clear_error(starts: Callable[..., Path]):
    """After three new starts nothing is started for a while; a minute later it is tried again."""
    count = starts(
        "sys.stderr.write('no such thing as ' + os.environ.get('P_API_KEY', '?')); sys.stderr.flush(); os._exit(4)"
    )
    with FakeClock() as clock:
        with pytest.raises(LMError) as caught:
            ask()
        assert count.read_text() == "xxxx"
        error = caught.value
        assert (error.kind, error.retryable, error.retry_after) == ("unavailable", False, 60.0)
        assert str(error) == (
            "The process that runs litellm ended 4 times within 60 s, the last ended with exit code 4. It is started "
            "again in 60 s; `LM(..., pool=Pool(workers=0))` runs litellm in this process instead: its last words "
            "were no such thing as ?"
        )
        clock.advance(30)
        with pytest.raises(LMError, match="again in 30 s"):
            ask()
        assert count.read_text() == "xxxx"
        clock.advance(30)
        with pytest.raises(LMError):
            ask()
        assert count.read_text() == "xxxxxxxx"


def test_a_python_that_cannot_be_started_is_said(
    starts: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    """As for a program that embeds Python and names no interpreter."""
    starts()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(LMError, match=r"the last could not be started .*nowhere"):
        ask()


def test_a_library_that_cannot_be_imported_is_said(starts: Callable[..., Path]):
    """Not as a crash: the process is fine."""
    count = starts("raise ImportError('no wheel for this machine')")
    with pytest.raises(LMError, match="litellm cannot be imported; install it: no wheel for this machine"):
        ask()
    assert count.read_text() == "xx"  # once when it came up, once for the call
    assert len(the_workers().pids) == 1


def test_what_nobody_foresaw_is_an_error_of_the_call(starts: Callable[..., Path]):
    """A library that leaves the process ends the call alone."""
    starts()
    with pytest.raises(LMError, match="litellm's process failed: SystemExit: 3") as caught:
        ask("leave")
    assert caught.value.kind == "unexpected"
    assert ask().text == "hi"


@ON_POSIX
def test_a_process_that_hangs_is_replaced(starts: Callable[..., Path]):
    """One that says nothing for a while, however often it is asked, is ended; its call goes to the next."""
    starts()

    async def freeze() -> None:
        await transport().send(a_request())
        [worker] = workers.shared()._all
        os.kill(worker.pid, signal.SIGSTOP)
        call = asyncio.ensure_future(transport().send(a_request("still there")))
        await until(lambda: worker.calls)
        for _ in range(4):
            worker._ask_after()
        assert (await call).text == "still there"
        assert worker.end == "said nothing for 30 s and was ended"

    on_host(freeze())


@ON_POSIX
def test_a_process_that_hangs_holds_up_no_call_for_longer_than_its_time(
    starts: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    """Its own clock hangs with it: the kernel keeps the time, too, once litellm is imported there."""
    starts()
    monkeypatch.setattr(workers, "SLACK", 0.1)

    async def freeze() -> None:
        await transport().send(a_request())
        [worker] = workers.shared()._all
        os.kill(worker.pid, signal.SIGSTOP)
        late = LiteLLMTransport(ROUTE, api_key=Secret(CANARY), timeout=0.1)
        with pytest.raises(LMTimeoutError, match=r"within 0\.1 s") as caught:
            await late.send(a_request("still there"))
        assert CANARY not in "".join(traceback.format_exception(caught.value))
        assert not worker.calls

    on_host(freeze())


def test_a_process_that_works_is_asked_and_left_alone(starts: Callable[..., Path]):
    """A long answer is no silence."""
    starts()

    async def wait_long() -> None:
        await transport().send(a_request())
        [worker] = workers.shared()._all
        call = asyncio.ensure_future(transport().send(a_request("hang")))
        await until(lambda: worker.calls)
        for _ in range(10):
            worker._ask_after()
            await until(lambda: not worker._unheard)
        assert not worker.end
        call.cancel()

    on_host(wait_long())


@pytest.mark.parametrize(("limit", "calls", "processes"), [(1, 40, 1), (3, 40, 3), (3, 8, 1), (3, 9, 2)])
def test_processes_are_started_as_calls_come(
    starts: Callable[..., Path], limit: int, calls: int, processes: int
):
    """One more when all have enough to do, up to the limit."""
    count = starts()

    async def many() -> None:
        tasks = [asyncio.ensure_future(transport(limit=limit).send(a_request("hang"))) for _ in range(calls)]
        await until(lambda: sum(worker.ready for worker in workers.shared()._all) == processes)
        loads = [len(worker.calls) for worker in workers.shared()._all]
        assert sum(loads) == calls
        assert max(loads) - min(loads) <= workers.BUSY
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert [len(worker.calls) for worker in workers.shared()._all] == [0] * processes
        for _ in range(20):
            await transport(limit=limit).send(a_request())

    on_host(many())
    assert len(count.read_text()) == processes


@ON_POSIX
def test_one_that_dies_takes_no_other_with_it(starts: Callable[..., Path]):
    """Calls in other processes go on undisturbed."""
    count = starts()

    async def many() -> None:
        tasks = [asyncio.ensure_future(transport(limit=2).send(a_request("hang"))) for _ in range(16)]
        await until(lambda: sum(worker.ready for worker in workers.shared()._all) == 2)
        dead, living = workers.shared()._all
        os.kill(dead.pid, signal.SIGKILL)
        await dead.ended.wait()
        # The calls of the dead have moved: some to the living, and the rest to a new one.
        await until(lambda: sum(worker.ready for worker in workers.shared()._all) == 2)
        assert sum(len(worker.calls) for worker in workers.shared()._all) == 16
        assert not living.end
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    on_host(many())
    assert count.read_text() == "xxx"


@ON_POSIX
def test_keys_of_the_environment_go_by_the_pipe(starts: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    """What the system shows of a process holds none, also of those that were there when it started."""
    starts()
    monkeypatch.setenv("P_API_KEY", CANARY)
    monkeypatch.setenv("P_REGION", "nowhere")
    monkeypatch.setenv("P_ODD", "\udcff")  # bytes that are no text: nobody's key
    seen = ask("environment").text
    [pid] = the_workers().pids
    environment = Path(f"/proc/{pid}/environ").read_text()
    assert "P_REGION=nowhere" in environment
    assert CANARY not in environment
    assert f"'P_API_KEY': '{CANARY}'" in seen
    monkeypatch.delenv("P_API_KEY")
    monkeypatch.setenv("P_REGION", "elsewhere")
    seen = ask("environment").text
    assert CANARY not in seen
    assert "'P_REGION': 'elsewhere'" in seen


@ON_POSIX
def test_ctrl_c_in_the_terminal_is_the_kernels_alone(starts: Callable[..., Path]):
    """Its processes are in a session of their own, and heed no interrupt."""
    starts()
    ask()
    [pid] = the_workers().pids
    assert os.getsid(pid) != os.getsid(0)
    os.kill(pid, signal.SIGINT)
    assert ask().text == "hi"
    assert the_workers().pids == [pid]


def test_a_process_keeps_nothing_of_its_first_caller(starts: Callable[..., Path]):
    """It outlives the run that needed it first."""
    starts()
    kept: contextvars.ContextVar[object] = contextvars.ContextVar("kept")

    def within() -> weakref.ref[object]:
        run = _Run()
        kept.set(run)
        ask()
        return weakref.ref(run)

    run = contextvars.Context().run(within)
    ask()  # the loop lets go of the task before
    gc.collect()
    assert run() is None


class _Run:
    pass


async def test_a_window_has_a_stream_wait():
    """After so many pieces, until somebody says that they are dealt with."""
    sent: list[Chunk] = []
    window = Window(sent.append)
    for _ in range(WINDOW):
        await asyncio.wait_for(window.room(), 5)
        window(Chunk(text="x"))
    waiting = asyncio.ensure_future(window.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    window.took(1)
    await asyncio.wait_for(waiting, 5)
    assert len(sent) == WINDOW


# ------------------------------------------------------------------------------------- ends of the kernel

KERNEL = """
import os, sys, time
from dspex import _host
from dspex.lm import workers
from dspex.lm.litellm import LiteLLMTransport
from dspex.lm.messages import Message, Request
from dspex.lm.providers import Route
there = LiteLLMTransport(Route(wire="litellm", provider="p", model="p/m"))
def request(text):
    return Request(model="p/m", messages=(Message(role="user", content=text),))
async def pids():
    while not workers.shared().pids:
        await __import__("asyncio").sleep(0.001)
    return workers.shared().pids
"""
HANGING = "_host.submit(there.send(request('hang')))\nprint(*_host.portal.run(pids()), flush=True)\n"


def a_kernel(code: str) -> subprocess.Popen[str]:
    """Start a Python that does as a kernel would."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    command = [sys.executable, "-W", "ignore", "-c", KERNEL + code]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


@ON_POSIX
@pytest.mark.parametrize("at_import", ["", "import time; time.sleep(1000)", "while True: pass"])
def test_a_kernel_killed_leaves_no_process(starts: Callable[..., Path], at_import: str):
    """Whatever its process does at that moment."""
    starts(at_import)
    with a_kernel(HANGING + "time.sleep(1000)") as kernel:
        assert kernel.stdout is not None
        pid = int(kernel.stdout.readline())
        kernel.kill()
    assert is_gone(pid)


@ON_POSIX
def test_a_kernel_that_ends_leaves_no_process(starts: Callable[..., Path]):
    """Also with a call under way."""
    starts()
    with a_kernel(HANGING) as kernel:
        pid = int(kernel.communicate()[0])
    assert kernel.returncode == 0
    assert is_gone(pid, seconds=5)


@ON_POSIX
def test_a_forked_child_leaves_its_parents_process_alone(starts: Callable[..., Path]):
    """It has none itself until it asks, ends none when it ends, and keeps none alive that its parent left."""
    starts()
    code = (
        HANGING
        + "child = os.fork()\n"
        + "if not child:\n"
        + "    own = there.send(request('hi')); assert _host.portal.run(own).text == 'hi'\n"
        + "    import gc; gc.collect(); sys.exit(7)\n"
        + "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7\n"
        + "assert _host.portal.run(there.send(request('hi'))).text == 'hi'\n"
        + "before = _host.portal.run(pids())\n"
        + "child = os.fork()\n"
        + "if not child:\n"
        + "    time.sleep(1000)\n"
        + "print(*before, child, flush=True); time.sleep(1000)\n"
    )
    with a_kernel(code) as kernel:
        assert kernel.stdout is not None
        first = int(kernel.stdout.readline())
        pid, child = (int(word) for word in kernel.stdout.readline().split())
        assert pid == first
        kernel.kill()
        assert is_gone(pid)
        os.kill(child, signal.SIGKILL)
