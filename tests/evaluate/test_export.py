"""Results as tables and files: every form says the same, and nothing is lost where names meet."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import dspex
from dspex.errors import DataError, LMServerError
from dspex.evaluate import progress
from dspex.evaluate.table import table_of
from dspex.runs import on_start
from tests.programs import Sort, an_lm, question, rows, said

KIND = dspex.exact("kind")


def result(**options: Any) -> dspex.EvaluationResult:
    """Evaluate a model that fails on one word."""
    lm, _ = an_lm(lambda r: LMServerError("down") if question(r) == "fig" else said("tool"))
    with dspex.context(lm=lm):
        return dspex.Evaluate(**{"devset": rows(), "metric": KIND, **options})(dspex.Predict(Sort))


def test_a_record_has_the_fields_the_score_and_how_it_went() -> None:
    """Fields that example and prediction share are told apart, as DSPy does."""
    first = next(result().records())
    assert list(first) == [
        "word", "example_kind", "pred_kind", "exact(kind)", "feedback", "error", "seconds", "cost", "repeat",
    ]  # fmt: skip
    assert (first["word"], first["example_kind"], first["pred_kind"], first["exact(kind)"]) == (
        "apple", "fruit", "tool", 0.0,
    )  # fmt: skip


def test_a_field_that_has_one_of_our_names_keeps_its_value() -> None:
    """Under a name of its own."""
    data = [dspex.Example(word="saw", kind="tool", error="none", cost=7).with_inputs("word")]
    [record] = result(devset=data).records()
    assert (record["example_error"], record["example_cost"], record["error"]) == ("none", 7, "")


def test_all_forms_hold_the_same(tmp_path: Path) -> None:
    """CSV, JSON, JSONL, Parquet and a frame, with the failed example's score empty."""
    found = result()
    frame = found.to_frame()
    assert len(frame) == 8
    assert frame["exact(kind)"].isna().sum() == 1
    plain = json.loads(found.save(tmp_path / "r.json").read_text(encoding="utf-8"))
    lines = found.save(tmp_path / "r.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == plain
    with found.save(tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["word"] for row in table] == [row["word"] for row in plain]
    assert table[6]["exact(kind)"] == ""
    parquet = pd.read_parquet(found.save(tmp_path / "r.parquet"))
    assert list(parquet.columns) == list(plain[0]) == list(frame.columns) == list(table[0])
    assert parquet["cost"].sum() == pytest.approx(frame["cost"].sum())
    assert parquet["exact(kind)"].isna().sum() == 1


def test_values_that_are_no_plain_ones_are_written_as_json(tmp_path: Path) -> None:
    """In the forms that know only plain ones."""
    data = [dspex.Example(word="saw", kind="tool", tags=["a", "b"]).with_inputs("word")]
    found = result(devset=data)
    assert pd.read_parquet(found.save(tmp_path / "r.parquet"))["tags"][0] == '["a", "b"]'
    assert json.loads(found.save(tmp_path / "r.json").read_text(encoding="utf-8"))[0]["tags"] == ["a", "b"]


@pytest.mark.parametrize("name", ["r.xlsx", "r", "nowhere/r.csv"])
def test_a_place_or_form_that_cannot_be_is_said(tmp_path: Path, name: str) -> None:
    """With the forms there are, or what the system says."""
    with pytest.raises(
        DataError, match=r"end it with one of \.csv, \.json, \.jsonl, \.parquet|cannot be written"
    ):
        result().save(tmp_path / name)


def test_dspys_files_hold_a_row_an_example(tmp_path: Path) -> None:
    """`save_as_csv` and `save_as_json`, whatever the files are called; a failure counts as `failure_score`."""
    result(save_as_csv=str(tmp_path / "a"), save_as_json=str(tmp_path / "b"))
    rows_ = json.loads((tmp_path / "b").read_text(encoding="utf-8"))
    assert [row["exact(kind)"] for row in rows_] == [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    assert len((tmp_path / "a").read_text(encoding="utf-8").splitlines()) == 9


def test_the_table_is_shown_as_the_interpreter_shows_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook draws it, a console writes it; so many rows as asked for, the rest counted."""
    shown: list[Any] = []
    monkeypatch.setattr(sys, "displayhook", shown.append)
    result(display_table=3)
    result(display_table=True)
    result()
    short, whole = shown
    assert repr(short).endswith("... 5 more rows not displayed ...")
    assert "5 more rows" in short._repr_html_()
    assert len(whole.frame) == 8
    assert "more rows" not in repr(whole)
    assert whole.frame["exact(kind)"][1] == "✔️ [1.000]"


def test_long_texts_are_cut_in_the_table() -> None:
    """After 25 words, as in DSPy."""
    data = [dspex.Example(word="saw", kind="tool", story="word " * 30).with_inputs("word")]
    table = table_of(result(devset=data), "exact(kind)", None)
    assert table.frame["story"][0] == " ".join(["word"] * 25) + "..."


def test_progress_is_told_on_stderr_where_nobody_shows_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """One line that is written over, and its end."""
    result(display_progress=True)
    told = capsys.readouterr().err
    assert told.startswith("\r")
    assert told.rstrip().endswith("Evaluation finished: 8 of 8, score 57.1, 1 failed")
    leave = on_start(lambda run: None, key="a test")
    try:
        result(display_progress=True)
    finally:
        leave()
    assert capsys.readouterr().err == ""


def test_progress_needs_no_terminal() -> None:
    """Any text file will do."""
    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        run = dspex.Evaluate(devset=rows(), metric=KIND).start(dspex.Predict(Sort))
    out = io.StringIO()
    progress.watch(run, out)
    assert out.getvalue().endswith("Evaluation finished: 8 of 8, score 50.0\n")
