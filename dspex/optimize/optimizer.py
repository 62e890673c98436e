"""What all optimizers share: how they are called, what is checked first, and what a search is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dspex.data.example import Example
from dspex.errors import SettingsError, nearest
from dspex.evaluate.launch import Order, check_examples, check_inputs, check_program, launch
from dspex.evaluate.score import Metric, check_metric, name_of
from dspex.modules.module import Module
from dspex.optimize.candidate import Candidates
from dspex.runs import run as _run
from dspex.runs.engine import Kept
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


class Teleprompter:
    """Base of all optimizers: `compile` blocks and returns a program, `start` returns a `Run` at once."""

    metric: Metric | None = None
    needs_metric = True
    options: tuple[str, ...] = ()
    """Names `compile` and `start` take beyond the common ones."""

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
        budget: float | None = None,
        seed: int | None = None,
        name: str | None = None,
        **options: Any,
    ) -> _run.Run:
        """Start optimizing in the background and return the run at once.

        Args:
            student: the program to improve; it is copied, never changed.
            trainset: examples to learn from.
            teacher: the program that makes demonstrations; a copy of the student by default.
            valset: examples to score candidates on.
            budget: cap in US dollars over everything the run asks a model.
            seed: of all randomness; the setting `seed` by default.
            name: what to call the run; the program's name by default.

        Raises:
            DataError, SettingsError, ProgramError: at once, in one line, before anything is spent.
        """
        self._check_options(options)
        checked = check_program(student, "student")
        if teacher is not None:
            check_program(teacher, "teacher")
        metric = check_metric(self.metric) if self.needs_metric or self.metric is not None else None
        train = check_examples(trainset, "trainset")
        val = self.valset_for(train, None if valset is None else check_examples(valset, "valset"))
        check_inputs(checked, train, "trainset")
        check_inputs(checked, val, "valset")
        width = getattr(self, "num_threads", None) or current_settings().num_threads
        number = current_settings().seed if seed is None else seed
        snapshot, guide = checked.deepcopy(), teacher.deepcopy() if teacher is not None else None

        def work(kept: Kept) -> Module:
            candidates = Candidates(kept, metric, val, width)
            return self.search(
                Job(
                    student=snapshot,
                    teacher=guide,
                    trainset=tuple(train),
                    candidates=candidates,
                    seed=number,
                    options=options,
                )
            )

        order = Order(
            program=checked,
            work="optimize",
            method=type(self).__name__,
            metric=name_of(metric) if metric is not None else "",
            budget=budget,
            seed=number,
            name=name,
            planned=self.planned(checked),
            sizes={"train": len(train), **({"val": len(val)} if val else {})},
        )
        return launch(order, work)

    def get_params(self) -> dict[str, Any]:
        """Return the optimizer's own settings."""
        return dict(vars(self))

    def _check_options(self, options: dict[str, Any]) -> None:
        for option in options:
            if option not in self.options:
                known = ("trainset", "teacher", "valset", "budget", "seed", "name", *self.options)
                raise SettingsError(
                    f"`{type(self).__name__}` takes no `{option}`.{nearest(option, known)} It takes: {', '.join(known)}."
                )
