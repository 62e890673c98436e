"""The same content has the same text and the same name, in every process and whatever the objects."""

from __future__ import annotations

import datetime
import enum
import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex._canon import canonical, digest, to_builtins
from dspex.data.example import Example
from dspex.errors import DataError
from tests.runs.kernels import output

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=6,
)


@given(JSON)
def test_what_is_json_reads_back_as_itself(value: Any) -> None:
    """The canonical text is JSON of the same value."""
    assert json.loads(canonical(value)) == value
    assert to_builtins(value) == value


@given(st.dictionaries(TEXT, st.integers(-9, 9) | TEXT, min_size=1))
def test_the_order_of_keys_makes_no_difference(value: dict[str, Any]) -> None:
    """Equal mappings have one text and one digest, however they were filled."""
    turned = dict(reversed(value.items()))
    assert canonical(turned) == canonical(value)
    assert digest(turned) == digest(value)


@given(JSON, JSON)
def test_different_texts_have_different_digests(one: Any, two: Any) -> None:
    """A digest stands for the content."""
    assert (digest(one) == digest(two)) == (canonical(one) == canonical(two))


def test_a_digest_is_the_same_in_every_process() -> None:
    """Hash seeds do not matter: it is the SHA-256 of the canonical text."""
    code = "from dspex._canon import digest; print(digest({'b': [1, None], 'a': {'é', 'x'}}))"
    seen = {output(code).strip(), digest({"a": {"x", "é"}, "b": [1, None]})}
    assert seen == {hashlib.sha256('{"a":["x","é"],"b":[1,null]}'.encode()).hexdigest()}


class Colour(enum.Enum):
    RED = "red"


class Answer(pydantic.BaseModel):
    text: str
    parts: list[int] = []


def test_users_values_have_a_plain_form() -> None:
    """Models, enums, paths, dates, examples, tuples and numpy values become JSON."""
    import numpy as np

    value = {
        "model": Answer(text="x", parts=[1]),
        "colour": Colour.RED,
        "path": Path("a") / "b",
        "day": datetime.date(2024, 2, 29),
        "row": Example(q="1").with_inputs("q"),
        "tuple": (1, 2),
        "number": np.float64(0.5),
        "vector": np.array([1, 2]),
        "one": np.array([1]),
    }
    assert to_builtins(value) == {
        "model": {"text": "x", "parts": [1]},
        "colour": "red",
        "path": "a/b",
        "day": "2024-02-29",
        "row": {"q": "1"},
        "tuple": [1, 2],
        "number": 0.5,
        "vector": [1, 2],
        "one": [1],
    }


def test_half_a_character_still_has_a_name() -> None:
    """Models send lone surrogates; what holds them is told apart like everything else."""
    one, two = {"t": "a\ud83d"}, {"t": "a\ud83e"}
    assert digest(one) != digest(two)
    assert digest(one) == digest({"t": "a\ud83d"})
    assert canonical(one) == '{"t":"a\\\\ud83d"}'


@pytest.mark.parametrize(
    "value", [object(), {"f": len}, {"t": int}, {"m": Answer}, [{"deep": {1, object()}}]]
)
def test_what_has_no_plain_form_is_refused_in_words(value: object) -> None:
    """Never by the address of an object, and never silently."""
    with pytest.raises(DataError, match="holds a part that has no JSON form"):
        canonical(value)


def test_a_value_that_holds_itself_is_refused() -> None:
    """Instead of running until the stack ends."""
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(DataError, match="holds a part that has no JSON form"):
        digest(loop)


def test_times_of_pandas_are_times() -> None:
    """Rows of a table have them, and are examples like others."""
    moment = pd.Timestamp("2026-05-01 12:00")
    assert canonical({"at": moment, "took": pd.Timedelta(hours=1)}) == (
        '{"at":"2026-05-01T12:00:00","took":"P0DT1H0M0S"}'
    )
