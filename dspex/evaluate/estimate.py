"""What an evaluation or an optimization would take, before anything is spent: calls, tokens and dollars.

The program runs on a few examples with a stand-in for each of its models. The stand-ins are shown the real prompts,
count them and answer as the practice model does; nothing is sent. What a real model will write is not known, so that
all that hangs on it is told as from .. to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dspex import _host
from dspex.data.example import Example
from dspex.evaluate.gauge import Book, Counted, follow
from dspex.evaluate.score import Metric
from dspex.modules.module import Module

SAMPLE = 8
"""Examples that are looked at; the others are taken to be like them."""
Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShare:
    """What one model would be asked."""

    model: str
    calls: int
    tokens_in: tuple[int, int]
    tokens_out: tuple[int, int]
    dollars: Range | None
    """None where no price is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What it would take; ranges are from .. to. Answers that are kept already cost nothing and are counted here all the same."""

    examples: int
    """Examples it is for; 1 where nobody knows how many there are."""
    calls: int
    """Calls of models, at the most."""
    tokens_in: tuple[int, int]
    tokens_out: tuple[int, int]
    dollars: Range | None
    """None where the price of a model is not known; `models` tells those that are."""
    models: tuple[ModelShare, ...]
    problems: tuple[str, ...] = ()
    """What could not be followed, and is not in the numbers."""

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Models whose price is not known: `dspex.LM(..., price=(in, out))` tells it."""
        return tuple(share.model for share in self.models if share.dollars is None)

    def __repr__(self) -> str:
        if self.dollars is not None:
            money = _span(self.dollars, "$", 4)
        else:
            names = ", ".join(f"`{name}`" for name in self.unpriced)
            known = [share.dollars for share in self.models if share.dollars is not None]
            money = f"the price of {names} is unknown"
            if known:
                rest = (sum(low for low, _ in known), sum(high for _, high in known))
                money += f", the others {_span(rest, '$', 4)}"
        parts = (
            f"{self.calls:,} calls on {self.examples:,} examples",
            f"{_span(self.tokens_in)} tokens in",
            f"{_span(self.tokens_out)} out",
            money,
            *self.problems,
        )
        return f"Estimate({'; '.join(parts)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of the work that an estimate is of: goes of a program at examples like these."""

    program: Module
    metric: Metric | None
    sample: Sequence[Example]
    goes: Range
    """How often the program is run on an example, from .. to."""
    longest: Module | None = None
    """The program with the longest prompts it may come to have, for the higher bounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How often an optimizer runs programs, from .. to; what it asks a model beyond that is told in `problems`."""

    val: Range = (0.0, 0.0)
    """Goes at examples of the validation set, scored by the metric."""
    train: Range = (0.0, 0.0)
    """Goes of the teacher at examples of the training set, scored too."""
    demos: int = 0
    """Demonstrations that a predictor may come to have."""
    problems: tuple[str, ...] = ()


def estimate(
    program: Module,
    metric: Metric | None,
    sample: Sequence[Example],
    size: int | None,
    *,
    times: int = 1,
) -> Estimate:
    """Tell what evaluating a program would take.

    Args:
        program: what to evaluate.
        metric: what scores it; a model it asks is counted too.
        sample: some of the examples.
        size: how many examples there are; None where nobody knows, the estimate is then for one.
        times: goes at each example.

    Raises:
        UsageError: the program cannot be run as it is: no model, or a field is missing.
    """
    many = 1 if size is None else size
    goes = float(many * times)
    return estimate_of([Part(program=program, metric=metric, sample=sample, goes=(goes, goes))], many)


def estimate_search(
    student: Module,
    teacher: Module | None,
    metric: Metric | None,
    train: Sequence[Example],
    val: Sequence[Example],
    effort: Effort,
) -> Estimate:
    """Tell what an optimization would take.

    Args:
        student: the program to improve.
        teacher: the program that makes demonstrations; the student where there is none.
        metric: what scores both.
        train, val: the examples, as far as any are used.
        effort: how often programs are run.
    """
    fuller = _with_demos(student, train, effort.demos)
    parts = (
        Part(program=student, metric=metric, sample=spread(val), goes=effort.val, longest=fuller),
        Part(program=teacher or fuller, metric=metric, sample=spread(train), goes=effort.train),
    )
    found = estimate_of(parts, len(train) + len(val))
    return replace(found, problems=(*found.problems, *effort.problems))


def estimate_of(parts: Sequence[Part], examples: int) -> Estimate:
    """Tell what several parts of work take together.

    Args:
        parts: what is to be done.
        examples: how many examples it is for.

    Raises:
        UsageError: a program cannot be run as it is.
    """
    totals: dict[str, Counted] = {}
    problems: dict[str, None] = {}
    for part in parts:
        if not part.sample or part.goes[1] <= 0:
            continue
        few, many = (ends / len(part.sample) for ends in part.goes)
        low = high = _followed(part.program, part)
        if part.longest is not None:
            high = _followed(part.longest, part)
        problems |= dict.fromkeys((*low.problems, *high.problems))
        for model, seen in low.models.items():
            _add(totals.setdefault(model, Counted(seen.price)), low=seen, times=few)
        for model, seen in high.models.items():
            _add(totals.setdefault(model, Counted(seen.price)), high=seen, times=many)
    shares = tuple(_share(model, total) for model, total in totals.items())
    known = [share.dollars for share in shares if share.dollars is not None]
    return Estimate(
        examples=examples,
        calls=sum(share.calls for share in shares),
        tokens_in=_whole([share.tokens_in for share in shares]),
        tokens_out=_whole([share.tokens_out for share in shares]),
        dollars=_added(known) if len(known) == len(shares) else None,
        models=shares,
        problems=tuple(problems),
    )


def spread(rows: Sequence[Example], most: int = SAMPLE) -> list[Example]:
    """Return some of the rows, from the first to the last.

    Example:
        >>> spread(range(100), 4)
        [0, 25, 50, 75]
    """
    step = max(1.0, len(rows) / most)
    return [rows[int(place * step)] for place in range(min(most, len(rows)))]


def _followed(program: Module, part: Part) -> Book:
    return _host.portal.run(follow(program, part.metric, part.sample), "estimating")


def _with_demos(student: Module, rows: Sequence[Example], count: int) -> Module:
    program = student.deepcopy()
    for predictor in program.predictors():
        if count and rows:
            predictor.demos = list(rows[:count])
    return program


def _add(total: Counted, *, low: Counted | None = None, high: Counted | None = None, times: float) -> None:
    if low is not None:
        total.low_in += low.low_in * times
        total.low_out += low.low_out * times
    if high is not None:
        total.calls += high.calls * times
        total.high_in += high.high_in * times
        total.high_out += high.high_out * times


def _share(model: str, total: Counted) -> ModelShare:
    dollars = None
    if (price := total.price) is not None:
        dollars = (
            total.low_in * price.input + total.low_out * price.output,
            total.high_in * price.input + total.high_out * price.output,
        )
    return ModelShare(
        model=model,
        calls=round(total.calls),
        tokens_in=(round(total.low_in), round(total.high_in)),
        tokens_out=(round(total.low_out), round(total.high_out)),
        dollars=dollars,
    )


def _added(ranges: Sequence[Range]) -> Range:
    return (sum(low for low, _ in ranges), sum(high for _, high in ranges))


def _whole(ranges: Sequence[Range]) -> tuple[int, int]:
    low, high = _added(ranges)
    return (round(low), round(high))


def _span(ends: Range, sign: str = "", places: int = 0) -> str:
    low, high = (f"{sign}{end:,.{places}f}" for end in ends)
    return low if low == high else f"{low} to {high}"
