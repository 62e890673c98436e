"""Stand-ins for models: shown the real prompts, they count them and answer as the practice model does.

Apart from the estimate, which knows what to run how often; here is how it is run so that nothing is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dspex.data.example import Example
from dspex.errors import Interruption, UsageError
from dspex.evaluate.score import Metric, judge
from dspex.lm import asking
from dspex.lm.base import BaseLM
from dspex.lm.lm import LM
from dspex.lm.messages import Request, Response
from dspex.lm.practice import PRACTICE_PRICE, PracticeTransport
from dspex.lm.prices import Price, most_tokens, per_million, price_of
from dspex.modules.module import Module
from dspex.scope.budget import Budget, Reservation
from dspex.scope.scope import Scope, current, enter
from dspex.settings import context, current_settings

CHARACTERS = 4
"""Of English text, to a token; the higher bound counts three bytes to one."""
LONGER, FURTHER = 4, 200
"""A real answer is taken to have at most so many times the tokens of the stand-in's, and so many more."""


@dataclass(eq=False)
class Counted:
    """What one model was asked, from .. to."""

    price: Price | None
    calls: float = 0.0
    low_in: float = 0.0
    high_in: float = 0.0
    low_out: float = 0.0
    high_out: float = 0.0


@dataclass(eq=False)
class Book:
    """What all models were asked, by name, and what could not be followed."""

    models: dict[str, Counted] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def note(self, lm: BaseLM, request: Request, response: Response) -> None:
        """Count one call."""
        total = self.models.setdefault(lm.model, Counted(price_for(lm)))
        most = most_tokens(request, 0).prompt_tokens
        wrote = sum(-(-len(choice.text) // CHARACTERS) for choice in response.choices)
        longest = LONGER * wrote + FURTHER * request.n
        if request.max_tokens is not None:
            longest = min(longest, request.max_tokens * request.n)
        total.calls += 1
        total.low_in += min(most, response.usage.prompt_tokens)
        total.high_in += most
        total.low_out += min(wrote, longest)
        total.high_out += longest


async def follow(program: Module, metric: Metric | None, sample: Sequence[Example]) -> Book:
    """Run the program and the metric on a few examples, all models replaced; return what was asked.

    Raises:
        UsageError: the program cannot be run as it is: no model, or a field is missing.
    """
    book = Book()
    program = program.deepcopy()
    for predictor in program.predictors():
        if predictor.lm is not None:
            predictor.lm = Gauge(predictor.lm, book)
    usual = current_settings().lm
    quiet = {"callbacks": (), "lm": None if usual is None else Gauge(usual, book)}
    with context(**quiet), enter(Scope(budget=_Closed())):
        found = await asyncio.gather(*(_one(program, metric, row) for row in sample), return_exceptions=True)
    for error in found:
        if isinstance(error, UsageError) or (
            isinstance(error, BaseException) and not isinstance(error, Exception)
        ):
            raise error
        if isinstance(error, _NotFollowedError):
            book.problems.append(str(error))
        elif isinstance(error, Exception):
            book.problems.append(f"not followed to the end: {type(error).__name__}: {error}")
    return book


async def _one(program: Module, metric: Metric | None, row: Example) -> None:
    prediction = await program.acall(**dict(row.inputs().items()))
    if metric is not None:
        await judge(metric, row, prediction)


class Gauge(BaseLM):
    """Stands in for a model: counts what it would be asked, and answers as the practice model does.

    It is no transport below a meter: what it does is no call, and no event, history or budget may tell of one.
    """

    _builtin = True

    def __init__(self, model: BaseLM, book: Book) -> None:
        super().__init__(model.model, cache=False, num_retries=0)
        self.kwargs = dict(model.kwargs)
        self._model = model
        self._book = book

    @property
    def supports_function_calling(self) -> bool:
        """As the model itself."""
        return self._model.supports_function_calling

    @property
    def supports_reasoning(self) -> bool:
        """As the model itself."""
        return self._model.supports_reasoning

    @property
    def supports_response_schema(self) -> bool:
        """As the model itself."""
        return self._model.supports_response_schema

    @property
    def supported_params(self) -> set[str]:
        """As the model itself."""
        return self._model.supported_params

    async def _complete(self, messages: Any, prompt: Any, options: dict[str, Any], on_chunk: Any) -> Response:
        request = asking.request_of(self.model, messages, self.kwargs, options)
        # Its own limit cuts no real answer short: a prompt that is asked again because of it would count twice.
        response = await PracticeTransport().send(msgspec.structs.replace(request, max_tokens=None))
        self._book.note(self._model, request, response)
        return response


class _NotFollowedError(Interruption):
    """A model was asked that has no stand-in; nothing was sent."""


class _Closed(Budget):
    """Allows no call but of retrievers, which cost nothing: a model that the user's own code holds is not asked."""

    def try_reserve(self, usd: float, tokens: float = 0, calls: int = 1) -> Reservation | None:
        """Refuse."""
        if current().role == "retrieval":
            return super().try_reserve(usd, tokens, calls)
        raise _NotFollowedError("a model that the code brings itself was not asked, and is not counted")


def price_for(lm: BaseLM) -> Price | None:
    """Return a model's price: the user's own, or the table's; None where nobody knows."""
    own = getattr(lm, "_price", None)
    if own is not None:
        return per_million(own)
    if isinstance(lm, LM) and lm.practice:
        return Price(PRACTICE_PRICE.input, PRACTICE_PRICE.output)
    return price_of(lm.model)
