"""What the optimizer is for: the practice model answers unseen tickets better with the program it found."""

from __future__ import annotations

from typing import Literal

import pytest

import dspex


class Triage(dspex.Signature):
    """Sort a support ticket to the team that can resolve it."""

    ticket: str = dspex.InputField()
    team: Literal["billing", "account", "bug", "feature"] = dspex.OutputField()


@pytest.mark.timeout(90)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_quickstarts_search_gains_ten_points_on_unseen_tickets(seed: int) -> None:
    """Chosen on `val`, measured on `test`, for whatever seed."""
    train, val, test = dspex.datasets.load("tickets")
    program = dspex.ChainOfThought(Triage)
    metric = dspex.exact("team")
    with dspex.context(lm=dspex.LM("practice")):
        run = dspex.BootstrapFewShotWithRandomSearch(metric=metric).start(
            program, trainset=train, valset=val, seed=seed
        )
        best = run.result()
        before, after = (dspex.Evaluate(devset=test, metric=metric)(p).score for p in (program, best))
    assert after - before >= 10.0
