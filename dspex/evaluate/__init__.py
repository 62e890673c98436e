"""Evaluation: metrics, scores, and how sure they are."""

from dspex.evaluate.evaluate import Evaluate, EvaluationResult
from dspex.evaluate.metrics import answer_exact_match, exact, normalize_text

__all__ = ["Evaluate", "EvaluationResult", "answer_exact_match", "exact", "normalize_text"]
