"""`dspex.LM`: one language model as the user meets it; builds the stack and keeps what was said.

    Meter(Cached(Retry(transport)))

The stack is chosen here and nowhere else; everything in it is a Transport around a Transport.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from dspex import _canon, _clock, _host
from dspex.errors import DataError, SettingsError
from dspex.lm.cache import Cached
from dspex.lm.direct import DirectTransport
from dspex.lm.litellm import LiteLLMTransport
from dspex.lm.messages import Message, Request, Response, Role
from dspex.lm.meter import Meter
from dspex.lm.options import check_state, read_options
from dspex.lm.prices import Price, per_million
from dspex.lm.providers import Route, route
from dspex.lm.retry import Retry
from dspex.lm.secret import Secret, public_url
from dspex.lm.transport import Transport

HISTORY_LENGTH = 100
_OWN = ("temperature", "max_tokens", "n", "stop", "rollout_id")
"""Options that a Request has a field for; all others go to the provider as they are."""


class LM:
    """A language model, called with a prompt or used by modules through `dspex.configure(lm=...)`.

    Args:
        model: `provider/model`, such as `openai/gpt-4o-mini`; or `practice`, a small model that comes with dspex,
            needs no network and has simulated prices.
        model_type: `chat` is the one there is.
        temperature, max_tokens: for every call; None leaves them to the provider.
        cache: whether to keep answers and give them again. None means yes, except for the practice model, whose
            calls are to be seen, and for a transport of your own.
        api_key: the key; None to read the provider's environment variable at each call. It is never shown or
            saved.
        api_base: an OpenAI-compatible address, such as `http://localhost:8000/v1`.
        num_retries: how often to ask again after an error that may pass.
        timeout: seconds for one try.
        transport: who answers, in place of the provider; for tests.
        price: dollars per million tokens in and out, such as `(2.5, 10.0)`; None to look it up.
        latency: seconds the practice model takes for an answer.
        **kwargs: further parameters for the provider, such as `top_p`.

    Raises:
        SettingsError: an unknown provider, or a value that cannot be.

    Example:
        >>> lm = LM("practice")
        >>> lm
        LM('practice')
    """

    def __init__(
        self,
        model: str,
        model_type: str = "chat",
        temperature: float | None = None,
        max_tokens: int | None = None,
        cache: bool | None = None,
        *,
        api_key: str | Secret | None = None,
        api_base: str | None = None,
        num_retries: int = 3,
        timeout: float = 60.0,
        transport: Transport | None = None,
        price: Sequence[float] | None = None,
        latency: float | None = None,
        **kwargs: Any,
    ) -> None:
        options = read_options(
            kwargs, model=model, model_type=model_type, temperature=temperature, max_tokens=max_tokens,
            num_retries=num_retries, timeout=timeout, latency=latency, api_key=api_key, api_base=api_base,
        )  # fmt: skip
        self.model = model
        self.model_type = model_type
        self.num_retries = num_retries
        self.timeout = timeout
        self.kwargs = options.parameters
        self.history: list[dict[str, Any]] = []
        self._options = options
        self._price = price
        self._latency = latency
        self._transport = transport
        way = None if transport is not None else route(model, options.api_base)
        usual = way is not None and way.wire != "practice"
        self.cache = usual if cache is None else bool(cache)
        self._stack = self._build(way)

    # ------------------------------------------------------------------------------------------- asking

    def __call__(
        self,
        prompt: str | None = None,
        messages: Sequence[Mapping[str, str] | Message] | None = None,
        **options: Any,
    ) -> list[str]:
        """Answer a prompt or messages, and return the texts.

        Args:
            prompt: what the user says; or
            messages: the conversation, as `[{"role": "user", "content": "..."}]`.
            **options: as for `LM`, for this call: `n`, `temperature`, `rollout_id` ...

        Raises:
            LMError: the call failed; the subclass says how.
        """
        return _host.drive(self.acall(prompt, messages, **options), "`lm(...)`")

    async def acall(
        self,
        prompt: str | None = None,
        messages: Sequence[Mapping[str, str] | Message] | None = None,
        **options: Any,
    ) -> list[str]:
        """Answer as `lm(...)` does, for async code."""
        response = await self.acomplete(_conversation(prompt, messages), **options)
        return [choice.text for choice in response.choices]

    async def acomplete(
        self,
        messages: Sequence[Message],
        *,
        n: int | None = None,
        temperature: float | None = None,
        rollout_id: int | None = None,
        **options: Any,
    ) -> Response:
        """Answer a conversation with everything known about the answer; what modules call.

        Args:
            messages: the conversation.
            n: how many answers.
            temperature: for this call.
            rollout_id: distinguishes calls that are equal otherwise and must not share a kept answer.
            **options: further parameters for this call.

        Raises:
            LMError: the call failed; the subclass says how.
            Interruption: the run was asked to end, or its budget is reached.
        """
        own = {"n": n, "temperature": temperature, "rollout_id": rollout_id}
        request = self._request(messages, {**options, **{k: v for k, v in own.items() if v is not None}})
        response = await self._stack.send(request)
        self._remember(request, response)
        return response

    # ------------------------------------------------------------------------------------------- itself

    @property
    def practice(self) -> bool:
        """Whether this is the practice model, whose prices are simulated."""
        return self.model == "practice" and self._transport is None

    def copy(self, **changes: Any) -> LM:
        """Return an LM with other settings and a history of its own.

        Example:
            >>> LM("practice").copy(temperature=0.7)
            LM('practice', temperature=0.7)
        """
        given: dict[str, Any] = {
            "model": self.model, "model_type": self.model_type, "cache": self.cache, "num_retries": self.num_retries,
            "timeout": self.timeout, "transport": self._transport, "price": self._price, "latency": self._latency,
            "api_key": self._options.api_key, "api_base": self._options.api_base,
        }  # fmt: skip
        return LM(**{**given, **self.kwargs, **self._options.secrets, **changes})

    def dump_state(self) -> dict[str, Any]:
        """Return the settings as plain JSON values; without any key.

        Example:
            >>> LM("practice", temperature=0.7).dump_state()["temperature"]
            0.7
        """
        state: dict[str, Any] = {
            "model": self.model, "model_type": self.model_type, "cache": self.cache,
            "num_retries": self.num_retries, "timeout": self.timeout,
            "api_base": None if self._options.api_base is None else public_url(self._options.api_base),
            "price": None if self._price is None else [float(part) for part in self._price],
            "latency": self._latency,
        }  # fmt: skip
        return {name: value for name, value in {**state, **self.kwargs}.items() if value is not None}

    @classmethod
    def load_state(cls, state: Mapping[str, Any], *, allow_unsafe_lm_state: bool = False) -> LM:
        """Return the LM that `dump_state` described; its key comes from the environment.

        Args:
            state: from `dump_state`.
            allow_unsafe_lm_state: whether to call an address on another machine that the state names. Prompts and
                the environment's key would go there, so the state must be your own.

        Raises:
            SettingsError: the state names such an address, or is none.

        Example:
            >>> LM.load_state(LM("practice").dump_state())
            LM('practice')
        """
        return cls(**check_state(state, trusted=allow_unsafe_lm_state))

    def __repr__(self) -> str:
        shown = {name: value for name, value in self.kwargs.items() if value is not None}
        if self._options.api_base is not None:
            shown["api_base"] = public_url(self._options.api_base)
        return f"LM({', '.join([repr(self.model), *(f'{name}={value!r}' for name, value in shown.items())])})"

    def __deepcopy__(self, memo: object) -> LM:
        # A program is copied many times while it is optimized; its model is one and the same.
        return self

    # ------------------------------------------------------------------------------------------- private

    def _build(self, way: Route | None) -> Meter:
        transport, price = self._reach(way)
        if self._price is not None:
            price = per_million(self._price)
        stack: Transport = Retry(transport, num_retries=self.num_retries)
        if self.cache:
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
        if way.wire == "litellm":
            return LiteLLMTransport(way, credentials=options.credentials, **common), None
        if options.credentials:
            names = ", ".join(f"`{name}`" for name in options.credentials)
            raise SettingsError(f"`{way.provider}` takes one key: pass api_key= in place of {names}.")
        return DirectTransport(way, **common), None

    def _request(self, messages: Sequence[Message], options: Mapping[str, Any]) -> Request:
        asked = {name: value for name, value in {**self.kwargs, **options}.items() if value is not None}
        own = {name: asked.pop(name) for name in _OWN if name in asked}
        if "stop" in own:
            own["stop"] = (own["stop"],) if isinstance(own["stop"], str) else tuple(own["stop"])
        try:
            further = {name: msgspec.Raw(_canon.canonical(asked[name]).encode()) for name in sorted(asked)}
        except DataError as exc:
            raise SettingsError(f"A parameter of the LM cannot be sent: {exc}") from None
        return Request(model=self.model, messages=tuple(messages), options=further or None, **own)

    def _remember(self, request: Request, response: Response) -> None:
        self.history.append(
            {
                "messages": [
                    {"role": message.role, "content": message.content} for message in request.messages
                ],
                "kwargs": {name: value for name, value in self.kwargs.items() if value is not None},
                "outputs": [choice.text for choice in response.choices],
                "usage": {
                    "prompt_tokens": response.usage.prompt_tokens,
                    "completion_tokens": response.usage.completion_tokens,
                    "total_tokens": response.usage.total_tokens,
                },
                "cost": response.cost,
                "cached": response.cached,
                "timestamp": _clock.now(),
                "model": self.model,
                "response_model": response.model,
            }
        )
        del self.history[:-HISTORY_LENGTH]


def _conversation(
    prompt: str | None, messages: Sequence[Mapping[str, str] | Message] | None
) -> tuple[Message, ...]:
    if (prompt is None) == (messages is None):
        raise SettingsError('An LM takes a prompt or messages=, one of the two: `lm("Hello")`.')
    if messages is None:
        return (Message(role="user", content=str(prompt)),)
    try:
        return tuple(
            m if isinstance(m, Message) else Message(role=cast(Role, m["role"]), content=m["content"])
            for m in messages
        )
    except (KeyError, TypeError):
        raise SettingsError(
            'Each message is a dict with `role` and `content`: [{"role": "user", "content": "Hello"}].'
        ) from None
