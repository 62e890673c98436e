"""Writes the answer in the layout: every output field in order, reasoning about what was chosen.

Reasoning is worded last, from the choice already made, but stands where the layout wants it.
"""

from __future__ import annotations

from dspex.lm.practice.chance import Chance
from dspex.lm.practice.choose import Chosen, choose_label, choose_value
from dspex.lm.practice.extract import is_number, number_in, sentence_of, shorten
from dspex.lm.practice.layouts import write
from dspex.lm.practice.prompt import REASONING, Field, Prompt, decode, encode
from dspex.lm.practice.schema import fitting, in_words, minimal, number
from dspex.lm.practice.words import stem, words

_NEAR_ENOUGH = 0.15
"""Below this cosine a demonstration is too far off to repeat its text."""
_WORDS_NAMED = 3


def write_answer(prompt: Prompt, chance: Chance) -> str:
    """Answer a prompt; one without output fields gets a short reply in plain words."""
    if not prompt.task.outputs:
        return _reply(prompt)
    reason = ""
    values: dict[str, str] = {}
    for field in prompt.task.outputs:
        if not _reasons(field):
            values[field.name], why = _answer(field, prompt, chance)
            reason = reason or why
    reason = reason or f"I keep to what the {_subject(prompt)} says."
    answers = [(f.name, values.get(f.name, reason), _is_string(f)) for f in prompt.task.outputs]
    return write(answers, prompt.task.layout)


def _answer(field: Field, prompt: Prompt, chance: Chance) -> tuple[str, str]:
    """Return the value of a field, and the reason for it."""
    if field.labels:
        choice = choose_label(field, prompt, chance)
        return choice.value, _reason(choice, prompt)
    if field.type == "text" and "instruction" in field.name:
        from dspex.lm.practice.propose import propose  # a third of the import time, and seldom needed

        return propose(prompt, chance), "The examples of each answer differ in the words they use."
    choice_or_none = choose_value(field, prompt, chance)
    if choice_or_none is not None and _repeatable(field, choice_or_none):
        return choice_or_none.value, _reason(choice_or_none, prompt)
    bounds = in_words(field.description)
    if field.type in ("integer", "number"):
        return str(number(bounds, whole=field.type == "integer", first=number_in(prompt.text))), ""
    extract = sentence_of(prompt.query) or shorten(prompt.text) or "Nothing was given."
    if field.type == "json":
        schema = decode(field.schema)
        return encode(extract if schema is None else minimal(schema, extract)), ""
    return fitting(bounds, extract), ""


def _repeatable(field: Field, choice: Chosen) -> bool:
    """Tell whether a demonstration's value may be given again."""
    if field.type in ("integer", "number"):
        return is_number(choice.value, whole=field.type == "integer")
    if field.type == "json":
        return decode(choice.value) is not None or choice.value == "null"
    return choice.nearness >= _NEAR_ENOUGH


def _reason(choice: Chosen, prompt: Prompt) -> str:
    surface = {stem(word): word for word in reversed(words(prompt.text))}
    told = [surface.get(root, root) for root in choice.told[:_WORDS_NAMED]]
    shown = [surface.get(root, root) for root in choice.shown[:_WORDS_NAMED]]
    subject, value = _subject(prompt), shorten(choice.value)
    if told:
        example = ", and an example is like it" if shown else ""
        return f"The {subject} mentions {_listed(told)}, which the instruction ties to {value}{example}; so {value}."
    if shown:
        return f"The {subject} mentions {_listed(shown)}, as in an example of {value}; so {value}."
    return f"Nothing in the {subject} points clearly to one answer; {value} seems nearest."


def _listed(names: list[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def _subject(prompt: Prompt) -> str:
    """Name the longest input."""
    name = max(prompt.query, key=lambda pair: len(pair[1]), default=("text", ""))[0]
    return name.replace("_", " ")


def _reply(prompt: Prompt) -> str:
    said = sentence_of((("text", prompt.text),))
    if not said:
        return "I am the practice model. Please ask me something."
    return f'I am the practice model; I answer from the examples I am shown. You wrote: "{said}"'


def _reasons(field: Field) -> bool:
    return field.name in REASONING and field.type == "text"


def _is_string(field: Field) -> bool:
    """Tell whether JSON holds the field's text as a string."""
    return field.type == "text" or (field.type == "label" and not {"true", "false"}.issuperset(field.labels))
