"""What all optimizers share: how they are called, what is checked first, and what a search is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from dspex.data.example import Example
from dspex.errors import SettingsError, nearest
from dspex.evaluate.elsewhere import read_executor
from dspex.evaluate.estimate import Effort, Estimate, estimate_search
from dspex.evaluate.launch import Order, check_examples, check_inputs, check_program, launch
from dspex.evaluate.recipe import Caller
from dspex.evaluate.score import Metric, check_metric, name_of
from dspex.modules.module import Module
from dspex.optimize.candidate import Candidates
from dspex.runs import run as _run
from dspex.runs.plan import Kept
from dspex.settings import current_settings


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a search is given."""

    student: Module
    teacher: Module | None
    trainset: tuple[Example, ...]
    candidates: Candidates
    seed: int
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What a caller gave, checked."""

    student: Module
    metric: Metric | None
    train: list[Example]
    val: list[Example]


class Teleprompter:
    """Base of all optimizers: `compile` blocks and returns a program, `start` returns a `Run` at once."""

    metric: Metric | None = None
    needs_metric = True
    asks = True
    """Whether it asks a model also where nothing is scored."""
    options: tuple[str, ...] = ()
    """Names `compile` and `start` take beyond the common ones."""
    _given: tuple[tuple[Any, ...], dict[str, Any]]
    """What it was made with: a run that is resumed makes it again, so that no optimizer needs code for that."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the optimizer, noting what with."""
        made = super().__new__(cls)
        made._given = (args, kwargs)
        return made

    def search(self, job: Job) -> Module:
        """Find a better program; written by each optimizer, run in the run's thread."""
        raise NotImplementedError

    def planned(self, student: Module) -> int | None:
        """Return how many candidates the search will try beside the program as written, where it knows."""
        return None

    def valset_for(self, trainset: list[Example], valset: list[Example] | None) -> list[Example]:
        """Return what candidates are scored on."""
        return valset or []

    def compile(self, student: Module, **given: Any) -> Any:
        """Optimize and wait; in a notebook the live widget shows what goes on.

        Takes what `start` takes. Ctrl-C stops the run, keeping the best, and goes on as an interrupt.

        Returns:
            The best program found, a new object; the student stays as it was.
        """
        run = self.start(student, **given)
        _run.announce(run)
        try:
            return run.result()
        except KeyboardInterrupt:
            run.stop(by="interrupt")
            raise

    def start(
        self,
        student: Module,
        *,
        trainset: Iterable[Example],
        teacher: Module | None = None,
        valset: Iterable[Example] | None = None,
        budget: float | Mapping[str, float | None] | None = None,
        seed: int | None = None,
        name: str | None = None,
        executor: Any = None,
        **options: Any,
    ) -> _run.Run:
        """Start optimizing in the background and return the run at once.

        Args:
            student: the program to improve; it is copied, never changed.
            trainset: examples to learn from.
            teacher: the program that makes demonstrations; a copy of the student by default.
            valset: examples to score candidates on.
            budget: cap in US dollars over everything the run asks a model; or caps by kind, such as
                `{"usd": 2, "calls": 500}`.
            seed: of all randomness; the setting `seed` by default.
            name: what to call the run; the program's name by default.
            executor: where candidates are scored: a `dask.distributed.Client`, or None for this process.

        Raises:
            DataError, SettingsError, ProgramError: at once, in one line, before anything is spent.
        """
        self._check_options(options)
        elsewhere = read_executor(executor)
        asked = self._check(student, teacher, trainset, valset)
        width = _width(getattr(self, "num_threads", None))
        number = current_settings().seed if seed is None else seed
        snapshot, guide = asked.student.deepcopy(), teacher.deepcopy() if teacher is not None else None

        def work(kept: Kept) -> Module:
            candidates = Candidates(kept, asked.metric, asked.val, width, elsewhere)
            job = Job(
                student=snapshot,
                teacher=guide,
                trainset=tuple(asked.train),
                candidates=candidates,
                seed=number,
                options=options,
            )
            return candidates.winner(self.search(job))

        given = {
            "student": snapshot,
            # The user's own object, where it can be read again: by it the notebook's name for it is known.
            "trainset": trainset if isinstance(trainset, Sequence) else asked.train,
            "teacher": guide,
            "valset": valset if isinstance(valset, Sequence) or valset is None else asked.val,
            "budget": budget,
            "executor": executor,
            "seed": number,
            "name": name,
            **options,
        }
        order = Order(
            program=asked.student,
            work="optimize",
            method=type(self).__name__,
            metric=name_of(asked.metric) if asked.metric is not None else "",
            budget=budget,
            seed=number,
            name=name,
            planned=self.planned(asked.student),
            examples=asked.val,
            sizes={"train": len(asked.train), **({"val": len(asked.val)} if asked.val else {})},
            caller=Caller(method=self, given=given),
            asks=self.asks or (asked.metric is not None and bool(asked.val)),
        )
        return launch(order, work)

    def effort(self, student: Module, train: int, val: int) -> Effort:
        """Return how often the search runs programs on so many examples; for `estimate`."""
        tries = self.planned(student)
        unknown = (
            () if tries is not None else ("how many candidates it will try is not known: none is counted",)
        )
        goes = float(val * (1 + (tries or 0)))
        return Effort(val=(goes, goes), problems=unknown)

    def estimate(
        self,
        student: Module,
        *,
        trainset: Iterable[Example],
        teacher: Module | None = None,
        valset: Iterable[Example] | None = None,
    ) -> Estimate:
        """Tell what optimizing would take, before anything is spent: calls, tokens and dollars, from .. to.

        Programs run on a few examples with a stand-in for each of their models; nothing is sent.

        Args:
            student, trainset, teacher, valset: as for `start`.

        Raises:
            DataError, SettingsError, ProgramError: in one line, as `start` would.

        Example:
            >>> import dspex
            >>> train, val, test = dspex.datasets.load("tickets")
            >>> search = dspex.BootstrapFewShot(metric=dspex.exact("team"))
            >>> with dspex.context(lm=dspex.LM("openai/gpt-4o-mini")):
            ...     cost = search.estimate(dspex.Predict("ticket -> team"), trainset=train, valset=val)
            >>> cost.calls, cost.unpriced
            (320, ())
        """
        asked = self._check(student, teacher, trainset, valset)
        scored = asked.val if asked.metric is not None else []
        effort = self.effort(asked.student, len(asked.train), len(scored))
        return estimate_search(asked.student, teacher, asked.metric, asked.train, scored, effort)

    def get_params(self) -> dict[str, Any]:
        """Return the optimizer's own settings."""
        return {name: value for name, value in vars(self).items() if name != "_given"}

    def _check(
        self,
        student: object,
        teacher: object,
        trainset: Iterable[Example],
        valset: Iterable[Example] | None,
    ) -> _Asked:
        checked = check_program(student, "student")
        if teacher is not None:
            check_program(teacher, "teacher")
        metric = check_metric(self.metric) if self.needs_metric or self.metric is not None else None
        train = check_examples(trainset, "trainset")
        val = self.valset_for(train, None if valset is None else check_examples(valset, "valset"))
        check_inputs(checked, train, "trainset")
        check_inputs(checked, val, "valset")
        return _Asked(student=checked, metric=metric, train=train, val=val)

    def _check_options(self, options: dict[str, Any]) -> None:
        for option in options:
            if option not in self.options:
                known = ("trainset", "teacher", "valset", "budget", "seed", "name", "executor", *self.options)
                raise SettingsError(
                    f"`{type(self).__name__}` takes no `{option}`.{nearest(option, known)} It takes: {', '.join(known)}."
                )


def _width(given: object) -> int:
    """Return how many examples are in flight at once.

    Raises:
        SettingsError: it is no number above zero.
    """
    if given is None:
        return current_settings().num_threads
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise SettingsError(f"`num_threads` takes a whole number of at least 1, not `{given!r}`.")
    return given
