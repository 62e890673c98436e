"""What the demonstrations bring to mind: how near each is to a query, and through which words.

Weights come from the demonstrations alone: a stem that few of them share weighs more (TF-IDF, cosine). The
built memory is kept per set of demonstrations, so that a call only looks up the words of its query.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from dspex.lm.practice.prompt import REASONING, Shot
from dspex.lm.practice.words import bag

_STRESS = 0.5
"""How much more a word of the inputs counts that the demonstration's reasoning names."""


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Demonstrations, indexed by stem."""

    shots: tuple[Shot, ...]
    rarity: Mapping[str, float]
    postings: Mapping[str, tuple[tuple[int, float], ...]]
    unseen: float
    """Rarity of a stem that no demonstration holds."""

    def nearness(self, query: Mapping[str, float]) -> list[float]:
        """Return the cosine of each demonstration with a query, between 0 and 1."""
        near = [0.0] * len(self.shots)
        length = 0.0
        for root, count in query.items():
            weight = math.sqrt(count) * self.rarity.get(root, self.unseen)
            length += weight * weight
            for index, held in self.postings.get(root, ()):
                near[index] += weight * held
        scale = 1.0 / math.sqrt(length) if length else 0.0
        return [value * scale for value in near]

    def shared(self, query: Mapping[str, float], index: int) -> list[str]:
        """Return the stems that tie a demonstration to a query, the weightiest first."""
        ties = [
            (weight * self.rarity[root], root)
            for root in query
            for held_by, weight in self.postings.get(root, ())
            if held_by == index and " " not in root
        ]
        return [root for _, root in sorted(ties, key=lambda tie: (-tie[0], tie[1]))]


@lru_cache(maxsize=64)
def remember(shots: tuple[Shot, ...]) -> Memory:
    """Index demonstrations."""
    bags = [_bag_of(shot) for shot in shots]
    holders = Counter(root for one in bags for root in one)
    total = len(shots) + 2
    rarity = {root: math.log(total / (count + 1)) for root, count in holders.items()}
    postings: dict[str, list[tuple[int, float]]] = {}
    for index, one in enumerate(bags):
        weights = {root: math.sqrt(count) * rarity[root] for root, count in one.items()}
        length = math.sqrt(sum(w * w for w in weights.values())) or 1.0
        for root, weight in weights.items():
            postings.setdefault(root, []).append((index, weight / length))
    frozen = {root: tuple(held) for root, held in postings.items()}
    return Memory(shots=shots, rarity=rarity, postings=frozen, unseen=math.log(total))


def _bag_of(shot: Shot) -> Mapping[str, float]:
    """Weigh the inputs; words that only the reasoning holds would dilute them."""
    told = [value for name, value in shot.answers if name in REASONING]
    if not told:
        return bag(shot.text)
    named = bag("\n".join(told))
    return {root: count + _STRESS * (root in named) for root, count in bag(shot.text).items()}
