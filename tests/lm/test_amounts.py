"""Laws of sizes and ages in words: what is shown can be read again, and what cannot be read is named."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.errors import SettingsError
from dspex.lm.amounts import read_bytes, read_seconds, show_bytes


@given(st.integers(0, 10**16))
def test_a_size_shown_is_read_as_about_itself(size: int):
    """Two digits at least are kept."""
    assert math.isclose(read_bytes(show_bytes(size)), size, rel_tol=0.051)


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused_in_one_line(text: str):
    """Whatever is typed, the answer is a number that can be or an error of ours."""
    for read in (read_bytes, read_seconds):
        try:
            found = read(text)
        except SettingsError:
            continue
        assert 0 <= found < math.inf


@pytest.mark.parametrize(
    ("words", "size"),
    [("1GB", 10**9), ("1 gib", 2**30), ("500", 500), (" 2.5k ", 2500), (7, 7), (1e3, 1000), ("0", 0)],
)
def test_sizes(words: float | str, size: int):
    """Units of a thousand, those of 1024 under their own names, and plain bytes."""
    assert read_bytes(words) == size


@pytest.mark.parametrize(
    ("words", "age"),
    [("30d", 30 * 86_400), ("12h", 43_200), ("5m", 300), ("5", 5), (5, 5), (timedelta(days=1), 86_400)],
)
def test_ages(words: float | str | timedelta, age: float):
    """Days, hours, minutes, seconds, and Python's own."""
    assert read_seconds(words) == age


@pytest.mark.parametrize(
    "words", ["", "GB", "-1GB", "1 parsec", "1e400", -1, math.inf, math.nan, True, None, "٣d"]
)
def test_what_is_no_amount_is_refused(words: object):
    """Nothing is guessed: a wrong amount would remove answers."""
    for read in (read_bytes, read_seconds):
        with pytest.raises(SettingsError, match="cannot be read"):
            read(words)  # type: ignore[operator]


def test_a_negative_timedelta_is_refused():
    """Nothing was used in the future."""
    with pytest.raises(SettingsError, match="cannot be read"):
        read_seconds(timedelta(days=-1))
