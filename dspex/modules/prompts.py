"""What our own modules tell a model: each prompt as a signature, so that it can be read, tested and replaced.

Apart from the modules, because a prompt is data: `tests/golden/prompts` holds what each one says.
"""

from __future__ import annotations

from dspex.signatures.field import InputField, OutputField
from dspex.signatures.signature import Signature


class Advise(Signature):
    """A program of several steps was run, and its answer was scored below the target.

    Find out which steps are to blame. Then give each of those steps advice for its next try: which kind of input leads
    it astray, what it did wrong with it, and what to do instead. A step sees its inputs and your advice but nothing of
    this try, so the advice must stand on its own and be something it can act on. For a step that is not to blame,
    write `none`.
    """

    program: str = InputField(
        desc="the steps: what each takes, gives and is told to do, and the code around them"
    )
    inputs: str = InputField(desc="what the program was given, as JSON")
    trajectory: str = InputField(desc="what each step was given and answered, in their order, as JSON")
    outputs: str = InputField(desc="what the program answered, as JSON")
    reward: str = InputField(desc="how the score is computed")
    score: float = InputField()
    target: float = InputField(desc="the score that is good enough")
    step_names: list[str] = InputField(desc="the names of the steps")
    discussion: str = OutputField(desc="which steps are to blame, and why")
    advice: dict[str, str] = OutputField(desc="for each step, by its name: the advice, or `none`")


HINT = "hint_"
"""The field by which a step gets advice."""
HINT_TEXT = "advice from an earlier try at this; follow it"

ATTEMPT = "one attempt at this, its reasoning and its answer; it may be wrong"
"""What a `MultiChainComparison` says of each attempt it is given."""
COMPARISON = "what the attempts get right and wrong, and what follows from that"
