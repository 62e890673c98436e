"""The public face: what `import dspex` offers is a decision, and every change of it is seen."""

from __future__ import annotations

import dspex

EXPECTED = """
BootstrapFewShot BootstrapFewShotWithRandomSearch ChainOfThought ChatAdapter Adapter Dataset DspexError Evaluate
EvaluationResult Example InputField LM LabeledFewShot Module OutputField Predict Prediction Run Signature
__version__ answer_exact_match configure context datasets errors events exact load_ipython_extension runs settings
unload_ipython_extension
""".split()


def test_the_public_names_are_these() -> None:
    """A name that comes or goes changes this list, on purpose."""
    assert sorted(dspex.__all__) == sorted(EXPECTED)


def test_every_public_name_exists_and_explains_itself() -> None:
    """Each name resolves, and each class or function says what it is in a full sentence."""
    for name in dspex.__all__:
        value = getattr(dspex, name)
        if callable(value):
            first = (value.__doc__ or "").strip().splitlines()[0]
            assert first.endswith((".", "?", ",")), f"{name}: {first!r}"
