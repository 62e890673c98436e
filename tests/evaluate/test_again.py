"""What a run goes on with: what may be another is taken, what may not is refused, each in one line."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import dspex
from dspex.errors import ResumeError, SettingsError
from dspex.lm.messages import Request, Response
from tests.programs import Answering, Sort, learner, rows
from tests.runs.works import LIMIT

KIND = dspex.exact("kind")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home for this test alone."""
    monkeypatch.setenv("DSPEX_HOME", str(tmp_path))


class Wide(Answering):
    """A model that knows how many it was asked at once, at most."""

    def __init__(self) -> None:
        super().__init__(learner)
        self.at_once = self.peak = 0

    async def send(self, request: Request) -> Response:
        self.at_once += 1
        self.peak = max(self.peak, self.at_once)
        await asyncio.sleep(0)
        try:
            return await super().send(request)
        finally:
            self.at_once -= 1


def lm_of(model: Wide) -> dspex.LM:
    return dspex.LM("test/model", transport=model, price=(1.0, 1.0), num_retries=0)


def stopped(model: Wide) -> dspex.Run:
    """A search that came to its cap, started with no word about how many examples at once."""
    search = dspex.BootstrapFewShotWithRandomSearch(
        metric=KIND, num_candidate_programs=2, max_bootstrapped_demos=0
    )
    with dspex.context(lm=lm_of(model), num_threads=4):
        run = search.start(dspex.Predict(Sort), trainset=rows(), valset=rows(), budget={"calls": 6})
    run.wait(LIMIT)
    assert (run.status, model.peak) == ("stopped", 4)
    model.peak = 0
    return run


def test_how_many_at_once_may_be_said_when_it_was_not_at_the_start() -> None:
    """What was left to its default may be another, too."""
    model = Wide()
    run = stopped(model)
    run.resume(num_threads=1, budget=None, lm=lm_of(model), trainset=rows(), valset=rows()).result(LIMIT)
    assert model.peak == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"teacher": dspex.Predict(Sort)}, r"`teacher` is Predict\(.* and was None"),
        ({"save_as_csv": "x.csv"}, "was started with no `save_as_csv`"),
        ({"data": rows()}, "was started with no `data`"),
        ({"metric": dspex.exact("word")}, r"such as `metric=\.\.\.`\. Or start it anew"),
        ({"valset": rows()[:3]}, r"such as `valset=\.\.\.`\. Or start it anew"),
        ({"lm": "practice"}, "`lm` has changed"),
    ],
)
def test_what_is_refused_names_what_to_give(given: dict[str, Any], words: str) -> None:
    """Nothing is begun, and what there is stays."""
    model = Wide()
    run = stopped(model)
    before = len(run.events)
    with pytest.raises(ResumeError, match=words):
        run.resume(**{"lm": lm_of(model), "trainset": rows(), "valset": rows(), **given})
    assert (run.status, len(run.events)) == ("stopped", before)


@pytest.mark.parametrize("n", [0, -4, 1.5, "3", True])
def test_how_many_at_once_is_a_number(n: Any) -> None:
    """Told where the search is started, before anything is spent."""
    search = dspex.BootstrapFewShotWithRandomSearch(metric=KIND, num_threads=n)
    with (
        dspex.context(lm=dspex.LM("test/model", transport=Wide())),
        pytest.raises(SettingsError, match="`num_threads` takes a whole number of at least 1"),
    ):
        search.start(dspex.Predict(Sort), trainset=rows())
