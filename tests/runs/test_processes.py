"""What a run leaves when its kernel is killed, ends, forks, or is not the only one."""

from __future__ import annotations

from pathlib import Path

import pytest

from dspex import runs
from dspex.errors import ResumeError, UsageError
from tests.runs.kernels import LIMIT, Kernel, output

BEGIN = """
import os, sys, threading
from dspex import _host, runs
from dspex.events.event import Log
from dspex.runs.engine import Plan
from dspex.runs.run import start
from dspex.scope.scope import current
plan = Plan(name="triage", work="optimize", method="Search")
def say(text):
    os.write(1, (str(text) + chr(10)).encode())
"""

BUSY = (
    BEGIN
    + """
def work(kept):
    for n in range(10**9):
        current().checkpoint()
        current().emit(Log(level="info", text=str(n)))
        if n % 50 == 0:
            kept._journal.flush()
run = start(plan, work)
run.follow(lambda events: say(events[-1].seq))
threading.Event().wait()
"""
)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for this test alone, which the other kernels share."""
    monkeypatch.setenv("DSPEX_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("lines", [1, 7])
def test_a_killed_kernel_loses_nothing_that_was_told(lines: int, own_home: Path) -> None:
    """Every number a follower saw is in the journal, without gaps, and the run is lost with a reason."""
    with Kernel(BUSY, own_home) as kernel:
        told = [int(kernel.line()) for _ in range(lines)]
        kernel.kill()
        assert kernel.process.stdout is not None
        told += [int(line) for line in kernel.process.stdout.read().splitlines() if line]
    run = runs.open("r1")
    numbers = [event.seq for event in run.events]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= max(told)
    assert (run.status, run.state.reason, run.done) == ("lost", "its kernel died", True)
    with pytest.raises(UsageError, match=r"Run r1 is over: it cannot stop from here\."):
        run.stop()


def test_a_live_run_of_another_kernel_can_be_read_and_not_steered(own_home: Path) -> None:
    """It is running, its state goes on with it, and steering is refused in one line."""
    with Kernel(BUSY, own_home) as kernel:
        told = int(kernel.line())
        first = runs.open("r1")
        assert (first.status, first.done, first.wait(0)) == ("running", False, False)
        assert first.state.seq >= told
        with pytest.raises(
            ResumeError, match=r"\ARun r1 goes on in another kernel, which alone can steer it"
        ):
            first.resume()
        for act in (first.pause, first.stop, first.cancel):
            with pytest.raises(
                UsageError,
                match=rf"\ARun r1 belongs to another kernel: it cannot {act.__name__} from here\.\Z",
            ):
                act()
        before = first.state.seq
        while first.state.seq == before:
            kernel.line()
        assert runs.list()[0].state.seq > before
        assert runs.live() == []


def test_two_kernels_never_take_the_same_name(own_home: Path) -> None:
    """Each starts thirty runs as fast as it can while the other does, and somebody lists them."""
    code = (
        BEGIN
        + """
sys.stdin.readline()
mine = [start(plan, lambda kept: 1) for _ in range(30)]
assert all(run.wait(10) for run in mine)
say(" ".join(run.id for run in mine))
"""
    )
    with Kernel(code, own_home) as one, Kernel(code, own_home) as two:
        for kernel in (one, two):
            assert kernel.process.stdin is not None
            kernel.process.stdin.write("go\n")
            kernel.process.stdin.flush()
        while len(list(own_home.glob("runs/r*"))) < 60 and one.process.poll() is None:
            runs.list(last=5)
        ended = [one.end(), two.end()]
    assert [(status, err) for status, _, err in ended] == [(0, ""), (0, "")]
    names = [name for _, out, _ in ended for name in out.split()]
    assert sorted(names) == sorted(f"r{n}" for n in range(1, 61))
    assert {run.status for run in runs.list()} == {"finished"}


ENDINGS = {
    "in its own thread": "wait()",
    "in a worker": "_host.portal.run(_host.in_worker(wait))",
    "in the flow": "run_all(range(100), lambda n: _host.in_worker(wait), 4)",
    "on the host": "_host.portal.run(current().cancel.guard(hang()))",
}


@pytest.mark.parametrize("where", ENDINGS)
def test_a_kernel_that_ends_says_so_in_its_runs(where: str, own_home: Path) -> None:
    """A live run is cancelled with the reason, wherever its work waits, without hang, warning or traceback."""
    said = output(
        BEGIN
        + f"""
import asyncio
from tests.scope.collecting import run_all
entered = threading.Event()
def wait():
    entered.set()
    while True:
        threading.Event().wait(0.01)
        current().checkpoint()
async def hang():
    entered.set()
    await asyncio.get_running_loop().create_future()
start(plan, lambda kept: {ENDINGS[where]})
assert entered.wait({LIMIT})
say("end")
""",
        own_home,
    )
    assert said == "end\n"
    run = runs.open("r1")
    assert (run.status, run.state.reason) == ("cancelled", "the kernel was shut down")


def test_a_kernel_with_deaf_work_ends_all_the_same(own_home: Path) -> None:
    """Work that looks at nothing cannot hold the process; its run is lost, as it was."""
    said = output(
        BEGIN
        + """
entered = threading.Event()
def deaf():
    entered.set()
    threading.Event().wait()
start(plan, lambda kept: _host.portal.run(_host.in_worker(deaf)))
start(plan, lambda kept: threading.Event().wait())
entered.wait(10)
say("end")
""",
        own_home,
    )
    assert said == "end\n"
    assert runs.open("r2").status == "lost"


def test_a_forked_child_does_not_keep_its_parents_run_alive(own_home: Path) -> None:
    """Who owns a run is the process that started it, not a child that outlives it."""
    code = (
        BEGIN
        + """
run = start(plan, lambda kept: threading.Event().wait())
run._engine.flush()
child = os.fork()
if child == 0:
    say("forked")
    sys.stdin.readline()
    os._exit(0)
os.waitpid(child, 0)
"""
    )
    with Kernel(code, own_home) as kernel:
        assert kernel.line() == "forked"
        assert runs.open("r1").status == "running"
        kernel.process.kill()
        kernel.process.wait(LIMIT)
        assert runs.open("r1").status == "lost"


def test_ctrl_c_while_waiting_ends_the_waiting_and_not_the_run(own_home: Path) -> None:
    """The run goes on and can be waited for again."""
    code = (
        BEGIN
        + """
go = threading.Event()
run = start(plan, lambda kept: go.wait(10))
run._engine.flush()
for act in (run.wait, run.result):
    try:
        say("waiting")
        act()
    except KeyboardInterrupt:
        say("interrupted " + run.status)
go.set()
say(run.result(5))
"""
    )
    with Kernel(code, own_home) as kernel:
        for _ in range(2):
            assert kernel.line() == "waiting"
            kernel.interrupt()
            assert kernel.line() == "interrupted running"
        assert kernel.end() == (0, "True\n", "")
