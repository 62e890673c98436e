"""dspex: prompt programs you watch and steer in a notebook.

Importing does nothing but define names: no file, no network, no thread.
"""

from dspex import data as datasets
from dspex import errors, events, runs
from dspex._version import __version__
from dspex.adapters import Adapter, ChatAdapter
from dspex.data import Dataset, Example, Prediction
from dspex.errors import DspexError
from dspex.evaluate import Evaluate, EvaluationResult, answer_exact_match, exact
from dspex.lm.lm import LM
from dspex.modules import ChainOfThought, Module, Predict
from dspex.optimize import BootstrapFewShot, BootstrapFewShotWithRandomSearch, LabeledFewShot
from dspex.runs import Run
from dspex.settings import configure, context, settings
from dspex.signatures import InputField, OutputField, Signature

__all__ = [
    "LM",
    "Adapter",
    "BootstrapFewShot",
    "BootstrapFewShotWithRandomSearch",
    "ChainOfThought",
    "ChatAdapter",
    "Dataset",
    "DspexError",
    "Evaluate",
    "EvaluationResult",
    "Example",
    "InputField",
    "LabeledFewShot",
    "Module",
    "OutputField",
    "Predict",
    "Prediction",
    "Run",
    "Signature",
    "__version__",
    "answer_exact_match",
    "configure",
    "context",
    "datasets",
    "errors",
    "events",
    "exact",
    "load_ipython_extension",
    "runs",
    "settings",
    "unload_ipython_extension",
]


def load_ipython_extension(shell: object) -> None:
    """Set up `%dspex` and the live widgets; called by `%load_ext dspex`."""
    from dspex_widgets.extension import load

    load(shell)


def unload_ipython_extension(shell: object) -> None:
    """Take `%dspex` and the live widgets away; called by `%unload_ext dspex`."""
    from dspex_widgets.extension import unload

    unload(shell)
