"""Short answers taken out of the inputs, for fields that no demonstration and no label set answers."""

from __future__ import annotations

import math
import re

from dspex.lm.practice.layouts import Values
from dspex.lm.practice.words import READ, bag

LONGEST = 200
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def sentence_of(values: Values) -> str:
    """Return the sentence of the longer inputs that says most about the shortest one.

    With one input there is nothing to compare, so its first sentence has to do.

    Example:
        >>> sentence_of((("context", "Oslo is cold. Rome is warm."), ("question", "Which town is warm?")))
        'Rome is warm.'
    """
    texts = [value for _, value in values if value]
    if not texts:
        return ""
    asked = min(texts, key=len)
    wanted = bag(asked)
    told = [text for text in texts if text is not asked] or [asked]
    sentences = [part.strip() for text in told for part in _SENTENCE.split(text[:READ]) if part.strip()]

    def worth(sentence: str) -> float:
        return sum(root in wanted for root in bag(sentence)) / (3 + math.sqrt(len(sentence)))

    return shorten(max(sentences, key=worth, default=""))


def number_in(text: str) -> float:
    """Return the last number of a text, 0 where there is none."""
    found = _NUMBER.findall(text)
    return float(found[-1].replace(",", "")) if found else 0.0


def is_number(text: str, *, whole: bool) -> bool:
    """Tell whether a demonstration's value can be repeated as a number."""
    return re.fullmatch(r"-?\d+" if whole else r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", text.strip()) is not None


def shorten(text: str) -> str:
    """Cut a text at a word, with `...` where something is left out."""
    flat = " ".join(text.split())
    if len(flat) <= LONGEST:
        return flat
    return flat[:LONGEST].rpartition(" ")[0] + "..." if " " in flat[:LONGEST] else flat[:LONGEST] + "..."
