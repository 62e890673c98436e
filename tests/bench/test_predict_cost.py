"""What the framework costs in a call, as a ratio to DSPy's own call in the same run: wall time alone says nothing.

`make bench` tells the microseconds.
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.bench.__main__ import cost_with


@pytest.mark.timeout(120)
def test_a_call_costs_less_than_half_of_dspys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interleaved with DSPy's calls, the least of a few goes, with no and with eight demonstrations."""
    monkeypatch.setenv("DSPEX_HOME", os.environ["HOME"])
    other = os.environ.get("DSPY_PYTHON") or sys.executable
    goes = [(cost_with(sys.executable, "dspex"), cost_with(other, "dspy")) for _ in range(2)]
    ours = [mine for mine, _ in goes if mine is not None]
    theirs = [peer for _, peer in goes if peer is not None]
    assert ours, "the script does not run"
    if not theirs:
        pytest.skip("DSPy is not installed beside dspex")
    for k in range(2):
        ratio = min(row[k] for row in ours) / min(row[k] for row in theirs)
        assert ratio < 0.5, f"{ratio:.2f} of DSPy's"
