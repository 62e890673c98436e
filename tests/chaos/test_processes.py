"""Processes that are killed, interrupted and cancelled: no request is lost, and nothing is left behind."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest

from dspex import _host
from dspex.events.event import ExampleScored, LMRetry
from dspex.lm import workers
from dspex.testing.server import Fault, serving
from dspex.testing.server.faults import Script
from tests.chaos.running import Told, ask, children, echo, evaluation, gone, lm_at, tasks, until
from tests.runs import kernels

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="looks at processes where the system shows them"
)


class Kernel(kernels.Kernel):
    """A Python process that does as a kernel would, and goes on when it is told."""

    def enter(self) -> None:
        """Let it go on."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


def pids() -> list[int]:
    async def look() -> list[int]:
        return workers.shared().pids

    return _host.portal.run(look())


# -------------------------------------------------------------------------------------------- litellm's process


@pytest.mark.timeout(90)  # litellm takes seconds to import, twice
def test_kill_9_of_litellms_process_loses_no_request() -> None:
    """An evaluation goes on with a new process; each example is answered once, and asked for twice at most."""
    count, width = 60, 16
    with serving(echo, latency=0.05) as server:
        lm = lm_at(server, model="custom_openai/m", timeout=60.0)
        ask(lm, text="question number 7")  # its process is up
        asked = server.hits
        run = evaluation(lm, count, width)
        Told(run).wait(ExampleScored, 10)
        [pid] = pids()
        os.kill(pid, signal.SIGKILL)
        result = run.result(60.0)
        assert (result.n, result.failed, result.mean) == (count, 0, 1.0)
        assert gone(pid)
        [new] = pids()
        assert new != pid
    events = run.events
    cells = Counter(event.example for event in events if isinstance(event, ExampleScored))
    assert (len(cells), set(cells.values())) == (count, {1})
    again = [event for event in events if isinstance(event, LMRetry)]
    assert {event.error for event in again} == {"worker"}
    assert 0 < len(again) <= width
    assert server.hits - asked <= count + len(again)
    texts = Counter(
        re.findall(r"question number \d+", str(body["messages"][-1]))[-1] for body in server.requests
    )
    assert max(texts.values()) <= 2


# ------------------------------------------------------------------------------------------------------ cancel


@pytest.mark.parametrize("model", ["openai/m", "custom_openai/m"])
@pytest.mark.timeout(60)
def test_a_cancel_leaves_nothing_behind(model: str) -> None:
    """No task, no thread, no process of its own, and the provider sees all its clients leave."""
    with serving(echo) as server:
        lm = lm_at(server, model=model, timeout=60.0)
        ask(lm, text="question number 7")
        before, processes = set(threading.enumerate()), children()
        server.script = Script(always=Fault(hang=True))
        run = evaluation(lm, 100, width=16)
        until(lambda: server.in_flight == 16, "the calls did not come")
        run.cancel()
        assert run.wait(1.0)
        assert run.status == "cancelled"
        assert tasks() == set()
        until(lambda: server.in_flight == 0, "the provider still works for nobody", 0.5)
        assert server.dropped == 16
        assert children() == processes
    until(lambda: not left_of(before), f"threads are left: {left_of(before)}")


def left_of(before: set[threading.Thread]) -> list[str]:
    """Return the threads that are new; those that wait for work end by themselves."""
    return [t.name for t in set(threading.enumerate()) - before if t.name != "dspex-worker"]


# ------------------------------------------------------------------------------------------------------ Ctrl-C

CHILD = """
import os, signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background may have been born deaf to it
import dspex
from dspex import _host
from dspex.errors import RunFailedError
from tests.chaos.running import evaluation, questions, right, tasks, until, ask

def say(*words):
    os.write(1, (" ".join(map(str, words)) + chr(10)).encode())

lm = dspex.LM({model!r}, api_base={url!r}, api_key="sk-chaos-0123456789", cache=False, timeout=60.0)
program = dspex.Predict("question -> answer")
program.lm = lm
evaluation(lm, 1).result()  # the kernel has its loop and its journal's writer
before = set(threading.enumerate())
say("warm")
sys.stdin.readline()
"""
AFTER = """
except KeyboardInterrupt:
    say("interrupted")
sys.stdin.readline()
until(lambda: not tasks(), "tasks are left")
def left():
    return [t.name for t in set(threading.enumerate()) - before if t.name != "dspex-worker"]
until(lambda: not left(), "threads are left")
say("nothing left")
sys.stdin.readline()
"""
BLOCKING = {
    "a model": "lm('question number 1')",
    "a stream": "ask(lm, streamed=True)",
    "a program": "program(question='question number 1')",
    "a batch": "program.batch(questions(40), num_threads=8)",
    "rows": "list(dspex.evaluate(program, questions(40), right, num_threads=8))",
    "an evaluation": "dspex.Evaluate(devset=questions(40), metric=right, num_threads=8)(program)",
}
AWAITED = ("rows", "an evaluation")


@pytest.mark.parametrize("what", BLOCKING)
def test_ctrl_c_in_a_call_leaves_nothing_behind(what: str) -> None:
    """It ends the call at once; soon the kernel has no task or thread of it, and the provider no request."""
    with serving(echo) as server:
        code = CHILD.format(model="openai/m", url=server.base_url) + f"try:\n    {BLOCKING[what]}" + AFTER
        with Kernel(code) as kernel:
            assert kernel.line() == "warm"
            # What an evaluation has in flight is paid for: it is awaited, and so it must end.
            server.script = Script() if what in AWAITED else Script(always=Fault(hang=True))
            server.latency = 0.5
            kernel.enter()
            until(lambda: server.in_flight, "nothing was asked")
            kernel.interrupt()
            assert kernel.line() == "interrupted"
            until(lambda: not server.in_flight, "the provider still works for nobody", 2.0)
            hits = server.hits
            kernel.enter()
            assert kernel.line() == "nothing left"
            assert server.hits == hits, "nothing new was asked"
            assert children(kernel.process.pid) == []
            kernel.enter()
            assert kernel.end() == (0, "", "")


def test_ctrl_c_while_waiting_for_a_run_lets_it_go_on_until_it_is_cancelled() -> None:
    """The waiting ends; the run is the person's to end, and then it is gone."""
    act = (
        "run = evaluation(lm, 100, width=8)\n"
        "try:\n"
        "    run.result()\n"
        "except KeyboardInterrupt:\n"
        "    say(run.status)\n"
        "sys.stdin.readline()\n"
        "try:\n"
        "    run.cancel()\n"
        "    assert run.wait(5)\n"
        "    raise KeyboardInterrupt"
    )
    code = CHILD + act + AFTER
    with serving(echo) as server, Kernel(code.format(model="openai/m", url=server.base_url)) as kernel:
        assert kernel.line() == "warm"
        server.script = Script(always=Fault(hang=True))
        kernel.enter()
        until(lambda: server.in_flight == 8, "nothing was asked")
        kernel.interrupt()
        assert kernel.line() == "running"
        assert server.in_flight == 8
        kernel.enter()
        assert kernel.line() == "interrupted"
        until(lambda: not server.in_flight, "the provider still works for nobody", 1.0)
        kernel.enter()
        assert kernel.line() == "nothing left"
        kernel.enter()
        assert kernel.end() == (0, "", "")


@pytest.mark.parametrize(
    ("model", "act"),
    [
        ("openai/m", "lm('question number 1')"),
        ("openai/m", "evaluation(lm, 100, width=8).result()"),
        ("custom_openai/m", "evaluation(lm, 100, width=8).result()"),
    ],
)
@pytest.mark.timeout(60)
def test_an_interrupt_that_nobody_catches_ends_all(model: str, act: str) -> None:
    """The kernel's process ends at once, litellm's too, and says no more than that it was interrupted."""
    with serving(echo) as server, Kernel(CHILD.format(model=model, url=server.base_url) + act) as kernel:
        assert kernel.line() == "warm"
        server.script = Script(always=Fault(hang=True))
        kernel.enter()
        until(lambda: server.in_flight, "nothing was asked")
        others = children(kernel.process.pid)
        assert len(others) == (model != "openai/m")
        kernel.interrupt()
        status, out, err = kernel.end()
        assert (status, out) == (-signal.SIGINT, "")
        assert err.splitlines()[-1].startswith("KeyboardInterrupt")
        assert err.count("Traceback") == 1
        until(lambda: all(map(gone, others)), "litellm's process is left")
        until(lambda: not server.in_flight, "the provider still works for nobody", 1.0)
