"""What an evaluated example costs, as a ratio to DSPy's in the same minute: wall time alone says nothing.

`make bench` tells examples a second.
"""

from __future__ import annotations

import os

import pytest

from tests.bench.__main__ import server, throughput_of


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", ["bare", "cache"])
def test_an_example_costs_less_than_a_third_of_dspys(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over sockets to the same server, with and without a cache, 64 at once; CPU seconds of the whole process."""
    monkeypatch.setenv("DSPEX_HOME", os.environ["HOME"])
    with server(0.02) as address:
        ours = throughput_of("dspex", address, how, "300x64")
        theirs = throughput_of("dspy", address, how, "300x64")
    assert len(ours) == 1, "the script does not run"
    if not theirs:
        pytest.skip("DSPy is not installed beside dspex")
    ratio = ours[0]["cpu_ms"] / theirs[0]["cpu_ms"]
    assert ratio < 0.35, f"{ratio:.2f} of DSPy's"
