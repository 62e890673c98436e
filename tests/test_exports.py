"""The public face: what `import dspex` offers is a decision, and every change of it is seen."""

from __future__ import annotations

import dspex

EXPECTED = """
Adapter AdapterParseError Audio BM25 BaseLM BestOfN BootstrapFewShot BootstrapFewShotWithRandomSearch
BootstrapRS ChainOfThought ChatAdapter Code ColBERTv2 Completions ContextWindowExceededError DSPyError Dataset
DspexError Embedder Embeddings EmbeddingsWithScores Evaluate EvaluationResult Example File HTTPRetriever History
Image InputField JSONAdapter KNN KNNFewShot LM LMAuthError LMError LMInvalidRequestError LMRateLimitError
LMServerError LMTimeoutError LMTransportError LMUnavailableError LMUnexpectedError LabeledFewShot Module
MultiChainComparison OutputField Parallel Pool Predict Prediction Reasoning Refine Retrieve Retriever Run
Signature SignatureMeta Teleprompter Tool ToolCallResults ToolCalls TwoStepAdapter Type XMLAdapter __version__
answer_exact_match asyncify configure configure_cache context datasets errors evaluate events exact executors infer_prefix
inspect_history is_retryable_lm_error load load_ipython_extension load_settings majority make_signature runs
settings streamify streaming syncify testing track_usage unload_ipython_extension
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
