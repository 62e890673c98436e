"""Text as a bag of word stems and neighbouring pairs: all the practice model ever sees of a text.

Apart because demonstrations, instructions, label names and proposals must be cut in exactly the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_+|-+")
_DIGITS = re.compile(r"\d+")
_PAIR_WEIGHT = 0.5
_SHORT = 2_000
"""Many bags of texts up to this many characters are kept, but few of longer ones: they would fill the memory."""
READ = 20_000
"""Characters of a text that are read at all: it all happens on the loop's own thread."""

FUNCTION_WORDS = frozenset(
    """a about after again all also am an and any anybody anyone anything are aren't as at be because been before
    being both but by can can't cannot could couldn't did didn't do does doesn't doing don't down each either else
    even ever every few for from further get gets getting give go goes going got had hadn't has hasn't have haven't
    having he hello her here hers hi him his how however i i'd i'll i'm i've if in into is isn't it it's its itself
    just know let let's like may maybe me might mine more most much must my myself need needs neither no nor not now
    of off oh ok okay on once one only onto or other our ours out over own per please quite rather really same say
    says see seem seems shall she should shouldn't since so some somebody someone something still such sure tell
    than thank thanks that that's the their theirs them then there there's these they they're thing things this
    those though through thus to too under until up upon us use used using very via want wants was wasn't we we're
    we've well were weren't what what's when where whether which while who whom whose why will with within without
    won't would wouldn't yes yet you you're you've your yours""".split()
)


def words(text: str) -> list[str]:
    """Cut a text into lower-case words, in order; numbers all become `0`."""
    return _WORD.findall(_DIGITS.sub("0", text.lower().replace("’", "'")))


def name_words(name: str) -> list[str]:
    """Cut an identifier or label into its words: `cardArrival`, `card_arrival` and `card arrival` are one."""
    return words(_HUMP.sub(" ", name))


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """Take the endings off a word, so that `charged`, `charges` and `charging` meet."""
    word = word.removesuffix("'s")
    if len(word) < 4:
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            if word[-1] == word[-2] and word[-1] not in "ls":
                word = word[:-1]
            break
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def bag(text: str) -> Mapping[str, float]:
    """Weigh the stems and neighbouring pairs of a text; words without content count only inside pairs."""
    return _short_bag(text) if len(text) <= _SHORT else _long_bag(text[:READ])


def _bag(text: str) -> Mapping[str, float]:
    weights: dict[str, float] = {}
    before, before_counts = "", False
    for word in words(text):
        root, counts = stem(word), word not in FUNCTION_WORDS
        if counts:
            weights[root] = weights.get(root, 0.0) + 1.0
        if before and (counts or before_counts):
            pair = f"{before} {root}"
            weights[pair] = weights.get(pair, 0.0) + _PAIR_WEIGHT
        before, before_counts = root, counts
    return weights


_short_bag = lru_cache(maxsize=1024)(_bag)
_long_bag = lru_cache(maxsize=16)(_bag)
