"""Data sets: from anywhere to rows that know their inputs, cut by seed, with every error in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.data.dataset import Dataset, from_csv, from_frame, from_jsonl, from_records, load
from dspex.data.example import Example
from dspex.errors import DataError

ROWS = [{"q": "1 + 1", "a": "2"}, {"q": "2 + 2", "a": "4"}]


def numbers(count: int) -> Dataset:
    return from_records([{"q": n} for n in range(count)], inputs=["q"])


def refused(words: str) -> Any:
    """Expect a DataError of one line that holds the words."""
    return pytest.raises(DataError, match=rf"\A[^\n]*{words}[^\n]*\Z")


def test_the_bundled_tickets_are_all_there() -> None:
    """In three parts that share no ticket, each row with its input and both labels."""
    train, val, test = load("tickets")
    assert (len(train), len(val), len(test)) == (120, 100, 200)
    rows = [*train, *val, *test]
    assert len({row.ticket for row in rows}) == 420
    assert {row.input_keys for row in rows} == {frozenset({"ticket"})}
    assert {tuple(row.labels().keys()) for row in rows} == {("team", "urgency")}
    assert 4 <= len({row.team for row in rows}) <= 6


def test_an_unknown_bundled_set_is_told_with_the_nearest() -> None:
    """And with how to bring one's own."""
    with refused(r"no bundled data set `ticket`\. Did you mean `tickets`\?"):
        load("ticket")


def test_all_ways_lead_to_the_same_rows(tmp_path: Path) -> None:
    """Plain rows, a DataFrame, CSV and JSONL give equal data sets."""
    (tmp_path / "rows.csv").write_text("\ufeffq,a\n1 + 1,2\n2 + 2,4\n", encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text('{"q": "1 + 1", "a": "2"}\n\n{"q": "2 + 2", "a": "4"}\n')
    made = [
        from_records(ROWS, inputs=["q"]),
        from_records(iter(ROWS), inputs="q"),
        from_frame(pd.DataFrame(ROWS), inputs=["q"]),
        from_csv(tmp_path / "rows.csv", inputs=["q"]),
        from_jsonl(str(tmp_path / "rows.jsonl"), inputs=["q"]),
    ]
    for rows in made:
        assert rows == made[0]
        assert [row.input_keys for row in rows] == [{"q"}, {"q"}]
        assert repr(rows) == "Dataset(2 examples: q -> a)"
    assert made[0].to_frame().equals(pd.DataFrame(ROWS))


def test_a_frames_values_become_plain() -> None:
    """Missing ones are None and numbers are Python's, so that a row has a name."""
    frame = pd.DataFrame({"n": [1, 2], "x": [0.5, np.nan], "t": ["a", None], 7: [True, False]})
    rows = from_frame(frame, inputs=["n"])
    assert [row.toDict() for row in rows] == [
        {"n": 1, "x": 0.5, "t": "a", "7": True},
        {"n": 2, "x": None, "t": None, "7": False},
    ]
    assert type(rows[0].n) is int
    assert rows[1].digest


def test_a_quoted_cell_may_span_lines(tmp_path: Path) -> None:
    """CSV as spreadsheets write it."""
    (tmp_path / "rows.csv").write_bytes(b'q,a\r\n"two\r\nlines, one cell",x\r\n')
    assert from_csv(tmp_path / "rows.csv", inputs=["q"])[0].q == "two\r\nlines, one cell"


BAD_FILES: list[tuple[str, bytes, str]] = [
    ("csv", b"", "no header"),
    ("csv", b"q,a\n1,2,3\n", "line 2 has more values than the header has names"),
    ("csv", b"a,b\n1,2\n", r"has no field `q`\. It has: a, b"),
    ("csv", "q,a\nM\xfcller,x\n".encode("latin-1"), "not UTF-8"),
    ("csv", b"q,a\n" + b"x" * 200_000 + b",1\n", "cannot be read as CSV"),
    ("jsonl", b'{"q": 1}\n{"q": \n', "line 2 is no JSON"),
    ("jsonl", b'{"q": 1}\n[1]\n', "line 2 is a list; each line is one JSON object"),
    ("jsonl", '{"q": "M\xfcller"}\n'.encode("latin-1"), "not UTF-8"),
    ("jsonl", b'{"a": 1}\n', "has no field `q`"),
]


@pytest.mark.parametrize(("kind", "content", "words"), BAD_FILES)
def test_a_bad_file_is_refused_in_one_line(kind: str, content: bytes, words: str, tmp_path: Path) -> None:
    """It says what is wrong and where."""
    path = tmp_path / f"rows.{kind}"
    path.write_bytes(content)
    with refused(words):
        (from_csv if kind == "csv" else from_jsonl)(path, inputs=["q"])


@pytest.mark.parametrize("read", [from_csv, from_jsonl])
def test_a_file_that_cannot_be_opened_is_refused_in_one_line(read: Any, tmp_path: Path) -> None:
    """A missing file and a folder are named."""
    with refused(r"missing\.txt` cannot be read: No such file"):
        read(tmp_path / "missing.txt", inputs=["q"])
    with refused("cannot be read: Is a directory"):
        read(tmp_path, inputs=["q"])


@pytest.mark.parametrize(
    ("rows", "inputs", "words"),
    [
        ([{"q": 1}, {"a": 1}], ["q"], r"Row 1 has no field `q`\. It has: a"),
        ([{"question": 1}], ["questio"], r"Did you mean `question`\?"),
        (["text"], ["q"], "Row 0 is a str"),
        ({"q": 1}, ["q"], "Row 0 is a str"),
        (None, ["q"], "takes rows, not `NoneType`"),
        (7, ["q"], "takes rows, not `int`"),
    ],
)
def test_bad_rows_are_refused_in_one_line(rows: Any, inputs: list[str], words: str) -> None:
    """With the row's number and the field nearest to what was asked for."""
    with refused(words):
        from_records(rows, inputs=inputs)


@pytest.mark.parametrize("frame", [[{"q": 1}], pd.DataFrame([[1, 2]], columns=["q", "q"])])
def test_a_bad_frame_is_refused_in_one_line(frame: Any) -> None:
    """Something else, and a frame two of whose columns share a name."""
    with refused("`from_frame` takes a DataFrame|two columns are called `q`"):
        from_frame(frame, inputs=["q"])


@pytest.mark.parametrize("index", [0, -1, np.int64(1)])
def test_an_index_gives_a_row(index: Any) -> None:
    """Also one that comes from numpy."""
    assert isinstance(numbers(2)[index], Example)


def test_a_slice_is_a_data_set() -> None:
    """It keeps the rows' inputs and the table."""
    part = numbers(10)[2:4]
    assert isinstance(part, Dataset)
    assert [row.q for row in part] == [2, 3]
    assert "and 2 more" in numbers(10)._repr_html_()
    assert "&lt;b&gt;" in from_records([{"q": "<b>"}], inputs=["q"])._repr_html_()
    assert repr(numbers(0)) == "Dataset(0 examples)"
    assert numbers(0)._repr_html_()


@given(
    count=st.integers(0, 60),
    weights=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    seed=st.integers(0, 9),
)
def test_shares_of_the_whole_are_the_whole(count: int, weights: list[int], seed: int) -> None:
    """Fractions that add up to 1 lose no row and take none twice, however they round."""
    parts = numbers(count).split(*[w / sum(weights) for w in weights], seed=seed)
    assert sorted(row.q for part in parts for row in part) == list(range(count))
    assert all(abs(len(part) - count * w / sum(weights)) <= 1 for part, w in zip(parts, weights, strict=True))


def test_a_split_depends_on_the_seed_alone() -> None:
    """Counts and shares mix, and the same seed gives the same parts."""
    rows = numbers(10)
    assert [len(part) for part in rows.split(0.5, 3)] == [5, 3]
    assert rows.split(4, 6, seed=1) == rows.split(4, 6, seed=1)
    assert rows.split(4, 6, seed=1) != rows.split(4, 6, seed=2)


@pytest.mark.parametrize("sizes", [(11,), (0.5, 6), (-1,), (1.5,), (-0.5, 0.5)])
def test_parts_that_do_not_fit_are_refused(sizes: tuple[float, ...]) -> None:
    """More than there is, and less than nothing."""
    with refused("do not fit 10 examples"):
        numbers(10).split(*sizes)


def test_a_sample_is_drawn_by_seed() -> None:
    """Without replacement, all where more are asked for, and never less than none."""
    rows = numbers(10)
    assert rows.sample(4, seed=1) == rows.sample(4, seed=1)
    assert len({row.q for row in rows.sample(4)}) == 4
    assert len(rows.sample(99)) == 10
    with refused("`sample`: -1"):
        rows.sample(-1)
