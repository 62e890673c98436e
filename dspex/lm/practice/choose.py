"""Chooses one value for a field: votes of the demonstrations, hints of the instruction, the label's own name.

The weights below are the whole character of the practice model. A hunch, a fixed random liking for each pair of
query and label, must be outweighed by evidence: with poor prompts it often is not, and that is how better
instructions and demonstrations come to score higher.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from dspex.lm.practice.chance import Chance, uniform
from dspex.lm.practice.hints import read_hints
from dspex.lm.practice.memory import remember
from dspex.lm.practice.prompt import Field, Prompt, Shot
from dspex.lm.practice.words import bag, name_words, stem

HINT = 0.45
"""The most that an instruction can say for a label; votes of demonstrations lie between 0 and about 1."""
NAME = 0.12
"""The most that a label's own name can say for it."""
HUNCH = 0.18
"""The most that a hunch can say for a label."""
CALM = 4.0
"""So many demonstrations halve the hunch: who has seen more guesses less."""


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The value chosen, and why."""

    value: str
    told: tuple[str, ...] = ()
    """Stems of the query that the instruction ties to the value."""
    shown: tuple[str, ...] = ()
    """Stems of the query that the nearest demonstration of this value shares."""
    nearness: float = 0.0
    """Cosine of that demonstration, 0 where there is none."""


def choose_label(field: Field, prompt: Prompt, chance: Chance) -> Chosen:
    """Choose one of the field's labels."""
    query = bag(prompt.text)
    near = remember(prompt.shots).nearness(query)
    votes, nearest = _votes(field, prompt.shots, near)
    hinted = _hinted(query, read_hints(f"{field.description}\n{prompt.task.instruction}", field.labels))
    hunch = HUNCH / (1.0 + len(prompt.shots) / CALM)

    def score(label: str) -> float:
        return (
            votes.get(label, 0.0)
            + HINT * _saturate(sum(weight for _, weight in hinted.get(label, ())))
            + NAME * _named(query, label)
            + hunch * uniform(prompt.text, field.name, label)
            + chance.jitter(prompt.text, field.name, label)
        )

    best = max(field.labels, key=score)
    return _explained(best, prompt, near, nearest.get(best), hinted.get(best, ()))


def choose_value(field: Field, prompt: Prompt, chance: Chance) -> Chosen | None:
    """Choose among the values that the demonstrations gave this field; None where there are none."""
    near = remember(prompt.shots).nearness(bag(prompt.text))
    votes, nearest = _votes(field, prompt.shots, near)
    if not votes:
        return None
    best = max(votes, key=lambda value: votes[value] + chance.jitter(prompt.text, field.name, value))
    return _explained(best, prompt, near, nearest[best], ())


def _votes(
    field: Field, shots: Sequence[Shot], near: Sequence[float]
) -> tuple[dict[str, float], dict[str, int]]:
    """Sum up each value's demonstrations; the root keeps a value shown often from winning by number alone."""
    voters: dict[str, list[int]] = {}
    for index, shot in enumerate(shots):
        value = next(
            (_spelt(value, field.labels) for name, value in shot.answers if name == field.name), None
        )
        if value is not None:
            voters.setdefault(value, []).append(index)
    votes: dict[str, float] = {}
    for value, indexes in voters.items():
        cosines = [near[i] for i in indexes]
        votes[value] = sum(cosines) / math.sqrt(len(cosines))
    return votes, {value: max(indexes, key=lambda i: near[i]) for value, indexes in voters.items()}


def _spelt(value: str, labels: tuple[str, ...]) -> str | None:
    """Return the label that a demonstration means; any value will do where there are no labels."""
    if not labels or value in labels:
        return value
    bare = value.strip("`'\" \n").casefold()
    return next((label for label in labels if label.casefold() == bare), None)


def _hinted(
    query: Mapping[str, float], hints: Mapping[str, Mapping[str, float]]
) -> dict[str, list[tuple[str, float]]]:
    """Collect, by label, the stems of the query that the instruction speaks of."""
    found: dict[str, list[tuple[str, float]]] = {}
    for root in query:
        for label, weight in hints.get(root, {}).items():
            found.setdefault(label, []).append((root, weight))
    return found


def _named(query: Mapping[str, float], label: str) -> float:
    """Return the share of the label's own words that the query holds."""
    parts = name_words(label)
    return sum(stem(part) in query for part in parts) / len(parts) if parts else 0.0


def _saturate(evidence: float) -> float:
    """Let the first word count most; evidence against stays as it is, down to -1."""
    return evidence / (1.0 + evidence) if evidence > 0 else max(-1.0, evidence)


def _explained(
    value: str,
    prompt: Prompt,
    near: Sequence[float],
    nearest: int | None,
    hinted: Sequence[tuple[str, float]],
) -> Chosen:
    told = tuple(root for root, weight in hinted if weight > 0 and " " not in root)
    if nearest is None or not near[nearest]:
        return Chosen(value=value, told=told)
    shown = remember(prompt.shots).shared(bag(prompt.text), nearest)
    return Chosen(value=value, told=told, shown=tuple(shown), nearness=near[nearest])
