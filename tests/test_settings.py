"""Settings: one frozen value for the process, changes for a block of code, safe across threads and tasks."""

from __future__ import annotations

import asyncio
import threading

import pytest

import dspex
from dspex.errors import SettingsError


def test_context_ends_with_its_block() -> None:
    """Inside the block the change holds, after it the old value, also when the block raises."""
    dspex.configure(num_threads=5)

    def block() -> None:
        with dspex.context(num_threads=2):
            assert dspex.settings.num_threads == 2
            raise KeyError

    with pytest.raises(KeyError):
        block()
    assert dspex.settings.num_threads == 5


def test_contexts_nest() -> None:
    """The inner change wins; what it leaves alone comes from the outer one."""
    lm = dspex.LM("practice")
    with dspex.context(lm=lm), dspex.context(num_threads=3):
        assert (dspex.settings.lm, dspex.settings.num_threads) == (lm, 3)


def test_threads_and_tasks_never_see_each_others_context() -> None:
    """Eight threads with an event loop of four tasks each: every one sees its own model only."""
    wrong: list[str] = []
    barrier = threading.Barrier(8)

    async def task(name: str) -> None:
        lm = dspex.LM("practice", temperature=0.5)
        with dspex.context(lm=lm):
            for _ in range(50):
                await asyncio.sleep(0)
                if dspex.settings.lm is not lm:
                    wrong.append(name)

    def thread(name: str) -> None:
        async def main() -> None:
            await asyncio.gather(*(task(f"{name}{i}") for i in range(4)))

        barrier.wait()
        asyncio.run(main())

    threads = [threading.Thread(target=thread, args=(str(i),)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_configure_reaches_every_thread() -> None:
    """What one thread configures, all others see from then on."""
    seen: list[int] = []
    worker = threading.Thread(target=lambda: dspex.configure(num_threads=7))
    worker.start()
    worker.join()
    other = threading.Thread(target=lambda: seen.append(dspex.settings.num_threads))
    other.start()
    other.join()
    assert seen == [7]
    assert dspex.settings.num_threads == 7


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"ml": None}, "Unknown setting `ml`. Did you mean `lm`?"),
        ({"lm": "openai/gpt-4o"}, '`lm` takes a `dspex.LM`, not `str`. Write `dspex.LM("openai/gpt-4o")`.'),
        ({"num_threads": 0}, "`num_threads` takes a whole number of at least 1, not `0`."),
    ],
)
def test_wrong_settings_are_refused_in_one_line(changes: dict[str, object], text: str) -> None:
    """Typos and wrong types say what to write instead, and change nothing."""
    before = repr(dspex.settings)
    for way in (dspex.configure, lambda **c: dspex.context(**c).__enter__()):
        with pytest.raises(SettingsError) as caught:
            way(**changes)
        assert str(caught.value).startswith(text)
    assert repr(dspex.settings) == before


def test_an_unknown_setting_read_names_the_nearest() -> None:
    """Reading a typo helps as well."""
    with pytest.raises(AttributeError, match="Did you mean `adapter`"):
        dspex.settings.adaptor  # noqa: B018 - reading is the act under test
