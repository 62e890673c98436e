"""Read "question, context: list[str] -> answer: Literal['a', 'b']" into a SignatureSpec.

A scan for `->`, commas and colons outside brackets, and types resolved from Python's own syntax tree; nothing is
evaluated. Every error is one line: what is wrong, where (`^` stands before the place), and what to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from dspex.errors import SignatureError
from dspex.signatures.field import Field, InputField, OutputField, field_name, one_line
from dspex.signatures.spec import STRING_NAME, SignatureSpec, default_instructions
from dspex.signatures.typenames import TypeNames

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_ARROWS = ("=>", "→", "➜", "⇒", "--", ">", "=")
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class _Source:
    """The whole text, for messages that show the place."""

    text: str

    def fail(self, what: str, at: int, advice: str) -> NoReturn:
        before, after = one_line(self.text[:at]), one_line(self.text[at:])
        before = before if len(before) <= _SHOWN else f"…{before[-_SHOWN:]}"
        after = after if len(after) <= _SHOWN else f"{after[:_SHOWN]}…"
        raise SignatureError(f"{what} at column {at + 1}: `{before}^{after}`; {advice}")


@dataclass(frozen=True, slots=True)
class _Mark:
    """A `->`, `,` or `:` outside brackets and quotes."""

    sign: str
    at: int


def parse_signature(
    text: str,
    instructions: str | None = None,
    *,
    name: str = STRING_NAME,
    custom_types: Mapping[str, object] | None = None,
    namespace: Mapping[str, object] | None = None,
) -> SignatureSpec:
    """Read a signature from its string form.

    Args:
        text: `inputs -> outputs`; a field is a name or `name: type`, and a name alone is a `str`.
        instructions: what the model is told; a plain sentence over the fields where None.
        name: the signature's name.
        custom_types: types by the name the text gives them.
        namespace: where else to look for types, such as the caller's globals.

    Raises:
        SignatureError: the text cannot be read; the message says where and what to write.

    Example:
        >>> spec = parse_signature("question, k: int -> answer: list[str]")
        >>> [f.name for f in spec.inputs], spec.outputs[0].annotation
        (['question', 'k'], list[str])
    """
    source = _Source(re.sub(r"\s", " ", text))
    types = TypeNames(custom_types, namespace)
    marks = list(_marks(source))
    arrow = _arrow(source, marks)
    split = [m for m in marks if m is not arrow]
    inputs = list(_fields(source, 0, arrow.at, [m for m in split if m.at < arrow.at], types))
    outputs = list(_fields(source, arrow.at + 2, len(text), [m for m in split if m.at > arrow.at], types))
    if not inputs:
        source.fail(
            "No input",
            0,
            f"name one before `->`, for example `question -> {outputs[0][0] if outputs else 'answer'}`.",
        )
    if not outputs:
        source.fail("No output", len(text), f"name one after `->`, for example `{inputs[0][0]} -> answer`.")
    _refuse_twins(source, [*inputs, *outputs])
    given: tuple[Field, ...] = tuple(InputField().named(word, kind) for word, kind, _ in inputs)
    wanted: tuple[Field, ...] = tuple(OutputField().named(word, kind) for word, kind, _ in outputs)
    told = default_instructions(given, wanted) if instructions is None else instructions
    return SignatureSpec(name=name, instructions=told, inputs=given, outputs=wanted)


def parse_type(
    text: str,
    *,
    custom_types: Mapping[str, object] | None = None,
    namespace: Mapping[str, object] | None = None,
) -> object:
    """Read one type, such as `dict[str, list[int]]`.

    Raises:
        SignatureError: the text is no type, or holds a name that nobody knows.

    Example:
        >>> parse_type("int | None") == (int | None)
        True
    """
    return _kind(_Source(text), text, 0, TypeNames(custom_types, namespace))


def _marks(source: _Source) -> Iterator[_Mark]:
    """Find what separates fields, and refuse brackets and quotes that do not close."""
    opened: list[int] = []
    text, quote, at = source.text, -1, 0
    while at < len(text):
        char = text[at]
        if quote >= 0:
            at += char == "\\"
            quote = -1 if char == text[quote] else quote
        elif char in "'\"":
            quote = at
        elif char in _CLOSING:
            opened.append(at)
        elif char in _CLOSING.values():
            if not opened or _CLOSING[text[opened.pop()]] != char:
                source.fail(f"Unbalanced `{char}`", at, "remove it or open its bracket before it.")
        elif not opened and text.startswith("->", at):
            yield _Mark("->", at)
            at += 1
        elif not opened and char in ",:":
            yield _Mark(char, at)
        at += 1
    if quote >= 0:
        source.fail("A quote opens", quote, "close it; quotes belong inside `Literal[...]`.")
    if opened:
        source.fail(
            f"`{text[opened[-1]]}` opens", opened[-1], f"close it with `{_CLOSING[text[opened[-1]]]}`."
        )


def _arrow(source: _Source, marks: list[_Mark]) -> _Mark:
    arrows = [m for m in marks if m.sign == "->"]
    if len(arrows) > 1:
        source.fail(
            "A second `->`", arrows[1].at, "a signature has one, with commas between the fields of each side."
        )
    if arrows:
        return arrows[0]
    for wrong in _ARROWS:
        if wrong in source.text:
            source.fail(
                f"`{wrong}` stands", source.text.index(wrong), "write `->` between inputs and outputs."
            )
    words = re.findall(r"\w+", source.text)
    plain = len(words) > 1 and all(w.isidentifier() for w in words) and ":" not in source.text
    advice = f"{', '.join(words[:-1])} -> {words[-1]}" if plain else "question -> answer"
    source.fail("No `->`", len(source.text), f"write inputs, `->`, outputs, for example `{advice}`.")


def _fields(
    source: _Source, start: int, end: int, marks: list[_Mark], types: TypeNames
) -> Iterator[tuple[str, object, int]]:
    """Yield (name, type, column) for one side of the arrow."""
    commas = [m.at for m in marks if m.sign == ","]
    for left, right in zip([start, *(c + 1 for c in commas)], [*commas, end], strict=True):
        colon = next((m.at for m in marks if m.sign == ":" and left <= m.at < right), right)
        word = source.text[left:colon].strip()
        at = left + len(source.text[left:right]) - len(source.text[left:right].lstrip())
        if not word:
            if right == end and colon == right:
                continue  # nothing, or a comma after the last field
            source.fail("A field without a name", min(at, right), "write a name there or remove the comma.")
        try:
            word = field_name(word)
        except SignatureError as exc:
            source.fail(str(exc).partition(";")[0], at, str(exc).partition(";")[2].strip())
        yield (
            word,
            str if colon == right else _kind(source, source.text[colon + 1 : right], colon + 1, types),
            at,
        )


def _kind(source: _Source, text: str, start: int, types: TypeNames) -> object:
    start += len(text) - len(text.lstrip())
    try:
        return types.resolve(text.strip())
    except types.Unknown as exc:
        source.fail(exc.what, start + exc.at, exc.advice)


def _refuse_twins(source: _Source, fields: list[tuple[str, object, int]]) -> None:
    seen: set[str] = set()
    for word, _, at in fields:
        if word in seen:
            source.fail(f"`{word}` is named twice, again", at, f"rename one, for example `{word}_2`.")
        seen.add(word)
