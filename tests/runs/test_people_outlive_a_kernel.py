"""What people did to a search outlives its kernel: their candidates, pins, drops and labels are there in the next one.

The search runs in a process of its own, which is killed as a crash kills it; the model is a server in this process,
which counts what it is asked and keeps the search waiting where a person is to act.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dspex import _host, runs
from dspex.events.event import BestChanged, CandidateProposed, ExampleScored, LMEnd, RunSteered
from dspex.lm.messages import Choice, Request, Response, Usage
from dspex.runs.run import Run
from dspex.testing.server import Server, serving
from tests.runs.kernels import Kernel, output

TEAMS = ("billing", "account", "bug", "feature")
ROWS = 12
HEAD = """
import os, sys, threading
import dspex
lm = dspex.LM("openai/test", api_base="{address}", api_key="k", cache=False, price=(1.0, 2.0))
dspex.configure(lm=lm, num_threads=2)
TEAMS = ("billing", "account", "bug", "feature")
rows = [dspex.Example(ticket=f"ticket {{n}}", team=TEAMS[n % 4]).with_inputs("ticket") for n in range(12)]
program = dspex.Predict("ticket -> team")
optimizer = dspex.BootstrapFewShotWithRandomSearch(
    metric=dspex.exact("team"), num_candidate_programs=2, max_bootstrapped_demos=1, max_labeled_demos=3
)
def say(text):
    os.write(1, (str(text) + chr(10)).encode())
def until(true):
    for _ in range(1500):
        if true():
            return
        threading.Event().wait(0.01)
    raise SystemExit("it never came to be")
def scored(id, leader=None):
    until(lambda: (seen := run.state.candidate(id)) is not None and seen.low is not None)
    until(lambda: run.state.best == (leader or run.state.best))
"""
BEGIN = """
run = optimizer.start(program, trainset=rows, valset=rows, seed=1)
scored("c01", leader="c01")
{acts}
say("done")
sys.stdin.readline()
"""
RESUME = """
run = dspex.runs.open("r1").resume()
best = run.result()
say(f"{run.state.best} {len(best.demos)} {best.signature.instructions}")
"""


class Desk:
    """Answers the first tickets rightly: as many as the instruction says (`RIGHT 5`), else as the prompt is long.

    Attributes:
        held: whether the method's own candidates wait once two of them have their score.
    """

    waits = True

    def __init__(self) -> None:
        self.held = True
        self._asked = 0
        self._gate = _host.portal.run(_event())

    async def send(self, request: Request) -> Response:
        said = re.search(r"RIGHT (\d+)", request.messages[0].text)
        demos = (len(request.messages) - 2) // 2
        self._asked += not said
        if self.held and not said and self._asked > 2 * ROWS + 1:
            await self._gate.wait()
        right = int(said[1]) if said else (2, 0, 0, 8)[min(demos, 3)]
        number = int(re.findall(r"ticket (\d+)", request.messages[-1].text)[-1])
        team = TEAMS[number % 4] if number < right else TEAMS[(number + 1) % 4]
        text = f"[[ ## team ## ]]\n{team}\n\n[[ ## completed ## ]]"
        return Response(choices=(Choice(text=text),), usage=Usage(prompt_tokens=10, completion_tokens=5))

    def let_go(self) -> None:
        """Answer all from here on."""
        self.held = False
        _host.loop().call_soon_threadsafe(self._gate.set)


async def _event() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for this test alone, which the other kernels share."""
    monkeypatch.setenv("DSPEX_HOME", str(tmp_path))
    return tmp_path


@contextmanager
def killed_after(acts: str, home: Path) -> Iterator[tuple[Server, str, int]]:
    """Begin a search, do these acts once two candidates have their score, and kill its kernel.

    Yields the server, the head of the next kernel's code, and how many calls were in flight.
    """
    desk = Desk()
    with serving(desk) as server:
        head = HEAD.format(address=server.base_url)
        with Kernel(head + BEGIN.format(acts=acts), home) as kernel:
            assert kernel.line() == "done", kernel.end()
            lost = server.in_flight
            kernel.kill()
        desk.let_go()
        yield server, head, lost


def resumed(head: str, home: Path, more: str = "") -> str:
    """Resume the run in a new kernel; return its winner, with its demonstrations and its instruction."""
    return output(head + RESUME + more, home, flags=()).strip()


def check_paid_once(run: Run, server: Server, lost: int) -> None:
    """Check that nothing was asked again whose answer is on record."""
    answered = sum(isinstance(event, LMEnd) and not event.error for event in run.events)
    assert server.hits == answered + lost
    assert [event.seq for event in run.events] == list(range(1, len(run.events) + 1))


ACTS = """
first = run.evaluate(instruction="RIGHT 11", by="ada")
scored(first)
second = run.evaluate(instruction="RIGHT 3", by="bob")
scored(second)
run.drop(second, reason="too dear", by="bob")
run.pin("c01", by="ada")
run.label(rows[9], {"team": TEAMS[2]}, comment="Look twice.", by="eve")
run.concurrency(3, by="eve")
"""


def test_what_people_did_outlives_the_kernel(own_home: Path) -> None:
    """Candidates with their scores, a pin, a drop, a label and who did all that are there in the next kernel."""
    with killed_after(ACTS, own_home) as (server, head, lost):
        dead = runs.open("r1")
        before = [event for event in dead.events if isinstance(event, RunSteered)]
        said = resumed(head, own_home)
        run = runs.open("r1")
        check_paid_once(run, server, lost)
    assert said == "c01 3 Given `ticket`, give `team`.", "it is pinned, though another scores higher"
    assert (run.status, run.state.best) == ("finished", "c01")
    first, second, pinned = (run.state.candidate(id) for id in ("p1", "p2", "c01"))
    assert first is not None
    assert second is not None
    assert pinned is not None
    assert (first.by, first.state, first.n, round(first.mean or 0, 3)) == ("ada", "scored", ROWS, 0.917)
    assert (second.by, second.state, second.reason) == ("bob", "dropped", "too dear")
    assert pinned.pinned == "ada"
    assert run.state.concurrency == 3
    events = run.events
    assert [event for event in events if isinstance(event, RunSteered)] == before
    assert [act.by for act in before] == ["ada", "bob", "bob", "ada", "eve", "eve"]
    for id in ("p1", "p2"):
        cells = [
            event.example for event in events if isinstance(event, ExampleScored) and event.candidate == id
        ]
        assert len(cells) == len(set(cells)) == ROWS
        assert sum(isinstance(event, CandidateProposed) and event.candidate == id for event in events) == 1
    commented = [e.candidate for e in events if isinstance(e, ExampleScored) and "Look twice." in e.feedback]
    assert commented, "nothing that was scored after the kill heard of the comment"
    assert {"base", "c01", "p1"}.isdisjoint(commented)


def test_a_candidate_that_joins_after_a_resume_has_a_name_of_its_own(own_home: Path) -> None:
    """A name that somebody's candidate had in an earlier life is never given again."""
    acts = 'scored(run.evaluate(instruction="RIGHT 11", by="ada"))'
    with killed_after(acts, own_home) as (_, head, _):
        code = head + """
run = dspex.runs.open("r1").resume()
scored("p1")
say(run.evaluate(instruction="RIGHT 12", by="bob"))
run.wait()
say(run.state.best)
"""  # fmt: skip
        assert output(code, own_home, flags=()).split() == ["p2", "p2"]
    assert [c.by for c in runs.open("r1").state.candidates if c.by] == ["ada", "bob"]


def leads(run: Run) -> list[str]:
    return [event.candidate for event in run.events if isinstance(event, BestChanged)]


@pytest.mark.parametrize(
    ("right", "led"), [(5, ["base", "c01"]), (8, ["base", "c01"]), (9, ["base", "c01", "p1"])]
)
def test_who_led_before_the_kill_leads_after_it(right: int, led: list[str], own_home: Path) -> None:
    """A person's candidate is there from the start of the next life, and yet leads only where it truly does."""
    acts = f'scored(run.evaluate(instruction="RIGHT {right}", by="ada"), leader="{led[-1]}")'
    with killed_after(acts, own_home) as (server, head, lost):
        assert resumed(head, own_home).startswith(f"{led[-1]} 3 ")
        run = runs.open("r1")
        check_paid_once(run, server, lost)
    assert (run.state.best, leads(run)) == (led[-1], led)


def test_a_former_leader_that_was_dropped_leaves_the_leader_alone(own_home: Path) -> None:
    """What had its score when it was dropped is walked past as before: nobody leads in its place."""
    acts = """
scored(run.evaluate(instruction="RIGHT 7", by="ada"))
scored(run.evaluate(instruction="RIGHT 11", by="ada"), leader="p2")
run.drop("c01", by="bob")
"""
    with killed_after(acts, own_home) as (server, head, lost):
        assert resumed(head, own_home).startswith("p2 3 RIGHT 11")
        run = runs.open("r1")
        check_paid_once(run, server, lost)
    assert (run.state.best, leads(run)) == ("p2", ["base", "c01", "p2"])
    dropped = run.state.candidate("c01")
    assert dropped is not None
    assert (dropped.state, dropped.n) == ("dropped", ROWS)


def test_the_model_that_a_person_switched_to_is_the_one_that_is_asked(own_home: Path) -> None:
    """With its address and its options, not another of the same name at the provider's own door."""
    elsewhere = Desk()
    elsewhere.held = False
    with serving(elsewhere) as other:
        model = (
            f"dspex.LM('openai/test', api_base='{other.base_url}', api_key='k', cache=False, temperature=0.5)"
        )
        with killed_after(f"second = {model}\nrun.use(second, by='ada')", own_home) as (server, head, _):
            before, there = server.hits, other.hits
            resumed(f"{head}\nsecond = {model}\n", own_home)
            assert server.hits == before
            assert other.hits > there
    run = runs.open("r1")
    assert run.status == "finished"
    assert "api_key" not in str([e.args for e in run.events if isinstance(e, RunSteered)])
