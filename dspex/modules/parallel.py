"""Parallel: many (program, inputs) pairs at once, with a bound on what is in flight."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from dspex import _host
from dspex.data.example import Example
from dspex.errors import ProgramError
from dspex.modules.executor import ParallelExecutor
from dspex.modules.module import Module


class Parallel:
    """Run (program, inputs) pairs at the same time and return the answers in the pairs' order.

    Args:
        num_threads: calls in flight at once; the setting `num_threads` by default.
        max_errors: failures at which the rest is given up and the first error raised; the setting `max_errors` by
            default.
        access_examples: whether a program gets an example's inputs by name; otherwise it gets the example itself.
        return_failed_examples: whether to return (answers, failed examples, their errors).
        provide_traceback: whether the log events of failures carry the traceback.
        disable_progress_bar: accepted for DSPy's sake; nothing is printed.
        timeout: seconds after which a call is a straggler; 0 for never.
        straggler_limit: stragglers are asked a second time once at most so many calls are left.

    Called with pairs of a program and what it takes: an Example, a dict of inputs, or a tuple of positional values;
    for a `Parallel` as the program, a list of pairs. Where a call fails its answer is None; where all fail and nobody
    asked for the failures, the first error is raised.

    Example:
        >>> class Double(Module):
        ...     def forward(self, x):
        ...         return 2 * x
        >>> Parallel(num_threads=2)([(Double(), {"x": 1}), (Double(), {"x": 2})])
        [2, 4]
    """

    def __init__(
        self,
        num_threads: int | None = None,
        max_errors: int | None = None,
        access_examples: bool = True,
        return_failed_examples: bool = False,
        provide_traceback: bool | None = None,
        disable_progress_bar: bool = False,
        timeout: float = 120,
        straggler_limit: int = 3,
    ) -> None:
        self.num_threads = num_threads
        self.max_errors = max_errors
        self.access_examples = access_examples
        self.return_failed_examples = return_failed_examples
        self.provide_traceback = provide_traceback
        self.disable_progress_bar = disable_progress_bar
        self.timeout = timeout
        self.straggler_limit = straggler_limit
        self.failed_examples: list[Any] = []
        self.exceptions: list[Exception] = []

    def __call__(self, exec_pairs: Iterable[Any], num_threads: int | None = None) -> Any:
        """Run the pairs.

        Raises:
            ProgramError: something is no pair.
            Exception: the first error, where too many fail or all do.
        """
        return _host.drive(self.acall(exec_pairs, num_threads), "`Parallel`")

    forward = __call__

    async def acall(self, exec_pairs: Iterable[Any], num_threads: int | None = None) -> Any:
        """Run the pairs, for async code."""
        pairs = [_pair(pair) for pair in exec_pairs]
        executor = ParallelExecutor(
            num_threads=self.num_threads if num_threads is None else num_threads,
            max_errors=self.max_errors,
            provide_traceback=self.provide_traceback,
            timeout=self.timeout,
            straggler_limit=self.straggler_limit,
        )
        answers = await executor.run(self._answer, pairs)
        failed = sorted(executor.failed_indices)
        self.failed_examples = [pairs[index][1] for index in failed]
        self.exceptions = [executor.exceptions_map[index] for index in failed]
        if self.return_failed_examples:
            return answers, self.failed_examples, self.exceptions
        if pairs and len(failed) == len(pairs):
            raise self.exceptions[0]
        return answers

    async def _answer(self, pair: tuple[Any, Any]) -> Any:
        program, example = pair
        args, inputs = self._given(program, example)
        if isinstance(program, (Module, Parallel)):
            return await program.acall(*args, **inputs)
        if inspect.iscoroutinefunction(program):
            return await program(*args, **inputs)
        return await _host.in_worker(lambda: program(*args, **inputs))

    def _given(self, program: Any, example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if isinstance(example, Example):
            return ((), dict(example.inputs().items())) if self.access_examples else ((example,), {})
        if isinstance(example, Mapping):
            return (), dict(example)
        if isinstance(example, list) and isinstance(program, Parallel):
            return (example,), {}
        if isinstance(example, tuple):
            return example, {}
        raise ProgramError(
            f"A program's inputs are an Example, a dict or a tuple of values, not a `{type(example).__name__}`."
        )

    def __repr__(self) -> str:
        return f"Parallel(num_threads={self.num_threads})"


def _pair(pair: Any) -> tuple[Any, Any]:
    if isinstance(pair, (list, tuple)) and len(pair) == 2 and callable(pair[0]):
        return pair[0], pair[1]
    raise ProgramError(
        "`Parallel` takes pairs `(program, inputs)`, such as `(program, {'question': '...'})`."
    )
