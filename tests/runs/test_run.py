"""A run is a handle: what each control does, twice and in the wrong order, and what an end leaves."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest

from dspex import runs
from dspex.errors import BudgetExceeded, DataError, RunFailedError, UsageError
from dspex.events.bus import bus
from dspex.events.event import CandidateEvaluated, Log, RunPaused, RunResumed, RunStart, RunStopping
from dspex.runs import engine as engines
from dspex.runs import journal as journals
from dspex.runs.run import announce
from dspex.runs.state import fold
from dspex.scope.scope import Scope, current
from tests.runs.works import LIMIT, Learned, Steps, begin, propose, say


def kinds(run: runs.Run) -> list[str]:
    return [type(event).__name__ for event in run.events]


def flush(run: runs.Run) -> None:
    """Wait until what happened is in the state."""
    assert run._engine is not None
    run._engine.flush()


def test_start_does_not_wait_for_the_work() -> None:
    """The handle is there while the work has not even begun to end."""
    steps = Steps(1)
    run = begin(steps)
    assert run in runs.live()
    assert not run.done
    assert run.wait(0) is False
    assert (run.id[0], run.name) == ("r", "triage")
    steps.let_go()
    assert run.wait(LIMIT)
    assert run not in runs.live()


def test_a_run_has_a_thread_and_a_scope_of_its_own() -> None:
    """Its place, its seed and its patience are not the caller's."""
    seen: dict[str, Any] = {}

    def work(kept: Any) -> Any:
        scope = current()
        seen.update(
            thread=threading.get_ident(), run=scope.run, patient=scope.patient, draw=scope.rng.random()
        )
        return "x"

    first, draws = begin(work, seed=7), []
    assert first.result(LIMIT) == "x"
    assert seen["thread"] != threading.get_ident()
    assert (seen["run"], seen["patient"]) == (first.id, True)
    for seed in (7, 8):
        draws.append(seen["draw"])
        begin(work, seed=seed).result(LIMIT)
    assert draws[0] == draws[1] != seen["draw"]
    assert current().run == ""


def test_a_finished_run_tells_its_story_in_order() -> None:
    """Start first, end last, numbers without gaps, and the state is the fold of it."""

    def work(kept: Any) -> Any:
        say("hello")
        return propose(kept, "base", mean=0.5)

    run = begin(work, metric="exact", models=("practice",), sizes={"train": 3}, budget_usd=1.0, planned=4)
    result = run.result(LIMIT)
    assert (result.name, run.best) == ("base", result)
    events = run.events
    assert [type(e).__name__ for e in events] == [
        "RunStart", "Log", "CandidateProposed", "CandidateEvaluated", "BestChanged", "RunEnd",
    ]  # fmt: skip
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert {e.run for e in events} == {run.id}
    assert run.state == fold(events)
    assert (run.status, run.state.best, run.state.budget_usd, run.state.planned) == (
        "finished",
        "base",
        1.0,
        4,
    )
    assert repr(run) == f"Run {run.id} · Search on triage: finished, best 50.0, 1 candidate"


def test_a_state_is_the_callers_own_copy() -> None:
    """Whoever changes it changes nothing else."""
    run = begin(lambda kept: propose(kept, "base", mean=0.5))
    run.wait(LIMIT)
    run.state.candidates.clear()
    assert len(run.state.candidates) == 1


@pytest.mark.parametrize("act", ["pause", "stop", "cancel"])
def test_nothing_comes_before_the_start(act: str) -> None:
    """A control pressed the moment the handle is there is told after the run's start, and holds."""
    steps = Steps()
    run = begin(steps)
    getattr(run, act)()
    if act == "pause":
        flush(run)
        assert run.status == "paused"
        run.stop()
    steps.let_go()
    assert run.wait(LIMIT)
    assert isinstance(run.events[0], RunStart)
    assert run.status == {"pause": "stopped", "stop": "stopped", "cancel": "cancelled"}[act]


def test_pause_and_resume_hold_and_let_go() -> None:
    """Held work starts nothing new, twice is once, and the log says who."""
    steps = Steps(3)
    run = begin(steps)
    steps.wait()
    run.resume()
    run.pause(by="button")
    run.pause()
    steps.let_go()
    flush(run)
    assert (run.status, steps.begun) == ("paused", 1)
    run.resume(by="button")
    run.resume()
    steps.let_go()
    steps.let_go()
    assert run.result(LIMIT).name == "result"
    steered = [(type(e), e.by) for e in run.events if isinstance(e, (RunPaused, RunResumed))]
    assert steered == [(RunPaused, "button"), (RunResumed, "button")]


def test_stop_keeps_the_best_so_far() -> None:
    """The step at hand ends; its program is the result."""
    steps = Steps()
    run = begin(steps)
    for _ in range(2):
        steps.wait()
        steps.let_go()
    steps.wait()
    run.stop(by="button")
    run.stop()
    steps.let_go()
    assert run.result(LIMIT).name == run.best.name == "c2"
    assert (run.status, run.state.reason, steps.begun) == ("stopped", "", 3)
    assert [(e.how, e.by) for e in run.events if isinstance(e, RunStopping)] == [("stop", "button")]


def test_a_stop_may_grow_into_a_cancel_and_never_back() -> None:
    """Also out of a pause."""
    steps = Steps()
    run = begin(steps)
    steps.wait()
    run.pause()
    run.stop()
    run.cancel()
    run.stop()
    run.pause()
    run.resume()
    steps.let_go()
    assert run.wait(LIMIT)
    assert run.status == "cancelled"
    assert [e.how for e in run.events if isinstance(e, RunStopping)] == ["stop", "cancel"]
    assert kinds(run).count("RunPaused") == 1
    assert kinds(run).count("RunResumed") == 0


def test_controls_after_the_end_are_harmless() -> None:
    """They change nothing and add no event."""
    run = begin(lambda kept: propose(kept, "base", mean=0.5))
    run.wait(LIMIT)
    before = run.events
    for act in (run.pause, run.resume, run.stop, run.cancel) * 2:
        act()
    assert run.events == before
    assert (run.status, run.wait(0), run.result(0).name) == ("finished", True, "base")


def test_nothing_scored_is_no_result() -> None:
    """An early end without a candidate says so instead of giving None."""
    steps = Steps()
    run = begin(steps)
    steps.wait()
    with pytest.raises(UsageError, match=rf"Run {run.id} has no scored candidate yet; it is running\."):
        _ = run.best
    with pytest.raises(TimeoutError, match=f"run {run.id} is still running"):
        run.result(0)
    run.cancel()
    steps.let_go()
    assert run.result(LIMIT).name == "c0"
    assert run.status == "cancelled"


def test_an_end_before_any_score_fails_the_result_alone() -> None:
    """The run was cancelled, not failed; asking for its result says why there is none."""

    def work(kept: Any) -> Any:
        entered.set()
        assert go.wait(LIMIT)
        current().checkpoint()

    entered, go = threading.Event(), threading.Event()
    run = begin(work)
    assert entered.wait(LIMIT)
    run.cancel()
    go.set()
    with pytest.raises(
        RunFailedError,
        match=rf"Run {run.id} was cancelled before any candidate was scored; `run.resume\(\)` goes on",
    ):
        run.result(LIMIT)


@pytest.mark.parametrize(
    ("error", "raised", "reason"),
    [
        (ValueError("boom"), RunFailedError, "ValueError: boom"),
        (DataError("bad row"), DataError, "bad row"),
        (KeyError("k"), RunFailedError, "KeyError: 'k'"),
        (SystemExit(3), RunFailedError, "SystemExit: 3"),
        (KeyboardInterrupt("c"), RunFailedError, "KeyboardInterrupt: c"),
        (GeneratorExit("g"), RunFailedError, "GeneratorExit: g"),
    ],
)
def test_a_failed_run_says_why(error: BaseException, raised: type[Exception], reason: str) -> None:
    """Whatever the work raises is the run's end, its reason, and what `result` raises."""

    def work(kept: Any) -> Any:
        propose(kept, "base", mean=0.5)
        raise error

    run = begin(work)
    with pytest.raises(raised, match=str(error)) as caught:
        run.result(LIMIT)
    assert caught.value is error or caught.value.__cause__ is error
    assert (run.status, run.state.reason, run.best.name) == ("failed", reason, "base")
    last = run.events[-2]
    assert isinstance(last, Log)
    assert (last.level, last.text) == ("error", reason)


def test_money_that_runs_out_stops_the_run_and_keeps_the_best() -> None:
    """The reason is told, with the budget as an event and its warnings before it."""

    def work(kept: Any) -> Any:
        propose(kept, "base", mean=0.5)
        for _ in range(20):
            current().budget.reserve(0.1).settle(0.1)

    run = begin(work, budget_usd=1.05)
    assert run.result(LIMIT).name == "base"
    assert (run.status, run.state.reason) == ("stopped", "budget of $1.05 reached")
    assert kinds(run)[-4:] == ["BudgetWarned", "BudgetWarned", "BudgetReached", "RunEnd"]


def test_a_partial_result_is_given_where_the_work_has_one() -> None:
    """An evaluation that was ended early gives what it had."""
    rows: list[int] = []

    def work(kept: Any) -> Any:
        kept.partial = lambda: list(rows)
        rows.extend([1, 2])
        raise BudgetExceeded("budget of $1.00 reached: all spent")

    assert begin(work).result(LIMIT) == [1, 2]


def test_a_straggler_adds_nothing_to_a_run_that_is_over() -> None:
    """A thread that could not be cut off may emit after the end; the journal and the state stay closed."""
    run = begin(lambda kept: "x")
    run.wait(LIMIT)
    Scope(run=run.id).emit(Log(level="info", text="late"))
    assert kinds(run) == ["RunStart", "RunEnd"]
    assert run.state == fold(run.events)


def test_text_that_is_no_unicode_ends_no_run() -> None:
    """Half a character in an answer is kept as an escape, in the journal and in the state."""

    def work(kept: Any) -> Any:
        say("half \ud83d of it")
        return "x"

    run = begin(work, name="na\ud83dme")
    assert run.result(LIMIT) == "x"
    assert [e.text for e in run.events if isinstance(e, Log)] == ["half \\ud83d of it"]
    assert run.snapshot().decode()
    assert (run.name, run.status) == ("na\\ud83dme", "finished")


def test_followers_see_what_the_journal_holds() -> None:
    """Whenever they join: a snapshot and then every later event, once, in order, on disk before they are told."""
    steps = Steps(60)
    run = begin(steps)
    seen: dict[int, tuple[int, list[int], Any]] = {}

    def join(n: int) -> None:
        told: list[int] = []
        snapshot, leave = run.follow(lambda events: told.extend(e.seq for e in events))
        seen[n] = (msgspec.json.decode(snapshot, type=runs.RunState).seq, told, leave)

    joined = []
    for n in range(60):
        steps.wait()
        joined.append(threading.Thread(target=join, args=(n,)))
        joined[-1].start()
        steps.let_go()
        if n == 30:
            joined[0].join(LIMIT)
            flush(run)
            seen[0][2]()
            seen[0][2]()
    for thread in joined:
        thread.join(LIMIT)
    assert run.wait(LIMIT)
    end = run.events[-1].seq
    at, told, _ = seen.pop(0)
    assert told == list(range(at + 1, at + 1 + len(told)))
    assert told[-1] < end
    for at, told, _ in seen.values():
        assert told == list(range(at + 1, end + 1))


def test_a_failing_follower_stops_nobody() -> None:
    """It is unhooked and that is said; the run, other followers and other runs go on."""
    steps, told = Steps(2), []

    def fragile(events: Any) -> None:
        raise ValueError("boom")

    run = begin(steps)
    steps.wait()
    run.follow(fragile)
    run.follow(told.extend)
    steps.let_go()
    steps.let_go()
    assert run.result(LIMIT).name == "result"
    assert begin(lambda kept: "other").result(LIMIT) == "other"
    assert type(told[-1]).__name__ == "RunEnd"


def test_telling_of_a_failing_follower_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer says so itself, also while its own queue is full."""
    monkeypatch.setattr(journals, "ROOM", 0)
    steps = Steps(1)
    run = begin(steps)
    steps.wait()

    def fragile(events: Any) -> None:
        Scope(run=run.id).emit(Log(level="info", text="more to write"))
        raise ValueError("boom")

    run.follow(fragile)
    steps.let_go()
    assert run.result(LIMIT).name == "result"


def test_candidates_come_best_first() -> None:
    """Those without a score last, whether or not they saw all examples."""

    def work(kept: Any) -> Any:
        propose(kept, "base", mean=0.5)
        propose(kept, "none")
        propose(kept, "better", mean=0.75)
        propose(kept, "part")
        current().emit(CandidateEvaluated(candidate="part", mean=0.9, low=0.9, high=0.9, n=2, full=False))

    run = begin(work)
    run.wait(LIMIT)
    assert list(run.candidates["id"]) == ["better", "base", "part", "none"]
    assert list(run.candidates["score"])[:3] == [0.75, 0.5, 0.9]


def test_what_a_candidate_learned_can_be_put_into_a_program() -> None:
    """The best one by default; a candidate that is not there is named."""
    run = begin(lambda kept: [propose(kept, "base", mean=0.5), propose(kept, "c1", mean=0.7)])
    run.wait(LIMIT)
    assert run.load_into(Learned("new")).name == "c1"
    assert run.load_into(Learned("new"), "base").name == "base"
    with pytest.raises(UsageError, match=rf"Run {run.id} has no candidate `c9`"):
        run.load_into(Learned("new"), "c9")


def test_hooks_hear_of_runs_to_show_until_they_leave() -> None:
    """One hook a key, so that an extension loaded twice shows once."""
    shown: list[str] = []
    runs.on_start(lambda run: shown.append("first"), key="test")
    leave = runs.on_start(lambda run: shown.append(run.id), key="test")
    run = begin(lambda kept: "x")
    announce(run)
    leave()
    leave()
    announce(run)
    assert shown == [run.id]


def test_many_runs_at_once_keep_apart() -> None:
    """Each has its own numbers, events and result."""
    going = [
        begin(lambda kept, n=n: [say(f"{n}:{i}") for i in range(20)] and n, name=str(n)) for n in range(12)
    ]
    assert [run.result(LIMIT) for run in going] == list(range(12))
    for n, run in enumerate(going):
        assert [e.text for e in run.events if isinstance(e, Log)] == [f"{n}:{i}" for i in range(20)]
        assert [e.seq for e in run.events] == list(range(1, 23))


def test_nothing_of_a_run_stays_behind() -> None:
    """A kernel that made a hundred runs listens to none of them."""
    sinks = len(bus._sinks)
    for run in [begin(lambda kept: "x") for _ in range(5)]:
        run.wait(LIMIT)
    assert len(bus._sinks) == sinks
    assert engines._live == {}
