"""Reads a prompt: fields, label sets, instruction, demonstrations, query.

The practice model knows a task only from this text, as any model does. Pure, and never fails: what does not
follow the layout is a prompt without output fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import msgspec

from dspex.lm.messages import Message
from dspex.lm.practice.layouts import COMPLETED, Layout, Values, answers, layout_of, questions

FieldType = Literal["text", "integer", "number", "label", "json"]
NOT_GIVEN = "(not given)"
REASONING = frozenset({"reasoning", "rationale"})

_FIELD = re.compile(r"- `([^`\n]+)` \(")
_MARKER = re.compile(r"^[ \t]*\[\[ ## (\w+) ## \]\]", re.MULTILINE)
_REQUEST_LINE = re.compile(
    r"\n*^Answer with (?:`\[\[ ## |`<|one JSON object that holds `)[^\n]*\s*\Z", re.MULTILINE
)
_INSTRUCTION = re.compile(r"^What to do:[ \t]*$", re.MULTILINE)
_OUTPUTS = re.compile(r"^Outputs you write:[ \t]*$", re.MULTILINE)
_DECODER = json.JSONDecoder()


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One output field as the system message describes it."""

    name: str
    type: FieldType = "text"
    labels: tuple[str, ...] = ()
    schema: str = ""
    """JSON schema as it stands in the prompt; empty for other types."""
    description: str = ""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What the system message asks for."""

    inputs: tuple[str, ...] = ()
    outputs: tuple[Field, ...] = ()
    instruction: str = ""
    layout: Layout = "chat"


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """One demonstration: the text of its inputs, and its answers."""

    text: str
    answers: Values


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """A whole prompt, read."""

    task: Task
    shots: tuple[Shot, ...]
    query: Values
    """Input values of the last user message; empty where it does not follow the layout."""
    text: str
    """All that the last user message says, without layout."""


def read_prompt(messages: Sequence[Message]) -> Prompt:
    """Read the messages of one request.

    Example:
        >>> read_prompt([Message(role="user", content="Hello")]).text
        'Hello'
    """
    task = read_task("\n".join(m.text for m in messages if m.role == "system"))
    turns = [m for m in messages if m.role in ("user", "assistant")]
    last = next((i for i in range(len(turns) - 1, -1, -1) if turns[i].role == "user"), None)
    if last is None:
        return Prompt(task=task, shots=(), query=(), text="")
    shots = tuple(
        read_shot(task, asked.text, told.text)
        for asked, told in pairwise(turns[:last])
        if asked.role == "user" and told.role == "assistant"
    )
    content = _REQUEST_LINE.sub("", turns[last].text)
    query = questions(content, task.inputs, task.layout)
    return Prompt(task=task, shots=shots, query=query, text=_join(query) or content.strip())


@lru_cache(maxsize=128)
def read_task(system: str) -> Task:
    """Read fields and instruction from a system message."""
    outputs_at = _OUTPUTS.search(system)
    if outputs_at is None:
        return Task(instruction=system.strip())
    layout_ends = max(system.find(COMPLETED, outputs_at.end()), outputs_at.end())
    told = _INSTRUCTION.search(system, layout_ends)
    first_marker = _MARKER.search(system, outputs_at.end())
    ends = [found.start() for found in (first_marker, told) if found]
    return Task(
        inputs=tuple(f.name for f in _read_fields(system[: outputs_at.start()])),
        outputs=tuple(_read_fields(system[outputs_at.end() : min(ends, default=None)])),
        instruction=system[told.end() :].strip() if told else "",
        layout=layout_of(system),
    )


@lru_cache(maxsize=2048)
def read_shot(task: Task, asked: str, told: str) -> Shot:
    """Read one user and assistant pair; answers that are not given are left out."""
    inputs = questions(_REQUEST_LINE.sub("", asked), task.inputs, task.layout)
    outputs = answers(told, tuple(f.name for f in task.outputs), task.layout)
    given = tuple((name, value) for name, value in outputs if value not in ("", NOT_GIVEN))
    return Shot(text=_join(inputs) or asked.strip(), answers=given)


def decode(text: str) -> object:
    """Read a JSON value; None where the text is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def encode(value: object) -> str:
    """Write a JSON value; one nested beyond reason becomes null."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "null"


def _join(values: Values) -> str:
    return "\n".join(value for _, value in values)


def _read_fields(text: str) -> Iterator[Field]:
    starts = [m for m in _FIELD.finditer(text) if m.start() == 0 or text[m.start() - 1] == "\n"]
    ends = [m.start() for m in starts[1:]] + [len(text)]
    for start, end in zip(starts, ends, strict=False):
        yield _read_field(start[1], text[start.end() : end])


def _read_field(name: str, phrase: str) -> Field:
    """Read what follows the opening bracket; labels and schemas may hold brackets of their own."""
    if phrase.startswith("one of "):
        labels, rest = _read_labels(phrase[len("one of ") :])
        return Field(name=name, type="label", labels=labels, description=_description(rest))
    if phrase.startswith("JSON: "):
        body = phrase[len("JSON: ") :]
        end = _json_end(body, 0) or max(body.find(")"), 0)
        return Field(name=name, type="json", schema=body[:end], description=_description(body[end:]))
    said, _, rest = phrase.partition(")")
    description = _description(")" + rest)
    if said == "true or false":
        return Field(name=name, type="label", labels=("true", "false"), description=description)
    plain: FieldType = "integer" if said == "integer" else "number" if said == "number" else "text"
    return Field(name=name, type=plain, description=description)


def _read_labels(text: str) -> tuple[tuple[str, ...], str]:
    labels: list[str] = []
    at = 0
    while (end := _json_end(text, at)) > at:
        value = decode(text[at:end])
        labels.append(value if isinstance(value, str) else text[at:end])
        at = end
        if not text.startswith(", ", at):
            break
        at += 2
    return tuple(dict.fromkeys(labels)), text[at:]


def _json_end(text: str, start: int) -> int:
    """Return where the JSON value ends that starts here; `start` itself where there is none."""
    try:
        return _DECODER.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return start


def _description(rest: str) -> str:
    """Return what stands after `): `, up to the first blank line."""
    return rest.removeprefix(")").removeprefix(":").partition("\n\n")[0].strip()
