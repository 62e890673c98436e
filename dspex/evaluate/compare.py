"""Two evaluations of the same data, example by example: what got better, what got worse, and how sure that is.

Paired, because how hard an example is counts for both: the same difference of means is surer so than between two
sets of strangers. An example that failed in either has no score to compare and is left out, and told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dspex.data.example import Example
from dspex.errors import DataError
from dspex.evaluate.statistics import Moments, p_paired
from dspex.runs.words import score_text

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 1_000
"""Changed examples of each kind that a comparison names; all are counted."""


@dataclass(eq=False)
class Pairs:
    """An evaluation's scores by example; equal examples in their order."""

    metric: str
    scores: dict[str, list[float | None]] = field(default_factory=dict)
    examples: dict[str, Example] = field(default_factory=dict)

    def add(self, id: str, score: float | None, example: Example | None = None) -> None:
        """Take one score in; None for a failure."""
        self.scores.setdefault(id, []).append(score)
        if example is not None:
            self.examples.setdefault(id, example)

    def known(self, id: str) -> list[float]:
        """Return an example's scores, failures left out."""
        return [score for score in self.scores[id] if score is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An example whose score is another."""

    id: str
    """The example's content id."""
    example: Example | None
    """The example, where the rows are kept."""
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How an evaluation differs from an earlier one, over the examples that both have scored."""

    n: int
    """Examples compared."""
    before: float
    after: float
    """The two means over these."""
    difference: float
    low: float
    high: float
    """The mean difference and its 95 % interval."""
    p: float
    """How likely a difference at least this large is where nothing but chance tells the two apart."""
    fixed: tuple[Change, ...]
    """Examples that score higher now, the largest change first; the first thousand."""
    broken: tuple[Change, ...]
    """Examples that score lower now."""
    improved: int
    worsened: int
    """How many there are of each."""
    unpaired: int
    """Examples that are not scored in both."""

    def to_frame(self) -> pd.DataFrame:
        """Return the fixed and the broken examples as a pandas DataFrame."""
        import pandas as pd

        rows = [
            {
                "change": word,
                **({"example": c.id} if c.example is None else dict(c.example.items())),
                "before": c.before,
                "after": c.after,
            }
            for word, changes in (("fixed", self.fixed), ("broken", self.broken))
            for c in changes
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        sign = "+" if self.difference >= 0 else ""
        p = "p < 0.001" if self.p < 0.001 else f"p = {self.p:.3f}"
        left = f", {self.unpaired} not scored in both" if self.unpaired else ""
        return (
            f"Comparison({score_text(self.before)} -> {score_text(self.after)}, "
            f"{sign}{score_text(self.difference)} (95 % {score_text(self.low)} to {score_text(self.high)}, {p}) on "
            f"{self.n} examples: {self.improved} fixed, {self.worsened} broken{left})"
        )


def compare(after: Pairs, before: Pairs) -> Comparison:
    """Return what changed from `before` to `after`.

    Raises:
        DataError: they were scored by different metrics, or have no example in common.
    """
    if after.metric != before.metric:
        raise DataError(
            f"One was scored by `{after.metric}` and one by `{before.metric}`: only scores of the same metric compare."
        )
    olds, news, differences, seen = Moments(), Moments(), list[float](), Moments()
    changes: list[Change] = []
    shared = [id for id in after.scores if id in before.scores]
    for id in shared:
        # Several goes at an example, or equal examples, are one: they are not strangers to each other.
        new, old = Moments(after.known(id)), Moments(before.known(id))
        if not new.n or not old.n:
            continue
        olds.add(old.mean)
        news.add(new.mean)
        seen.add(new.mean - old.mean)
        differences.append(new.mean - old.mean)
        if new.mean != old.mean:
            changes.append(Change(id=id, example=after.examples.get(id), before=old.mean, after=new.mean))
    if not differences:
        raise DataError(
            "The two evaluations have no scored example in common: compare results on the same data."
        )
    low, high = seen.t_interval()
    changes.sort(key=lambda change: -abs(change.after - change.before))
    fixed = [change for change in changes if change.after > change.before]
    broken = [change for change in changes if change.after < change.before]
    return Comparison(
        n=seen.n, before=olds.mean, after=news.mean, difference=seen.mean, low=low, high=high,
        p=p_paired(differences), fixed=tuple(fixed[:SHOWN]), broken=tuple(broken[:SHOWN]),
        improved=len(fixed), worsened=len(broken), unpaired=len(after.scores.keys() | before.scores) - seen.n,
    )  # fmt: skip
