"""`dspex.LM`: one language model as the user meets it; builds the stack and keeps what was said.

    Meter(Cached(Retry(Pooled[Breaker, Gate(Limit)](transport))))

The stack is chosen here and nowhere else; everything in it is a Transport around a Transport. What never leaves this
process (the practice model, a transport of the user's) needs no pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import msgspec

from dspex import _canon, _host
from dspex.errors import SettingsError
from dspex.lm import asking
from dspex.lm.base import BaseLM
from dspex.lm.cache import Cached
from dspex.lm.custom import around, run_forward
from dspex.lm.forms import Form, conversation, form_of_response
from dspex.lm.messages import Request, Response
from dspex.lm.meter import Meter
from dspex.lm.options import check_call, check_state, read_options
from dspex.lm.prices import Price, capabilities_of, per_million
from dspex.lm.providers import Route, route
from dspex.lm.retry import Retry
from dspex.lm.secret import Secret, public_url, without_credentials
from dspex.lm.states import CLASS_KEY, class_path
from dspex.lm.transport import NONE, Capabilities, OnChunk, Transport, ask

if TYPE_CHECKING:
    from dspex.lm.pool import Pool
    from dspex.lm.pooled import Pooled


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
        pool: how the provider is reached: endpoints, calls at once, limits per minute; see `dspex.Pool`. None for the
            usual: one endpoint, whose limit is found by trying.
        fallbacks: models to ask, in this order, where this one cannot be: `provider/model`, or dicts of `model`,
            `api_base` and `api_key`. Their answers cost what they cost and are kept by no cache.
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
        pool: Pool | None = None,
        fallbacks: Sequence[str | Mapping[str, Any]] | None = None,
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
        if transport is not None and not callable(getattr(transport, "send", None)):
            raise SettingsError(
                f"transport= takes an object with `async def send(request)`, not a `{type(transport).__name__}`."
            )
        if price is not None:
            per_million(price)
        from dspex.lm import doors  # a program that has no model yet needs none of it

        read = doors.read_reach(pool, fallbacks, transport=transport is not None)
        way = None if transport is not None else doors.way_to(doors.first_of(pool), model, options)
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
        self._described = pool
        self._fallbacks = read
        self._way = way
        self._pool = self._pooled(way)
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
    def pool(self) -> Pooled | None:
        """How it stands with its endpoints, as a line to read; None where there are none. `reset()` tries them at once."""
        return self._pool

    @property
    def practice(self) -> bool:
        """Whether this is the practice model, whose prices are simulated."""
        return self.model == "practice" and self._transport is None

    def copy(self, **changes: Any) -> Self:
        """Return an LM with other settings and a history of its own; another provider's model is given no key of ours.

        Example:
            >>> LM("practice").copy(temperature=0.7)
            LM('practice', temperature=0.7)
        """
        given, secrets = self._given(), self._options.secrets
        if (
            self._options.api_base is None
            and "api_base" not in changes
            and not self._is_ours(changes.get("model"))
        ):
            given["api_key"], secrets = None, {}
        usual = dict(self.kwargs)
        if "max_tokens" in changes:
            usual.pop("max_completion_tokens", None)
        other = object.__new__(type(self))
        # What a subclass keeps is shared; all that is ours is made anew.
        vars(other).update(vars(self))
        LM.__init__(other, **{**given, **usual, **secrets, **changes})
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
            "pool": None if self._described is None else self._described.state(),
            "fallbacks": [place.shown() for place in self._fallbacks] or None,
        }  # fmt: skip
        known = {name: value for name, value in {**state, **self.kwargs}.items() if value is not None}
        return without_credentials(known)  # type: ignore[no-any-return]  # a dict stays one

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
        shown = without_credentials({name: value for name, value in self.kwargs.items() if value is not None})
        if self._options.api_base is not None:
            shown["api_base"] = public_url(self._options.api_base)
        if self._described is not None:
            shown["pool"] = self._described
        if self._fallbacks:
            shown["fallbacks"] = [place.shown() for place in self._fallbacks]
        return f"LM({', '.join([repr(self.model), *(f'{name}={value!r}' for name, value in shown.items())])})"

    def __copy__(self) -> Self:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        # It is made anew where it arrives: connections stay here, and so do keys, which the environment there has.
        given = {**self._given(), **self.kwargs, "callbacks": None, "api_key": None}
        if self._options.api_base is not None:
            given["api_base"] = public_url(self._options.api_base)
        if self._options.headers:
            given["headers"] = self._options.headers
        ours = vars(LM(**given))
        return _made_again, (type(self), given, {n: v for n, v in vars(self).items() if n not in ours})

    # ------------------------------------------------------------------------------------------- private

    def _is_ours(self, model: object) -> bool:
        """Tell whether a model is of our provider, whose key ours is."""
        ways = self._way, route(model) if isinstance(model, str) else None
        return ways[0] is None or ways[1] is None or ways[0].provider == ways[1].provider

    def _given(self) -> dict[str, Any]:
        """Return what `LM(...)` takes to be like this one, but for parameters and secrets."""
        return {
            **{name: getattr(self, name) for name in _SETTINGS},
            "transport": self._transport, "price": self._price, "latency": self._latency,
            "pool": self._described, "fallbacks": self._fallbacks or None,
            "api_key": self._options.api_key, "api_base": self._options.api_base,
        }  # fmt: skip

    async def _send(
        self, request: Request, prompt: str | None, options: dict[str, Any], on_chunk: OnChunk | None
    ) -> Response:
        if self._own_forward or self._own_aforward:
            return await around(self, request, lambda: run_forward(self, request, prompt, options), on_chunk)
        return await self._ask(request, options, on_chunk)

    async def _ask(
        self, request: Request, options: Mapping[str, Any], on_chunk: OnChunk | None = None
    ) -> Response:
        stack = self._stack
        if options:
            check_call(options)
            if bool(options.get("cache", self.cache)) is not self.cache:
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
        price = per_million(self._price) if self._price is not None else None
        if price is None and self.practice:
            from dspex.lm.practice import PRACTICE_PRICE

            price = Price(PRACTICE_PRICE.input, PRACTICE_PRICE.output)
        stack: Transport = Retry(self._pool or self._alone(), num_retries=self.num_retries)
        if cached:
            stack = Cached(
                stack, place="" if way is None else f"{way.wire} {public_url(way.base)}{_asked_by(way.base)}"
            )
        others = () if self._pool is None else (name for name in self._pool.models if name != self.model)
        # Only who is on the network: a transport of the user's own may itself ask a model of this name.
        pilots = self._pool is not None and self._transport is None
        return Meter(stack, self.model, price, others=tuple(others), pilots=pilots)

    def _alone(self) -> Transport:
        """Return who answers without a pool: the user's own, or the practice model."""
        from dspex.lm import doors
        from dspex.lm.pooled import Taped

        if self._way is None:
            return Taped(cast(Transport, self._transport))
        return Taped(doors.transport_to(self._way, self._options, self.timeout, latency=self._latency or 0.0))

    def _pooled(self, way: Route | None) -> Pooled | None:
        from dspex.lm import doors
        from dspex.lm.pool import PATIENCE
        from dspex.lm.pooled import Pooled

        described = self._described
        if way is None:
            if described is None:
                return None
            door = doors.Door(self.model, cast(Transport, self._transport), pool=described)
            return Pooled([[door]], patience=described.patience)
        if way.wire == "practice" and not self._fallbacks and described is None:
            return None
        tiers = doors.tiers_of(self.model, self._options, described, self._fallbacks, self.timeout)
        return Pooled(tiers, patience=PATIENCE if described is None else described.patience)


_SETTINGS = (
    "model", "model_type", "cache", "callbacks", "num_retries", "timeout", "use_developer_role", "provider",
    "finetuning_model", "launch_kwargs", "train_kwargs",
)  # fmt: skip
"""Arguments of `LM(...)` that are attributes under the same name."""
_NOT_OURS = (CLASS_KEY, "engine", "async_engine")
"""What DSPy saves with a model and we choose ourselves."""


def _made_again(kind: type[LM], given: dict[str, Any], further: dict[str, Any]) -> LM:
    other = object.__new__(kind)
    vars(other).update(further)
    LM.__init__(other, **given)
    return other


def _asked_by(base: str) -> str:
    """Return what an address asks for besides its path, as its hash: it decides the answer, and may hold a key."""
    query = base.partition("?")[2]
    return f" {_canon.digest(query)}" if query else ""


def _renamed(request: Request) -> Request:
    messages = tuple(
        msgspec.structs.replace(m, role="developer") if m.role == "system" else m for m in request.messages
    )
    return msgspec.structs.replace(request, messages=messages)
