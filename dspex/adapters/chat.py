"""The chat layout: a marker line before each value, in the demonstrations and in the answer.

The words of the prompt are an interface: the practice model reads them, golden files hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from dspex.adapters.adapter import Adapter, AnySignature, Fields, Model, as_spec
from dspex.adapters.markers import COMPLETED, escape, marker, split, without_end
from dspex.adapters.outputs import read_outputs
from dspex.adapters.reading import read_value, reader
from dspex.adapters.rendering import described, render_value
from dspex.adapters.values import NOT_GIVEN, Content, Place, gives_any, output_texts, user_content
from dspex.errors import AdapterParseError
from dspex.lm.messages import Message
from dspex.signatures.field import Field
from dspex.signatures.spec import SignatureSpec

_END = marker(COMPLETED)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is the same in every prompt of one signature."""

    system: str
    request: str
    inputs: tuple[Place, ...]
    outputs: tuple[Place, ...]
    escape: Callable[[str], str]


class ChatAdapter(Adapter):
    r"""Renders and reads the layout with `[[ ## name ## ]]` lines.

    Args:
        callbacks, use_native_function_calling, native_response_types, parallel_tool_calls: see `Adapter`.
        use_json_adapter_fallback: whether to ask once more, for JSON, when an answer cannot be read.

    Example:
        >>> from dspex.signatures.signature import Signature
        >>> question = Signature("question -> answer")
        >>> ChatAdapter().format(question, [], {"question": "1 + 1?"})[-1].content.splitlines()[:2]
        ['[[ ## question ## ]]', '1 + 1?']
        >>> ChatAdapter().parse(question, "[[ ## answer ## ]]\n2")
        {'answer': '2'}
    """

    _usual: ClassVar[dict[str, Any]] = {**Adapter._usual, "use_json_adapter_fallback": True}

    def __init__(
        self,
        callbacks: Sequence[Any] | None = None,
        use_native_function_calling: bool = False,
        native_response_types: Sequence[type] | None = None,
        use_json_adapter_fallback: bool = True,
        parallel_tool_calls: bool | None = None,
    ) -> None:
        super().__init__(callbacks, use_native_function_calling, native_response_types, parallel_tool_calls)
        self.use_json_adapter_fallback = use_json_adapter_fallback

    async def acall(
        self,
        lm: Model,
        lm_kwargs: Mapping[str, Any],
        signature: AnySignature,
        demos: Sequence[Fields],
        inputs: Fields,
    ) -> list[dict[str, Any]]:
        """Ask a model and return the outputs of each completion; an unreadable answer is asked for once more, as JSON."""
        try:
            return await super().acall(lm, lm_kwargs, signature, demos, inputs)
        except AdapterParseError:
            other = self._fallback()
            if other is None:
                raise
            return await other.acall(lm, lm_kwargs, signature, demos, inputs)

    def parse(self, signature: AnySignature, completion: str) -> dict[str, Any]:
        """Return the outputs by name, in the signature's order.

        Raises:
            AdapterParseError: a field is missing or is no value of its type; the error holds the raw text and
                what could be read.
        """
        spec = as_spec(signature)
        texts = split(completion, [f.name for f in spec.outputs])
        if not texts and len(spec.outputs) == 1 and completion.strip():
            whole = without_end(completion).strip()
            texts = {spec.outputs[0].name: whole} if whole else {}
        return read_outputs(type(self).__name__, spec, completion, texts, read_value)

    # ------------------------------------------------------------------------------- the pieces of a prompt

    def format_system_message(self, signature: AnySignature) -> str:
        """Return the fields, the layout and the instructions."""
        if self._ours:
            return self._plan(signature).system
        return self._system(signature)

    def format_field_description(self, signature: AnySignature) -> str:
        """Return what each field is."""
        spec = as_spec(signature)
        inputs = ["Inputs you receive:", *(described(f) for f in spec.inputs)] if spec.inputs else []
        outputs = ["Outputs you write:", *(described(f) for f in spec.outputs)] if spec.outputs else []
        return "\n".join([*inputs, *outputs])

    def format_field_structure(self, signature: AnySignature) -> str:
        """Return the layout of the messages."""
        spec = as_spec(signature)
        layout = [f"{marker(f.name)}\n<{f.name}>\n" for f in (*spec.inputs, *spec.outputs)]
        lines = ["Write every message in this layout, a marker line before each value:", "", *layout]
        return "\n".join([*lines, _END] if spec.outputs else lines).rstrip()

    def format_task_description(self, signature: AnySignature) -> str:
        """Return the instructions."""
        return f"What to do:\n{as_spec(signature).instructions}"

    def user_message_output_requirements(self, signature: AnySignature) -> str:
        """Return the line at a question's end that says how to answer."""
        wanted = [f"`{marker(f.name)}`" for f in as_spec(signature).outputs]
        return f"Answer with {', then '.join(wanted)}, and end with `{_END}`."

    def format_demos(self, signature: AnySignature, demos: Sequence[Fields]) -> Sequence[Message]:
        """Return demonstrations as pairs of messages; one without any output is left out."""
        if not self._ours:
            return super().format_demos(signature, demos)
        plan = self._plan(signature)
        messages: list[Message] = []
        for demo in demos:
            if gives_any(plan.outputs, demo):
                messages.append(Message(role="user", content=user_content(plan.inputs, demo, plan.escape)))
                messages.append(Message(role="assistant", content=self._answer(plan, demo)))
        return messages

    def format_user_message_content(
        self,
        signature: AnySignature,
        inputs: Fields,
        prefix: str = "",
        suffix: str = "",
        main_request: bool = False,
    ) -> Content:
        """Return inputs in the layout; in the question itself with the line that says how to answer."""
        plan = self._plan(signature)
        asked = (plan.request if self._ours else self._request(signature)) if main_request else ""
        tail = "\n\n".join(filter(None, (asked, suffix))) if suffix else asked
        absent = None if main_request else NOT_GIVEN
        return user_content(plan.inputs, inputs, plan.escape, absent=absent, head=prefix, tail=tail)

    def format_assistant_message_content(
        self, signature: AnySignature, outputs: Fields, missing_field_message: str | None = None
    ) -> str:
        """Return outputs in the layout."""
        return self._answer(self._plan(signature), outputs, missing_field_message or NOT_GIVEN)

    # ------------------------------------------------------------------------------------- what layouts change

    def _places(self, fields: Iterable[Field]) -> tuple[Place, ...]:
        return tuple((f.name, f"{marker(f.name)}\n", f, "") for f in fields)

    def _escape(self, spec: SignatureSpec) -> Callable[[str], str]:
        """Return what makes a value in which something looks like this layout harmless."""
        return escape

    def _answer(self, plan: Plan, values: Fields, absent: str = NOT_GIVEN) -> str:
        return "\n\n".join([*output_texts(plan.outputs, values, _write, absent), _END])

    def _fallback(self) -> Adapter | None:
        """Return who asks once more when an answer cannot be read."""
        if not self.use_json_adapter_fallback:
            return None
        from dspex.adapters.json import JSONAdapter

        return JSONAdapter(self.callbacks, self.use_native_function_calling, self.parallel_tool_calls)

    # ----------------------------------------------------------------------------------------------- private

    def _plan(self, signature: AnySignature) -> Plan:
        spec = signature if type(signature) is SignatureSpec else as_spec(signature)
        plan: Plan | None = spec.memo.get(self._layout)
        if plan is None:
            for field in spec.outputs:
                reader(field)  # a type nobody can read is refused before anything is sent
            inputs, outputs = self._places(spec.inputs), self._places(spec.outputs)
            texts = (self._system(spec), self._request(spec)) if self._ours else ("", "")
            plan = Plan(*texts, inputs, outputs, self._escape(spec))
            if self._ours:
                spec.memo[self._layout] = plan
        return plan

    def _system(self, signature: AnySignature) -> str:
        description = self.format_field_description(signature)
        structure = self.format_field_structure(signature)
        return "\n\n".join([description, structure, self.format_task_description(signature)])

    def _request(self, signature: AnySignature) -> str:
        """Return how to answer; a model that is left with nothing to write answers by calls."""
        if not as_spec(signature).outputs:
            return "Call the tools you need."
        return self.user_message_output_requirements(signature)


def _write(value: object, field: Field) -> str:
    return escape(render_value(value, field))
