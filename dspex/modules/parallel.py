"""Many calls of one program at once, with a bound on what is in flight."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dspex.data.example import Example, Prediction
from dspex.modules.module import Module
from dspex.scope.flow import run_all
from dspex.settings import current_settings


def run_batch(program: Module, examples: Iterable[Any], num_threads: int | None = None) -> list[Prediction]:
    """Run a program over examples (or dicts of inputs) and return the answers in their order.

    Raises:
        Exception: the first error of any call.
    """

    async def call(example: Any) -> Prediction:
        inputs = dict(example.inputs().items()) if isinstance(example, Example) else dict(example)
        answer: Prediction = await program.acall(**inputs)
        return answer

    return run_all(examples, call, num_threads or current_settings().num_threads, "`batch`")
