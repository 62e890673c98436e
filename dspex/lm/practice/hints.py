"""What a text says about each label: the words that stand with its name.

Understands `left: harbour, port`, `Choose left when the ship turns to port`, `port goes to left and starboard to
right`, headed lists, and `not`. It reads instructions and field descriptions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from dspex.lm.practice.words import bag, stem

Hints = Mapping[str, Mapping[str, float]]
"""Stem -> label -> how much the stem speaks for the label, between -1 and 1."""

_SENTENCE = re.compile(r"\n|(?<=[.!?])\s+")
_CLAUSE = re.compile(r"[,;]|\s(?=but\b|except\b|unless\b)")
_BULLET = re.compile(r"\s*(?:[-*•]|\d+[.)])\s")
_BETWEEN = r"[\s_-]+"
_SEPARATOR = re.compile(_BETWEEN)
_UNNAMED = re.compile(
    r"(?:\bnot|\bnever|n't|\brather than|\binstead of)\s+(?:(?:the|a|an|choose|answer|use|as)\s+)*[`'\"“]*$",
    re.I,
)
_NEGATED = re.compile(r"\s*(?:and |but |or )?(?:not|never|except|unless|without|do not|don't)\b", re.I)
_LOOK_BACK = 60
_AGAINST = -0.5
"""Words of a negated clause speak against its label, less surely than others speak for it."""
_TELLING = frozenset(
    stem(word)
    for word in """answer assign belongs case categories category choose class classify concerns contains deals
    describes fall falls field follows input label means mentions message output pick question read return select
    speaks talks text topic type word words write""".split()
)
"""Words about answering; they tell nothing about a label."""


@lru_cache(maxsize=256)
def read_hints(text: str, labels: tuple[str, ...]) -> Hints:
    r"""Find the words that speak for each label.

    Example:
        >>> sorted(read_hints("left: harbour, port.\nright: starboard.", ("left", "right")))
        ['harbour', 'port', 'starboard']
    """
    found: dict[str, dict[str, float]] = {}
    for label, said, sign in _sayings(text, labels):
        for root, count in bag(said).items():
            if not _TELLING.isdisjoint(root.split(" ")):
                continue
            by_label = found.setdefault(root, {})
            by_label[label] = max(-1.0, min(1.0, by_label.get(label, 0.0) + sign * min(count, 1.0)))
    return {root: _shared_out(by_label, len(labels)) for root, by_label in found.items()}


def _shared_out(by_label: dict[str, float], labels: int) -> dict[str, float]:
    """Weaken a stem that stands with many labels; one that stands with all of them says nothing."""
    spread = sum(weight > 0 for weight in by_label.values()) - 1
    share = 1.0 - spread / (labels - 1) if spread > 0 and labels > 1 else 1.0
    return {label: weight * share for label, weight in by_label.items()}


def _sayings(text: str, labels: tuple[str, ...]) -> Iterator[tuple[str, str, float]]:
    """Yield label, words said about it, and 1 or `_AGAINST`."""
    named = _pattern(labels)
    heading = ""
    for sentence in _SENTENCE.split(text):
        bullet = _BULLET.match(sentence) is not None
        yield from _of_sentence(sentence, named, labels, heading if bullet else "")
        if not bullet:
            owners = {labels[_index(m)] for m in named.finditer(sentence)}
            heading = owners.pop() if len(owners) == 1 and sentence.rstrip().endswith(":") else ""


def _of_sentence(
    sentence: str, named: re.Pattern[str], labels: tuple[str, ...], owner: str
) -> Iterator[tuple[str, str, float]]:
    """Walk through the clauses; one without a name goes to the name before it, or to the next name.

    The first clause with a name shows which way round the sentence speaks: `harbour, port: left` or
    `left: harbour, port`.
    """
    waiting: list[str] = []
    name_comes_last = False
    for clause in _CLAUSE.split(sentence):
        every = list(named.finditer(clause))
        mentions = [
            m for m in every if not _UNNAMED.search(clause, max(0, m.start() - _LOOK_BACK), m.start())
        ]
        sign = _AGAINST if _NEGATED.match(clause) else 1.0
        if not every:
            if owner and not name_comes_last:
                yield owner, clause, sign
            else:
                waiting.append(clause)
            continue
        if not owner:
            name_comes_last = (bool(waiting) or _tells(clause[: every[0].start()])) and not _tells(
                clause[every[-1].end() :]
            )
        if not mentions:
            if not owner:
                yield labels[_index(every[0])], _without(clause, every), _AGAINST
            continue
        if len({_index(m) for m in mentions}) == 1:
            yield labels[_index(mentions[0])], _without(clause, every), sign
        else:
            yield from _of_crowded(clause, mentions, labels)
        owner = labels[_index(mentions[-1])]
        yield from ((owner, said, 1.0) for said in waiting)
        waiting.clear()


def _tells(text: str) -> bool:
    """Tell whether a piece of a clause has words of its own, beside those about answering."""
    return any(" " not in root and root not in _TELLING for root in bag(text))


def _of_crowded(
    clause: str, mentions: list[re.Match[str]], labels: tuple[str, ...]
) -> Iterator[tuple[str, str, float]]:
    """Share out a clause that names several labels: to the name before the words, or after them."""
    starts = [m.start() for m in mentions]
    ends = [m.end() for m in mentions]
    name_comes_last = not _tells(clause[ends[-1] :]) and _tells(clause[: starts[0]])
    if name_comes_last:
        pieces = [clause[a:b] for a, b in zip([0, *ends], starts, strict=False)]
    else:
        pieces = [clause[a:b] for a, b in zip(ends, [*starts[1:], len(clause)], strict=True)]
    for mention, piece in zip(mentions, pieces, strict=True):
        yield labels[_index(mention)], piece, 1.0


def _without(clause: str, mentions: list[re.Match[str]]) -> str:
    for mention in reversed(mentions):
        clause = f"{clause[: mention.start()]} , {clause[mention.end() :]}"
    return clause


def _pattern(labels: tuple[str, ...]) -> re.Pattern[str]:
    """Match any label, the longest first; `_` and a blank are one, and a plural is the same name."""
    groups = []
    for i in sorted(range(len(labels)), key=lambda i: -len(labels[i])):
        parts = [re.escape(part) for part in _SEPARATOR.split(labels[i]) if part]
        if parts:
            groups.append(f"(?P<l{i}>{_BETWEEN.join(parts)}(?:e?s)?)")
    return re.compile(rf"(?<!\w)(?:{'|'.join(groups)})(?!\w)" if groups else r"(?!)", re.IGNORECASE)


def _index(mention: re.Match[str]) -> int:
    return int((mention.lastgroup or "l0")[1:])
