"""The JSON layout: inputs below their markers, outputs as the members of one JSON object.

Where a model can be held to a schema, or at least to JSON, the request asks for that too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from json import dumps
from typing import Any, ClassVar

import msgspec

from dspex.adapters.adapter import Adapter, AnySignature, Fields, Model, as_spec
from dspex.adapters.chat import ChatAdapter, Plan
from dspex.adapters.jsonvalues import read_json, write_json
from dspex.adapters.markers import marker, split
from dspex.adapters.native import Ask
from dspex.adapters.objects import find_object
from dspex.adapters.outputs import read_outputs
from dspex.adapters.reading import read_value
from dspex.adapters.schema import response_schema
from dspex.adapters.values import NOT_GIVEN, Place, output_texts
from dspex.errors import ContextWindowExceededError, LMInvalidRequestError
from dspex.lm.messages import Response
from dspex.signatures.field import Field

_ANY_OBJECT = msgspec.Raw(b'{"type":"json_object"}')


class JSONAdapter(ChatAdapter):
    """Renders and reads answers that are one JSON object.

    Args:
        callbacks, use_native_function_calling, parallel_tool_calls: see `Adapter`; a model that can be given tools
            is given them, unless you say otherwise.

    Example:
        >>> from dspex.signatures.signature import Signature
        >>> JSONAdapter().parse(Signature("question -> answer: int, sure: bool"), 'So: {"answer": 4, "sure": true,}')
        {'answer': 4, 'sure': True}
    """

    _usual: ClassVar[dict[str, Any]] = {
        **Adapter._usual,
        "use_native_function_calling": True,
        "use_json_adapter_fallback": False,
    }

    def __init__(
        self,
        callbacks: Sequence[Any] | None = None,
        use_native_function_calling: bool = True,
        parallel_tool_calls: bool | None = None,
    ) -> None:
        super().__init__(
            callbacks,
            use_native_function_calling,
            use_json_adapter_fallback=False,
            parallel_tool_calls=parallel_tool_calls,
        )

    def parse(self, signature: AnySignature, completion: str) -> dict[str, Any]:
        """Return the outputs by name, in the signature's order.

        Broken JSON is repaired, and words or a code fence around the object are passed over.

        Raises:
            AdapterParseError: there is no object, a field is missing or is no value of its type.
        """
        spec = as_spec(signature)
        names = [f.name for f in spec.outputs]
        members = find_object(completion, names)
        if members is None:
            texts = split(completion, names)  # a model that keeps to the layout of the inputs
            problem = "" if texts else "there is no JSON object"
            return read_outputs(type(self).__name__, spec, completion, texts, read_value, problem)
        return read_outputs(type(self).__name__, spec, completion, _by_name(members, names), read_json)

    def format_field_structure(self, signature: AnySignature) -> str:
        """Return the layout of questions and answers."""
        spec = as_spec(signature)
        asked = [f"{marker(f.name)}\n<{f.name}>\n" for f in spec.inputs]
        lines = ["Questions come in this layout, a marker line before each value:", "", *asked]
        lines = lines if asked else []
        if spec.outputs:
            members = ",\n".join(f'  "{f.name}": <{f.name}>' for f in spec.outputs)
            told = "Answer with one JSON object in this layout, and nothing around it:"
            lines += [told, "", f"{{\n{members}\n}}"]
        return "\n".join(lines).rstrip()

    def user_message_output_requirements(self, signature: AnySignature) -> str:
        """Return the line at a question's end that says how to answer."""
        wanted = [f"`{f.name}`" for f in as_spec(signature).outputs]
        return f"Answer with one JSON object that holds {', then '.join(wanted)}."

    async def _ask(self, lm: Model, ask: Ask, demos: Sequence[Fields]) -> Response:
        form = self._response_format(lm, ask)
        if form is None:
            return await super()._ask(lm, ask, demos)
        asked = ask.with_options(response_format=form)
        try:
            return await super()._ask(lm, asked, demos)
        except ContextWindowExceededError:
            raise
        except LMInvalidRequestError:
            # Tables say what a model can be held to, and servers differ: the prompt asks for JSON all the same.
            return await super()._ask(lm, ask, demos)

    def _response_format(self, lm: Model, ask: Ask) -> msgspec.Raw | None:
        """Return what the provider is told about the answer's form."""
        if "response_format" in ask.options or "response_format" not in lm.supported_params:
            return None
        if not ask.spec.outputs or ask.calls:
            return None  # an answer that may be calls alone is no object
        schema = response_schema(ask.spec) if lm.supports_response_schema else None
        return schema or _ANY_OBJECT

    def _places(self, fields: Iterable[Field]) -> tuple[Place, ...]:
        return tuple(
            (f.name, f'  "{f.name}": ' if f.role == "output" else f"{marker(f.name)}\n", f, "")
            for f in fields
        )

    def _answer(self, plan: Plan, values: Fields, absent: str = NOT_GIVEN) -> str:
        members = output_texts(plan.outputs, values, write_json, dumps(absent, ensure_ascii=False))
        return "{\n" + ",\n".join(members) + "\n}"


def _by_name(members: dict[str, str], names: Sequence[str]) -> dict[str, str]:
    """Return the members that are asked for; letter case is passed over where it leaves no doubt."""
    found: dict[str, str] = {}
    for name in names:
        same = [key for key in members if key.casefold() == name.casefold()]
        if name in members or len(same) == 1:
            found[name] = members[name if name in members else same[0]]
    return found
