"""Several attempts at one answer, scored by a reward; what `BestOfN` and `Refine` share.

Every attempt is made by a copy of the program that may not share a kept answer with another. What the best one did is
put on record as if the program itself had done it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dspex import _host
from dspex.errors import Interruption, LMAuthError, LMQuotaError, ProgramError, UsageError
from dspex.events.event import Log
from dspex.modules import trace
from dspex.modules.module import Module
from dspex.modules.ports import Ports
from dspex.modules.predict import Predict
from dspex.modules.prompts import HINT
from dspex.scope.scope import current, within
from dspex.settings import context

RewardFn = Callable[[dict[str, Any], Any], Any]
CHANCE = 1.0
"""Temperature of attempts whose predictors say nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One answer, what it is worth and how it came about."""

    prediction: Any
    reward: float
    steps: tuple[trace.Step, ...]


@dataclass(frozen=True, slots=True)
class _Held:
    """A function kept out of the walk over a program's parts: it may be a module and is none of them."""

    fn: RewardFn

    def __deepcopy__(self, memo: object) -> _Held:
        return self


class Attempts(Module):
    """Base of modules that try several times and return the best answer."""

    native_async = True

    def __init__(
        self,
        module: Module,
        N: int,  # noqa: N803 - DSPy's name
        reward_fn: RewardFn,
        threshold: float | None = None,
        fail_count: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(module, Module):
            raise ProgramError(f"`module` takes a program, not a `{type(module).__name__}`.")
        if isinstance(N, bool) or not isinstance(N, int) or N < 1:
            raise ProgramError(f"`N` takes a whole number of at least 1, not `{N!r}`.")
        if not callable(reward_fn):
            raise ProgramError("`reward_fn` takes a function of (inputs, prediction) that returns a number.")
        self.module = module
        self.N = N
        self.threshold = threshold
        self.fail_count = N if fail_count is None else fail_count
        self._reward = _Held(reward_fn)

    @property
    def reward_fn(self) -> RewardFn:
        """What scores an answer: `reward_fn(inputs, prediction)`."""
        return self._reward.fn

    async def aforward(self, **inputs: Any) -> Any:
        """Try until an answer is good enough, at most `N` times; return the best."""
        best: Attempt | None = None
        advice: Mapping[str, str] = {}
        failures: list[Exception] = []
        for number in range(self.N):
            try:
                attempt = await self._attempt(inputs, number, advice)
                if best is None or attempt.reward > best.reward:
                    best = attempt
                if (self.threshold is not None and attempt.reward >= self.threshold) or number == self.N - 1:
                    break
                advice = await self._advise(inputs, attempt)
            except (Interruption, UsageError, LMAuthError, LMQuotaError):
                raise  # trying again cannot help
            except Exception as exc:  # one of the attempts that may fail; too many end the search
                failures.append(exc)
                text = f"`{type(self).__name__}`: attempt {number + 1} of {self.N} failed: {type(exc).__name__}: {exc}"
                current().emit(Log(level="warning", text=text))
                if len(failures) > self.fail_count:
                    raise
        if best is None:
            raise failures[-1]
        for step in best.steps:
            trace.note(step)
        return best.prediction

    async def _advise(self, inputs: Mapping[str, Any], attempt: Attempt) -> Mapping[str, str]:
        """Return advice for the next attempt, by predictor path."""
        return {}

    async def _attempt(self, inputs: dict[str, Any], number: int, advice: Mapping[str, str]) -> Attempt:
        copy = self.module.deepcopy()
        for path, predictor in copy.named_predictors():
            self._vary(path, predictor, number, advice)
        # On record goes what the best attempt did, when it is known; never what the reward asks.
        with context(trace=[]), trace.recording() as steps:
            with within(f"attempt {number + 1}"):
                prediction = await copy.acall(**inputs)
            done = list(steps)
            reward = await self._score(inputs, prediction)
        return Attempt(prediction=prediction, reward=reward, steps=self._told_as_ours(copy, done))

    def _vary(self, path: str, predictor: Predict, number: int, advice: Mapping[str, str]) -> None:
        first = (
            predictor.config.get("rollout_id") or getattr(predictor.lm, "kwargs", {}).get("rollout_id") or 0
        )
        predictor.config = {"temperature": CHANCE, **predictor.config, "rollout_id": first + number}

    async def _score(self, inputs: dict[str, Any], prediction: Any) -> float:
        fn = self.reward_fn
        with within("reward", role="judge"):
            if isinstance(fn, Module):
                value = await fn.acall(dict(inputs), prediction)
            elif inspect.iscoroutinefunction(fn):
                value = await _host.native(fn(dict(inputs), prediction))
            else:
                value = await _host.in_worker(fn, dict(inputs), prediction)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise ProgramError(f"`reward_fn` returned a `{type(value).__name__}`; return a number.") from None

    def _told_as_ours(self, copy: Module, steps: Sequence[trace.Step]) -> tuple[trace.Step, ...]:
        """Return the steps of a copy as those of the program it was made of, without what was added for the attempt."""
        own = dict(self.module.named_predictors())
        paths = {id(predictor): path for path, predictor in copy.named_predictors()}
        told = []
        for step in steps:
            ours = own.get(paths.get(id(step.predictor), ""), step.predictor)
            added = HINT in step.inputs and HINT not in ours.signature.input_fields
            inputs = {name: value for name, value in step.inputs.items() if name != HINT or not added}
            told.append(trace.Step(predictor=ours, inputs=inputs, prediction=step.prediction))
        return tuple(told)

    def _ports(self) -> Ports:
        return self.module._ports()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.module!r}, N={self.N})"
