"""What people do to a run while it goes on: each act is checked, done, and told as who did what.

Apart from the engine, which only knows how to hold, end and tell. What the work itself lets be changed (its
candidates, its model, how many examples at once) it offers as a `Course`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dspex import _canon
from dspex.errors import DataError, UsageError
from dspex.events.event import RunSteered, Verb
from dspex.runs.course import Course
from dspex.runs.steered import capped, steered
from dspex.scope.budget import read_caps

if TYPE_CHECKING:
    from dspex.runs.engine import Engine

MOMENT = 2.0
"""Seconds that a run which began just now has to come to a candidate: cells may follow one another faster."""
_LOOK = 0.01


class Steering:
    """A person's hand on one live run.

    Args:
        engine: the run.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        if engine.done.is_set():
            raise UsageError(f"Run {engine.id} is over: it cannot be steered any more.")

    def budget(self, caps: Mapping[str, float | None], by: str) -> None:
        """Set caps anew; None takes one away, a kind that is not named stays."""
        if not caps:
            raise UsageError("No cap was given: name one, such as `run.budget(usd=5)`.")
        read_caps(caps)
        self._engine.take_caps(caps)
        self._do(capped(caps, by))

    def concurrency(self, n: int, by: str) -> None:
        """Have `n` examples in flight at once from here on."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise UsageError(f"At least one example must be in flight at once, not {n!r}.")
        self._course("change how many examples are in flight").concurrency(n)
        self._engine.token.nudge()
        self._tell("concurrency", by, f"set {n} examples at once", n=n)

    def reset(self, by: str) -> None:
        """Try providers again at once that are not asked because they failed."""
        names = self._course("ask its providers again").reset()
        what = ", ".join(names) if names else "every provider"
        self._tell("reset", by, f"asked {what} again")

    def use(self, lm: Any, by: str) -> None:
        """Ask another model from here on."""
        told = self._course("change its model").use(lm)
        self._tell("model", by, f"goes on with {told['model']}", **told)

    def evaluate(
        self,
        by: str,
        *,
        instruction: str | None = None,
        demos: Sequence[Any] | None = None,
        program: Any = None,
        predictor: str = "",
        origin: str = "",
    ) -> str:
        """Have a person's candidate join the race; return its id at once."""
        course = self._course("take candidates of yours")
        made, start = program, origin
        self._program(origin or "base")  # the race is open once its first candidate is there
        course.race()
        if made is None:
            start = origin or self._engine.feed.best() or "base"
            made = self._varied(start, instruction, demos, predictor)
        id = course.submit(made, what=f"by {by}", by=by, origin=start)
        self._tell("evaluate", by, f"had {id} join the race", candidate=id)
        return id

    def pin(self, candidate: str, by: str, *, pinned: bool = True) -> None:
        """Have this candidate be the result whatever the others score, until it is let go."""
        if self._program(candidate) is None:
            known = ", ".join(seen.id for seen in self._engine.feed.state().candidates)
            raise UsageError(f"The run has no candidate `{candidate}`; it has {known or 'none yet'}.")
        self._course("pin candidates").race()
        seen = self._engine.feed.state().candidate(candidate)
        if pinned and seen is not None and seen.state == "dropped":
            raise UsageError(f"Candidate `{candidate}` was dropped; pin one that was not.")
        if pinned and candidate not in self._engine.kept.pinned:
            self._engine.kept.pinned.append(candidate)
        elif not pinned and candidate in self._engine.kept.pinned:
            self._engine.kept.pinned.remove(candidate)
        else:
            return
        word = "pinned" if pinned else "let go"
        self._tell("pin", by, f"{word} {candidate}", candidate=candidate, pinned=pinned)

    def drop(self, candidate: str, reason: str, by: str) -> None:
        """Give a candidate up: it is scored no further and cannot lead."""
        if not isinstance(reason, str):
            raise UsageError(f"`reason` says why in words, not `{reason!r}`.")
        if candidate in self._engine.kept.pinned:
            raise UsageError(f"Candidate `{candidate}` is pinned; let it go first.")
        self._program(candidate)
        self._course("drop candidates").drop(candidate, reason or f"dropped by {by}")
        self._tell("drop", by, f"dropped {candidate}", candidate=candidate, reason=reason)

    def label(self, example: str, label: Mapping[str, Any] | None, comment: str, by: str) -> None:
        """Note what a person says of an example; the comment joins the metric's feedback from here on."""
        if not label and not comment:
            raise UsageError(
                "Nothing was said of the example: give a comment, or a label such as `{'team': 'bug'}`."
            )
        if not isinstance(comment, str) or not isinstance(label or {}, Mapping):
            raise UsageError("A comment is text, and a label names fields, such as `{'team': 'bug'}`.")
        scored = self._engine.plan.examples
        if scored and not any(row.digest == example for row in scored):
            raise UsageError(
                "The run scores no such example: what is said counts where candidates are scored, so name one of those "
                "rows, such as `run.label(valset[0], ...)`."
            )
        note: dict[str, Any] = {"label": dict(label or {}), "comment": comment}
        fields = ", ".join(f"{name}={value!r}" for name, value in note["label"].items())
        words = f"labelled an example {fields}" if fields else "commented on an example"
        try:
            told = steered("label", by, f"{words}: {comment}" if comment else words, example=example, **note)
        except DataError as exc:
            raise UsageError(f"The label cannot be kept: {exc}") from None
        self._engine.kept.notes[example] = note
        self._do(told)

    def branched(self, candidate: str, run: str, by: str) -> None:
        """Tell that another run begins with a candidate of this one."""
        self._tell("branch", by, f"branched {run} from {candidate}", candidate=candidate, run=run)

    def _varied(
        self, origin: str, instruction: str | None, demos: Sequence[Any] | None, predictor: str
    ) -> Any:
        """Return a copy of a candidate's program with another instruction or other demonstrations."""
        base = self._program(origin)
        if base is None:
            raise UsageError(
                f"The run has no candidate `{origin}` yet to start from; wait for its first one."
            )
        if instruction is None and demos is None:
            raise UsageError("Give the candidate an instruction=, demos= or a program= of its own.")
        if instruction is not None and not (
            isinstance(instruction, str)
            and instruction.strip()
            and _canon.legible(instruction) == instruction
        ):
            raise UsageError("An instruction is text with words in it, and no half characters; write one.")
        if demos is not None and (isinstance(demos, (str, Mapping)) or not isinstance(demos, Sequence)):
            raise UsageError(f"demos= takes a list of examples, not a `{type(demos).__name__}`.")
        program = base.deepcopy()
        paths = dict(program.named_predictors())
        if predictor and predictor not in paths:
            raise UsageError(f"The program has no predictor `{predictor}`; it has {', '.join(paths)}.")
        if not predictor and len(paths) > 1:
            raise UsageError(
                f"Say which predictor the candidate changes: predictor= one of {', '.join(paths)}."
            )
        part = paths[predictor] if predictor else next(iter(paths.values()))
        if instruction is not None:
            part.signature = part.signature.with_instructions(instruction)
        if demos is not None:
            part.demos = list(demos)
        return program

    def _program(self, candidate: str) -> Any:
        """Return a candidate's program; None where there is none.

        Where the run was resumed just now, it may be in the picture and not walked past again yet.
        """
        engine = self._engine

        def there() -> bool:
            if engine.kept.program(candidate) is not None:
                return True
            known = [seen.id for seen in engine.feed.state().candidates]
            return bool(known) and candidate not in known

        self._wait(there)
        return engine.kept.program(candidate)

    def _wait(self, there: Callable[[], bool]) -> None:
        """Give a run that began just now a moment to come to what is asked for."""
        left = MOMENT
        while not there() and left > 0 and not self._engine.done.wait(_LOOK):
            left -= _LOOK

    def _course(self, what: str) -> Course:
        self._wait(lambda: self._engine.kept.course is not None)
        course: Course | None = self._engine.kept.course
        if course is None:
            raise UsageError(f"Run {self._engine.id} cannot {what}: its work offers nothing to change.")
        return course

    def _tell(self, verb: Verb, by: str, text: str, **args: object) -> None:
        self._do(steered(verb, by, text, **args))

    def _do(self, event: RunSteered) -> None:
        if self._engine.act(lambda: True, event):
            self._engine.flush()  # what a person did is on the disk, and in the picture, when the method returns
