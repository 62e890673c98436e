"""Finds labelled examples in the inputs of a proposal prompt.

Optimizers show them in many ways: JSON rows of inputs and outputs, blocks in the chat layout, `field: value`
lines, headed sections, with or without feedback that says what was expected. All become the same plain rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from dspex.lm.practice.layouts import Values
from dspex.lm.practice.prompt import REASONING, decode, encode

# A marker inside a prompt's input wears a backslash.
_MARK = re.compile(
    r"^[ \t]*(?:\\*\[\[ ## (\w+) ## \]\]|#{1,6}[ \t]+([A-Za-z_][\w \t]{0,40}?)[ \t]*$|([A-Za-z_][\w \t]{0,40}?):(?=\s|$))",
    re.MULTILINE,
)
_BREAK = re.compile(
    r"^[ \t]*(?:-{3,}|={3,}|(?:#+[ \t]*)?example\b.{0,12})[ \t]*$", re.MULTILINE | re.IGNORECASE
)
_EXPECTED = re.compile(
    r"(?:expected(?: answer| output| label| value)?|correct (?:answer|label|output)|should (?:have been|be))"
    r"(?:\s+(?:is|was))?\s*:?\s*([`'\"]?)(\w[\w -]{0,60}?)[`'\"]?\s*(?=[,.;!)\n]|\bbut\b|\bnot\b|\band\b|$)",
    re.IGNORECASE,
)
_LABEL_WORDS, _LABEL_LENGTH = 5, 60
_FEW_LABELS = 4
"""So many labels may each be shown but once; more must come again to count as labels."""
_INPUTS = ("inputs", "input")
_ANSWERS = ("expected", "labels", "outputs", "output")
_ASIDE = REASONING | {"feedback", "expected", "got", "score", "note", "error", "id", "index", "completed"}
"""Fields that are neither text nor label."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One example as it was shown."""

    inputs: Mapping[str, str]
    answers: Mapping[str, str]
    """Empty where the text did not tell inputs from outputs."""
    feedback: str = ""


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """Texts with the label each should get, for one output field."""

    field: str
    subject: str
    """Name of the input that holds the text."""
    pairs: tuple[tuple[str, str], ...]
    """Text and label."""


def find_labelled(values: Values) -> list[Labelled]:
    r"""Find, in any inputs, the fields that sort texts into labels.

    Example:
        >>> shown = "text: no wind today\nsail: up\n\ntext: a storm\nsail: down\n\ntext: calm\nsail: up"
        >>> find_labelled((("examples", shown),))[0].pairs[1]
        ('a storm', 'down')
    """
    rows = [row for _, value in values for row in read_rows(value)]
    names = dict.fromkeys(name for row in rows for name in _answers_of(row))
    return [one for name in names if name.lower() not in _ASIDE and (one := _labelled(name, rows))]


def read_rows(text: str) -> list[Row]:
    """Read rows out of one input, whichever way they are written."""
    value = decode(text)
    if value is None:
        lines = [decode(line) for line in text.splitlines() if line.startswith("{")]
        value = lines if lines and all(isinstance(line, dict) for line in lines) else None
    if isinstance(value, dict):
        value = [value]
    if isinstance(value, list):
        return [_of_item(item) for item in value if isinstance(item, dict)]
    return list(_of_text(text))


def _of_item(item: Mapping[str, object]) -> Row:
    inputs = next((item[key] for key in _INPUTS if isinstance(item.get(key), dict)), None)
    answers = next((item[key] for key in _ANSWERS if isinstance(item.get(key), dict)), None)
    feedback = _text(item.get("feedback", ""))
    if isinstance(inputs, dict) and isinstance(answers, dict):
        return Row(inputs=_texts(inputs), answers=_texts(answers), feedback=feedback)
    return Row(inputs=_texts(item), answers={}, feedback=feedback)


def _of_text(text: str) -> Iterator[Row]:
    """Cut a text at breaks, and wherever a field comes a second time."""
    for block in _BREAK.split(text):
        fields: dict[str, str] = {}
        marks = list(_MARK.finditer(block))
        ends = [mark.start() for mark in marks[1:]] + [len(block)]
        for mark, end in zip(marks, ends, strict=False):
            name = (mark[1] or mark[2] or mark[3]).strip()
            value = block[mark.end() : end].strip()
            if name in fields:
                yield Row(inputs=fields, answers={}, feedback=fields.get("feedback", ""))
                fields = {}
            if value:
                fields[name] = value
        if len(fields) > 1:
            feedback = next((value for name, value in fields.items() if name.lower() == "feedback"), "")
            yield Row(inputs=fields, answers={}, feedback=feedback)


def _labelled(name: str, rows: Sequence[Row]) -> Labelled | None:
    """Take a field as labels if its values are short and come again, and something else is the text."""
    shown = [row for row in rows if name in _answers_of(row) and _texts_of(row, name)]
    if not shown:
        return None
    known = {_answers_of(row)[name] for row in shown}
    lengths: Counter[str] = Counter()
    pairs = []
    for row in shown:
        texts = _texts_of(row, name)
        longest = max(texts, key=lambda one: len(texts[one]))
        lengths[longest] += len(texts[longest])
        text = "\n".join(texts.values()) if row.answers else texts[longest]
        pairs.append((text, _corrected(_answers_of(row)[name], row.feedback, known)))
    subject = lengths.most_common(1)[0][0]
    return Labelled(field=name, subject=subject, pairs=tuple(pairs)) if _are_labels(pairs) else None


def _answers_of(row: Row) -> Mapping[str, str]:
    """Where nothing tells inputs from outputs, any field may be the answer."""
    return row.answers or row.inputs


def _texts_of(row: Row, name: str) -> dict[str, str]:
    return {n: text for n, text in row.inputs.items() if n != name and n.lower() not in _ASIDE}


def _are_labels(pairs: Sequence[tuple[str, str]]) -> bool:
    labels = {label for _, label in pairs}
    short = all(len(label) <= _LABEL_LENGTH and 0 < len(label.split()) <= _LABEL_WORDS for label in labels)
    few = 1 < len(labels) <= max(_FEW_LABELS, len(pairs) // 2)
    return short and few and sum(len(text) for text, _ in pairs) > 2 * sum(len(label) for _, label in pairs)


def _corrected(label: str, feedback: str, known: set[str]) -> str:
    """Return what the feedback says was expected, in the spelling of the known labels."""
    said = _EXPECTED.search(feedback)
    if said is None:
        return label
    wanted = said[2].strip()
    otherwise = wanted if said[1] or " " not in wanted else label
    return next((one for one in sorted(known) if one.casefold() == wanted.casefold()), otherwise)


def _texts(item: Mapping[str, object]) -> dict[str, str]:
    return {key: _text(value) for key, value in item.items()}


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else encode(value)
