"""The XML layout: each value between `<name>` and `</name>`, lists and models as JSON inside.

For models that keep to tags better than to markers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dspex.adapters.adapter import AnySignature, Fields, as_spec
from dspex.adapters.chat import ChatAdapter, Plan
from dspex.adapters.outputs import absent, read_outputs
from dspex.adapters.reading import read_value
from dspex.adapters.rendering import render_value
from dspex.adapters.tags import escape, escape_tags, split
from dspex.adapters.values import NOT_GIVEN, Place, output_texts
from dspex.signatures.field import Field
from dspex.signatures.spec import SignatureSpec


class XMLAdapter(ChatAdapter):
    r"""Renders and reads the layout with `<name>` tags; the arguments are those of `ChatAdapter`.

    Example:
        >>> from dspex.signatures.signature import Signature
        >>> XMLAdapter().parse(Signature("question -> answer: int"), "<answer>\n4\n</answer>")
        {'answer': 4}
    """

    def parse(self, signature: AnySignature, completion: str) -> dict[str, Any]:
        """Return the outputs by name, in the signature's order.

        Raises:
            AdapterParseError: a field is missing or is no value of its type; the error holds the raw text and
                what could be read.
        """
        spec = as_spec(signature)
        names = [f.name for f in spec.outputs]
        found = split(completion, names, [f.name for f in spec.inputs])
        if not found and len(names) == 1 and completion.strip():
            found = {names[0]: completion.strip()}
        empty = {name for name, text in found.items() if text is None}
        texts = {name: text or "" for name, text in found.items()}
        return read_outputs(
            type(self).__name__, spec, completion, texts, lambda text, f: _read(text, f, f.name in empty)
        )

    def format_field_structure(self, signature: AnySignature) -> str:
        """Return the layout of the messages."""
        spec = as_spec(signature)
        layout = [f"<{f.name}>\n({f.name})\n</{f.name}>\n" for f in (*spec.inputs, *spec.outputs)]
        lines = ["Write every message in this layout, each value between its tags:", "", *layout]
        told = ["In the values you write, `<` is `&lt;` and `&` is `&amp;`."] if spec.outputs else []
        return "\n".join([*lines, *told]).rstrip()

    def user_message_output_requirements(self, signature: AnySignature) -> str:
        """Return the line at a question's end that says how to answer."""
        wanted = [f"`<{f.name}>`" for f in as_spec(signature).outputs]
        return f"Answer with {', then '.join(wanted)}, each closed by its end tag."

    def _places(self, fields: Iterable[Field]) -> tuple[Place, ...]:
        return tuple((f.name, f"<{f.name}>\n", f, f"\n</{f.name}>") for f in fields)

    def _escape(self, spec: SignatureSpec) -> Callable[[str], str]:
        return escape_tags([f.name for f in (*spec.inputs, *spec.outputs)])

    def _answer(self, plan: Plan, values: Fields, absent: str = NOT_GIVEN) -> str:
        return "\n\n".join(output_texts(plan.outputs, values, _write, absent))


def _write(value: object, field: Field) -> str:
    return escape(render_value(value, field))


def _read(text: str, field: Field, empty: bool) -> Any:
    """Read a value; `<name/>` is an empty text, and nothing at all where a text cannot be."""
    return absent(field) if empty and field.annotation is not str else read_value(text, field)
