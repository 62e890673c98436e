"""BestOfN: ask several times, keep the best answer."""

from __future__ import annotations

from dspex.modules.attempts import Attempts


class BestOfN(Attempts):
    """Run a program up to `N` times and return the answer with the highest reward.

    Each attempt has a rollout id of its own, and temperature 1.0 where its predictors say nothing else.

    Args:
        module: the program.
        N: attempts at most.
        reward_fn: `reward_fn(inputs, prediction)` returns a number; `inputs` is a dict.
        threshold: an answer that reaches it is returned at once; None for always all `N`.
        fail_count: attempts that may fail before the error is raised; `N` by default. Where all fail, the last
            error is raised.

    Raises:
        ProgramError: an argument cannot be, or `reward_fn` returned no number.

    Example:
        >>> import dspex
        >>> short = BestOfN(dspex.Predict("ticket -> reply"), N=3, threshold=-50,
        ...                 reward_fn=lambda inputs, prediction: -len(prediction.reply))
        >>> with dspex.context(lm=dspex.LM("practice")):
        ...     answer = short(ticket="Where is my invoice?")
        >>> list(answer.keys())
        ['reply']
    """
