"""`dspex.BaseLM`: what every model is to a program, and the base of models that users write themselves.

A subclass writes `forward` (or `aforward`) and returns texts or a chat completion; it is then asked by modules,
priced, counted, told to callbacks and remembered like any other. `LM` is the one that reaches providers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from dspex import _host
from dspex.errors import SettingsError
from dspex.lm import asking
from dspex.lm.answers import outputs_of
from dspex.lm.custom import Forward, around, overrides, run_call
from dspex.lm.entries import entry_of
from dspex.lm.forms import conversation, form_of_message
from dspex.lm.messages import Message, Request, Response, ToolSpec
from dspex.lm.meter import Meter
from dspex.lm.secret import is_credential, without_credentials
from dspex.lm.states import class_path, load_lm
from dspex.lm.stream import Tolerant
from dspex.lm.transport import OnChunk, ask
from dspex.scope import history, usage
from dspex.scope.callbacks import Told, listening


class BaseLM:
    """A language model; subclass it to bring one of your own.

    Args:
        model: its name.
        model_type: `chat` is the one there is.
        temperature, max_tokens: for every call; your `forward` finds them in `self.kwargs`.
        cache: whether answers may be kept; a `forward` of your own keeps its own.
        callbacks: who is told of this model's calls, besides those of the settings.
        num_retries: how often to ask again; a `forward` of your own asks again itself.
        **kwargs: further parameters of every call.

    Example:
        >>> class Echo(BaseLM):
        ...     def forward(self, prompt=None, messages=None, **kwargs):
        ...         return [messages[-1]["content"].upper()]
        >>> Echo("echo")("hello")
        ['HELLO']
    """

    _builtin: ClassVar[bool] = True
    """In a class's own body: what it says is ours and not a user's."""
    _own_call: ClassVar[bool] = False
    _own_forward: ClassVar[bool] = False
    _own_aforward: ClassVar[bool] = False

    def __init__(
        self,
        model: str,
        model_type: str = "chat",
        temperature: float | None = None,
        max_tokens: int | None = None,
        cache: bool = True,
        callbacks: Sequence[Any] | None = None,
        num_retries: int = 3,
        **kwargs: Any,
    ) -> None:
        self.model = model
        self.model_type = model_type
        self.cache = cache
        if callbacks is not None and not isinstance(callbacks, (list, tuple)):
            raise SettingsError(f"callbacks= is a list of callbacks, not a `{type(callbacks).__name__}`.")
        self.callbacks = list(callbacks or ())
        self.num_retries = num_retries
        self.kwargs: dict[str, Any] = {"temperature": temperature, "max_tokens": max_tokens, **kwargs}
        self.history: list[dict[str, Any]] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._own_call = any(overrides(cls, name) for name in ("__call__", "acall"))
        cls._own_forward = overrides(cls, "forward")
        cls._own_aforward = overrides(cls, "aforward")

    # ------------------------------------------------------------------------------------------- asking

    def __call__(
        self, prompt: str | None = None, messages: Sequence[Any] | None = None, **options: Any
    ) -> list[Any]:
        """Answer a prompt or messages, and return the texts.

        A completion that holds more than text (calls of tools, reasoning, citations) is a dict with `text`,
        `tool_calls`, `reasoning_content` and `citations`.

        Args:
            prompt: what the user says; or
            messages: the conversation, as `[{"role": "user", "content": "..."}]`.
            **options: parameters of this call: `n`, `temperature`, `rollout_id` ...

        Raises:
            LMError: the call failed; the subclass says how.
        """
        work = self._complete(conversation(prompt, messages), prompt, options, None)
        return outputs_of(_host.drive(work, "`lm(...)`"))

    async def acall(
        self, prompt: str | None = None, messages: Sequence[Any] | None = None, **options: Any
    ) -> list[Any]:
        """Answer as `lm(...)` does, for async code."""
        return outputs_of(await self._complete(conversation(prompt, messages), prompt, options, None))

    async def acomplete(
        self,
        messages: Sequence[Message],
        *,
        n: int | None = None,
        temperature: float | None = None,
        rollout_id: int | None = None,
        tools: Sequence[ToolSpec | Mapping[str, Any]] = (),
        response_format: Any = None,
        on_chunk: OnChunk | None = None,
        **options: Any,
    ) -> Response:
        """Answer a conversation with everything known about the answer; what modules call.

        Args:
            messages: the conversation.
            n: how many answers.
            temperature: for this call.
            rollout_id: distinguishes calls that are equal otherwise and must not share a kept answer.
            tools: what the model may ask to have called.
            response_format: the form of the answer, in OpenAI's words, or a pydantic model.
            on_chunk: called with each piece of the first completion, on the thread that reads it; it must return at
                once. What it raises is raised here when the answer is there.
            **options: further parameters for this call.

        Raises:
            LMError: the call failed; the subclass says how, and `partial` what had arrived.
            Interruption: the run was asked to end, or its budget is reached.
        """
        own = {
            "n": n,
            "temperature": temperature,
            "rollout_id": rollout_id,
            "response_format": response_format,
        }
        options.update((name, value) for name, value in own.items() if value is not None)
        if tools:
            options["tools"] = tools
        if self._own_call:
            request = asking.request_of(self.model, tuple(messages), self.kwargs, options)
            return await around(self, request, lambda: run_call(self, request, options), on_chunk)
        return await self._complete(tuple(messages), None, options, on_chunk)

    def forward(
        self, prompt: str | None = None, messages: list[dict[str, Any]] | None = None, **kwargs: Any
    ) -> Any:
        """Answer a conversation; written by the subclass.

        Returns:
            a text, a list of texts, or a chat completion in OpenAI's form.
        """
        raise NotImplementedError

    async def aforward(
        self, prompt: str | None = None, messages: list[dict[str, Any]] | None = None, **kwargs: Any
    ) -> Any:
        """Answer a conversation as a coroutine; written by the subclass in place of `forward`, or beside it."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------- what the model can do

    @property
    def supports_function_calling(self) -> bool:
        """Whether it takes tools and answers with calls."""
        return False

    @property
    def supports_reasoning(self) -> bool:
        """Whether it can tell what it thought."""
        return False

    @property
    def supports_response_schema(self) -> bool:
        """Whether it can be held to a JSON schema."""
        return False

    @property
    def supported_params(self) -> set[str]:
        """The names of the parameters its provider takes, in OpenAI's words."""
        return set()

    # ------------------------------------------------------------------------------------------- itself

    def copy(self, **changes: Any) -> Self:
        """Return a copy with other parameters and a history of its own; everything else is shared.

        Example:
            >>> BaseLM("mine").copy(temperature=0.7).kwargs["temperature"]
            0.7
        """
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        other.history, other.callbacks, other.kwargs = [], list(self.callbacks), dict(self.kwargs)
        for name, value in changes.items():
            if hasattr(other, name):
                setattr(other, name, value)
            if name in other.kwargs or not hasattr(self, name):
                other.kwargs[name] = value
        other.kwargs = {
            name: value for name, value in other.kwargs.items() if changes.get(name, 0) is not None
        }
        return other

    def dump_state(self) -> dict[str, Any]:
        """Return the settings as plain JSON values; without any key."""
        kept = {
            name: without_credentials(value)
            for name, value in self.kwargs.items()
            if not (name.startswith("api_") or is_credential(name))
        }
        return {
            **class_path(self), "model": self.model, "model_type": self.model_type, "cache": self.cache,
            "num_retries": self.num_retries, **kept,
        }  # fmt: skip

    @classmethod
    def load_state(
        cls,
        state: Mapping[str, Any],
        *,
        allow_custom_lm_class: bool = False,
        allow_unsafe_lm_state: bool = False,
    ) -> BaseLM:
        """Return the model that `dump_state` described.

        Args:
            state: from `dump_state`.
            allow_custom_lm_class: whether to import and make a class of your own that the state names.
            allow_unsafe_lm_state: the same, and whether to call an address on another machine that it names.

        Raises:
            SettingsError: the state is none, or asks for what is not allowed.
        """
        return load_lm(
            cls, state, custom=allow_custom_lm_class or allow_unsafe_lm_state, trusted=allow_unsafe_lm_state
        )

    def inspect_history(self, n: int = 1, file: Any = None) -> Any:
        """Show the last `n` calls of this model; see `dspex.inspect_history`."""
        from dspex.lm.history import pretty_print_history

        return pretty_print_history(self.history, n, file=file)

    def update_history(self, entry: dict[str, Any]) -> None:
        """Add a call to this model's history and to all others that keep it."""
        if history.wanted():
            history.remember(entry, self.history)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    def __getstate__(self) -> dict[str, Any]:
        # What was said here and who listens here stays here.
        return {**vars(self), "history": [], "callbacks": []}

    def __deepcopy__(self, memo: object) -> Self:
        # A program is copied many times while it is optimized; its model is one and the same.
        return self

    # ------------------------------------------------------------------------------------------- private

    async def _complete(
        self,
        messages: tuple[Message, ...],
        prompt: str | None,
        options: dict[str, Any],
        on_chunk: OnChunk | None,
    ) -> Response:
        listeners = listening(self)
        if not listeners:
            return await self._answer(messages, prompt, options, on_chunk)
        forms = None if prompt is not None else [form_of_message(message) for message in messages]
        with Told(
            listeners, "lm", self, {"prompt": prompt, "messages": forms, "kwargs": dict(options)}
        ) as now:
            response = await self._answer(messages, prompt, options, on_chunk)
            now.outputs = outputs_of(response)
            return response

    async def _answer(
        self,
        messages: tuple[Message, ...],
        prompt: str | None,
        options: dict[str, Any],
        on_chunk: OnChunk | None,
    ) -> Response:
        request = asking.request_of(self.model, messages, self.kwargs, options)
        taker = None if on_chunk is None else Tolerant(on_chunk)
        response = await self._send(request, prompt, options, taker)
        if not response.cached:
            usage.note(self.model, response.usage.prompt_tokens, response.usage.completion_tokens)
        if history.wanted():
            parameters = {**self.kwargs, **options}
            entry = entry_of(
                request, response, prompt=prompt, parameters=parameters, model_type=self.model_type
            )
            history.remember(entry, self.history)
        if taker is not None and taker.error is not None:
            raise taker.error
        return response

    async def _send(
        self, request: Request, prompt: str | None, options: dict[str, Any], on_chunk: OnChunk | None
    ) -> Response:
        return await ask(Meter(Forward(self, prompt, options), self.model), request, on_chunk)
