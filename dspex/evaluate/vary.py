"""The same program, asked again so that no kept answer answers for it: for repeats, and for a failed example's retry.

As `BestOfN` does it: a copy of the program whose predictors carry another `rollout_id`. The model, its temperature
and the prompt stay as they are.
"""

from __future__ import annotations

from typing import Any

from dspex.modules.module import Module


class Variants:
    """The program and its copies, each made when first asked for.

    Args:
        program: the one to answer.
        repeats: how many goes at each example there are.
    """

    def __init__(self, program: Any, repeats: int = 1) -> None:
        self._repeats = repeats
        self._made: dict[int, Any] = {0: program}

    def of(self, repeat: int, attempt: int) -> Any:
        """Return the program for this go at an example, and this attempt of it; both from 0."""
        number = repeat + attempt * self._repeats
        if number not in self._made:
            self._made[number] = _varied(self._made[0], number)
        return self._made[number]


def _varied(program: Any, number: int) -> Any:
    if not isinstance(program, Module):
        return program  # what is no program of ours keeps its own answers
    copy = program.deepcopy()
    for predictor in copy.predictors():
        usual = getattr(predictor.lm, "kwargs", {}).get("rollout_id") or 0
        first = predictor.config.get("rollout_id") or usual
        predictor.config = {**predictor.config, "rollout_id": first + number}
    return copy
