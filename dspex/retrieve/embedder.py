"""Embedder: texts as vectors, by a provider's model or a function of your own.

A provider's model is asked through the very stack of a language model: cached, retried, limited, priced, told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from dspex import _host
from dspex.errors import DataError, LMUnexpectedError, SettingsError
from dspex.lm import asking
from dspex.lm.forms import plain_text
from dspex.lm.lm import LM
from dspex.lm.messages import Request, Response
from dspex.lm.meter import Meter
from dspex.lm.options import check_call
from dspex.lm.secret import is_credential
from dspex.retrieve.ranking import Numbers
from dspex.retrieve.retriever import Own, called, in_role, name_of, whole
from dspex.scope import usage
from dspex.scope.flow import flow

TOGETHER = 8
"""Batches of one call in the air at once; the endpoint's own limit holds them back further."""
_OF_THE_MODEL = frozenset(
    "api_base base_url timeout num_retries price headers extra_headers pool fallbacks transport".split()
)
"""Words that say how the model is reached; all others go to the provider with each call."""


class Embedder:
    """Make vectors of texts.

    Args:
        model: `provider/model`, such as `openai/text-embedding-3-small`; `practice`, which needs no network; or a
            function from a list of texts to as many vectors, such as `SentenceTransformer(...).encode`.
        batch_size: texts sent in one request.
        caching: whether a provider's answers are kept and given again. A function of your own is asked each
            time: nobody can know what its answer depends on.
        **kwargs: parameters of every call, such as `dimensions`; and, for a provider's model, whatever `dspex.LM`
            takes: `api_key`, `api_base`, `timeout`, `num_retries`, `price` ...

    Raises:
        SettingsError: the model is unknown, or a value cannot be.

    Example:
        >>> embedder = Embedder("practice")
        >>> embedder(["hello", "world"]).shape, embedder("hello").shape
        ((2, 256), (256,))
        >>> Embedder(lambda texts: [[len(text), 1.0] for text in texts])("hello").tolist()
        [5.0, 1.0]
    """

    def __init__(
        self, model: str | Callable[..., Any], batch_size: int = 200, caching: bool = True, **kwargs: Any
    ) -> None:
        if not (isinstance(model, str) or callable(model)):
            raise SettingsError(
                "`Embedder` takes a model such as `openai/text-embedding-3-small`, or a function from texts to "
                f"vectors, not a `{type(model).__name__}`."
            )
        self.model = model
        self.batch_size = whole("batch_size", batch_size)
        self.caching = bool(caching)
        hidden = _is_private if isinstance(model, str) else lambda _: False
        self.default_kwargs = {name: value for name, value in kwargs.items() if not hidden(name)}
        # The practice model's usual is not to keep its answers: they are to be seen.
        usual = None if self.caching and model == "practice" else self.caching
        self._lm = LM(model, cache=usual, **kwargs) if isinstance(model, str) else None

    def __call__(
        self,
        inputs: str | Sequence[str],
        batch_size: int | None = None,
        caching: bool | None = None,
        **kwargs: Any,
    ) -> Numbers:
        """Return the vectors of texts: one row for each, or one vector for a text alone.

        Args:
            inputs: a text, or a list of texts.
            batch_size, caching: for this call.
            **kwargs: parameters of this call.

        Raises:
            DataError: an input is no text.
            LMError: the provider failed; the subclass says how.
        """
        return _host.drive(self._embed(inputs, batch_size, caching, kwargs), "`embedder(...)`")

    async def acall(
        self,
        inputs: str | Sequence[str],
        batch_size: int | None = None,
        caching: bool | None = None,
        **kwargs: Any,
    ) -> Numbers:
        """Return the vectors as `embedder(...)` does, for async code."""
        return await self._embed(inputs, batch_size, caching, kwargs)

    async def _embed(
        self, inputs: Any, batch_size: int | None, caching: bool | None, kwargs: Mapping[str, Any]
    ) -> Numbers:
        import numpy

        texts = _texts(inputs)
        size = self.batch_size if batch_size is None else whole("batch_size", batch_size)
        batches = [tuple(texts[start : start + size]) for start in range(0, len(texts), size)]
        with in_role("embedding"):
            if self._lm is None:
                responses = [await self._own(batch, kwargs) for batch in batches]
            else:
                responses = await self._provided(self._lm, batches, caching, kwargs)
        vectors = _joined(responses, self._name())
        return vectors[0] if isinstance(inputs, str) else numpy.ascontiguousarray(vectors)

    async def _provided(
        self, lm: LM, batches: Sequence[tuple[str, ...]], caching: bool | None, kwargs: Mapping[str, Any]
    ) -> list[Response]:
        settings = {name: value for name, value in kwargs.items() if _is_private(name)}
        options = {name: value for name, value in kwargs.items() if name not in settings}
        check_call(options)
        model = lm.copy(**settings) if settings else lm
        said = {} if caching is None else {"cache": caching}
        plain = asking.request_of(lm.model, (), lm.kwargs, options)

        async def ask(batch: tuple[str, ...]) -> Response:
            request = msgspec.structs.replace(plain, inputs=batch)
            response = await model._ask(request, said)
            if not response.cached:
                usage.note(lm.model, response.usage.prompt_tokens, 0)
            return response

        if len(batches) == 1:
            return [await ask(batches[0])]
        return await _host.hop(_together(batches, ask))

    async def _own(self, batch: tuple[str, ...], kwargs: Mapping[str, Any]) -> Response:
        assert callable(self.model)
        function, name = self.model, self._name()

        async def answer() -> Response:
            rows = await called(function, list(batch), **{**self.default_kwargs, **kwargs})
            return _of_rows(rows, len(batch), name)

        return await Meter(Own(answer), name).send(Request(model=name, messages=(), inputs=batch))

    def _name(self) -> str:
        return self.model if isinstance(self.model, str) else name_of(self.model)

    def __deepcopy__(self, memo: object) -> Embedder:
        # A program is copied many times while it is optimized; what embeds for it is one and the same.
        return self

    def __repr__(self) -> str:
        return f"Embedder({self._name()!r}, batch_size={self.batch_size})"


def numbers_of(rows: Any, count: int, who: str) -> Numbers:
    """Return what somebody's function gave as a matrix of 32-bit floats.

    Raises:
        SettingsError: it is not one vector for each of `count` texts.
    """
    import numpy

    try:
        vectors = numpy.asarray(rows, dtype=numpy.float32)
    except (TypeError, ValueError) as exc:
        raise SettingsError(f"`{who}` must return numbers, one vector for each text: {exc}") from None
    if vectors.ndim != 2 or len(vectors) != count or not vectors.shape[1]:
        raise SettingsError(
            f"`{who}` must return one vector for each text; for {count} it returned the shape {vectors.shape}."
        )
    if not numpy.isfinite(vectors).all():
        raise SettingsError(f"`{who}` returned vectors that hold what is no finite number.")
    return vectors


async def _together(
    batches: Sequence[tuple[str, ...]], ask: Callable[[tuple[str, ...]], Any]
) -> list[Response]:
    async with aclosing(flow(batches, ask, TOGETHER)) as results:
        answers = {place: response async for place, response in results}
    return [answers[place] for place in range(len(batches))]


def _of_rows(rows: Any, count: int, who: str) -> Response:
    vectors = numbers_of(rows, count, who)
    return Response(
        choices=(), model=who, cost=0.0, vectors=tuple(row.tobytes() for row in vectors.astype("<f4"))
    )


def _joined(responses: Sequence[Response], who: str) -> Numbers:
    import numpy

    rows = [row for response in responses for row in response.vectors]
    if not rows:
        return numpy.zeros((0, 0), dtype=numpy.float32)
    if len({len(row) for row in rows}) > 1:
        raise LMUnexpectedError(
            f"`{who}` made vectors of different lengths; ask it for one with `dimensions=`."
        )
    return numpy.frombuffer(b"".join(rows), dtype="<f4").reshape(len(rows), -1).astype(numpy.float32)


def _texts(inputs: Any) -> list[str]:
    texts = [inputs] if isinstance(inputs, str) else inputs
    if isinstance(texts, Mapping) or not hasattr(texts, "__iter__"):
        raise DataError(f"An embedder takes a text or a list of texts, not a `{type(inputs).__name__}`.")
    texts = list(texts)
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"All inputs must be strings: number {place} is a `{type(text).__name__}`.")
    return list(map(plain_text, texts))


def _is_private(name: str) -> bool:
    """Tell whether a word says how the model is reached, and is neither shown nor sent."""
    return name in _OF_THE_MODEL or is_credential(name)
