"""MultiChainComparison: several attempts at one answer are weighed by the model itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dspex.data.example import Prediction
from dspex.errors import ProgramError
from dspex.modules.module import Module
from dspex.modules.ports import Ports
from dspex.modules.predict import Predict, read_signature
from dspex.modules.prompts import ATTEMPT, COMPARISON
from dspex.signatures.field import InputField, OutputField
from dspex.signatures.signature import Signature

THOUGHTS = ("rationale", "reasoning")
"""Fields in which an attempt may have said why."""


class MultiChainComparison(Module):
    """Show the model `M` attempts at an answer and ask for the right one, with a `rationale` first.

    Args:
        signature: what is asked; its last output is what the attempts are compared by.
        M: how many attempts it is called with.
        temperature: of the call; 0.7 by default.
        callbacks: who is told when this module starts and ends.
        **config: options of every call, as for `Predict`.

    Called with the attempts (predictions or dicts with `reasoning` or `rationale` and the answer) and the inputs.

    Raises:
        ProgramError: at the call, for another number of attempts, or one without the answer.

    Source: Yoran et al. 2023, Answering Questions by Meta-Reasoning over Multiple Chains of Thought.

    Example:
        >>> MultiChainComparison("question -> answer", M=2).predict
        Predict(question, reasoning_attempt_1, reasoning_attempt_2 -> rationale, answer)
    """

    native_async = True

    def __init__(
        self,
        signature: str | type[Signature],
        M: int = 3,  # noqa: N803 - DSPy's name
        temperature: float = 0.7,
        callbacks: Iterable[Any] | None = None,
        **config: Any,
    ) -> None:
        super().__init__(callbacks)
        given = read_signature(signature)
        self.M = M
        self.last_key = list(given.output_fields)[-1]
        for number in range(1, M + 1):
            given = given.append(f"reasoning_attempt_{number}", InputField(desc=ATTEMPT), str)
        if "rationale" not in given.output_fields:
            given = given.prepend("rationale", OutputField(desc=COMPARISON), str)
        self.predict = Predict(given, temperature=temperature, **config)

    async def aforward(self, completions: Iterable[Any], **inputs: Any) -> Prediction:
        """Ask the model about the attempts."""
        attempts = [self._attempt(completion) for completion in completions]
        if len(attempts) != self.M:
            raise ProgramError(
                f"`MultiChainComparison` compares {self.M} attempts, and got {len(attempts)}; make it with "
                f"`M={len(attempts)}`, or give it {self.M}."
            )
        shown = {f"reasoning_attempt_{number}": text for number, text in enumerate(attempts, 1)}
        prediction: Prediction = await self.predict.acall(**shown, **inputs)
        return prediction

    def _attempt(self, completion: Any) -> str:
        if self.last_key not in completion:
            raise ProgramError(f"An attempt lacks `{self.last_key}`. It has: {', '.join(completion.keys())}.")
        thought = next((str(completion[name]) for name in THOUGHTS if completion.get(name)), "")
        answer = f"Answer: {str(completion[self.last_key]).strip()}"
        return f"Reasoning: {thought.strip()}\n{answer}" if thought.strip() else answer

    def _ports(self) -> Ports:
        inner = self.predict._ports()
        own = {f"reasoning_attempt_{number}" for number in range(1, self.M + 1)}
        required = ("completions", *(name for name in inner.required if name not in own))
        return Ports(required=required, optional=inner.optional, gives=inner.gives)
