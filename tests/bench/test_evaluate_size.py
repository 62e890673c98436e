"""An evaluation's memory does not grow with its data: many examples need what some thousands do.

`evaluate_size.py` tells it for any number: `python tests/bench/evaluate_size.py 1000000` takes about ten minutes.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("evaluate_size.py")
FEW, MANY = 12_000, 50_000
"""The fewer are as many as the histories of calls hold, which grow until then."""


def measured(count: int) -> tuple[float, float]:
    """Return the peak in megabytes and the microseconds of processor time an example."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(count)], check=True, capture_output=True, text=True, timeout=280
    )
    megabytes, microseconds = map(float, done.stdout.split())
    return megabytes, microseconds


@pytest.mark.timeout(300)
def test_more_lazy_examples_need_no_more_memory_and_cost_no_more_each() -> None:
    """At most 20 MB more for four times the examples; whatever were kept of each would be more."""
    (few, cheap), (many, dear) = measured(FEW), measured(MANY)
    assert many - few < 20
    # Processor time on a shared machine still varies; a cost that grows with the data would be times as much.
    assert dear / cheap < 1.6
