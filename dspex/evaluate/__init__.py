"""Evaluation: metrics, scores, and how sure they are."""

from dspex.data.text import normalize_text
from dspex.evaluate.evaluate import Evaluate, EvaluationResult
from dspex.evaluate.metrics import answer_exact_match, exact

EM = answer_exact_match
"""DSPy's short name."""

__all__ = ["EM", "Evaluate", "EvaluationResult", "answer_exact_match", "exact", "normalize_text"]
