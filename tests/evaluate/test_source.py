"""What an evaluation reads: lists as they are, everything else bit by bit and off the loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest

import dspex
from dspex import _host
from dspex.errors import DataError
from dspex.evaluate.source import Source, is_lazy
from dspex.scope.flow import flow
from tests.programs import Sort, an_lm, rows, said

KIND = dspex.exact("kind")


class Held(Sequence[dspex.Example]):
    """A user's own sequence, which may make its rows as they are asked for."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, place: int) -> dspex.Example:  # type: ignore[override]
        return rows()[place]


def test_a_slow_source_holds_nobody_up() -> None:
    """What is there is answered and read while the next example is waited for; the loop goes on."""
    go_on, reached = threading.Event(), threading.Event()

    def slowly() -> Iterator[dspex.Example]:
        yield rows()[0]
        reached.set()
        assert go_on.wait(10)
        yield rows()[1]

    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        found = dspex.evaluate(dspex.Predict(Sort), slowly(), KIND)
        assert next(found).index == 0
        assert reached.wait(10)
        assert _host.portal.run(asyncio.sleep(0, "alive")) == "alive"
        go_on.set()
        assert [row.index for row in found] == [1]


def test_a_run_whose_source_gives_no_more_can_be_cancelled() -> None:
    """A queue that stays empty keeps nobody from ending the run, and what it had given is in the report."""
    go_on, reached = threading.Event(), threading.Event()

    def stuck() -> Iterator[dspex.Example]:
        yield from rows()[:3]
        reached.set()
        assert go_on.wait(10)

    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        found = dspex.evaluate(dspex.Predict(Sort), stuck(), KIND)
        assert {next(found).index for _ in range(3)} == {0, 1, 2}
        assert reached.wait(10)
        assert found.run is not None
        found.run.cancel()
        assert found.run.wait(10)
    assert (found.run.status, found.report().n) == ("cancelled", 3)
    go_on.set()


def test_a_users_own_sequence_is_read_as_rows_are_wanted() -> None:
    """It says how long it is, and its rows are asked for one by one."""
    assert is_lazy(Held())
    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        run = dspex.Evaluate(devset=Held(), metric=KIND).start(dspex.Predict(Sort))
        result = run.result()
    assert (result.n, len(result.results), run.state.sizes) == (8, 8, {"dev": 8})
    assert [row.index for row in result.rows] == list(range(8))


@pytest.mark.parametrize("data", [rows(), tuple(rows()), dspex.Dataset(rows())])
def test_lists_are_checked_whole_at_once(data: object) -> None:
    """And are the very rows."""
    source = Source(data, dspex.Predict(Sort))  # type: ignore[arg-type]
    assert source.size == 8
    assert list(source) == rows()


@pytest.mark.parametrize("data", ["text", b"bytes", {"a": 1}])
def test_what_only_looks_like_rows_is_refused(data: object) -> None:
    """A text is an iterable, too."""
    with pytest.raises(DataError, match="`data` takes a list of examples"):
        Source(data, dspex.Predict(Sort))  # type: ignore[arg-type]


async def test_a_flow_asks_a_source_again_when_its_future_is_done() -> None:
    """Until then it goes on with what it has, and it asks once."""
    later: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asked: list[str] = []

    def source() -> Iterator[int | asyncio.Future[None]]:
        asked.append("first")
        yield 1
        asked.append("later")
        yield later
        asked.append("second")
        yield 2

    async def work(item: object) -> object:
        return item

    flowing = flow(source(), work, 4)
    assert (await anext(flowing))[1] == 1
    assert asked == ["first", "later"]
    later.set_result(None)
    assert (await anext(flowing))[1] == 2
    assert [item async for item in flowing] == []


async def test_a_flow_that_is_left_cancels_what_it_waited_for() -> None:
    """Nothing of it goes on."""
    later: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work(item: object) -> object:
        return item

    flowing = flow(iter([1, later]), work, 4)
    await anext(flowing)
    await flowing.aclose()
    assert later.cancelled()
