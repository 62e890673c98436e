"""The chat layout: a marker line before each value, in the demonstrations and in the answer.

The words of the prompt are an interface: the practice model reads them, golden files hold them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dspex.adapters.adapter import Fields
from dspex.adapters.markers import COMPLETED, escape, marker, split, without_end
from dspex.adapters.reading import Unreadable, read_value, reader
from dspex.adapters.rendering import render_value, type_phrase
from dspex.errors import AdapterParseError
from dspex.lm.messages import Message
from dspex.signatures.annotations import allows_none
from dspex.signatures.field import MISSING, Field
from dspex.signatures.signature import Signature
from dspex.signatures.spec import SignatureSpec

NOT_GIVEN = "(not given)"
_END = marker(COMPLETED)
_CONSTRAINTS = {
    "ge": "at least {}",
    "gt": "more than {}",
    "le": "at most {}",
    "lt": "less than {}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} long",
    "max_length": "at most {} long",
    "pattern": "matches `{}`",
    "max_digits": "at most {} digits",
    "decimal_places": "at most {} decimal places",
}


@dataclass(frozen=True, slots=True)
class ChatAdapter:
    r"""Renders and reads the layout with `[[ ## name ## ]]` lines.

    Example:
        >>> question = Signature("question -> answer")
        >>> ChatAdapter().format(question, [], {"question": "1 + 1?"})[-1].content.splitlines()[:2]
        ['[[ ## question ## ]]', '1 + 1?']
        >>> ChatAdapter().parse(question, "[[ ## answer ## ]]\n2")
        {'answer': '2'}
    """

    def format(
        self, signature: type[Signature] | SignatureSpec, demos: Sequence[Fields], inputs: Fields
    ) -> tuple[Message, ...]:
        """Return system message, demonstrations and the question.

        A demonstration without any output is left out; a value it lacks is said to be not given.
        """
        spec = signature if isinstance(signature, SignatureSpec) else signature.spec
        plan = spec.memo.get(ChatAdapter)
        if plan is None:
            plan = spec.memo[ChatAdapter] = _plan(spec)
        messages = [plan.system]
        for demo in demos:
            answer, given = _values(plan.outputs, demo)
            if given:
                messages.append(Message(role="user", content=_values(plan.inputs, demo)[0]))
                messages.append(Message(role="assistant", content=f"{answer}\n\n{_END}"))
        asked, _ = _values(plan.inputs, inputs)
        messages.append(Message(role="user", content=f"{asked}\n\n{plan.request}" if asked else plan.request))
        return tuple(messages)

    def parse(self, signature: type[Signature] | SignatureSpec, completion: str) -> dict[str, Any]:
        """Return the outputs by name, in the signature's order.

        Raises:
            AdapterParseError: a field is missing or is no value of its type; the error holds the raw text and
                the names of the fields that could be read.
        """
        spec = signature if isinstance(signature, SignatureSpec) else signature.spec
        texts = split(completion, [f.name for f in spec.outputs])
        if not texts and len(spec.outputs) == 1 and completion.strip():
            whole = without_end(completion).strip()
            texts = {spec.outputs[0].name: whole} if whole else {}
        values: dict[str, Any] = {}
        problems: list[str] = []
        for field in spec.outputs:
            try:
                values[field.name] = _read(field, texts)
            except Unreadable as exc:
                problems.append(str(exc))
        if problems:
            raise _failure(spec, completion, problems, [n for n in values if n in texts])
        return values


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is the same in every prompt of one signature."""

    system: Message
    request: str
    inputs: tuple[tuple[str, Field], ...]
    outputs: tuple[tuple[str, Field], ...]
    """Each field with the line that stands before its value."""


def system_text(spec: SignatureSpec) -> str:
    """Return the system message: the fields, the layout, the instructions."""
    inputs = ["Inputs you receive:", *(_described(f) for f in spec.inputs)] if spec.inputs else []
    outputs = ["Outputs you write:", *(_described(f) for f in spec.outputs)]
    layout = [f"{marker(f.name)}\n<{f.name}>\n" for f in (*spec.inputs, *spec.outputs)]
    lines = [
        *inputs,
        *outputs,
        "",
        "Write every message in this layout, a marker line before each value:",
        "",
        *layout,
        _END,
        "",
        "What to do:",
        spec.instructions,
    ]
    return "\n".join(lines)


def _plan(spec: SignatureSpec) -> _Plan:
    for field in spec.outputs:
        reader(field)  # a type nobody can read is refused before anything is sent
    wanted = [f"`{marker(f.name)}`" for f in spec.outputs]
    request = f"Answer with {', then '.join(wanted)}, and end with `{_END}`."
    inputs, outputs = (
        tuple((f"{marker(f.name)}\n", f) for f in side) for side in (spec.inputs, spec.outputs)
    )
    return _Plan(Message(role="system", content=system_text(spec)), request, inputs, outputs)


def _described(field: Field) -> str:
    words = [field.desc] if field.desc and field.desc != f"${{{field.name}}}" else []
    words += [_CONSTRAINTS[key].format(value) for key, value in field.constraints if key in _CONSTRAINTS]
    tail = "; ".join(words).replace("\n", "\n  ")
    return f"- `{field.name}` ({type_phrase(field.annotation)})" + (f": {tail}" if tail else "")


def _values(fields: Iterable[tuple[str, Field]], values: Fields) -> tuple[str, int]:
    """Return the values in the layout, and how many of them were given."""
    texts: list[str] = []
    missing = 0
    for head, field in fields:
        value = values.get(field.name, MISSING)
        if value is MISSING and field.role == "input":
            value = field.default_value()
        if value is MISSING:
            missing += 1
            texts.append(f"{head}{NOT_GIVEN}")
        else:
            texts.append(head + escape(render_value(value, field)))
    return "\n\n".join(texts), len(texts) - missing


def _read(field: Field, texts: dict[str, str]) -> Any:
    if field.name in texts:
        return read_value(texts[field.name], field)
    value = field.default_value()
    if value is MISSING and not allows_none(field.annotation):
        raise Unreadable(f"it has no `{field.name}`")
    return None if value is MISSING else value


def _failure(spec: SignatureSpec, text: str, problems: list[str], understood: list[str]) -> AdapterParseError:
    read = ", ".join(f"`{name}`" for name in understood) or "nothing"
    return AdapterParseError(
        f"The answer to `{spec.name}` cannot be read: {'; '.join(problems)}. Understood: {read}. "
        "The raw text is in `.lm_response`.",
        adapter_name="ChatAdapter",
        signature=spec.name,
        lm_response=text,
        understood=understood,
    )
