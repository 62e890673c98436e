"""dspex: prompt programs you watch and steer in a notebook.

Importing does nothing but define names: no file, no network, no thread.
"""

from typing import TYPE_CHECKING, Any

from dspex import compat, errors
from dspex import data as datasets
from dspex._version import __version__
from dspex.adapters import Adapter, ChatAdapter
from dspex.data import Dataset, Example, Prediction
from dspex.errors import DspexError
from dspex.lm.lm import LM
from dspex.modules import ChainOfThought, Module, Predict
from dspex.settings import configure, context, settings
from dspex.signatures import InputField, OutputField, Signature

if TYPE_CHECKING:  # what the table below fetches when asked for, told to type checkers and editors
    from dspex import events, executors, runs, streaming, testing
    from dspex.adapters.json import JSONAdapter
    from dspex.adapters.two_step import TwoStepAdapter
    from dspex.adapters.xml import XMLAdapter
    from dspex.data.example import Completions
    from dspex.errors import (
        AdapterParseError,
        ContextWindowExceededError,
        DSPyError,
        LMAuthError,
        LMError,
        LMInvalidRequestError,
        LMRateLimitError,
        LMServerError,
        LMTimeoutError,
        LMTransportError,
        LMUnavailableError,
        LMUnexpectedError,
        is_retryable_lm_error,
    )
    from dspex.evaluate.callable import CallableModule
    from dspex.evaluate.evaluate import Evaluate, EvaluationResult
    from dspex.evaluate.metrics import answer_exact_match, exact
    from dspex.lm.base import BaseLM
    from dspex.lm.caching import configure_cache
    from dspex.lm.history import inspect_history
    from dspex.lm.pool import Pool
    from dspex.modules.aggregation import majority
    from dspex.modules.best_of_n import BestOfN
    from dspex.modules.bridges import asyncify, syncify
    from dspex.modules.knn import KNN
    from dspex.modules.multi_chain import MultiChainComparison
    from dspex.modules.parallel import Parallel
    from dspex.modules.refine import Refine
    from dspex.modules.saving import load
    from dspex.optimize.bootstrap import BootstrapFewShot
    from dspex.optimize.knn import KNNFewShot
    from dspex.optimize.labeled import LabeledFewShot
    from dspex.optimize.optimizer import Teleprompter
    from dspex.optimize.random_search import BootstrapFewShotWithRandomSearch
    from dspex.optimize.random_search import BootstrapFewShotWithRandomSearch as BootstrapRS
    from dspex.retrieve import (
        BM25,
        ColBERTv2,
        Embedder,
        Embeddings,
        EmbeddingsWithScores,
        HTTPRetriever,
        Retrieve,
        Retriever,
    )
    from dspex.runs.run import Run
    from dspex.settings import load_settings, track_usage
    from dspex.signatures.field import infer_prefix
    from dspex.signatures.signature import SignatureMeta, make_signature
    from dspex.streaming.streamify import streamify
    from dspex.tools.calls import ToolCallResults, ToolCalls
    from dspex.tools.tool import Tool
    from dspex.types.audio import Audio
    from dspex.types.code import Code
    from dspex.types.file import File
    from dspex.types.history import History
    from dspex.types.image import Image
    from dspex.types.reasoning import Reasoning
    from dspex.types.type import Type

    evaluate: CallableModule

__all__ = [
    "LM",
    "Adapter",
    "ChainOfThought",
    "ChatAdapter",
    "Dataset",
    "DspexError",
    "Example",
    "InputField",
    "Module",
    "OutputField",
    "Predict",
    "Prediction",
    "Signature",
    "__version__",
    "configure",
    "context",
    "datasets",
    "errors",
    "load_ipython_extension",
    "settings",
    "unload_ipython_extension",
]

_LAZY: dict[str, str] = {
    "AdapterParseError": "dspex.errors",
    "answer_exact_match": "dspex.evaluate.metrics",
    "asyncify": "dspex.modules.bridges",
    "Audio": "dspex.types.audio",
    "BaseLM": "dspex.lm.base",
    "BestOfN": "dspex.modules.best_of_n",
    "BM25": "dspex.retrieve",
    "BootstrapFewShot": "dspex.optimize.bootstrap",
    "BootstrapFewShotWithRandomSearch": "dspex.optimize.random_search",
    "BootstrapRS": "dspex.optimize.random_search:BootstrapFewShotWithRandomSearch",
    "Code": "dspex.types.code",
    "ColBERTv2": "dspex.retrieve",
    "Completions": "dspex.data.example",
    "configure_cache": "dspex.lm.caching",
    "ContextWindowExceededError": "dspex.errors",
    "DSPyError": "dspex.errors",
    "Embedder": "dspex.retrieve",
    "Embeddings": "dspex.retrieve",
    "EmbeddingsWithScores": "dspex.retrieve",
    "Evaluate": "dspex.evaluate.evaluate",
    "evaluate": "dspex.evaluate:",
    "EvaluationResult": "dspex.evaluate.evaluate",
    "events": "dspex.events:",
    "exact": "dspex.evaluate.metrics",
    "executors": "dspex.executors:",
    "File": "dspex.types.file",
    "History": "dspex.types.history",
    "HTTPRetriever": "dspex.retrieve",
    "Image": "dspex.types.image",
    "infer_prefix": "dspex.signatures.field",
    "inspect_history": "dspex.lm.history",
    "is_retryable_lm_error": "dspex.errors",
    "JSONAdapter": "dspex.adapters.json",
    "KNN": "dspex.modules.knn",
    "KNNFewShot": "dspex.optimize.knn",
    "LabeledFewShot": "dspex.optimize.labeled",
    "LMAuthError": "dspex.errors",
    "LMError": "dspex.errors",
    "LMInvalidRequestError": "dspex.errors",
    "LMRateLimitError": "dspex.errors",
    "LMServerError": "dspex.errors",
    "LMTimeoutError": "dspex.errors",
    "LMTransportError": "dspex.errors",
    "LMUnavailableError": "dspex.errors",
    "LMUnexpectedError": "dspex.errors",
    "load": "dspex.modules.saving",
    "load_settings": "dspex.settings",
    "majority": "dspex.modules.aggregation",
    "make_signature": "dspex.signatures.signature",
    "MultiChainComparison": "dspex.modules.multi_chain",
    "Parallel": "dspex.modules.parallel",
    "Pool": "dspex.lm.pool",
    "Reasoning": "dspex.types.reasoning",
    "Refine": "dspex.modules.refine",
    "Retrieve": "dspex.retrieve",
    "Retriever": "dspex.retrieve",
    "Run": "dspex.runs.run",
    "runs": "dspex.runs:",
    "SignatureMeta": "dspex.signatures.signature",
    "streamify": "dspex.streaming.streamify",
    "streaming": "dspex.streaming:",
    "syncify": "dspex.modules.bridges",
    "Teleprompter": "dspex.optimize.optimizer",
    "testing": "dspex.testing:",
    "Tool": "dspex.tools.tool",
    "ToolCallResults": "dspex.tools.calls",
    "ToolCalls": "dspex.tools.calls",
    "track_usage": "dspex.settings",
    "TwoStepAdapter": "dspex.adapters.two_step",
    "Type": "dspex.types.type",
    "XMLAdapter": "dspex.adapters.xml",
}
"""Public names that are fetched when first asked for, and the module that has each (`module:name`, or `module:` for itself)."""

__all__ += list(_LAZY)
compat.install()


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        module, colon, inside = _LAZY[name].partition(":")
        home = importlib.import_module(module)
        value = globals()[name] = home if colon and not inside else getattr(home, inside or name)
        return value
    return compat.find("", name)


def __dir__() -> list[str]:
    return sorted({*__all__, *compat.tops()})


def load_ipython_extension(shell: object) -> None:
    """Set up `%dspex` and the live widgets; called by `%load_ext dspex`."""
    from dspex_widgets.extension import load

    load(shell)


def unload_ipython_extension(shell: object) -> None:
    """Take `%dspex` and the live widgets away; called by `%unload_ext dspex`."""
    from dspex_widgets.extension import unload

    unload(shell)
