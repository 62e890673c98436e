"""The law of the short way: an answer to the letter of the layout is read as the long way reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.adapters import markers

PIECES = [
    "[[ ## a ## ]]",
    "[[ ## completed ## ]]",
    "\n",
    "\n\n",
    "x",
    " ",
    "##",
    "[[ ## ",
    "\\",
    "\r\n",
    "**",
    "> ",
]
VALUE = st.lists(st.sampled_from([*PIECES, "\n", "\n", "x", "y"]), max_size=5).map("".join)


def both_ways(text: str, names: list[str]) -> tuple[dict[str, str] | None, dict[str, str]]:
    """Return what the short way reads, and the long one."""
    short = markers._exact(text, names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(markers, "_exact", lambda _text, _names: None)
        return short, markers.split(text, names)


@given(values=st.lists(VALUE, max_size=3))
def test_the_short_way_reads_what_the_long_way_reads(values: list[str]):
    """Whatever stands between the markers; where it does not fit, the long way is taken."""
    names = ["a", "b", "c"][: len(values)]
    told = [f"[[ ## {name} ## ]]\n{value}" for name, value in zip(names, values, strict=True)]
    short, long = both_ways("\n\n".join([*told, "[[ ## completed ## ]]"]), names)
    assert short is None or short == long


def test_the_short_way_is_taken():
    """Or the test above would say nothing."""
    text = "[[ ## a ## ]]\n\nthe sky\n\nis blue\n\n[[ ## b ## ]]\n2\n\n[[ ## completed ## ]]"
    short, long = both_ways(text, ["a", "b"])
    assert short == long == {"a": "\nthe sky\n\nis blue", "b": "2"}
