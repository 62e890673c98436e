"""ChainOfThought: let the model reason before it answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dspex.data.example import Prediction
from dspex.modules.module import Module
from dspex.modules.ports import Ports
from dspex.modules.predict import Predict, read_signature
from dspex.signatures.field import OutputField
from dspex.signatures.signature import Signature

REASONING = "The steps that lead to the answer."


class ChainOfThought(Module):
    """Ask for a `reasoning` field before the signature's own outputs; one that is there already is kept.

    Args:
        signature: a Signature class or a string such as `"question -> answer"`.
        callbacks: who is told when this module starts and ends.
        **config: options of every call, as for `Predict`.

    Source: Wei et al. 2022, Chain-of-Thought Prompting Elicits Reasoning in Large Language Models.

    Example:
        >>> ChainOfThought("question -> answer").predict
        Predict(question -> reasoning, answer)
    """

    native_async = True

    def __init__(
        self, signature: str | type[Signature], callbacks: Iterable[Any] | None = None, **config: Any
    ) -> None:
        super().__init__(callbacks)
        given = read_signature(signature)
        if "reasoning" not in given.output_fields:
            given = given.prepend("reasoning", OutputField(desc=REASONING), str)
        self.predict = Predict(given, **config)

    async def aforward(self, **inputs: Any) -> Prediction:
        """Ask the model."""
        prediction: Prediction = await self.predict.acall(**inputs)
        return prediction

    def _ports(self) -> Ports:
        return self.predict._ports()
