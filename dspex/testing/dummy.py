"""DSPy's stand-ins for tests of programs: a model that says what was written down, and texts as vectors.

`DummyLM` is an LM like any other with a Transport that waits for nothing: a program asks it in its own thread.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from dspex.adapters.markers import marker
from dspex.adapters.rendering import render_value
from dspex.lm.lm import LM
from dspex.lm.messages import Choice, Message, Request, Response

if TYPE_CHECKING:
    import numpy

Answer = Mapping[str, Any] | str
NOTHING_LEFT = "No more responses"
REASONING = "Some reasoning"


class DummyLM(LM):
    r"""A model that gives the answers you wrote down.

    Args:
        answers: dicts of output fields, one for each completion, in order; or a dict from a piece of the last
            message to the fields that answer it. A string is said as it is.
        follow_examples: whether to answer as the demonstration does whose inputs are those asked.
        reasoning: whether to tell a thought beside each answer, as reasoning models do.
        adapter: whose layout to write; the chat adapter's by default.

    Example:
        >>> lm = DummyLM([{"team": "billing"}, {"team": "bug"}])
        >>> import dspex
        >>> with dspex.context(lm=lm):
        ...     dspex.Predict("ticket -> team")(ticket="I was charged twice.").team
        'billing'
        >>> lm("anything")
        ['[[ ## team ## ]]\nbug']
        >>> len(lm.history)
        2
    """

    def __init__(
        self,
        answers: Iterable[Answer] | Mapping[str, Answer],
        follow_examples: bool = False,
        reasoning: bool = False,
        adapter: Any = None,
    ) -> None:
        self.answers: Mapping[str, Answer] | Iterator[Answer]
        self.answers = answers if isinstance(answers, Mapping) else iter(answers)
        self.follow_examples = follow_examples
        self.reasoning = reasoning
        self.adapter = adapter
        super().__init__("dummy", "chat", 0.0, 1000, cache=False, transport=_Script(self))

    def copy(self, **changes: Any) -> Self:
        """Return one that says the rest of the same answers; it has other options and a history of its own."""
        other = type(self)(
            self.answers, follow_examples=self.follow_examples, reasoning=self.reasoning, adapter=self.adapter
        )
        other.kwargs = {**self.kwargs, **changes}
        return other

    def get_convo(self, index: int) -> tuple[Any, Any]:
        """Return the messages and the answers of one call."""
        return self.history[index]["messages"], self.history[index]["outputs"]

    def __repr__(self) -> str:
        return f"<DummyLM: {len(self.history)} asked>"

    def answer(self, messages: Sequence[Message]) -> str:
        """Return what to say to a conversation."""
        if self.follow_examples:
            return _example(messages)
        if isinstance(self.answers, Mapping):
            asked = messages[-1].text
            found = next((answer for piece, answer in self.answers.items() if piece in asked), NOTHING_LEFT)
        else:
            found = next(self.answers, {"answer": NOTHING_LEFT})
        return found if isinstance(found, str) else layout(found, self.adapter)


class _Script:
    """The transport of a DummyLM: answers at once."""

    waits = False

    def __init__(self, lm: DummyLM) -> None:
        self._lm = lm

    async def send(self, request: Request) -> Response:
        """Answer one request."""
        thought = REASONING if self._lm.reasoning else ""
        said = (self._lm.answer(request.messages) for _ in range(request.n))
        return Response(choices=tuple(Choice(text=t, reasoning=thought) for t in said), model="dummy")


def layout(fields: Mapping[str, Any], adapter: Any = None) -> str:
    r"""Return output fields as a model writes them for an adapter.

    Example:
        >>> layout({"answer": "blue", "sure": True})
        '[[ ## answer ## ]]\nblue\n\n[[ ## sure ## ]]\ntrue'
    """
    kinds = {kind.__name__ for kind in type(adapter).__mro__}
    if "JSONAdapter" in kinds:
        from pydantic_core import to_json

        return to_json(dict(fields), indent=2).decode()
    if "XMLAdapter" in kinds:
        return "\n\n".join(f"<{name}>\n{render_value(value)}\n</{name}>" for name, value in fields.items())
    return "\n\n".join(f"{marker(name)}\n{render_value(value)}" for name, value in fields.items())


def _example(messages: Sequence[Message]) -> str:
    """Return what the last demonstration says whose inputs begin as those of the last message."""
    asked = messages[-1].text.split("\n\n")[0]
    for question, answer in reversed(list(pairwise(messages))):
        if answer.role == "assistant" and asked in question.text:
            return answer.text
    return ""


class DummyVectorizer:
    """Texts as vectors of their counted letter groups: equal texts have equal vectors, and no model is asked.

    Args:
        max_length: how long the vectors are.
        n_gram: how many letters make a group.

    Example:
        >>> DummyVectorizer()(["one", "two"]).shape
        (2, 100)
    """

    def __init__(self, max_length: int = 100, n_gram: int = 2) -> None:
        self.max_length = max_length
        self.n_gram = n_gram
        self._prime = 10**9 + 7
        rng = random.Random(123)
        self._factors = [rng.randrange(1, self._prime) for _ in range(n_gram)]

    def __call__(self, texts: Sequence[str]) -> numpy.ndarray[Any, Any]:
        """Return one row for each text, its mean 0 and its length 1."""
        import numpy

        return numpy.array([self._row(text) for text in texts], dtype=numpy.float32)

    def _row(self, text: str) -> list[float]:
        row = [0.0] * self.max_length
        for start in range(len(text) - self.n_gram + 1):
            row[self._place(text[start : start + self.n_gram])] += 1
        mean = sum(row) / len(row)
        row = [count - mean for count in row]
        length = math.sqrt(sum(count * count for count in row)) + 1e-10
        return [count / length for count in row]

    def _place(self, group: str) -> int:
        value = 1
        for factor, letter in zip(self._factors, group, strict=True):
            value = (value * factor + ord(letter)) % self._prime
        return value % self.max_length
