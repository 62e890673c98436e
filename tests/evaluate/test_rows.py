"""`dspex.evaluate(...)`: rows as they are done, of data of any size, and no work that nobody reads."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import dspex
from dspex.errors import DataError, LMAuthError, LMServerError, ProgramError, RunFailedError, SettingsError
from dspex.evaluate import exam
from dspex.evaluate.source import AHEAD
from dspex.events.event import ExampleScored, LMEnd, RunPaused
from tests.programs import Sort, an_lm, question, rows, said

KIND = dspex.exact("kind")


def words(count: int, asked: list[int] | None = None) -> Iterator[dspex.Example]:
    """Make words one by one, noting how many were asked for."""
    for number in range(count):
        if asked is not None:
            asked.append(number)
        kind = "tool" if number % 2 else "fruit"
        yield dspex.Example(word=f"w{number}", kind=kind).with_inputs("word")


def ended(run: dspex.Run) -> str:
    """Wait for the run and return how it ended."""
    assert run.wait(10)
    return run.status


def test_every_example_is_one_row_with_its_place_its_answer_and_its_cost() -> None:
    """A row tells all there is to know of an example."""
    lm, _ = an_lm(lambda r: LMServerError("down") if question(r) == "saw" else said("tool"))
    with dspex.context(lm=lm):
        found = sorted(dspex.evaluate(dspex.Predict(Sort), rows(), KIND), key=lambda row: row.index)
    assert [row.index for row in found] == list(range(8))
    assert [row.score for row in found] == [0.0, None, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    assert found[1].error.startswith("LMServerError")
    assert found[1].prediction is None
    assert (found[0].example, found[0].prediction.kind) == (rows()[0], "tool")
    assert found[0].cost == pytest.approx(12e-6)
    assert found[0].seconds > 0


def test_nothing_starts_before_a_row_is_asked_for() -> None:
    """Neither a run, nor the data, nor the model is touched."""
    lm, transport = an_lm()
    asked: list[int] = []
    before = len(dspex.runs.list())
    with dspex.context(lm=lm):
        found = dspex.evaluate(dspex.Predict(Sort), words(100, asked), KIND)
    assert repr(found) == "<Rows: not started; read them with `for`, or call `.report()`>"
    assert (found.run, asked, transport.requests, len(dspex.runs.list())) == (None, [], [], before)


def test_work_goes_on_only_as_rows_are_read() -> None:
    """What is ahead of a reader who stops is bounded, in examples read and in models asked."""
    lm, transport = an_lm(lambda _: said("tool"))
    asked: list[int] = []
    with dspex.context(lm=lm):
        found = dspex.evaluate(dspex.Predict(Sort), words(10_000, asked), KIND, num_threads=4)
        for _ in range(10):
            next(found)
        assert found.run is not None
        quiet = -1
        while quiet != len(transport.requests):  # whatever was on its way has arrived
            quiet = len(transport.requests)
            _settle()
    assert len(transport.requests) <= 10 + 3 * 4
    assert len(asked) <= 10 + 3 * 4 + AHEAD
    found.close()
    assert ended(found.run) == "stopped"


def _settle() -> None:
    from dspex import _host

    _host.portal.run(asyncio.sleep(0.05))


def test_leaving_the_loop_ends_the_run() -> None:
    """Nobody can read the rest, so nobody pays for it."""
    lm, transport = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        for row in dspex.evaluate(dspex.Predict(Sort), words(10_000), KIND, num_threads=2):
            assert row.score is not None
            break
    gc.collect()
    run = dspex.runs.last()
    assert ended(run) == "stopped"
    assert len(transport.requests) < 20


def test_a_with_block_ends_what_is_left() -> None:
    """Also where a name still holds the rows."""
    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm), dspex.evaluate(dspex.Predict(Sort), words(1000), KIND, num_threads=2) as found:
        next(found)
    assert ended(found.run) == "stopped"  # type: ignore[arg-type]


async def test_an_interrupted_reader_ends_the_run_though_a_traceback_holds_its_rows() -> None:
    """A notebook cancels the cell's task, and keeps where it stood."""
    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        found = dspex.evaluate(dspex.Predict(Sort), words(10_000), KIND, num_threads=2)

        async def read() -> None:
            async for _ in found:
                pass

        cell = asyncio.ensure_future(read())
        while found.run is None:
            await asyncio.sleep(0.01)
        cell.cancel()
        await asyncio.wait([cell])
    assert cell.cancelled()
    assert await asyncio.to_thread(ended, found.run) == "stopped"


def test_the_report_is_of_all_rows_whoever_read_them() -> None:
    """Rows read before the report count as much as those after."""
    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        found = dspex.evaluate(dspex.Predict(Sort), words(50), KIND)
        seen = [next(found) for _ in range(7)]
        report = found.report()
    assert len(seen) == 7
    assert (report.n, report.mean, len(report.results)) == (50, 0.5, 50)
    assert found.report() == report
    assert list(found) == []


async def test_rows_are_read_with_async_for_on_any_loop() -> None:
    """The reader's loop is not ours, and waits for nothing of ours."""
    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        found = dspex.evaluate(dspex.Predict(Sort), words(40), KIND, num_threads=3)
        seen = {row.index async for row in found}
        report = await found.areport()
    assert seen == set(range(40))
    assert report.n == 40


async def test_data_may_be_an_async_iterable() -> None:
    """It is read one by one as there is room."""

    async def source() -> AsyncIterator[dspex.Example]:
        for row in words(12):
            await asyncio.sleep(0)
            yield row

    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        report = await dspex.evaluate(dspex.Predict(Sort), source(), KIND).areport()
    assert report.n == 12


def test_a_source_may_ask_models_itself() -> None:
    """It is read in a worker thread, where a program may be called."""
    lm, transport = an_lm(lambda _: said("tool"))
    program = dspex.Predict(Sort)

    def made() -> Iterator[dspex.Example]:
        for row in words(5):
            yield row.copy(kind=program(word=row.word + "!").kind)

    with dspex.context(lm=lm):
        report = dspex.evaluate(program, made(), KIND).report()
    assert (report.mean, len(transport.requests)) == (1.0, 10)


def test_rows_keep_the_settings_of_their_making() -> None:
    """Whatever is set when they are read."""
    lm, transport = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        found = dspex.evaluate(dspex.Predict(Sort), rows(), KIND)
    assert len(list(found)) == 8
    assert len(transport.requests) == 8


def test_a_paused_evaluation_gives_no_more_rows_until_it_goes_on() -> None:
    """The rows of a run stop and go on with it."""
    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        found = dspex.evaluate(dspex.Predict(Sort), words(30), KIND, num_threads=1)
        next(found)
        run = found.run
        assert run is not None
        run.pause()
        assert [
            event for event in run.events if isinstance(event, RunPaused)
        ]  # reading them waits for the disk
        assert run.status == "paused"
        run.resume()
        assert len(list(found)) == 29
    assert ended(run) == "finished"


def test_a_stopped_evaluation_ends_the_loop_and_reports_its_part() -> None:
    """Stopping is no error to whoever reads."""
    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        found = dspex.evaluate(dspex.Predict(Sort), words(1000), KIND, num_threads=2)
        count = 0
        for _ in found:
            count += 1
            if count == 5:
                found.run.stop()  # type: ignore[union-attr]
    assert 5 <= count <= 12
    assert found.report().n == count
    assert ended(found.run) == "stopped"  # type: ignore[arg-type]


def test_what_makes_the_evaluation_fail_is_raised_after_its_rows() -> None:
    """The reader has what was done, then the error, once."""

    def answer(request: object) -> object:
        return said("tool") if len(transport.requests) <= 3 else LMAuthError("No key.")

    lm, transport = an_lm(answer)  # type: ignore[arg-type]
    with dspex.context(lm=lm):
        reading = dspex.evaluate(dspex.Predict(Sort), words(100), KIND, num_threads=1)
    seen = []
    with pytest.raises(LMAuthError, match="No key"):
        seen.extend(row.index for row in reading)
    assert seen == [0, 1, 2]
    assert list(reading) == []
    assert reading.run.status == "failed"  # type: ignore[union-attr]


def test_inside_of_a_run_it_is_a_part_of_that_run() -> None:
    """No run is made within a run; its events are the outer one's."""
    lm, _ = an_lm(lambda _: said("tool"))
    inner: list[object] = []

    def metric(example: dspex.Example, prediction: dspex.Prediction) -> float:
        found = dspex.evaluate(dspex.Predict(Sort), rows()[:2], KIND)
        inner.append((found.report().n, found.run))
        return 1.0

    with dspex.context(lm=lm):
        before = len(dspex.runs.list())
        assert dspex.evaluate(dspex.Predict(Sort), rows()[:1], metric).report().mean == 1.0
    assert inner == [(2, None)]
    assert len(dspex.runs.list()) == before + 1


def test_a_part_of_a_run_that_nobody_reads_ends() -> None:
    """Leaving the loop early within a run leaves nothing behind that waits."""
    lm, transport = an_lm(lambda _: said("tool"))

    def metric(example: dspex.Example, prediction: dspex.Prediction) -> float:
        for row in dspex.evaluate(dspex.Predict(Sort), words(1000), KIND, num_threads=2):
            assert row.error == ""
            break
        return 1.0

    with dspex.context(lm=lm):
        report = dspex.evaluate(dspex.Predict(Sort), rows()[:1], metric).report()
    assert report.mean == 1.0
    gc.collect()
    assert not [task for task in _tasks() if "Exam.here" in task]
    assert len(transport.requests) < 20


def _tasks() -> list[str]:
    from dspex import _host

    async def names() -> list[str]:
        await asyncio.sleep(0.01)
        return [repr(task) for task in asyncio.all_tasks()]

    return _host.portal.run(names())


async def _breaking() -> AsyncIterator[dspex.Example]:
    """Give one example, and break."""
    yield dspex.Example(word="x", kind="tool").with_inputs("word")
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (iter(()), "`data` is empty: it gave no example."),
        (iter([dspex.Example(word="x").with_inputs("word"), 3]), "`data[1]` is a int, not an Example"),
        (iter([dspex.Example(word="x")]), "`data[0]` does not say which of its fields (word) are inputs"),
        (
            iter([dspex.Example(word="x").with_inputs("word"), dspex.Example(w="x").with_inputs("w")]),
            "`data[1]` lacks the input `word` of `Sort`; its inputs are: w.",
        ),
        ((1 // 0 for _ in range(1)), "`data` failed at example 0: ZeroDivisionError"),
        (_breaking(), "`data` failed at example 1: ZeroDivisionError"),
    ],
)
def test_what_is_wrong_with_lazy_data_is_said_with_its_place(data: Iterator[object], text: str) -> None:
    """The first wrong example ends the evaluation, in one line."""
    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm), pytest.raises(DataError) as caught:
        dspex.evaluate(dspex.Predict(Sort), data, KIND).report()  # type: ignore[arg-type]
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"data": []}, DataError, "`data` is empty"),
        ({"data": 3}, DataError, "`data` takes a list of examples, not a int."),
        ({"data": None}, DataError, "`data` takes a list of examples, not nothing."),
        ({"metric": None}, SettingsError, "A metric is needed"),
        ({"program": 3}, ProgramError, "`program` takes a dspex program"),
        ({"n": 0}, SettingsError, "`n` takes a whole number of at least 1, not `0`."),
        ({"num_threads": 0}, SettingsError, "`num_threads` takes a whole number of at least 1, not `0`."),
        ({"retries": -1}, SettingsError, "`retries` takes a whole number of at least 0, not `-1`."),
        ({"max_errors": 0.5}, SettingsError, "`max_errors` takes a whole number of at least 0, not `0.5`."),
        ({"timeout": 0}, SettingsError, "`timeout` takes seconds for one example, above 0, not `0`."),
        (
            {"failure_score": float("nan")},
            SettingsError,
            "`failure_score` takes the number that a failed example counts as, not `nan`.",
        ),
    ],
)
def test_wrong_input_is_refused_where_it_is_written(change, error, text) -> None:
    """Before a row is asked for."""
    given = {"program": dspex.Predict(Sort), "data": rows(), "metric": KIND, **change}
    with dspex.context(lm=an_lm()[0]), pytest.raises(error) as caught:
        dspex.evaluate(**given)
    assert str(caught.value).startswith(text)


def test_reading_on_the_loop_of_dspex_says_what_to_write() -> None:
    """A sync loop there would wait for itself."""

    async def metric(example: dspex.Example, prediction: dspex.Prediction) -> float:
        return float(len(list(dspex.evaluate(dspex.Predict(Sort), rows()[:1], KIND))))

    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm), pytest.raises(ProgramError, match="write `await` with its async form"):
        dspex.evaluate(dspex.Predict(Sort), rows()[:1], metric).report()


def test_a_budget_too_small_for_one_call_is_an_error_not_an_empty_loop() -> None:
    """No rows and no word would look like no data."""
    lm, transport = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm), pytest.raises(RunFailedError, match="budget"):
        list(dspex.evaluate(dspex.Predict(Sort), rows(), KIND, budget=1e-9))
    assert not transport.requests


def test_long_lazy_data_keeps_no_rows_and_the_journal_has_their_scores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Memory is bounded; what is on disk is read again where it is asked for."""
    monkeypatch.setattr(exam, "KEPT", 20)
    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        long = dspex.evaluate(dspex.Predict(Sort), words(50), KIND).report()
        short = dspex.evaluate(dspex.Predict(Sort), words(20), KIND).report()
    assert "results" not in long
    with pytest.raises(DataError, match="keeps no rows"):
        _ = long.rows
    assert len(short.results) == len(short.rows) == 20
    assert (long.n, long.mean) == (50, 0.5)
    records = list(long.records())
    assert len(records) == 50
    assert {record["exact(kind)"] for record in records} == {0.0, 1.0}
    compared = short.compare(long)
    assert (compared.n, compared.difference, compared.unpaired) == (20, 0.0, 30)
    assert len(json.loads(long.save(tmp_path / "long.json").read_text(encoding="utf-8"))) == 50


def test_rows_are_written_as_they_come(tmp_path: Path) -> None:
    """One line of JSON a row, and the report at the end."""
    lm, _ = an_lm(lambda _: said("tool"))
    path = tmp_path / "rows.jsonl"
    with dspex.context(lm=lm):
        report = dspex.evaluate(dspex.Predict(Sort), words(9), KIND).save(path)
        with pytest.raises(DataError, match="cannot be written"):
            dspex.evaluate(dspex.Predict(Sort), words(9), KIND).save(tmp_path / "nowhere" / "rows.jsonl")
        with pytest.raises(DataError, match=r"end it with `\.jsonl`"):
            dspex.evaluate(dspex.Predict(Sort), words(9), KIND).save(tmp_path / "rows.csv")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert report.n == len(lines) == 9
    assert {line["word"] for line in lines} == {f"w{number}" for number in range(9)}


def test_the_run_tells_each_row_once_with_how_long_it_took() -> None:
    """The journal has every scored example of an iterator's run."""
    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        found = dspex.evaluate(dspex.Predict(Sort), words(30), KIND)
        seen = list(found)
    events = found.run.events  # type: ignore[union-attr]
    scored = [event for event in events if isinstance(event, ExampleScored)]
    assert sorted(event.example for event in scored) == sorted(row.example.digest for row in seen)
    assert all(event.seconds > 0 for event in scored)
    assert sum(isinstance(event, LMEnd) for event in events) == 30
