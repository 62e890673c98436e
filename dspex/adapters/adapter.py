"""What an adapter is: it renders a signature, demonstrations and inputs to messages, asks, and reads the answer.

`format` and `parse` are pure: same values in, same text out. `acall` is the one way from inputs to outputs; what a
model does natively (tools, reasoning, citations) is taken out of the prompt there and put back from the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from dspex import _host
from dspex.adapters.history import history_field, turns
from dspex.adapters.native import Ask, prepare, without
from dspex.adapters.outputs import unreadable
from dspex.adapters.values import Content
from dspex.errors import AdapterParseError
from dspex.lm.forms import message_of
from dspex.lm.messages import Choice, Message, Response
from dspex.scope.callbacks import Told, listening
from dspex.signatures.field import MISSING
from dspex.signatures.signature import Signature
from dspex.signatures.spec import SignatureSpec

AnySignature = type[Signature] | SignatureSpec


class Fields(Protocol):
    """Values by field name: a dict, an Example, a Prediction."""

    def get(self, name: str, default: Any = ..., /) -> Any:
        """Return the value of a field, or the default where there is none."""
        ...


class Model(Protocol):
    """What an adapter asks: an LM, and what it can do by itself."""

    @property
    def supports_function_calling(self) -> bool:
        """Whether it takes tools and answers with calls."""
        ...

    @property
    def supports_reasoning(self) -> bool:
        """Whether it can tell what it thought."""
        ...

    @property
    def supports_response_schema(self) -> bool:
        """Whether it can be held to a JSON schema."""
        ...

    @property
    def supported_params(self) -> Any:
        """The names of the parameters its provider takes."""
        ...

    async def acomplete(self, messages: Sequence[Message], **options: Any) -> Response:
        """Answer a conversation."""
        ...


class Adapter:
    """Between signatures and messages; subclass it and write `format` and `parse` for a layout of your own.

    Args:
        callbacks: listeners for what this adapter formats and parses.
        use_native_function_calling: whether a model that can be given tools is given those of a `Tool` input,
            and its calls become the `ToolCalls` output; otherwise both are text in the prompt.
        native_response_types: output types filled from what the model says beside its text, where it does;
            `Reasoning` and `Citations` by default.
        parallel_tool_calls: whether the model may ask for several calls at once; None leaves it to the provider.

    Example:
        >>> class Shout(Adapter):
        ...     def format(self, signature, demos, inputs):
        ...         return [{"role": "user", "content": str(inputs).upper()}]
        ...     def parse(self, signature, completion):
        ...         return {name: completion for name in signature.output_fields}
        >>> Shout()
        Shout()
    """

    _ours: ClassVar[bool] = True
    """Whether the layout is one of ours, which depend on nothing but the signature: plans may be kept."""
    _layout: ClassVar[type]
    """Under which plans are kept."""

    _usual: ClassVar[dict[str, Any]] = {
        "callbacks": [], "use_native_function_calling": False, "native_response_types": None,
        "parallel_tool_calls": None,
    }  # fmt: skip
    """What `repr` need not tell."""

    def __init__(
        self,
        callbacks: Sequence[Any] | None = None,
        use_native_function_calling: bool = False,
        native_response_types: Sequence[type] | None = None,
        parallel_tool_calls: bool | None = None,
    ) -> None:
        self.callbacks = list(callbacks or ())
        self.use_native_function_calling = use_native_function_calling
        self.native_response_types = None if native_response_types is None else tuple(native_response_types)
        self.parallel_tool_calls = parallel_tool_calls

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._ours = cls.__module__.startswith("dspex.adapters.")
        cls._layout = cls

    def format(self, signature: Any, demos: Sequence[Fields], inputs: Fields) -> tuple[Message, ...]:
        """Return system message, demonstrations, earlier turns and the question.

        An adapter of your own may return dicts in OpenAI's form; or it may leave this as it is and write
        `format_system_message`, `format_user_message_content` and `format_assistant_message_content`.
        """
        name = history_field(as_spec(signature))
        before: Sequence[Any] = ()
        if name:
            signature = without(signature, name)
            before = self.format_conversation_history(signature, name, inputs)
        content = self.format_user_message_content(signature, inputs, main_request=True)
        return (
            Message(role="system", content=self.format_system_message(signature)),
            *self.format_demos(signature, demos),
            *as_messages(before),
            Message(role="user", content=content),
        )

    def format_system_message(self, signature: Any) -> str:
        """Return what the model is told before anything else."""
        raise self._lacks("format_system_message")

    def format_user_message_content(
        self, signature: Any, inputs: Fields, prefix: str = "", suffix: str = "", main_request: bool = False
    ) -> Content:
        """Return inputs as a user's message; `main_request` marks a question, which says how to answer."""
        raise self._lacks("format_user_message_content")

    def format_assistant_message_content(
        self, signature: Any, outputs: Fields, missing_field_message: str | None = None
    ) -> str:
        """Return outputs as the model would answer them."""
        raise self._lacks("format_assistant_message_content")

    def format_demos(self, signature: Any, demos: Sequence[Fields]) -> Sequence[Message]:
        """Return demonstrations as pairs of messages; one without any output is left out."""
        messages: list[Message] = []
        names = [f.name for f in as_spec(signature).outputs]
        for demo in demos:
            if any(demo.get(name, MISSING) is not MISSING for name in names):
                asked = self.format_user_message_content(signature, demo)
                messages.append(Message(role="user", content=asked))
                answer = self.format_assistant_message_content(signature, demo)
                messages.append(Message(role="assistant", content=answer))
        return messages

    def format_conversation_history(
        self, signature: Any, history_field_name: str, inputs: Fields
    ) -> Sequence[Any]:
        """Return the messages of earlier turns; override it to shorten or change them.

        Args:
            signature: without the field of the history.
            history_field_name: the input that holds the `History`.
            inputs: values by field name.
        """
        return turns(self, signature, inputs.get(history_field_name, None))

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        """Return the outputs by name, in the signature's order.

        Raises:
            AdapterParseError: a field is missing or is no value of its type.
        """
        raise self._lacks("parse")

    def __call__(
        self,
        lm: Model,
        lm_kwargs: Mapping[str, Any],
        signature: AnySignature,
        demos: Sequence[Fields],
        inputs: Fields,
    ) -> list[dict[str, Any]]:
        """Ask a model and return the outputs of each completion; `acall` for code that is not async."""
        return _host.drive(self.acall(lm, lm_kwargs, signature, demos, inputs), "`adapter(...)`")

    async def acall(
        self,
        lm: Model,
        lm_kwargs: Mapping[str, Any],
        signature: AnySignature,
        demos: Sequence[Fields],
        inputs: Fields,
    ) -> list[dict[str, Any]]:
        """Ask a model and return the outputs of each completion.

        Args:
            lm: who is asked.
            lm_kwargs: options of this call, such as `temperature` or `n`.
            signature: what is asked for.
            demos: demonstrations.
            inputs: values by field name.

        Raises:
            AdapterParseError: an answer does not hold the outputs.
            LMError: the call failed.
        """
        ask = prepare(self, lm, lm_kwargs, signature, inputs)
        response = await self._ask(lm, ask, demos)
        return [self._read(ask, choice) for choice in response.choices]

    async def _ask(self, lm: Model, ask: Ask, demos: Sequence[Fields]) -> Response:
        messages = as_messages(self._formatted(ask, demos))
        return await lm.acomplete(messages, **ask.options)

    def _formatted(self, ask: Ask, demos: Sequence[Fields]) -> Sequence[Any]:
        listeners = listening(self)
        if not listeners:
            return self.format(ask.signature, demos, ask.inputs)
        given = {"signature": ask.signature, "demos": demos, "inputs": ask.inputs}
        with Told(listeners, "adapter_format", self, given) as now:
            now.outputs = self.format(ask.signature, demos, ask.inputs)
        return now.outputs  # type: ignore[no-any-return]  # what `format` returned

    def _parsed(self, ask: Ask, text: str) -> dict[str, Any]:
        listeners = listening(self)
        if not listeners:
            return self.parse(ask.signature, text)
        with Told(listeners, "adapter_parse", self, {"signature": ask.signature, "completion": text}) as now:
            now.outputs = self.parse(ask.signature, text)
        return now.outputs  # type: ignore[no-any-return]  # what `parse` returned

    def _read(self, ask: Ask, choice: Choice) -> dict[str, Any]:
        try:
            return ask.outputs(choice, self._text_outputs(ask, choice))
        except AdapterParseError as exc:
            if choice.finish == "length":
                exc.args = (f"{exc} The answer was cut off: raise `max_tokens`.",)
            raise

    def _text_outputs(self, ask: Ask, choice: Choice) -> dict[str, Any]:
        """Return what the text of an answer says; beside native calls it need not say anything."""
        if ask.calls and choice.calls:
            try:
                return self._parsed(ask, choice.text) if choice.text and ask.spec.outputs else {}
            except AdapterParseError as exc:
                return exc.parsed_result
        if not ask.spec.outputs:
            return {}
        if not choice.text.strip():
            raise unreadable(type(self).__name__, ask.spec, choice.text, ["it is empty"], {})
        return self._parsed(ask, choice.text)

    def _lacks(self, name: str) -> NotImplementedError:
        return NotImplementedError(
            f"`{type(self).__name__}` has no `{name}`; an adapter needs `format` and `parse`."
        )

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        told = {k: v for k, v in vars(self).items() if k not in self._usual or v != self._usual[k]}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in told.items())})"


def as_spec(signature: Any) -> SignatureSpec:
    """Return the frozen value behind a signature class."""
    return signature if isinstance(signature, SignatureSpec) else signature.spec


def as_messages(messages: Sequence[Any]) -> tuple[Message, ...]:
    """Return messages of which some may be dicts in OpenAI's form.

    Raises:
        SettingsError: one is neither.
    """
    return tuple(m if type(m) is Message else message_of(m) for m in messages)
