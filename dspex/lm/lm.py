"""`dspex.LM`: one language model as the user meets it; builds the stack and keeps what was said.

    Meter(Cached(Retry(transport)))

The stack is chosen here and nowhere else; everything in it is a Transport around a Transport.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, cast

import msgspec

from dspex import _host
from dspex.errors import SettingsError
from dspex.lm import asking
from dspex.lm.base import BaseLM
from dspex.lm.cache import Cached
from dspex.lm.custom import around, mark_reached, run_forward
from dspex.lm.forms import Form, conversation, form_of_response
from dspex.lm.messages import Request, Response
from dspex.lm.meter import Meter
from dspex.lm.options import check_state, read_options
from dspex.lm.prices import Price, capabilities_of, per_million
from dspex.lm.providers import Route, route
from dspex.lm.retry import Retry
from dspex.lm.secret import Secret, public_url
from dspex.lm.states import CLASS_KEY, class_path
from dspex.lm.transport import NONE, Capabilities, OnChunk, Transport, ask


class LM(BaseLM):
    """A language model, called with a prompt or used by modules through `dspex.configure(lm=...)`.

    Args:
        model: `provider/model`, such as `openai/gpt-4o-mini`; or `practice`, a small model that comes with dspex,
            needs no network and has simulated prices.
        model_type: `chat` is the one there is.
        temperature, max_tokens: for every call; None leaves them to the provider.
        cache: whether to keep answers and give them again. None means yes, except for the practice model, whose
            calls are to be seen, and for a transport of your own.
        callbacks: who is told of this model's calls, besides those of the settings.
        api_key: the key; None to read the provider's environment variable at each call. It is never shown or
            saved.
        api_base: an OpenAI-compatible address, such as `http://localhost:8000/v1`.
        num_retries: how often to ask again after an error that may pass.
        timeout: seconds for one try.
        transport: who answers, in place of the provider; for tests.
        price: dollars per million tokens in and out, such as `(2.5, 10.0)`; None to look it up.
        latency: seconds the practice model takes for an answer.
        use_developer_role: whether system messages go out under OpenAI's newer name for them.
        provider, finetuning_model, launch_kwargs, train_kwargs: kept for whoever trains or launches models.
        **kwargs: further parameters for the provider, such as `top_p`.

    Raises:
        SettingsError: an unknown provider, or a value that cannot be.

    Example:
        >>> lm = LM("practice")
        >>> lm
        LM('practice')
    """

    _builtin: ClassVar[bool] = True

    def __init__(
        self,
        model: str,
        model_type: str = "chat",
        temperature: float | None = None,
        max_tokens: int | None = None,
        cache: bool | None = None,
        callbacks: Sequence[Any] | None = None,
        num_retries: int = 3,
        *,
        api_key: str | Secret | None = None,
        api_base: str | None = None,
        timeout: float = 60.0,
        transport: Transport | None = None,
        price: Sequence[float] | None = None,
        latency: float | None = None,
        use_developer_role: bool = False,
        provider: Any = None,
        finetuning_model: str | None = None,
        launch_kwargs: Mapping[str, Any] | None = None,
        train_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        options = read_options(
            kwargs, model=model, model_type=model_type, temperature=temperature, max_tokens=max_tokens,
            num_retries=num_retries, timeout=timeout, latency=latency, api_key=api_key, api_base=api_base,
        )  # fmt: skip
        way = None if transport is not None else route(model, options.api_base)
        usual = way is not None and way.wire != "practice"
        super().__init__(
            model, model_type, None, None, usual if cache is None else bool(cache), callbacks, num_retries
        )
        self.kwargs = options.parameters
        self.timeout = timeout
        self.use_developer_role = use_developer_role
        self.provider = provider
        self.finetuning_model = finetuning_model
        self.launch_kwargs = dict(launch_kwargs or {})
        self.train_kwargs = dict(train_kwargs or {})
        self._options = options
        self._price = price
        self._latency = latency
        self._transport = transport
        self._way = way
        self._stack = self._build(way, cached=self.cache)

    # ------------------------------------------------------------------------------------------- asking

    def forward(
        self, prompt: str | None = None, messages: list[dict[str, Any]] | None = None, **kwargs: Any
    ) -> Form:
        """Answer a conversation and return it as a chat completion; for subclasses that do something around it."""
        return _host.drive(self._direct(prompt, messages, kwargs), "`lm.forward(...)`")

    async def aforward(
        self, prompt: str | None = None, messages: list[dict[str, Any]] | None = None, **kwargs: Any
    ) -> Form:
        """Answer as `forward` does, for async code."""
        return await self._direct(prompt, messages, kwargs)

    # ------------------------------------------------------------------------------- what the model can do

    @property
    def supports_function_calling(self) -> bool:
        """Whether it takes tools and answers with calls."""
        return self._capabilities.function_calling

    @property
    def supports_reasoning(self) -> bool:
        """Whether it can tell what it thought."""
        return self._capabilities.reasoning

    @property
    def supports_response_schema(self) -> bool:
        """Whether it can be held to a JSON schema."""
        return self._capabilities.response_schema

    @property
    def supported_params(self) -> set[str]:
        """The names of the parameters its provider takes, in OpenAI's words."""
        return set(self._capabilities.params)

    @property
    def _capabilities(self) -> Capabilities:
        if self._transport is not None:
            return getattr(self._transport, "capabilities", NONE)
        return NONE if self.practice else capabilities_of(self.model)

    # ------------------------------------------------------------------------------------------- itself

    @property
    def practice(self) -> bool:
        """Whether this is the practice model, whose prices are simulated."""
        return self.model == "practice" and self._transport is None

    def copy(self, **changes: Any) -> Self:
        """Return an LM with other settings and a history of its own.

        Example:
            >>> LM("practice").copy(temperature=0.7)
            LM('practice', temperature=0.7)
        """
        given: dict[str, Any] = {
            **{name: getattr(self, name) for name in _SETTINGS},
            "transport": self._transport, "price": self._price, "latency": self._latency,
            "api_key": self._options.api_key, "api_base": self._options.api_base,
        }  # fmt: skip
        usual = dict(self.kwargs)
        if "max_tokens" in changes:
            usual.pop("max_completion_tokens", None)
        other = object.__new__(type(self))
        # What a subclass keeps is shared; all that is ours is made anew.
        vars(other).update(vars(self))
        LM.__init__(other, **{**given, **usual, **self._options.secrets, **changes})
        return other

    def dump_state(self) -> dict[str, Any]:
        """Return the settings as plain JSON values; without any key.

        Example:
            >>> LM("practice", temperature=0.7).dump_state()["temperature"]
            0.7
        """
        state: dict[str, Any] = {
            **class_path(self), "model": self.model, "model_type": self.model_type, "cache": self.cache,
            "num_retries": self.num_retries, "timeout": self.timeout,
            "api_base": None if self._options.api_base is None else public_url(self._options.api_base),
            "price": None if self._price is None else [float(part) for part in self._price],
            "latency": self._latency, "finetuning_model": self.finetuning_model,
            "launch_kwargs": self.launch_kwargs or None, "train_kwargs": self.train_kwargs or None,
            "use_developer_role": self.use_developer_role or None,
        }  # fmt: skip
        return {name: value for name, value in {**state, **self.kwargs}.items() if value is not None}

    @classmethod
    def load_state(
        cls,
        state: Mapping[str, Any],
        *,
        allow_custom_lm_class: bool = False,
        allow_unsafe_lm_state: bool = False,
    ) -> Self:
        """Return the LM that `dump_state` described; its key comes from the environment.

        Args:
            state: from `dump_state`, or from DSPy's.
            allow_custom_lm_class: accepted; this class is the one that is made.
            allow_unsafe_lm_state: whether to call an address on another machine that the state names. Prompts and
                the environment's key would go there, so the state must be your own.

        Raises:
            SettingsError: the state names such an address, or is none.

        Example:
            >>> LM.load_state(LM("practice").dump_state())
            LM('practice')
        """
        given = {name: value for name, value in state.items() if name not in _NOT_OURS}
        return cls(**check_state(given, trusted=allow_unsafe_lm_state))

    def __repr__(self) -> str:
        shown = {name: value for name, value in self.kwargs.items() if value is not None}
        if self._options.api_base is not None:
            shown["api_base"] = public_url(self._options.api_base)
        return f"LM({', '.join([repr(self.model), *(f'{name}={value!r}' for name, value in shown.items())])})"

    # ------------------------------------------------------------------------------------------- private

    async def _send(
        self, request: Request, prompt: str | None, options: dict[str, Any], on_chunk: OnChunk | None
    ) -> Response:
        if self._own_forward or self._own_aforward:
            return await around(self, request, lambda: run_forward(self, request, prompt, options), on_chunk)
        return await self._ask(request, options, on_chunk)

    async def _ask(
        self, request: Request, options: Mapping[str, Any], on_chunk: OnChunk | None = None
    ) -> Response:
        mark_reached()
        stack = self._stack
        if options and bool(options.get("cache", self.cache)) is not self.cache:
            stack = self._build(self._way, cached=not self.cache)
        if self.use_developer_role:
            request = _renamed(request)
        return await ask(stack, request, on_chunk)

    async def _direct(
        self, prompt: str | None, messages: Sequence[Any] | None, options: dict[str, Any]
    ) -> Form:
        asked = conversation(None if messages else prompt, messages or None)
        response = await self._ask(asking.request_of(self.model, asked, self.kwargs, options), options)
        form = form_of_response(response)
        form["_hidden_params"] = {"response_cost": response.cost}
        form["cache_hit"] = response.cached
        return form

    def _build(self, way: Route | None, *, cached: bool) -> Meter:
        transport, price = self._reach(way)
        if self._price is not None:
            price = per_million(self._price)
        stack: Transport = Retry(transport, num_retries=self.num_retries)
        if cached:
            stack = Cached(stack, place="" if way is None else f"{way.wire} {public_url(way.base)}")
        return Meter(stack, self.model, price)

    def _reach(self, way: Route | None) -> tuple[Transport, Price | None]:
        options = self._options
        if way is None:
            return cast(Transport, self._transport), None
        if way.wire == "practice":
            from dspex.lm.practice import PRACTICE_PRICE, PracticeTransport

            return PracticeTransport(self._latency or 0.0), Price(PRACTICE_PRICE.input, PRACTICE_PRICE.output)
        common: Any = {"api_key": options.api_key, "timeout": self.timeout, "headers": options.headers}
        # Whoever never speaks to a provider, or to one kind only, need not wait for the other's code.
        if way.wire == "litellm":
            from dspex.lm.litellm import LiteLLMTransport

            return LiteLLMTransport(way, credentials=options.credentials, **common), None
        if options.credentials:
            names = ", ".join(f"`{name}`" for name in options.credentials)
            raise SettingsError(f"`{way.provider}` takes one key: pass api_key= in place of {names}.")
        from dspex.lm.direct import DirectTransport

        return DirectTransport(way, **common), None


_SETTINGS = (
    "model", "model_type", "cache", "callbacks", "num_retries", "timeout", "use_developer_role", "provider",
    "finetuning_model", "launch_kwargs", "train_kwargs",
)  # fmt: skip
"""Arguments of `LM(...)` that are attributes under the same name."""
_NOT_OURS = (CLASS_KEY, "engine", "async_engine")
"""What DSPy saves with a model and we choose ourselves."""


def _renamed(request: Request) -> Request:
    messages = tuple(
        msgspec.structs.replace(m, role="developer") if m.role == "system" else m for m in request.messages
    )
    return msgspec.structs.replace(request, messages=messages)
