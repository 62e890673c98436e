"""A disk that is full or may not be written is told at once, and what was paid for before is there when it is not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dspex import runs
from dspex.events.event import LMEnd
from tests.runs.kernels import Kernel, output
from tests.runs.test_resume import DATA, HEAD, METRIC, PROGRAM, RESUME

FULL = (
    HEAD
    + DATA
    + METRIC
    + PROGRAM
    + """
import resource
import threading
from dspex.errors import DspexError
run = dspex.Evaluate(devset=val[:], metric=right).start(program)
count = 0
while count < 3:
    threading.Event().wait(0.01)
    count = sum(isinstance(event, LMEnd) for event in run.events)
# From here on no file may grow: the disk is full, for this process.
log = run._folder / "journal.sqlite-wal"
resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, resource.RLIM_INFINITY))
try:
    run.result()
except DspexError as exc:
    say(f"{run.status} {type(exc).__name__}: {exc}")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""
)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for this test alone, which the other kernels share."""
    monkeypatch.setenv("DSPEX_HOME", str(tmp_path))
    return tmp_path


def test_a_disk_that_fills_up_ends_the_run_and_the_rest_is_done_when_there_is_room(own_home: Path) -> None:
    """One line says what and what to do; nothing that was on the disk is paid for again."""
    said = output(FULL, own_home, flags=())
    assert said.startswith("failed JournalError: The run's journal `")
    assert "cannot be written: " in said
    assert "make room, or set DSPEX_HOME to another folder or to `:memory:`" in said
    kept = sum(isinstance(event, LMEnd) for event in runs.open("r1").events)
    assert 3 <= kept < 10
    again = output(HEAD + DATA + METRIC + PROGRAM + RESUME.format(given=""), own_home, flags=())
    assert again.startswith("finished 10 10 ")
    run = runs.open("r1")
    assert sum(isinstance(event, LMEnd) for event in run.events) == 10
    assert [event.seq for event in run.events] == list(range(1, len(run.events) + 1))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A file system of its own, a few pages in size; only root can make one."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(place)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    yield place  # type: ignore[misc]
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_without_room_for_the_first_page_says_so(small: Path) -> None:
    """Before anything is paid for."""
    (small / "fill").write_bytes(bytes(80 * 1024))
    code = HEAD + DATA + METRIC + PROGRAM + """
from dspex.errors import DspexError
try:
    dspex.Evaluate(devset=val, metric=right).start(program).result()
except DspexError as exc:
    say(f"{type(exc).__name__}: {exc}")
os.environ["DSPEX_HOME"] = ":memory:"
say(dspex.Evaluate(devset=val, metric=right).start(program).result().n)
"""  # fmt: skip
    first, second = output(code, small, flags=()).splitlines()
    assert first.startswith("JournalError: ")
    assert "database or disk is full" in first or "disk I/O error" in first
    assert second == "10"


def test_a_home_that_may_only_be_read_is_listed_and_not_written(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs in it can be looked at; a new one is refused in one line."""
    subprocess.run(["mount", "-o", "remount,size=4m", str(small)], check=True)
    code = (
        HEAD
        + DATA
        + METRIC
        + PROGRAM
        + "say(dspex.Evaluate(devset=val, metric=right).start(program).result().n)"
    )
    assert output(code, small, flags=()) == "10\n"
    with Kernel(HEAD + DATA + METRIC + PROGRAM + """
dspex.Evaluate(devset=val, metric=right).start(program)
while not dspex.runs.list()[0].state.calls:
    pass
say("there")
threading.Event().wait()
""", small) as kernel:  # fmt: skip
        assert kernel.line() == "there"
        kernel.kill()
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    monkeypatch.setenv("DSPEX_HOME", str(small))
    assert [run.status for run in runs.list()] == ["lost", "finished"]
    assert runs.open("r1").state.examples == 10
    code = HEAD + """
from dspex.errors import DspexError
try:
    dspex.Evaluate(devset=[dspex.Example(ticket="x", team="bug").with_inputs("ticket")],
                   metric=dspex.exact("team")).start(dspex.Predict("ticket -> team"))
except DspexError as exc:
    say(f"{type(exc).__name__}: {exc}")
try:
    dspex.runs.open("r2").resume()
except DspexError as exc:
    say(f"{type(exc).__name__}: {exc}")
"""  # fmt: skip
    new, old = output(code, small, flags=()).splitlines()
    assert new.startswith("JournalError: Runs cannot be kept in ")
    assert "Read-only file system" in new
    assert old.startswith("JournalError: ")
    assert "Read-only file system" in old
