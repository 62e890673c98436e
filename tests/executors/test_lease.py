"""Money that leaves with an example: never more than is left, and never less than it takes to go on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.errors import BudgetExceeded
from dspex.executors.lease import Leases
from dspex.scope.budget import Budget


@given(st.lists(st.floats(0.001, 2.0), min_size=1, max_size=60), st.integers(1, 12))
async def test_leases_never_sum_above_the_cap(costs: list[float], width: int):
    """Whatever examples take of their leases, what is spent and set aside stays under the cap."""
    budget = Budget(usd=5.0)
    leases = Leases(budget, width)
    for cost in costs:
        try:
            lease = await leases.take()
        except BudgetExceeded:
            break
        assert budget.spent + budget.reserved <= 5.0
        took = min(cost, lease.caps["usd"])
        lease.settle({"usd": took, "calls": 1})
        leases.seen({"usd": took, "calls": 1})
    assert budget.spent <= 5.0


async def test_without_a_cap_nothing_is_set_aside():
    """A run that may spend what it likes sends examples without a lease."""
    lease = await Leases(Budget(), 4).take()
    assert lease.caps == {}


async def test_an_example_of_many_calls_is_counted_as_many():
    """A cap on calls counts those of workers one by one."""
    budget = Budget(calls=10)
    leases = Leases(budget, 2)
    lease = await leases.take()
    assert lease.caps == {"calls": 5.0}
    lease.settle({"calls": 3})
    assert budget.used["calls"] == 3


async def test_where_nothing_is_left_the_cap_is_said():
    """The refusal is in the words of the run's own budget."""
    budget = Budget(usd=1.0)
    budget.reserve(1.0).settle(1.0)
    with pytest.raises(BudgetExceeded, match=r"budget of \$1.00 reached: \$1.0000 spent"):
        await Leases(budget, 4).take()
