"""Two models: one answers in its own words, a second picks the outputs out of them.

For models that think well and keep to no layout.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dspex import _host
from dspex.adapters.adapter import Adapter, AnySignature, Fields, Model, as_spec
from dspex.adapters.chat import ChatAdapter
from dspex.adapters.native import prepare
from dspex.adapters.outputs import unreadable
from dspex.adapters.rendering import described, render_value
from dspex.adapters.values import Content, Place, gives_any, output_texts, user_content
from dspex.errors import AdapterParseError, SettingsError
from dspex.signatures.field import Field
from dspex.signatures.spec import SignatureSpec

_TEXT = Field(role="input", name="text", annotation=str)


class TwoStepAdapter(Adapter):
    """Lets the program's model answer freely, and asks `extraction_model` for the outputs in that answer.

    Args:
        extraction_model: an LM that keeps to a layout; a small one will do.
        **options: see `Adapter`.

    Raises:
        SettingsError: `extraction_model` is no LM.

    Example:
        >>> from dspex.lm.lm import LM
        >>> from dspex.signatures.signature import Signature
        >>> adapter = TwoStepAdapter(LM("practice"))
        >>> adapter.format(Signature("question -> answer"), [], {"question": "1 + 1?"})[-1].content
        'question: 1 + 1?'
    """

    def __init__(self, extraction_model: Any, **options: Any) -> None:
        if not callable(getattr(extraction_model, "acomplete", None)):
            raise SettingsError(
                f"`extraction_model` takes a `dspex.LM`, not `{type(extraction_model).__name__}`; "
                'write `TwoStepAdapter(dspex.LM("openai/gpt-4o-mini"))`.'
            )
        super().__init__(**options)
        self.extraction_model = extraction_model

    async def acall(
        self,
        lm: Model,
        lm_kwargs: Mapping[str, Any],
        signature: AnySignature,
        demos: Sequence[Fields],
        inputs: Fields,
    ) -> list[dict[str, Any]]:
        """Ask the first model, and the second for the outputs of each completion."""
        ask = prepare(self, lm, lm_kwargs, signature, inputs)
        response = await self._ask(lm, ask, demos)
        rows: list[dict[str, Any]] = []
        for choice in response.choices:
            wanted = bool(ask.spec.outputs) and (bool(choice.text.strip()) or not choice.calls)
            rows.append(ask.outputs(choice, await self._extract(ask.spec, choice.text) if wanted else {}))
        return rows

    def parse(self, signature: AnySignature, completion: str) -> dict[str, Any]:
        """Return the outputs that the second model finds in an answer.

        Raises:
            AdapterParseError: it finds them not.
        """
        return _host.drive(self._extract(as_spec(signature), completion), "`adapter.parse(...)`")

    def format_system_message(self, signature: AnySignature) -> str:
        """Return the fields and the instructions."""
        spec = as_spec(signature)
        inputs = ["You receive:", *(described(f) for f in spec.inputs), ""] if spec.inputs else []
        outputs = ["Work out:", *(described(f) for f in spec.outputs), ""] if spec.outputs else []
        how = "Answer in your own words. Name each of these results and state it in full: somebody will copy it out."
        told = [how, ""] if spec.outputs else []
        return "\n".join([*inputs, *outputs, *told, "What to do:", spec.instructions])

    def format_user_message_content(
        self,
        signature: AnySignature,
        inputs: Fields,
        prefix: str = "",
        suffix: str = "",
        main_request: bool = False,
    ) -> Content:
        """Return inputs by name."""
        places = _places(as_spec(signature).inputs)
        return user_content(places, inputs, str, absent=None, head=prefix, tail=suffix)

    def format_assistant_message_content(
        self, signature: AnySignature, outputs: Fields, missing_field_message: str | None = None
    ) -> str:
        """Return outputs by name; those without a value are left out."""
        given = [
            p for p in _places(as_spec(signature).outputs) if gives_any([p], outputs) or missing_field_message
        ]
        return "\n\n".join(output_texts(given, outputs, render_value, missing_field_message or ""))

    async def _extract(self, spec: SignatureSpec, text: str) -> dict[str, Any]:
        if not text.strip():
            raise unreadable(type(self).__name__, spec, text, ["it is empty"], {})
        extraction = _extraction(spec)
        try:
            rows = await ChatAdapter().acall(
                self.extraction_model, {}, extraction, [], {extraction.inputs[0].name: text}
            )
        except AdapterParseError as exc:
            reason = f"`extraction_model` did not find its outputs. {exc}"
            raise AdapterParseError(
                f"The answer to `{spec.name}` cannot be read: {reason}",
                adapter_name=type(self).__name__,
                signature=spec.name,
                lm_response=text,
                parsed_result=exc.parsed_result,
            ) from exc
        return rows[0]


def _extraction(spec: SignatureSpec) -> SignatureSpec:
    """Return what the second model is asked: the outputs, out of a text."""
    known: SignatureSpec | None = spec.memo.get(_extraction)
    if known is None:
        names = ", ".join(f"`{f.name}`" for f in spec.outputs)
        told = f"The text answers a question. Copy {names} out of it, word for word; add nothing of your own."
        # An output named `text` would meet the input of that name.
        name = "text" if all(f.name != "text" for f in spec.outputs) else "_".join(["text", *spec.fields])
        known = SignatureSpec(
            instructions=told, inputs=(_TEXT.named(name),), outputs=spec.outputs, name=spec.name
        )
        spec.memo[_extraction] = known
    return known


def _places(fields: Iterable[Field]) -> tuple[Place, ...]:
    return tuple((f.name, f"{f.name}: ", f, "") for f in fields)
