"""Rows of data, and sets of them."""

from dspex.data.dataset import Dataset, Splits, from_csv, from_frame, from_jsonl, from_records, load
from dspex.data.example import Completions, Example, Prediction

__all__ = [
    "Completions",
    "Dataset",
    "Example",
    "Prediction",
    "Splits",
    "from_csv",
    "from_frame",
    "from_jsonl",
    "from_records",
    "load",
]
