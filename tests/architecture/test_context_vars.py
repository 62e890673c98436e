"""The law of three ContextVars: where the code is (scope), what is set around it (settings), who records it (trace).

Each further one is a hidden argument that every thread and task carries; what belongs to a place goes into the scope.
"""

from __future__ import annotations

from tests.architecture.test_house_rules import LIBRARY, calls, parsed, place

HOMES = ["dspex/modules/trace.py", "dspex/scope/ambient.py", "dspex/scope/scope.py"]


def test_there_are_three_context_vars():
    """A fourth one needs a better reason than that an argument is far away."""
    found = [
        place(path) for path in LIBRARY for _, name in calls(parsed(path)[0]) if name.endswith("ContextVar")
    ]
    assert sorted(found) == HOMES
