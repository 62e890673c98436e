"""asyncify and syncify: programs for code of the other kind."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import dspex


class Shout(dspex.Module):
    async def aforward(self, text: str) -> str:
        await asyncio.sleep(0)
        return text.upper()


async def test_a_program_runs_beside_other_tasks() -> None:
    """A blocking program does not hold the loop: another task ends while it waits."""
    started, goes_on = threading.Event(), threading.Event()

    class Waits(dspex.Module):
        def forward(self) -> str:
            started.set()
            assert goes_on.wait(5)
            return threading.current_thread().name

    call = asyncio.ensure_future(dspex.asyncify(Waits())())
    while not started.is_set():
        await asyncio.sleep(0.001)
    goes_on.set()
    assert await call != threading.current_thread().name


async def test_the_callers_settings_go_along() -> None:
    """Each call has the context it was made in, at the moment of the call."""
    ask = dspex.asyncify(dspex.Predict("ticket -> team"))
    plain = dspex.asyncify(lambda: dspex.settings.lm)
    for name in ("billing", "bug"):
        with dspex.context(lm=dspex.utils.DummyLM([{"team": name}])):
            assert (await ask(ticket="x")).team == name
            assert await plain() is dspex.settings.lm


async def test_no_more_at_once_than_the_setting_says() -> None:
    """async_max_workers bounds what runs at once."""
    lock, now, most = threading.Lock(), 0, 0

    def work() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1

    with dspex.context(async_max_workers=2):
        await asyncio.gather(*(dspex.asyncify(work)() for _ in range(8)))
    assert most == 2


async def test_an_async_function_and_an_error_pass_through() -> None:
    """What is async already is awaited; what is raised is raised."""

    async def already(text: str) -> str:
        return text

    def fails() -> None:
        raise KeyError("x")

    assert await dspex.asyncify(already)("a") == "a"
    with pytest.raises(KeyError):
        await dspex.asyncify(fails)()


@pytest.mark.parametrize("in_place", [True, False])
def test_an_async_program_can_be_called_by_plain_code(in_place: bool) -> None:
    """Both forms answer; in place it is the same object with a `forward`."""
    program = Shout()
    plain = dspex.syncify(program, in_place=in_place)
    assert (plain is program) == in_place
    assert plain(text="a") == plain.forward(text="a") == "A"
    assert plain.deepcopy()(text="b") == "B"


async def test_plain_form_works_beside_a_running_loop() -> None:
    """In a notebook, where a loop runs already, no nested loop is needed."""
    assert dspex.syncify(Shout())(text="a") == "A"


def test_a_wrapped_program_keeps_its_predictors() -> None:
    """The wrapper is a module: optimizers find what is inside."""

    class Sorts(dspex.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sort = dspex.Predict("ticket -> team")

        async def aforward(self, ticket: str) -> dspex.Prediction:
            return await self.sort.acall(ticket=ticket)

    names = [name for name, _ in dspex.syncify(Sorts(), in_place=False).named_predictors()]
    assert names == ["program.sort"]
