"""KNNFewShot: demonstrations chosen for each input, from the training examples most like it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from dspex import _host
from dspex.data.example import Example
from dspex.errors import SettingsError, nearest
from dspex.evaluate.estimate import Effort
from dspex.evaluate.launch import check_examples
from dspex.modules.knn import KNN, Vectorizer
from dspex.modules.module import Module
from dspex.modules.ports import Ports
from dspex.optimize.demos import Recipe, assemble, label, plan
from dspex.optimize.harvest import harvest
from dspex.optimize.optimizer import Job, Teleprompter
from dspex.runs import run as _run

RECIPE = (
    "metric", "metric_threshold", "teacher_settings", "max_bootstrapped_demos", "max_labeled_demos", "max_rounds",
    "max_errors",
)  # fmt: skip


class KNNFewShot(Teleprompter):
    """Return a program that, for each input, takes its demonstrations from the `k` training examples nearest to it.

    At each call those examples are bootstrapped as `BootstrapFewShot` would, with the program as its own teacher or
    another one; this asks the model for them too, so that a call costs up to `k` calls more.

    Args:
        k: how many examples.
        trainset: examples that say which of their fields are inputs.
        vectorizer: makes vectors of texts: any function from a list of texts to as many vectors.
        **few_shot_bootstrap_args: as for `BootstrapFewShot`: `metric`, `max_bootstrapped_demos` ...

    Raises:
        SettingsError: an argument is unknown or cannot be.
        DataError: the trainset is empty or does not say which fields are inputs.

    Example:
        >>> import dspex
        >>> train, val, test = dspex.datasets.load("tickets")
        >>> optimizer = KNNFewShot(k=3, trainset=train, vectorizer=lambda texts: [[len(t)] for t in texts])
        >>> optimizer.compile(dspex.Predict("ticket -> team"))
        Nearest(Predict(ticket -> team), k=3)
    """

    needs_metric = False

    def __init__(
        self, k: int, trainset: Iterable[Example], vectorizer: Vectorizer, **few_shot_bootstrap_args: Any
    ) -> None:
        for name in few_shot_bootstrap_args:
            if name not in RECIPE:
                raise SettingsError(
                    f"`KNNFewShot` takes no `{name}`.{nearest(name, RECIPE)} It takes: k, trainset, vectorizer, "
                    f"{', '.join(RECIPE)}."
                )
        self.KNN = KNN(k, check_examples(trainset, "trainset"), vectorizer)
        self.few_shot_bootstrap_args = few_shot_bootstrap_args
        self.metric = few_shot_bootstrap_args.get("metric")
        self.recipe = Recipe(**{"metric": None, **few_shot_bootstrap_args})

    def compile(self, student: Module, **given: Any) -> Any:
        """Return the program; nothing is asked before it is called.

        Args:
            student: the program to improve; it is copied, never changed.
            **given: `teacher`, and with a `valset` whatever `start` takes: then both programs are scored on it.
        """
        if given.keys() <= {"teacher", "trainset"} and given.get("trainset") is None:
            return self._program(student, given.get("teacher"))
        return super().compile(student, **given)

    def start(self, student: Module, *, trainset: Iterable[Example] | None = None, **given: Any) -> _run.Run:
        """Start a run that scores the program as written and with its nearest demonstrations, on a `valset`."""
        return super().start(student, trainset=self.KNN.trainset if trainset is None else trainset, **given)

    def planned(self, student: Module) -> int:
        """One program, with demonstrations chosen by nearness."""
        return 1

    def effort(self, student: Module, train: int, val: int) -> Effort:
        """Two programs are scored; one asks for its demonstrations too, up to `k` more at each example."""
        more = self.KNN.k * self.recipe.max_rounds if self.recipe.max_bootstrapped_demos else 0
        return Effort(val=(2.0 * val, (2.0 + more) * val), demos=self.KNN.k)

    def search(self, job: Job) -> Module:
        """Score both programs where there is something to score them on."""
        found = job.candidates
        base = found.add(job.student, what="as written", baseline=True)
        candidate = found.add(self._program(job.student, job.teacher, job.seed), what=f"{self.KNN.k} nearest")
        if found.scored:
            found.score(base)
            found.score(candidate)
        return candidate.program

    def _program(self, student: Module, teacher: Module | None, seed: int = 0) -> Nearest:
        guide = teacher.deepcopy() if teacher is not None else None
        return Nearest(student.reset_copy(), self.KNN, self.recipe, guide, seed)


class Nearest(Module):
    """A program whose demonstrations are chosen anew for each input; made by `KNNFewShot`."""

    native_async = True

    def __init__(
        self, student: Module, knn: KNN, recipe: Recipe, teacher: Module | None, seed: int = 0
    ) -> None:
        super().__init__()
        self.student = student
        self._knn = knn
        self._recipe = recipe
        self._teacher = _Apart(teacher)
        self._seed = seed

    async def aforward(self, **inputs: Any) -> Any:
        """Choose demonstrations for these inputs, then run the program with them."""
        rows = await _host.in_worker(lambda: self._knn(**inputs))
        program = await _host.in_worker(self._taught, rows)
        return await program.acall(**inputs)

    def _taught(self, rows: Sequence[Example]) -> Module:
        recipe = self._recipe
        teacher = self._teacher.module or label(self.student, rows, recipe.max_labeled_demos, None)
        # The seed is one and the same for all inputs: many are answered at once, and their order must not matter.
        found = harvest(plan(recipe, teacher, recipe.max_bootstrapped_demos, self._seed), rows)
        return assemble(self.student, rows, found, recipe.max_labeled_demos)

    def _ports(self) -> Ports:
        return self.student._ports()

    def __repr__(self) -> str:
        return f"Nearest({self.student!r}, k={self._knn.k})"


class _Apart:
    """A module kept out of the walk over a program's parts: the teacher is none of them."""

    def __init__(self, module: Module | None) -> None:
        self.module = module

    def __deepcopy__(self, memo: object) -> _Apart:
        return self
