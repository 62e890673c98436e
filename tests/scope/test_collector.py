"""The law of the collector: it comes less often while much is in flight, and as before afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from dspex.scope.collector import SELDOM, calm


@pytest.fixture(autouse=True)
def _as_python_has_it() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_the_first_sets_it_and_the_last_sets_it_back():
    """Several pieces of work at once count as one."""
    with calm:
        with calm:
            assert gc.get_threshold() == (SELDOM, 10, 10)
        assert gc.get_threshold() == (SELDOM, 10, 10)
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("chosen", [(0, 10, 10), (SELDOM + 1, 5, 5)])
def test_who_has_chosen_better_is_left_alone(chosen: tuple[int, int, int]):
    """No collector at all, or one that comes even less often."""
    gc.set_threshold(*chosen)
    with calm:
        assert gc.get_threshold() == chosen
    assert gc.get_threshold() == chosen


def test_a_choice_made_meanwhile_stays():
    """The user's own word is the last."""
    with calm:
        gc.set_threshold(123, 4, 5)
    assert gc.get_threshold() == (123, 4, 5)


def test_an_error_sets_it_back_too():
    """Whatever ends the work."""
    with pytest.raises(ValueError, match="over"), calm:
        raise ValueError("over")
    assert gc.get_threshold() == (700, 10, 10)
