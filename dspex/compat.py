"""DSPy's import paths, as one table: `dspex.teleprompt`, `dspex.utils.callback` and their like, without files.

Each path is a module object that looks its names up when they are asked for. Where dspex has a real package of
that name, the package answers first and the table fills in what it lacks. Apart from the library, because nothing
in it may know these paths.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from dspex.errors import nearest

ELSEWHERE: dict[str, str] = {
    "ACTIVE_CALL_ID": "dspex.scope.callbacks",
    "BaseCallback": "dspex.scope.callbacks",
    "BaseModule": "dspex.modules.module:Module",
    "Cache": "dspex.lm.caching",
    "Citations": "dspex.types.citations",
    "Completions": "dspex.data.example",
    "DISK_CACHE_DIR": "dspex.lm.caching",
    "Document": "dspex.types.document",
    "DummyLM": "dspex.testing.dummy",
    "DummyVectorizer": "dspex.testing.dummy",
    "EM": "dspex.evaluate.metrics:answer_exact_match",
    "ParallelExecutor": "dspex.modules.executor",
    "SignatureMeta": "dspex.signatures.signature",
    "StatusMessage": "dspex.streaming.messages",
    "StatusMessageProvider": "dspex.streaming.messages",
    "StreamListener": "dspex.streaming.listener",
    "StreamResponse": "dspex.streaming.messages",
    "Teleprompter": "dspex.optimize.optimizer",
    "UsageTracker": "dspex.scope.usage",
    "apply_sync_streaming": "dspex.streaming.streamify",
    "default_normalize": "dspex.modules.aggregation",
    "ensure_signature": "dspex.signatures.signature:as_signature",
    "exceptions": "dspex.errors:",
    "normalize_text": "dspex.evaluate.metrics",
    "pretty_print_history": "dspex.lm.history",
    "streaming_response": "dspex.streaming.streamify",
    "with_callbacks": "dspex.scope.callbacks",
}
"""Where the names are that the root package does not offer: `module`, or `module:name`; `module:` is the module."""

_TYPES = "Audio Code File History Image Reasoning Tool ToolCallResults ToolCalls Type"
_CALLBACK = "ACTIVE_CALL_ID BaseCallback with_callbacks"
_DUMMIES = "DummyLM DummyVectorizer"
_OPTIMIZERS = "BootstrapFewShot BootstrapFewShotWithRandomSearch KNNFewShot LabeledFewShot Teleprompter"

PATHS: dict[str, str] = {
    "adapters": f"Adapter ChatAdapter JSONAdapter TwoStepAdapter XMLAdapter {_TYPES}",
    "adapters.base": "Adapter",
    "adapters.chat_adapter": "ChatAdapter",
    "adapters.json_adapter": "JSONAdapter",
    "adapters.two_step_adapter": "TwoStepAdapter",
    "adapters.types": _TYPES,
    "adapters.types.audio": "Audio",
    "adapters.types.base_type": "Type",
    "adapters.types.citation": "Citations",
    "adapters.types.code": "Code",
    "adapters.types.document": "Document",
    "adapters.types.file": "File",
    "adapters.types.history": "History",
    "adapters.types.image": "Image",
    "adapters.types.reasoning": "Reasoning",
    "adapters.types.tool": "Tool ToolCallResults ToolCalls",
    "adapters.xml_adapter": "XMLAdapter",
    "clients": "BaseLM Cache DISK_CACHE_DIR Embedder LM configure_cache inspect_history",
    "clients.base_lm": "BaseLM inspect_history",
    "clients.cache": "Cache",
    "clients.embedding": "Embedder",
    "clients.lm": "LM",
    "datasets": "",
    "dsp": "",
    "dsp.colbertv2": "ColBERTv2",
    "dsp.utils": "settings",
    "dsp.utils.settings": "settings",
    "experimental": "Citations Document",
    "predict": "BestOfN ChainOfThought KNN MultiChainComparison Parallel Predict Refine Tool majority",
    "predict.aggregation": "default_normalize majority",
    "predict.best_of_n": "BestOfN",
    "predict.chain_of_thought": "ChainOfThought",
    "predict.knn": "KNN",
    "predict.multi_chain_comparison": "MultiChainComparison",
    "predict.parallel": "Parallel",
    "predict.predict": "Predict",
    "predict.refine": "Refine",
    "primitives": "BaseModule Completions Example Module Prediction",
    "primitives.example": "Example",
    "primitives.module": "Module",
    "primitives.prediction": "Completions Prediction",
    "retrievers": "Embeddings EmbeddingsWithScores Retrieve",
    "retrievers.embeddings": "Embeddings EmbeddingsWithScores",
    "retrievers.retrieve": "Retrieve",
    "signatures": "InputField OutputField Signature SignatureMeta ensure_signature infer_prefix make_signature",
    "teleprompt": _OPTIMIZERS,
    "teleprompt.bootstrap": "BootstrapFewShot",
    "teleprompt.knn_fewshot": "KNNFewShot",
    "teleprompt.random_search": "BootstrapFewShotWithRandomSearch",
    "teleprompt.teleprompt": "Teleprompter",
    "teleprompt.vanilla": "LabeledFewShot",
    "utils": f"{_CALLBACK} {_DUMMIES} StatusMessage StatusMessageProvider asyncify exceptions load "
    "pretty_print_history syncify track_usage",
    "utils.asyncify": "asyncify",
    "utils.callback": _CALLBACK,
    "utils.dummies": _DUMMIES,
    "utils.inspect_history": "pretty_print_history",
    "utils.parallelizer": "ParallelExecutor",
    "utils.saving": "load",
    "utils.syncify": "syncify",
    "utils.usage_tracker": "UsageTracker track_usage",
}
"""Path below `dspex` -> the names users import from there."""

SAME = {"datasets": "dspex.data", "utils.exceptions": "dspex.errors"}
"""Paths that are another module altogether."""

LATER = frozenset(
    """
    Avatar AvatarOptimizer BAMLAdapter BetterTogether BootstrapFewShotWithOptuna BootstrapFinetune COPRO
    CodeAct CodeInterpreter CompleteAndGrounded DataLoader Ensemble
    GEPA HotPotQA InferRules MIPROv2 ProgramOfThought PythonInterpreter RLM ReAct SIMBA
    SemanticF1 bootstrap_trace_data dummy_rm
    """.split()
)
"""Names of DSPy that dspex will have and has not yet."""


class Alias(ModuleType):
    """A path of DSPy's: a module without a file that finds its names elsewhere.

    Example:
        >>> from dspex.teleprompt import LabeledFewShot
        >>> LabeledFewShot.__module__
        'dspex.optimize.labeled'
    """

    def __getattr__(self, name: str) -> Any:
        return find(self.__name__.partition(".")[2], name)

    def __dir__(self) -> list[str]:
        path = self.__name__.partition(".")[2]
        return sorted([*PATHS[path].split(), *_below(path)])


class Root(ModuleType):
    """The root package itself: `dspex.cache` can be replaced by assignment, as in DSPy."""

    @property
    def cache(self) -> Any:
        """The answers that are kept; see `dspex.clients.Cache`."""
        return importlib.import_module("dspex.lm.caching").active()

    @cache.setter
    def cache(self, cache: Any) -> None:
        importlib.import_module("dspex.lm.caching").use(cache)

    def __reduce__(self) -> tuple[Any, ...]:
        # A notebook's functions name it; on another machine it is that machine's.
        return importlib.import_module, (self.__name__,)


def install() -> None:
    """Make the paths importable; called once, by the root package."""
    sys.modules["dspex"].__class__ = Root
    for path in PATHS:
        name = f"dspex.{path}"
        if path in SAME:
            sys.modules[name] = importlib.import_module(SAME[path])
        elif name in sys.modules:
            _fill_in(sys.modules[name], path)
        else:
            module = Alias(name, f"DSPy's path `{path}`: its names are found where dspex keeps them.")
            module.__spec__ = ModuleSpec(name, None, is_package=True)
            module.__path__ = []
            sys.modules[name] = module
    sys.modules.setdefault("dspex.utils.exceptions", sys.modules["dspex.errors"])


def tops() -> list[str]:
    """Return the paths right below the root package."""
    return _below("")


def find(path: str, name: str) -> Any:
    """Return what `dspex.<path>.<name>` means.

    Raises:
        AttributeError: nothing, or nothing yet.
    """
    below = sys.modules.get(f"dspex.{path}.{name}" if path else f"dspex.{name}")
    if below is not None:
        return below
    known = PATHS[path].split() if path else []
    if name in known:
        return named(name)
    if not name.startswith("__"):
        known = [*known, *_below(path)] or dir(sys.modules["dspex"])
    raise AttributeError(missing(f"dspex.{path}".rstrip("."), name, known), name=name)


def named(name: str) -> Any:
    """Return a public name of dspex, wherever it is."""
    if name not in ELSEWHERE:
        return getattr(sys.modules["dspex"], name)
    module, colon, inside = ELSEWHERE[name].partition(":")
    home = importlib.import_module(module)
    return home if colon and not inside else getattr(home, inside or name)


def missing(module: str, name: str, known: list[str]) -> str:
    """Return the line that says what to do about a name that is not there."""
    if name in LATER:
        return f"`{name}` comes in a later release of dspex."
    return f"`{module}` has no `{name}`.{nearest(name, known)}"


def _fill_in(package: ModuleType, path: str) -> None:
    """Have a real package answer for the names of DSPy's that live elsewhere, after its own."""
    own = vars(package).get("__getattr__")

    def __getattr__(name: str) -> Any:  # noqa: N807 - the hook's name
        if own is not None:
            try:
                return own(name)
            except AttributeError:
                pass  # none of the package's own lazy names
        return find(path, name)

    package.__getattr__ = __getattr__  # type: ignore[method-assign]  # PEP 562 reads it off the module


def _below(path: str) -> list[str]:
    """Return the last parts of the paths right below this one; "" for those at the top."""
    above = {p: p.rpartition(".")[::2] for p in PATHS}
    return [last for head, last in above.values() if head == path]
