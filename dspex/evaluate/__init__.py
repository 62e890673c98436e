"""Evaluation: metrics, scores, and how sure they are; called itself, it evaluates row by row."""

from dspex.data.text import normalize_text
from dspex.evaluate.callable import make_callable
from dspex.evaluate.compare import Change, Comparison
from dspex.evaluate.estimate import Estimate
from dspex.evaluate.evaluate import Evaluate, EvaluationResult
from dspex.evaluate.metrics import answer_exact_match, exact
from dspex.evaluate.result import Row
from dspex.evaluate.rows import Rows

EM = answer_exact_match
"""DSPy's short name."""
Report = EvaluationResult
"""What `dspex.evaluate(...).report()` returns."""

__all__ = [
    "EM",
    "Change",
    "Comparison",
    "Estimate",
    "Evaluate",
    "EvaluationResult",
    "Report",
    "Row",
    "Rows",
    "answer_exact_match",
    "exact",
    "normalize_text",
]

make_callable(__name__)
