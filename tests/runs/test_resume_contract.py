"""Killed at any moment, every optimizer and every evaluation goes on as if nothing had been."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from dspex._canon import digest
from dspex.lm.messages import Message
from dspex.testing.contracts import Outcome, check_same, points, run_through

COMMON = """
import os
import dspex

lm = dspex.LM("openai/test", api_base=os.environ["DSPEX_TEST_SERVER"], cache=False, price=(1.0, 2.0))
dspex.configure(lm=lm, num_threads=4)
train, val, test = dspex.datasets.load("tickets")
train, val = train[:16], val[:12]
program = dspex.Predict("ticket -> team")

def right(example, prediction, trace=None):
    return example.team == prediction.team

"""
WORKS = {
    "Evaluate": '''
def begin():
    return dspex.Evaluate(devset=val, metric=right).start(program)
''',
    "LabeledFewShot": '''
def begin():
    return dspex.LabeledFewShot(k=4, metric=right).start(program, trainset=train, valset=val)
''',
    "BootstrapFewShot": '''
optimizer = dspex.BootstrapFewShot(metric=right, max_bootstrapped_demos=3, max_labeled_demos=5, max_rounds=2)
def begin():
    return optimizer.start(program, trainset=train, valset=val, seed=3)
''',
    "BootstrapFewShotWithRandomSearch": '''
optimizer = dspex.BootstrapFewShotWithRandomSearch(metric=right, num_candidate_programs=2, max_labeled_demos=4)
def begin():
    return optimizer.start(program, trainset=train[:8], valset=val, budget=5.0)
''',
    "KNNFewShot": '''
def length(texts):
    return [[len(text), 1.0] for text in texts]
optimizer = dspex.KNNFewShot(3, train, length, metric=right, max_bootstrapped_demos=2)
def begin():
    return optimizer.start(program, valset=val)
''',
}  # fmt: skip
TEAMS = ("billing", "bug", "account", "sales")


def answer(messages: Sequence[Message]) -> str:
    """Answer by a hash of all that was said: always the same, and another one where a demonstration differs."""
    team = TEAMS[int(digest([message.text for message in messages])[:8], 16) % len(TEAMS)]
    return f"[[ ## team ## ]]\n{team}\n\n[[ ## completed ## ]]"


@cache
def plain(name: str) -> Outcome:
    return run_through(COMMON + WORKS[name], Path(mkdtemp()), answer)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", WORKS)
def test_killed_five_times_it_finds_what_it_would_have_found(name: str, tmp_path: Path) -> None:
    """Same winner, same candidates, same scores, every event once, and nothing that is on the disk is paid for again."""
    whole = plain(name)
    assert whole.told["status"] == "finished"
    kills = points(whole.asked.total(), seed=len(name))
    cut = run_through(COMMON + WORKS[name], tmp_path, answer, kills, latency=0.005)
    assert cut.lives > 1
    check_same(whole, cut)
