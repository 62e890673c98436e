"""What the demonstrations bring to mind: how near each is to a query, and through which words.

Weights come from the demonstrations alone: a stem that few of them hold weighs more (TF-IDF, cosine). What is
worked out is kept per set of demonstrations, so that a call only compares its own words.
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
    """Demonstrations, with the weight of each of their stems."""

    bags: tuple[Mapping[str, float], ...]
    lengths: tuple[float, ...]
    rarity: Mapping[str, float]
    unseen: float
    """Rarity of a stem that no demonstration holds."""

    def nearness(self, query: Mapping[str, float]) -> list[float]:
        """Return the cosine of each demonstration with a query, between 0 and 1."""
        rarity, unseen = self.rarity, self.unseen
        length = math.sqrt(sum(count * rarity.get(root, unseen) ** 2 for root, count in query.items()))
        near = []
        for held, held_length in zip(self.bags, self.lengths, strict=True):
            both = query.keys() & held.keys()
            dot = sum([math.sqrt(query[root] * held[root]) * rarity[root] ** 2 for root in sorted(both)])
            near.append(dot / (length * held_length) if dot else 0.0)
        return near

    def shared(self, query: Mapping[str, float], index: int) -> list[str]:
        """Return the stems that tie a demonstration to a query, the rarest first."""
        both = [root for root in query.keys() & self.bags[index].keys() if " " not in root]
        return sorted(both, key=lambda root: (-self.rarity[root], root))


@lru_cache(maxsize=64)
def remember(shots: tuple[Shot, ...]) -> Memory:
    """Weigh the words of demonstrations against each other."""
    bags = tuple([_bag_of(shot) for shot in shots])
    holders: Counter[str] = Counter()
    for held in bags:
        holders.update(held.keys())
    total = len(shots) + 2
    by_count = [math.log(total / (count + 1)) for count in range(len(shots) + 1)]
    rarity = {root: by_count[count] for root, count in holders.items()}
    lengths = [math.sqrt(sum([count * rarity[root] ** 2 for root, count in held.items()])) for held in bags]
    return Memory(bags=bags, lengths=tuple(lengths), rarity=rarity, unseen=math.log(total))


def _bag_of(shot: Shot) -> Mapping[str, float]:
    """Weigh the inputs; words that only the reasoning holds would dilute them."""
    told = [value for name, value in shot.answers if name in REASONING]
    if not told:
        return bag(shot.text)
    named = bag("\n".join(told))
    return {root: count + _STRESS * (root in named) for root, count in bag(shot.text).items()}
