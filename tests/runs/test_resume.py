"""A run of a dead kernel goes on in a new one, or says in one line what is missing or has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from dspex import runs
from dspex.errors import ResumeError
from dspex.events.event import LMEnd, RunReopened
from tests.runs.kernels import LIMIT, Kernel, output

HEAD = """
import os, sys
import dspex
from dspex.events.event import LMEnd
def say(text):
    os.write(1, (str(text) + chr(10)).encode())
dspex.configure(lm=dspex.LM("practice", latency=0.15), num_threads=2)
"""
DATA = 'train, val, test = dspex.datasets.load("tickets")\nval = val[:10]\n'
METRIC = """
def right(example, prediction, trace=None):
    return same(example.team, prediction.team)
def same(one, other):
    return one == other
"""
PROGRAM = """
class Triage(dspex.Module):
    def __init__(self, k=3):
        super().__init__()
        self.k = k
        self.ask = dspex.Predict("ticket -> team")
    async def aforward(self, ticket):
        return await self.ask.acall(ticket=ticket)
program = Triage()
"""
BEGIN = """
run = dspex.Evaluate(devset=val[:], metric=right).start(program)
seen = []
def told(events):
    seen.extend(event for event in events if isinstance(event, LMEnd))
    if len(seen) >= 3:
        say("there")
run.follow(told)
run.wait()
"""
RESUME = """
from dspex.errors import DspexError
try:
    run = dspex.runs.open("r1").resume({given})
    result = run.result()
    say(f"{{run.status}} {{result.n}} {{len(result.results)}} {{result.results[0][1].team}}")
except DspexError as exc:
    say(f"{{type(exc).__name__}}: {{exc}}")
"""


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for this test alone, which the other kernels share."""
    monkeypatch.setenv("DSPEX_HOME", str(tmp_path))
    return tmp_path


def killed(home: Path, code: str = HEAD + DATA + METRIC + PROGRAM + BEGIN) -> int:
    """Run the code in a kernel that is killed in the midst of it; return how many calls were answered."""
    with Kernel(code, home) as kernel:
        assert kernel.line() == "there", kernel.end()
        kernel.kill()
    return sum(isinstance(event, LMEnd) for event in runs.open("r1").events)


def resumed(
    home: Path, data: str = DATA, metric: str = METRIC, program: str = PROGRAM, given: str = ""
) -> str:
    """Return what a new kernel with these names says when it resumes the run."""
    return output(HEAD + data + metric + program + RESUME.format(given=given), home, flags=()).strip()


def test_a_run_goes_on_in_a_new_kernel_and_pays_for_nothing_twice(own_home: Path) -> None:
    """What it needs is found among the new kernel's names, a slice of named data too."""
    answered = killed(own_home)
    assert 3 <= answered < 10
    dead = runs.open("r1")
    assert (dead.status, dead.state.reason) == ("lost", "its kernel died")
    assert resumed(own_home).startswith("finished 10 10 ")
    run = runs.open("r1")
    events = run.events
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert sum(isinstance(e, LMEnd) for e in events) == 10
    assert [e.by for e in events if isinstance(e, RunReopened)] == ["user"]
    times = [e.time for e in events]
    assert times == sorted(times)
    assert (run.status, run.state.examples, run.state.calls) == ("finished", 10, 10)


CHANGES = {
    "the metric is gone": ({"metric": "right = same = None\n"}, "`metric`: the function `right` is not defined here"),
    "the metric says something else": (
        {"metric": METRIC.replace("same(example.team, prediction.team)", "True")},
        "`metric` has changed: the function `right` says something else now",
    ),
    "a function that the metric names says something else": (
        {"metric": METRIC.replace("one == other", "one != other")},
        "`metric` has changed: the function `right` says something else now",
    ),
    "the program is gone": ({"program": "program = None\n"}, "the program `program` is not defined here"),
    "the program's code is another": (
        {"program": PROGRAM.replace("ticket=ticket)", "ticket=ticket.lower())")},
        "the program `program` has changed: the code of `Triage` is another",
    ),
    "the program's signature is another": (
        {"program": PROGRAM.replace("ticket -> team", "ticket -> team, why")},
        "the program `program` has changed",
    ),
    "the program was made otherwise": (
        {"given": "program=Triage(k=4)"},
        "the program `program` has changed: `self.k` is 4, and was 3",
    ),
    "the data is another": (
        {"data": DATA, "given": "devset=train[:10]"},
        "`devset` has changed: 10 of 10 examples differ, the first at position 0",
    ),
    "the data is shorter": (
        {"data": DATA, "given": "devset=val[:9]"},
        "`devset` has changed: it has 9 examples, and had 10",
    ),
    "another model is given": (
        {"given": 'lm=dspex.LM("practice", temperature=0.7)'},
        "`lm` has changed: it is LM('practice', temperature=0.7)",
    ),
    "a name that nobody asked for": (
        {"given": "metrics=right"},
        "This run was started with no `metrics`. Did you mean `metric`?",
    ),
}  # fmt: skip


def test_what_has_changed_is_refused_with_what_changed(own_home: Path) -> None:
    """One line, all that is wrong in it, nothing asked, and the results stay readable."""
    killed(own_home)
    before = runs.open("r1").events
    code = HEAD
    for change, _ in CHANGES.values():
        cell = {"data": DATA, "metric": METRIC, "program": PROGRAM, "given": "", **change}
        code += cell["data"] + cell["metric"] + cell["program"] + RESUME.format(given=cell["given"])
        code += "del program, right, same, val\nTriage = None\n"
    lines = output(code, own_home, flags=()).splitlines()
    for (what, (_, words)), said in zip(CHANGES.items(), lines, strict=True):
        assert said.startswith("ResumeError: "), (what, said)
        assert words.casefold() in said.casefold(), (what, said)
    assert runs.open("r1").events == before
    assert len(runs.list()) == 1


def test_what_is_renamed_or_given_is_the_same(own_home: Path) -> None:
    """Names do not matter where the content is the same; comments and line numbers are no content."""
    killed(own_home)
    metric = METRIC.replace("def right", "# a comment\n\n\ndef other").replace(
        "return same", "\n    return same"
    )
    program = PROGRAM.replace("program = Triage()", "")
    assert resumed(own_home, metric=metric, program=program).startswith("finished 10 10 ")


def test_two_kernels_cannot_resume_the_same_run(own_home: Path) -> None:
    """The second is refused at once, follows the first, and sees its end."""
    killed(own_home)
    code = HEAD.replace("0.15", "0.6") + DATA + METRIC + PROGRAM + """
run = dspex.runs.open("r1").resume()
say(run.status)
run.wait()
"""  # fmt: skip
    with Kernel(code, own_home) as first:
        assert first.line() == "running"
        run = runs.open("r1")
        with pytest.raises(
            ResumeError, match=r"\ARun r1 goes on in another kernel, which alone can steer it; "
        ):
            run.resume()
        told: list[int] = []
        _, leave = run.follow(lambda events: told.extend(event.seq for event in events))
        assert run.wait(LIMIT)
        leave()
        assert first.end()[0] == 0
    assert run.status == "finished"
    assert told == sorted(set(told))
    assert run.state.seq in told


def test_starting_the_same_again_says_that_it_can_be_resumed(own_home: Path) -> None:
    """One line in the new run, with the dead one's name; none where something else is started."""
    answered = killed(own_home)
    code = HEAD + DATA + METRIC + PROGRAM + """
for metric in (right, dspex.exact("team")):
    dspex.Evaluate(devset=val, metric=metric).start(program).wait()
"""  # fmt: skip
    output(code, own_home, flags=())
    notices = [[e.text for e in run.events if type(e).__name__ == "Log"] for run in runs.list(last=2)]
    words = (
        'Run r1 was started with the same and its kernel died: `dspex.runs.open("r1").resume()` goes on with it, '
        f"and the {answered} calls it had answered cost nothing again."
    )
    assert notices == [[], [words]]


def test_a_kernel_that_was_shut_down_leaves_a_run_to_go_on_with(own_home: Path) -> None:
    """A restart of the kernel cancels its runs; they can be resumed like those of one that died."""
    code = HEAD + DATA + METRIC + PROGRAM + BEGIN.replace("run.wait()", "sys.stdin.readline()")
    with Kernel(code, own_home) as kernel:
        assert kernel.line() == "there"
        assert kernel.process.stdin is not None
        kernel.process.stdin.close()
        kernel.process.stdin = None
        assert kernel.process.wait(LIMIT) == 0
    run = runs.open("r1")
    assert (run.status, run.state.reason) == ("cancelled", "the kernel was shut down")
    assert resumed(own_home).startswith("finished 10 10 ")
    assert runs.open("r1").state.examples == 10


def test_a_new_kernel_needs_nothing_where_the_recipe_says_all(own_home: Path) -> None:
    """Programs, metrics, data and models of dspex's own are made again from what the journal tells."""
    begin = """
train, val, test = dspex.datasets.load("tickets")
program = dspex.ChainOfThought("ticket -> team")
optimizer = dspex.BootstrapFewShot(metric=dspex.exact("team"), max_bootstrapped_demos=2)
run = optimizer.start(program, trainset=train[5:17], valset=val.sample(10, seed=3))
""" + BEGIN.split("\n", 2)[2]  # fmt: skip
    killed(own_home, HEAD + begin)
    code = """
import os, dspex
run = dspex.runs.last().resume(by="me")
os.write(1, f"{run.result()!r} {run.status}".encode())
"""
    said = output(code, own_home, flags=())
    assert said.startswith("ChainOfThought(")
    assert said.endswith(" demos)) finished")
    assert [e.by for e in runs.open("r1").events if isinstance(e, RunReopened)] == ["me"]
