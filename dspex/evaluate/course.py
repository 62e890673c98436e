"""What people may change in a run of programs while it goes on: its model, its width, its candidates, its labels.

The run's own half of `runs/steering.py`: that says who did what, this does it where the work is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from dspex.data.example import Example
from dspex.errors import SettingsError, UsageError
from dspex.evaluate.found import ChangedError, find
from dspex.evaluate.recipe import ref_of
from dspex.events.event import Log, RunSteered
from dspex.lm import pool
from dspex.lm.base import BaseLM
from dspex.lm.lm import LM
from dspex.runs.redo import args_of
from dspex.scope.ambient import Layer
from dspex.scope.flow import Width
from dspex.scope.scope import current
from dspex.settings import check

Note = Mapping[str, Any]
"""What a person said of an example: `label`, fields that are right, and `comment`, words for the feedback."""


class Guests(Protocol):
    """A race that takes candidates of people."""

    def submit(self, program: Any, *, what: str, by: str, origin: str) -> str:
        """Have one scored beside the others; return its id at once."""
        ...

    def drop(self, id: str, reason: str) -> None:
        """Give one up."""
        ...


class Course:
    """What can be changed in one run.

    Args:
        laid: the settings the run keeps.
        notes: what people said of examples, by the example's digest; it grows.
        steered: what people did in earlier lives of the run; it is done again.
    """

    def __init__(self, laid: Layer, notes: Mapping[str, Note], steered: Iterable[RunSteered] = ()) -> None:
        self._laid = laid
        self._width: int | None = None
        self.notes = notes
        self.guests: Guests | None = None
        """The race, where there is one."""
        for act in steered:
            told = args_of(act)
            if act.verb == "concurrency":
                self.concurrency(told["n"])
            elif act.verb == "model":
                self._go_on_with(told)

    def width(self, usual: Width) -> Width:
        """Return how many examples are in flight at once: as a person said last, else as usual."""
        return lambda: self._width or (usual() if callable(usual) else usual)

    def race(self) -> Guests:
        """Return the race of candidates.

        Raises:
            UsageError: the run scores one program alone.
        """
        if self.guests is None:
            raise UsageError(
                "This run scores one program and has no race to join; start an optimizer, or evaluate yours on its own."
            )
        return self.guests

    def submit(self, program: Any, *, what: str, by: str, origin: str) -> str:
        """Have a person's candidate scored beside the others; return its id at once.

        Raises:
            UsageError: the run has no race that it could join.
        """
        return self.race().submit(program, what=what, by=by, origin=origin)

    def drop(self, id: str, reason: str) -> None:
        """Give a candidate up.

        Raises:
            UsageError: there is none of this name, or it leads.
        """
        self.race().drop(id, reason)

    def concurrency(self, n: int) -> None:
        """Have `n` examples in flight at once from here on; more than that end on their own."""
        self._width = n

    def use(self, lm: Any) -> dict[str, Any]:
        """Ask another model from here on; predictors that have a model of their own keep it.

        Returns:
            its name as `model`, and as `lm` what it is found again by.

        Raises:
            SettingsError: it is no model.
        """
        model = LM(lm) if isinstance(lm, str) else lm
        check({"lm": model})
        if not isinstance(model, BaseLM):  # the setting may be None, a run's model not
            raise SettingsError("Name the model to go on with, such as `openai/gpt-4o-mini`.")
        told = {"model": model.model, "lm": ref_of(model)}
        self._laid.change(lm=model)
        return told

    def reset(self) -> list[str]:
        """Have providers that are not asked now be asked at once; return the models whose they are."""
        return pool.reset()

    def _go_on_with(self, told: Mapping[str, Any]) -> None:
        """Take up the model that a person switched to in an earlier life."""
        try:
            self.use(find(told["lm"], "lm") if "lm" in told else told["model"])
        except (ChangedError, SettingsError) as exc:
            text = f"The run goes on with the model it began with; `{told['model']}` cannot be taken up again: {exc}"
            current().emit(Log(level="warning", text=text))


def with_label(example: Example, note: Note | None) -> Example:
    """Return the example as a person corrected it.

    Example:
        >>> row = Example(ticket="It crashes", team="account").with_inputs("ticket")
        >>> with_label(row, {"label": {"team": "bug"}}).team
        'bug'
    """
    label = dict((note or {}).get("label") or {})
    return example.copy(**label) if label else example


def with_comment(feedback: str, note: Note | None) -> str:
    """Return a metric's feedback with what a person said.

    Example:
        >>> with_comment("Wrong team.", {"comment": "Crashes are bugs."})
        'Wrong team. A person says: Crashes are bugs.'
    """
    said = str((note or {}).get("comment") or "").strip()
    return feedback if not said else f"{feedback} A person says: {said}".strip()
