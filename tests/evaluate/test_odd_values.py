"""Odd values of metrics, programs and options cost one example or one line, never what was paid for."""

from __future__ import annotations

import csv
import json
import sys
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import dspex
from dspex.errors import DataError, MetricError, SettingsError
from dspex.evaluate.course import Course
from dspex.evaluate.score import as_score
from dspex.evaluate.statistics import interval
from dspex.evaluate.table import table_of
from dspex.settings import current_settings, fixed
from tests.programs import an_lm, rows

HALF = "half \ud83d"
LINES = "one\u2028two\x85three\x1cfour\r\nfive"


class Odd(dspex.Module):
    """A program that answers with whatever it was made with."""

    def __init__(self, **said: Any) -> None:
        self.said = said

    async def aforward(self, word: str) -> dspex.Prediction:
        return dspex.Prediction(**self.said)


class Handle:
    """Something without a JSON form."""

    def __repr__(self) -> str:
        return "<handle 7>"


def evaluated(metric: Any = lambda example, prediction: 1.0, program: Any = None, **options: Any) -> Any:
    with dspex.context(lm=an_lm()[0]):
        return dspex.Evaluate(devset=rows(), metric=metric, **options)(program or Odd(kind="tool"))


@pytest.mark.parametrize("score", [10**400, 1e308, -1e308, float("inf")])
def test_a_score_that_no_sum_could_hold_fails_its_example(score: float) -> None:
    """The others have their mean, and the journal can be read."""
    result = evaluated(lambda example, prediction: score if example.word == "fig" else 1.0)
    assert (result.n, result.failed, result.mean) == (7, 1, 1.0)
    assert "a score is a finite number" in result.errors[6]


def test_a_value_that_raises_when_it_is_made_a_number_fails_its_example() -> None:
    """With what it said."""

    class Broken:
        def __float__(self) -> float:
            raise ZeroDivisionError("no units")

    with pytest.raises(MetricError, match="that is no number: no units"):
        as_score(Broken(), len)


def test_a_metric_that_leaves_fails_its_example() -> None:
    """One that runs a model's code meets `exit()` sooner or later."""
    result = evaluated(lambda example, prediction: sys.exit(3) if example.word == "fig" else 1.0)
    assert (result.n, result.errors) == (7, {6: "Metric `<lambda>` raised SystemExit: 3"})


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet"])
def test_whatever_a_program_answers_can_be_written(ending: str, tmp_path: Path) -> None:
    """Half characters, odd line ends, huge numbers, and things that have no JSON form."""
    deep: list[Any] = []
    deep.append(deep)
    said = {
        "half": HALF,
        "lines": LINES,
        "big": 10**30,
        "thing": Handle(),
        "parts": {"a": [Handle(), 1]},
        "deep": deep,
    }
    path = evaluated(program=Odd(**said)).save(tmp_path / f"rows.{ending}")
    match ending:
        case "csv":
            with path.open(encoding="utf-8", newline="") as file:
                first = next(csv.DictReader(file))
        case "json":
            first = json.loads(path.read_text(encoding="utf-8"))[0]
        case "jsonl":
            first = json.loads(path.read_text(encoding="utf-8").split("\n")[0])
        case _:
            first = pd.read_parquet(path).iloc[0].to_dict()
    assert (first["half"], first["lines"], first["thing"]) == ("half \\ud83d", LINES, "<handle 7>")
    parts = first["parts"]
    assert (parts if isinstance(parts, dict) else json.loads(parts)) == {"a": ["<handle 7>", 1]}
    assert int(float(first["big"])) == pytest.approx(10**30)


def test_half_a_character_can_be_looked_at() -> None:
    """As a frame and as the table of `display_table`."""
    result = evaluated(program=Odd(half=HALF))
    assert result.to_frame()["half"][0] == "half \\ud83d"
    assert "half \\ud83d" in repr(table_of(result, "score", 3))


def test_a_metric_with_a_fields_name_hides_no_answer(tmp_path: Path) -> None:
    """The field is told apart."""

    def kind(example: dspex.Example, prediction: dspex.Prediction) -> float:
        return 0.5

    path = tmp_path / "rows.csv"
    evaluated(kind, save_as_csv=str(path))
    with path.open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file))
    assert first == {"word": "apple", "example_kind": "fruit", "pred_kind": "tool", "kind": "0.5"}


@pytest.mark.parametrize("option", ["save_as_csv", "save_as_json"])
def test_a_file_that_cannot_be_is_told_before_anything_is_spent(option: str, tmp_path: Path) -> None:
    """And not when all is paid for."""
    asked: list[str] = []

    def metric(example: dspex.Example, prediction: dspex.Prediction) -> float:
        asked.append(example.word)
        return 1.0

    for place, why in ((tmp_path / "none" / "r.csv", "there is no folder"), (tmp_path, "it is a folder")):
        with pytest.raises(DataError, match=why):
            evaluated(metric, **{option: str(place)})
    assert not asked


def test_options_that_cannot_be_are_told_before_anything_is_spent() -> None:
    """Those of the call, too."""
    with dspex.context(lm=an_lm()[0]):
        judge = dspex.Evaluate(devset=rows(), metric=lambda example, prediction: 1.0)
        with pytest.raises(SettingsError, match="`num_threads` takes a whole number of at least 1"):
            judge(Odd(), num_threads=0)
        with pytest.raises(SettingsError, match="`display_table` takes True, or how many rows"):
            judge(Odd(), display_table=-1)
        with pytest.raises(SettingsError, match="`name` takes a line of text to call the run, not `5`"):
            judge.start(Odd(), name=5)  # type: ignore[arg-type]  # what people do


def test_a_run_has_a_model_to_go_on_with() -> None:
    """Nothing is no model."""
    with (
        fixed(current_settings()) as laid,
        pytest.raises(SettingsError, match="Name the model to go on with"),
    ):
        Course(laid, {}).use(None)


def test_an_interval_says_which_there_are() -> None:
    """And none is given that would not be one."""
    with pytest.raises(DataError, match=r"no interval `wilsn`\. Did you mean `wilson`"):
        interval([1, 0], "wilsn")  # type: ignore[arg-type]  # what people do
    with pytest.raises(DataError, match="scores from 0 to 1"):
        interval([5.0, 3.0], "wilson")


def test_rows_that_many_threads_read_are_made_once() -> None:
    """Each comes to one of them, and all are paid for once."""
    asked: list[str] = []

    def metric(example: dspex.Example, prediction: dspex.Prediction) -> float:
        asked.append(example.word)
        return 1.0

    with dspex.context(lm=an_lm()[0]):
        found = dspex.evaluate(Odd(kind="tool"), rows(10), metric)
    got: list[int] = []
    together = threading.Barrier(4)

    def read() -> None:
        together.wait(10)
        got.extend(row.index for row in found)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(10)
    assert sorted(got) == list(range(80))
    assert len(asked) == 80
