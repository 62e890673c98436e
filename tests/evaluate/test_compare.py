"""Two evaluations side by side: which examples were fixed and broken, and whether chance could do that."""

from __future__ import annotations

import pytest

import dspex
from dspex.errors import DataError, LMServerError
from tests.programs import Sort, an_lm, question, rows, said

KIND = dspex.exact("kind")


def result(answer, data: list[dspex.Example] | None = None, **options) -> dspex.EvaluationResult:
    """Evaluate a model that answers so."""
    with dspex.context(lm=an_lm(answer)[0]):
        given = {"devset": rows() if data is None else data, "metric": KIND, **options}
        return dspex.Evaluate(**given)(dspex.Predict(Sort))


def always_tool(request: object) -> str:
    """Answer half of the words right."""
    return said("tool")


def all_but_saw(request) -> str:
    """Answer all right but one that `always_tool` has right."""
    word = question(request)
    return said("fruit" if word in ("apple", "pear", "plum", "fig", "saw") else "tool")


def test_fixed_and_broken_examples_are_named() -> None:
    """With their scores before and after, and the difference of the means."""
    compared = result(all_but_saw).compare(result(always_tool))
    assert (compared.n, compared.before, compared.after, compared.difference) == (8, 0.5, 0.875, 0.375)
    assert {change.example["word"] for change in compared.fixed} == {"apple", "pear", "plum", "fig"}
    assert [(c.example["word"], c.before, c.after) for c in compared.broken] == [("saw", 1.0, 0.0)]
    assert compared.low < 0.375 < compared.high
    assert compared.p == pytest.approx(2 * (1 + 5) / 2**5)
    assert repr(compared).startswith("Comparison(50.0 -> 87.5, +37.5 (95 % ")
    assert repr(compared).endswith("on 8 examples: 4 fixed, 1 broken)")
    assert list(compared.to_frame()["change"]) == ["fixed"] * 4 + ["broken"]


def test_what_failed_in_either_is_left_out_and_counted() -> None:
    """An error is no score to compare with."""
    shaky = result(lambda r: LMServerError("down") if question(r) in ("fig", "saw") else said("tool"))
    compared = shaky.compare(result(always_tool))
    assert (compared.n, compared.difference, compared.unpaired) == (6, 0.0, 2)


def test_other_data_order_changes_nothing() -> None:
    """Examples are paired by content."""
    turned = result(all_but_saw, rows()[::-1])
    assert repr(turned.compare(result(always_tool))) == repr(result(all_but_saw).compare(result(always_tool)))


def test_several_goes_are_one_example() -> None:
    """Their mean is compared, so that repeats do not make a difference surer."""
    compared = result(all_but_saw, n=4).compare(result(always_tool))
    assert compared.n == 8
    assert compared.p == result(all_but_saw).compare(result(always_tool)).p


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (
            lambda: result(always_tool, metric=lambda e, p: 1.0),
            "One was scored by `exact(kind)` and one by `<lambda>`",
        ),
        (lambda: result(always_tool, rows(2)[8:]), "no scored example in common"),
        (lambda: 3, "`compare` takes another evaluation's result, not `int`."),
    ],
)
def test_what_cannot_be_compared_is_said(other, text) -> None:
    """Another metric, other data, no result."""
    with pytest.raises(DataError) as caught:
        result(always_tool).compare(other())
    assert text in str(caught.value)


def test_a_result_copies_and_pickles_whole() -> None:
    """Its rows go along."""
    import copy
    import pickle

    first = result(always_tool)
    for other in (copy.deepcopy(first), pickle.loads(pickle.dumps(first)), first.copy()):
        assert other == first
        assert len(other.rows) == 8
        assert other.compare(first).difference == 0.0
