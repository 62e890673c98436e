"""The practice model learns real tasks: better prompts score higher on texts it was not shown.

The bounds are wide; they hold the effect, not the numbers.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import pytest

import dspex
from tests.lm.asking import answer

BANKING77 = Path(__file__).resolve().parents[3] / "shared" / "data" / "banking77"
Rows = Sequence[tuple[str, str]]


class Propose(dspex.Signature):
    """Propose a better instruction."""

    current_instruction: str = dspex.InputField()
    examples: list[dict[str, dict[str, str]]] = dspex.InputField()
    proposed_instruction: str = dspex.OutputField()


def sorting(labels: Sequence[str], instruction: str = "Name the kind of the text.") -> type[dspex.Signature]:
    class Sort(dspex.Signature):
        text: str = dspex.InputField()
        reasoning: str = dspex.OutputField()
        kind: Literal[tuple(labels)] = dspex.OutputField()  # type: ignore[valid-type]

    return Sort.with_instructions(instruction)


def percent(signature: type[dspex.Signature], demos: Sequence[Any], rows: Rows) -> float:
    return 100 * sum(answer(signature, demos, text=text)["kind"] == kind for text, kind in rows) / len(rows)


def bootstrapped(signature: type[dspex.Signature], rows: Rows, count: int) -> Iterator[dict[str, Any]]:
    """Yield demonstrations that the model answered rightly itself, with its reasoning."""
    for text, kind in rows:
        got = answer(signature, [], text=text)
        if got["kind"] == kind:
            yield {"text": text, **got}
            count -= 1
            if not count:
                return


def proposed(rows: Rows) -> str:
    shown = [{"inputs": {"text": text}, "outputs": {"kind": kind}} for text, kind in rows]
    got = answer(Propose, [], current_instruction="Name the kind of the text.", examples=shown)
    return str(got["proposed_instruction"])


def labelled(rows: Rows) -> list[dict[str, str]]:
    return [{"text": text, "kind": kind} for text, kind in rows]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.skipif(not BANKING77.is_dir(), reason="the banking77 data is not beside the checkout")
def test_banking77_improves_with_demonstrations_and_instructions() -> None:
    """On any 5 of 77 intents: a weak start, well above it with demonstrations, and with a written instruction."""
    with (BANKING77 / "train.csv").open(encoding="utf-8") as train, (BANKING77 / "test.csv").open() as test:
        known, unseen = ([(row["text"], row["category"]) for row in csv.DictReader(f)] for f in (train, test))
    scores: dict[str, list[float]] = {"none": [], "eight": [], "sixteen": [], "bootstrapped": [], "told": []}
    for seed in range(3):
        chance = random.Random(seed)
        labels = chance.sample(sorted({kind for _, kind in known}), 5)
        shown = [row for row in known if row[1] in labels]
        asked = [row for row in unseen if row[1] in labels][:120]
        chance.shuffle(shown)
        signature = sorting(labels)
        demos = list(bootstrapped(signature, shown[:120], 16))
        scores["none"].append(percent(signature, [], asked))
        scores["eight"].append(percent(signature, labelled(shown[:8]), asked))
        scores["sixteen"].append(percent(signature, labelled(shown[:16]), asked))
        scores["bootstrapped"].append(percent(signature, demos, asked))
        scores["told"].append(percent(sorting(labels, proposed(shown[:40])), [], asked))
    start = mean(scores["none"])
    assert 25 < start < 60
    assert mean(scores["eight"]) > start + 10
    assert start + 20 < mean(scores["sixteen"]) < 99
    assert mean(scores["bootstrapped"]) > start + 20
    assert mean(scores["told"]) > start + 15


def test_tickets_improve_with_demonstrations_and_depend_on_which() -> None:
    """On the bundled tickets, random demonstrations help by ten points, and some sets help more than others."""
    lines = (files("dspex.data.bundled") / "tickets.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    train, test = (
        [(row["ticket"], row["team"]) for row in rows if row["split"] == split] for split in ("train", "test")
    )
    signature = sorting(sorted({kind for _, kind in train}))
    start = percent(signature, [], test)
    sets = [labelled(random.Random(seed).sample(train, 16)) for seed in range(5)]
    scores = [percent(signature, demos, test) for demos in sets]
    assert mean(scores) > start + 10
    assert max(scores) > min(scores) + 3
