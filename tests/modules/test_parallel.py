"""Parallel, batch and ParallelExecutor: many calls at once, failures apart from answers."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import dspex
from dspex.errors import ProgramError, SettingsError
from dspex.modules.executor import ParallelExecutor
from dspex.testing.clock import FakeClock


class Half(dspex.Module):
    """Fails on odd numbers."""

    def forward(self, x: int) -> int:
        if x % 2:
            raise ValueError(f"{x} is odd")
        return x // 2


def pairs(*numbers: int) -> list[tuple[dspex.Module, dspex.Example]]:
    return [(Half(), dspex.Example(x=x).with_inputs("x")) for x in numbers]


def test_answers_stand_in_the_order_of_the_pairs() -> None:
    """Examples, dicts and tuples are given as a program takes them; any function is a program."""

    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    run = dspex.Parallel(num_threads=3)
    mixed = [
        *pairs(4),
        (Half(), {"x": 2}),
        (lambda a, b: a + b, (1, 2)),
        (later, {"x": 1}),
        (run, pairs(6, 8)),
    ]
    assert run(mixed) == [2, 1, 3, 2, [3, 4]]


def test_a_call_that_fails_is_none_and_can_be_asked_for() -> None:
    """The other answers are not lost; failures come with their example and error."""
    assert dspex.Parallel()(pairs(2, 3, 4)) == [1, None, 2]
    answers, failed, errors = dspex.Parallel(return_failed_examples=True)(pairs(2, 3, 5))
    assert (answers, [e.x for e in failed], [str(e) for e in errors]) == (
        [1, None, None],
        [3, 5],
        ["3 is odd", "5 is odd"],
    )


def test_where_all_calls_fail_the_first_error_is_raised() -> None:
    """A wall of None would hide that nothing works."""
    with pytest.raises(ValueError, match="3 is odd"):
        dspex.Parallel(num_threads=1)(pairs(3, 5))


def test_max_errors_ends_the_work() -> None:
    """With that many failures the rest is not begun, and the first error says so."""
    begun: list[int] = []

    def fail(x: int) -> int:
        begun.append(x)
        raise ValueError(f"{x} fails")

    with pytest.raises(ValueError, match="0 fails") as caught:
        dspex.Parallel(num_threads=1, max_errors=2)([(fail, {"x": x}) for x in range(10)])
    assert len(begun) == 2
    assert "max_errors=2" in caught.value.__notes__[0]


def test_no_model_ends_the_work_at_once() -> None:
    """What is wrong for all is said once."""
    with pytest.raises(SettingsError, match="No language model"):
        dspex.Parallel()([(dspex.Predict("q -> a"), {"q": str(i)}) for i in range(5)])


@pytest.mark.parametrize("wrong", [[1], [(Half(), 3)], [("x", {})]])
def test_what_is_no_pair_is_refused(wrong: list[Any]) -> None:
    """The error shows what a pair is."""
    with pytest.raises(ProgramError):
        dspex.Parallel()(wrong)


def test_at_most_num_threads_run_at_once_and_see_the_callers_settings() -> None:
    """The width is a bound, and the context comes along."""
    running, most, seen = [0], [0], set()
    lock, full = threading.Lock(), threading.Barrier(3)

    def work(x: int) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
            seen.add(dspex.settings.seed)
        full.wait(5)
        with lock:
            running[0] -= 1

    with dspex.context(seed=7):
        dspex.Parallel(num_threads=3)([(work, {"x": x}) for x in range(6)])
    assert (most[0], seen) == (3, {7})


async def test_the_async_form_runs_on_any_loop() -> None:
    """`acall` gives the same."""
    assert await dspex.Parallel().acall(pairs(2, 4)) == [1, 2]


def test_a_straggler_is_started_a_second_time_and_the_first_answer_counts() -> None:
    """Near the end, a call that takes too long gets a second chance; early stragglers wait."""
    calls: list[int] = []

    async def work(x: int) -> str:
        calls.append(x)
        if x == 0 and calls.count(0) == 1:
            await asyncio.Event().wait()
        return f"{x} at attempt {calls.count(x)}"

    with FakeClock(auto=True):
        answers = dspex.Parallel(num_threads=2, timeout=120, straggler_limit=1)(
            [(work, {"x": x}) for x in (0, 1)]
        )
    assert answers == ["0 at attempt 2", "1 at attempt 1"]
    assert sorted(calls) == [0, 0, 1]


def test_batch_takes_examples_and_dicts() -> None:
    """A program runs over rows, with the same options."""
    rows = [dspex.Example(x=2, y=1).with_inputs("x"), {"x": 3}, {"x": 8}]
    assert Half().batch(rows, num_threads=2) == [1, None, 4]
    answers, failed, _ = Half().batch(rows, return_failed_examples=True, provide_traceback=True)
    assert (answers, failed) == ([1, None, 4], [{"x": 3}])


def test_failures_are_told_to_the_bus() -> None:
    """With `provide_traceback` where it happened, too."""
    told: list[str] = []
    with dspex.events.subscribe("log", lambda e: told.append(e.text)):
        Half().batch([{"x": 2}, {"x": 3}], provide_traceback=True)
        Half().batch([{"x": 2}, {"x": 5}])
    assert "Traceback" in told[0]
    assert told[1] == "Item 2 of 2 failed: ValueError: 5 is odd"


def test_the_executor_keeps_failures_by_index() -> None:
    """DSPy's `ParallelExecutor`, for a function and its items."""
    executor = ParallelExecutor(num_threads=1, max_errors=3, disable_progress_bar=True)
    assert executor.execute(lambda x: 1 // x, [1, 0, 2]) == [1, None, 0]
    assert executor.failed_indices == [1]
    assert isinstance(executor.exceptions_map[1], ZeroDivisionError)
    assert executor.execute(lambda x: x, []) == []
