"""How sure a mean is: running sums agree with whole lists, and intervals with what books print."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.evaluate.cells import Cell
from dspex.evaluate.statistics import Moments, bootstrap, interval, p_paired, t95, wilson
from dspex.evaluate.sums import Sums

numbers = st.floats(-1e6, 1e6)


@given(st.lists(numbers, min_size=2, max_size=200))
def test_running_moments_are_those_of_the_whole_list(scores: list[float]) -> None:
    """Mean and deviation need no list."""
    seen = Moments(scores)
    size = 1 + max(abs(score) for score in scores)
    assert seen.mean == pytest.approx(math.fsum(scores) / len(scores), rel=1e-12, abs=1e-9 * size)
    assert seen.std == pytest.approx(statistics.stdev(scores), rel=1e-6, abs=1e-6 * size)


def test_a_million_scores_add_up_exactly() -> None:
    """A tenth a million times is a hundred thousand, not a little off."""
    seen = Moments()
    for _ in range(1_000_000):
        seen.add(0.1)
    assert seen.sum == pytest.approx(100_000.0, abs=1e-9)


def test_nothing_and_one_have_no_spread() -> None:
    """And no interval that could mislead."""
    assert (Moments().mean, Moments().std, Moments().interval()) == (0.0, 0.0, (0.0, 0.0))
    assert Moments([0.4]).interval() == (0.4, 0.4)


@pytest.mark.parametrize(
    ("freedom", "printed"), [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (29, 2.045), (119, 1.980)]
)
def test_students_t_is_that_of_the_tables(freedom: int, printed: float) -> None:
    """To the third digit, as books print it."""
    assert t95(freedom) == pytest.approx(printed, abs=1e-3)


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Nineteen times of twenty, over many small samples of a skewed distribution."""
    rng = random.Random(1)
    hits = 0
    for _ in range(600):
        scores = [rng.random() ** 2 for _ in range(25)]
        low, high = interval(scores)
        hits += low <= 1 / 3 <= high
    assert 0.91 < hits / 600 < 0.98


def test_wilson_matches_its_published_example() -> None:
    """81 of 263, Newcombe 1998, table I."""
    low, high = wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_the_bootstrap_is_the_same_for_the_same_seed_and_near_students() -> None:
    """Where the sample is large enough for both."""
    rng = random.Random(2)
    scores = [rng.random() for _ in range(200)]
    low, high = bootstrap(scores, seed=3)
    assert (low, high) == bootstrap(scores, seed=3) != bootstrap(scores, seed=4)
    ours = interval(scores, "t")
    assert low == pytest.approx(ours[0], abs=0.01)
    assert high == pytest.approx(ours[1], abs=0.01)


def test_the_paired_test_is_exact_for_right_and_wrong() -> None:
    """Two-sided binomial over the examples that changed."""
    assert p_paired([1.0] * 5) == pytest.approx(2 / 2**5)
    assert p_paired([1.0, -1.0] * 50) == pytest.approx(1.0)
    assert p_paired([0.0] * 40) == 1.0
    assert p_paired([1.0] * 3000 + [-1.0] * 100) < 1e-9


def test_the_paired_test_flips_signs_for_other_scores() -> None:
    """Clear differences are clear, and chance is chance; the same for the same seed."""
    rng = random.Random(3)
    assert p_paired([0.2 + rng.gauss(0, 0.1) for _ in range(40)]) < 0.001
    noise = [rng.gauss(0, 0.1) for _ in range(40)]
    assert p_paired(noise) > 0.05
    assert p_paired(noise, seed=5) == p_paired(noise, seed=5)


@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.sampled_from([0.0, 0.25, 1.0])), st.integers(0, 2)), max_size=60
    )
)
def test_sums_count_what_a_list_of_cells_says(goes: list[tuple[float | None, int]]) -> None:
    """Whatever the order and however many fail: three goes at each example, averaged first."""
    seen: dict[tuple[int, int], float | None] = {}
    sums, place = Sums(3), {0: 0, 1: 0, 2: 0}
    for score, repeat in goes:
        index, place[repeat] = place[repeat], place[repeat] + 1
        seen[index, repeat] = score
        sums.take(
            index, Cell(example=str(index), score=score, repeat=repeat, error="" if score else "x", cost=1.0)
        )
    sums.close()
    by_example: dict[int, list[float]] = {}
    for (index, _), score in seen.items():
        if score is not None:
            by_example.setdefault(index, []).append(score)
    means = [sum(scores) / len(scores) for scores in by_example.values()]
    assert (sums.scored, sums.failed) == (sum(map(len, by_example.values())), list(seen.values()).count(None))
    assert sums.mean == pytest.approx(math.fsum(means) / len(means) if means else 0.0)
    assert sums.cost == len(goes)
