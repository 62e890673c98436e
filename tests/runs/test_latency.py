"""The histogram of waits: bounded, near enough, and the same in both languages."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.runs.latency import LONGEST, bucket_of, counted, middle_of, quantile

ROWS = json.loads((Path(__file__).parents[1] / "golden" / "latency.json").read_text())


@pytest.mark.parametrize(("seconds", "bucket", "middle"), ROWS)
def test_buckets_are_the_browsers(seconds: float, bucket: int, middle: int) -> None:
    """Both languages put a wait into the same bucket."""
    assert (bucket_of(seconds), middle_of(bucket)) == (bucket, middle)


@given(st.integers(0, LONGEST))
def test_a_bucket_stands_for_its_waits(ms: int) -> None:
    """What is read out of the histogram is off by a thirtieth at the most."""
    assert abs(middle_of(bucket_of(ms / 1000)) - ms) <= max(1.0, ms / 30)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True)))
def test_any_seconds_are_counted_once_within_bounds(waits: list[float]) -> None:
    """No wait is lost, and none makes the histogram longer than its bound."""
    counts: list[int] = []
    for seconds in waits:
        counted(counts, seconds)
    assert sum(counts) == len(waits)
    assert len(counts) <= 304


@given(st.lists(st.floats(0, 100), min_size=1), st.sampled_from([0.5, 0.95, 1.0]))
def test_quantiles_are_those_of_the_sorted_waits(waits: list[float], share: float) -> None:
    """The quantile is the bucket's middle of the very wait that a sorted list has at that place."""
    counts: list[int] = []
    for seconds in waits:
        counted(counts, seconds)
    place = max(1, math.ceil(share * len(waits)))
    assert quantile(counts, share) == middle_of(bucket_of(sorted(waits)[place - 1]))
