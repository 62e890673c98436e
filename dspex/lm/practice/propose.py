"""Writes a new instruction: each label with the words that set its examples apart.

What the present instruction already says is kept; lines this file wrote before are merged with what the new
examples show. Temperature, rollout and tip vary how many words, which ones and in what sentence.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable

from dspex.lm.practice.chance import Chance, uniform
from dspex.lm.practice.examples import Labelled, find_labelled
from dspex.lm.practice.layouts import Values
from dspex.lm.practice.prompt import Prompt, decode
from dspex.lm.practice.words import FUNCTION_WORDS, stem, words

_SENTENCES = (
    "Choose {label} when the {subject} speaks of {words}.",
    "Answer {label} if the {subject} mentions {words}.",
    "{label}: {words}.",
)
_OWN_LINE = re.compile(
    r"(?:(?:Choose|Answer) (?P<a>.{1,80}?) (?:when|if) the .{1,60}? (?:speaks of|mentions) |(?P<b>[^:]{1,80}): )"
    r"(?P<words>.*)\."
)
_CLOSINGS = (
    "",
    "Decide by what is asked for, not by how it is said.",
    "Read all of the {subject} before you answer.",
    "If two answers seem to fit, take the one with more of its words.",
)
_CLOSING_STARTS = tuple(closing.partition("{")[0] for closing in _CLOSINGS if closing)
_FEW_WORDS, _USUAL_WORDS, _MANY_WORDS = 4, 8, 16
_MOST_WORDS = 24
"""Words a label may gather over several proposals; the newest always find room."""
_WANDERING = 5.0
"""How much more a sample wanders among words than among answers: log-odds are the larger numbers."""
_DROPPED = 0.2
"""Share of the examples that a sample leaves out of account."""


def propose(prompt: Prompt, chance: Chance) -> str:
    """Propose an instruction from what a proposal prompt shows."""
    present = _present(prompt.query)
    labelled = find_labelled(prompt.query)
    if not labelled:
        return _reworded(prompt.query, present, chance)
    subject = " ".join(labelled[0].subject.split("_"))
    kept, own = _taken_apart(present, {label for one in labelled for _, label in one.pairs})
    opening = kept or f"Give the {' and the '.join(one.field for one in labelled)} of the {subject}."
    sentence = chance.pick(_SENTENCES, "sentence", prompt.text)
    size = _size(prompt.query, chance)
    lines = [opening]
    for one in labelled:
        for label, chosen in distinguishing(one, chance).items():
            before = own.pop(label, [])
            new = [word for word in chosen[:size] if word not in before]
            if merged := before[: _MOST_WORDS - len(new)] + new:
                lines.append(sentence.format(label=label, subject=subject, words=", ".join(merged)))
    lines += [sentence.format(label=label, subject=subject, words=", ".join(own[label])) for label in own]
    lines.append(chance.pick(_CLOSINGS, "closing", prompt.text).format(subject=subject))
    return "\n".join(line for line in lines if line)


def distinguishing(labelled: Labelled, chance: Chance) -> dict[str, list[str]]:
    """Return, for each label, the words that speak for it, the surest first (log-odds over its error).

    Example:
        >>> pairs = (("no wind", "up"), ("light wind", "up"), ("a storm", "down"), ("big storm", "down"))
        >>> distinguishing(Labelled(field="sail", subject="text", pairs=pairs), Chance())["down"][0]
        'storm'
    """
    seen = [pair for pair in labelled.pairs if _remembered(pair[0], chance)] or list(labelled.pairs)
    surfaces: dict[str, Counter[str]] = {}
    holding: dict[str, Counter[str]] = {
        label: Counter() for _, label in sorted(set(seen), key=lambda p: p[1])
    }
    for text, label in seen:
        holding[label].update(_roots(text, surfaces))
    sizes = Counter(label for _, label in seen)
    everywhere = sum(holding.values(), Counter[str]())
    found: dict[str, list[str]] = {}
    for label, own in holding.items():
        ranked = []
        for root, count in own.items():
            odds = _log_odds(count, sizes[label], everywhere[root] - count, len(seen) - sizes[label])
            if odds > 0:
                ranked.append((odds + _WANDERING * chance.jitter(label, root), root))
        ranked.sort(key=lambda pair: (-pair[0], pair[1]))
        found[label] = [surfaces[root].most_common(1)[0][0] for _, root in ranked]
    return found


def _log_odds(count: int, size: int, others: int, rest: int) -> float:
    """Return how surely a word marks a label: log-odds ratio divided by its standard error."""
    ratio = math.log((count + 0.5) / (size - count + 0.5)) - math.log((others + 0.5) / (rest - others + 0.5))
    return ratio / math.sqrt(1 / (count + 0.5) + 1 / (others + 0.5))


def _roots(text: str, surfaces: dict[str, Counter[str]]) -> set[str]:
    """Return the stems of a text, and note how each was written."""
    roots = set()
    for word in words(text):
        if word not in FUNCTION_WORDS and len(word) > 1:
            root = stem(word)
            roots.add(root)
            surfaces.setdefault(root, Counter())[word] += 1
    return roots


def _remembered(text: str, chance: Chance) -> bool:
    return not chance.temperature or uniform(chance.key, text) >= _DROPPED


def _size(values: Values, chance: Chance) -> int:
    """Return how many words a label gets: the tip may ask for fewer or more."""
    tip = " ".join(value.lower() for name, value in values if "tip" in name)
    if re.search(r"simple|short|concise|brief", tip):
        return _FEW_WORDS
    if re.search(r"detail|descri|thorough|informative|long", tip):
        return _MANY_WORDS
    return int(chance.pick(("8", "6", "12"), "size")) if chance.temperature else _USUAL_WORDS


def _present(values: Values) -> str:
    """Return the instruction to improve: the first text input that is called so."""
    for name, value in values:
        if "instruction" in name and not isinstance(decode(value), (list, dict)):
            return value
    return ""


def _taken_apart(instruction: str, labels: set[str]) -> tuple[str, dict[str, list[str]]]:
    """Separate the lines that list words for a label from the rest, without our closing lines."""
    own: dict[str, list[str]] = {}
    kept = []
    for line in instruction.splitlines():
        listed = _OWN_LINE.fullmatch(line.strip())
        label = (listed["a"] or listed["b"]) if listed else ""
        if listed and label in labels:
            own[label] = [word.strip() for word in listed["words"].split(",") if word.strip()]
        elif line.strip() and not line.startswith(_CLOSING_STARTS):
            kept.append(line)
    return "\n".join(kept), own


def _reworded(values: Values, present: str, chance: Chance) -> str:
    """Without examples: build on the best attempt shown, else on the present instruction."""
    attempts = sorted(_attempts(values), key=lambda pair: -pair[0])
    base = attempts[0][1] if attempts else present
    kept, _ = _taken_apart(base, set())
    closing = chance.pick(_CLOSINGS[1:], "closing", base).format(subject="input")
    return f"{kept or 'Answer from the inputs.'}\n{closing}"


def _attempts(values: Values) -> Iterable[tuple[float, str]]:
    """Yield score and text of the instructions that were tried, where the prompt lists them as JSON."""
    for _, value in values:
        rows = decode(value)
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and isinstance(row.get("score"), (int, float)):
                text = next((v for k, v in row.items() if "instruction" in k and isinstance(v, str)), "")
                if text:
                    yield row["score"], text
