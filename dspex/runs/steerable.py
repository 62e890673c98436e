"""The half of `Run` with which a person changes its course: each method is one act, told as who did what.

Apart from `handle.py`, which watches, holds and ends a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dspex.errors import UsageError
from dspex.runs.steered import person
from dspex.runs.steering import Steering

if TYPE_CHECKING:
    from dspex.runs.engine import Engine
    from dspex.runs.handle import Run


AS_IT_IS: Any = object()
"""In place of a cap: the one there is stays."""


class Steerable:
    """What can be changed in a run that goes on in this kernel. `by` says who does it; buttons say `button`."""

    id: str
    _folder: Path

    def budget(
        self,
        usd: float | None = AS_IT_IS,
        *,
        tokens: float | None = AS_IT_IS,
        calls: float | None = AS_IT_IS,
        seconds: float | None = AS_IT_IS,
        by: str = "user",
    ) -> None:
        """Set caps anew, from here on; None takes one away, and one that is not named stays.

        Args:
            usd: US dollars over everything the run asks a model.
            tokens: tokens in and out together.
            calls: answered calls of models.
            seconds: wall time since the run began.
            by: who does it.

        Raises:
            SettingsError: a cap is not above zero.
            UsageError: the run is not live in this kernel, or no cap is named.
        """
        given = {"usd": usd, "tokens": tokens, "calls": calls, "seconds": seconds}
        caps = {kind: cap for kind, cap in given.items() if cap is not AS_IT_IS}
        self._steering("change its budget", by).budget(caps, by)

    def concurrency(self, n: int, by: str = "user") -> None:
        """Have `n` examples in flight at once from here on; what is in flight ends on its own.

        Raises:
            UsageError: it is below 1, or the run is not live in this kernel.
        """
        self._steering("change how many examples are in flight", by).concurrency(n, by)

    def reset(self, by: str = "user") -> None:
        """Ask providers again at once that are left alone because they failed.

        Raises:
            UsageError: the run is not live in this kernel.
        """
        self._steering("ask its providers again", by).reset(by)

    def use(self, lm: Any, by: str = "user") -> None:
        """Ask another model from here on; predictors that have a model of their own keep it.

        Args:
            lm: a model, or its name such as `openai/gpt-4o-mini`.
            by: who does it.

        Raises:
            SettingsError: it is no model.
            UsageError: the run is not live in this kernel.
        """
        self._steering("change its model", by).use(lm, by)

    def evaluate(
        self,
        instruction: str | None = None,
        demos: Sequence[Any] | None = None,
        program: Any = None,
        predictor: str = "",
        *,
        origin: str = "",
        by: str = "user",
    ) -> str:
        """Have a candidate of your own join the race, scored like the others; return its id at once.

        Args:
            instruction: another instruction for a copy of the best program so far.
            demos: other demonstrations for it.
            program: a whole program in place of both.
            predictor: which of the program's predictors is changed, where there are several.
            origin: the candidate to start from; the best one by default.
            by: who does it.

        Raises:
            UsageError: nothing is given, there is no such candidate or predictor, or the run has no race to join.
        """
        return self._steering("take candidates of yours", by).evaluate(
            by, instruction=instruction, demos=demos, program=program, predictor=predictor, origin=origin
        )

    def pin(self, candidate: str, by: str = "user", *, pinned: bool = True) -> None:
        """Have this candidate be the result, whatever the others score, until it is let go with `pinned=False`.

        Of several that are pinned, the best is the result.

        Raises:
            UsageError: there is no such candidate, or the run is not live in this kernel.
        """
        self._steering("pin candidates", by).pin(candidate, by, pinned=pinned)

    def drop(self, candidate: str, reason: str = "", by: str = "user") -> None:
        """Give a candidate up: it is scored no further and cannot lead.

        Raises:
            UsageError: there is no such candidate, it leads or is pinned, or the run is not live in this kernel.
        """
        self._steering("drop candidates", by).drop(candidate, reason, by)

    def label(
        self, example: Any, label: Mapping[str, Any] | None = None, comment: str = "", by: str = "user"
    ) -> None:
        """Correct an example's label, or comment on it, for all that is scored from here on.

        Args:
            example: the example, or its id as the run's events name it.
            label: the fields that are right, such as `{"team": "bug"}`.
            comment: words that join the metric's feedback.
            by: who does it.

        Raises:
            UsageError: nothing is said, or the run is not live in this kernel.
        """
        id = example if isinstance(example, str) else getattr(example, "digest", None)
        if not isinstance(id, str):
            raise UsageError(f"`label` takes an example or its id, not a `{type(example).__name__}`.")
        self._steering("take labels", by).label(id, label, comment, by)

    def retry_failed(self, by: str = "user", **given: Any) -> Run:
        """Try again the examples that failed, in a run that is over; all that succeeded is taken as it is.

        Args:
            by: who does it.
            **given: as for `resume`.

        Raises:
            UsageError: the run still goes on.
            ResumeError: what it needs is gone or has changed.
        """
        from dspex.runs.run import take_up

        person(by)
        run = cast("Run", self)
        if not run.done:
            raise UsageError(
                f"Run {self.id} is {run.status}: what failed can be tried again once it is over."
            )
        return take_up(run, by, given, again=True)

    def branch(self, candidate: str = "", by: str = "user", **given: Any) -> Run:
        """Start a new run of the same kind from a candidate of this one; it says where it comes from.

        Args:
            candidate: its id; the best one by default.
            by: who does it.
            **given: as for `resume`; and `budget`, `name` and the like for the new run.

        Raises:
            UsageError: there is no such candidate.
            ResumeError: what the run was started with is gone or has changed.
        """
        from dspex.runs.branch import branch_off

        person(by)
        return branch_off(cast("Run", self), candidate, by, given)

    def _steering(self, verb: str, by: str) -> Steering:
        person(by)
        return Steering(self._steer(verb))

    def _steer(self, verb: str) -> Engine:
        raise NotImplementedError
