"""Module: a program is plain Python whose predictors can be found, copied, saved and improved.

A subclass writes `forward` (or `aforward`) and keeps its parts as attributes, in lists or in dicts; nothing needs
to be registered. Copies share nothing that learning changes.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from dspex import _host
from dspex.errors import ProgramError
from dspex.events.bus import bus
from dspex.events.event import ModuleEnd, ModuleStart
from dspex.lm.lm import LM
from dspex.scope.scope import current, within

if TYPE_CHECKING:
    from dspex.data.example import Prediction
    from dspex.modules.predict import Predict


class Module:
    """A program or a part of one: call it with its inputs, get a Prediction.

    Raises:
        ProgramError: the class has neither `forward` nor `aforward`, or is called with positional values.

    Example:
        >>> class Upper(Module):
        ...     def forward(self, text):
        ...         return text.upper()
        >>> Upper()(text="hi")
        'HI'
    """

    native_async = False
    """True for our own modules, whose `aforward` waits for nothing but language models."""

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        """Run the program in this thread and return its answer."""
        self._refuse_positional(args)
        what = f"`{type(self).__name__}`"
        if self.native_async or not _overrides(self, "aforward"):
            return _host.drive(self._run(inputs), what)
        return _host.portal.run(self._run(inputs), what)

    async def acall(self, *args: Any, **inputs: Any) -> Any:
        """Run the program as a coroutine, on any event loop."""
        self._refuse_positional(args)
        return await self._run(inputs)

    async def _run(self, inputs: dict[str, Any]) -> Any:
        if not bus.wanted(ModuleStart):
            return await self._forward(inputs)
        name = type(self).__name__
        call = f"{name}-{current().rng.getrandbits(32):08x}"
        with within(call) as scope:
            scope.emit(ModuleStart(module=name, call=call))
            error = "cancelled"
            try:
                answer = await self._forward(inputs)
                error = ""
                return answer
            except Exception as exc:  # only to name it in the event; it goes on to the caller as it is
                error = type(exc).__name__
                raise
            finally:
                scope.emit(ModuleEnd(module=name, call=call, error=error))

    async def _forward(self, inputs: dict[str, Any]) -> Any:
        if _overrides(self, "aforward"):
            return await self.aforward(**inputs)
        if _overrides(self, "forward"):
            return await _host.in_worker(lambda: self.forward(**inputs))
        raise ProgramError(
            f"`{type(self).__name__}` has no `forward` method; write what the program does there."
        )

    def forward(self, *args: Any, **inputs: Any) -> Any:
        """What the program does; written by the subclass."""
        raise NotImplementedError

    async def aforward(self, *args: Any, **inputs: Any) -> Any:
        """What the program does, as a coroutine; written by the subclass instead of `forward`."""
        raise NotImplementedError

    def named_predictors(self) -> list[tuple[str, Predict]]:
        """Return (path, predictor) pairs: the parts that have an instruction and demonstrations."""
        from dspex.modules.predict import Predict  # Predict is a Module, so this file cannot know it on top

        own = [("self", self)] if isinstance(self, Predict) else []
        return own + [(path, part) for path, part in self._walk() if isinstance(part, Predict)]

    def predictors(self) -> list[Predict]:
        """Return the predictors in the order of `named_predictors`."""
        return [predictor for _, predictor in self.named_predictors()]

    def named_sub_modules(self) -> list[tuple[str, Module]]:
        """Return (path, module) pairs, this module first with the path `self`."""
        return [("self", self), *self._walk()]

    def named_parameters(self) -> list[tuple[str, Predict]]:
        """Return what can be learned: the same pairs as `named_predictors`."""
        return self.named_predictors()

    def parameters(self) -> list[Predict]:
        """Return what can be learned, without the paths."""
        return self.predictors()

    def map_named_predictors(self, change: Callable[[Predict], Predict]) -> Self:
        """Replace every predictor by `change(predictor)`, in place."""
        from dspex.modules.predict import Predict

        changed: dict[int, Predict] = {}
        for place in list(_places(self, "", {id(self)}, again=True)):
            old = place.module
            if isinstance(old, Predict):
                if id(old) not in changed:
                    changed[id(old)] = change(old)
                place.put(changed[id(old)])
        return self

    def deepcopy(self) -> Self:
        """Return a copy that shares no demonstration, signature or setting with this program."""
        return copy.deepcopy(self)

    def reset_copy(self) -> Self:
        """Return a copy whose predictors have no demonstrations."""
        other = self.deepcopy()
        for predictor in other.predictors():
            predictor.reset()
        return other

    def set_lm(self, lm: LM | None) -> None:
        """Have every predictor ask this model."""
        for predictor in self.predictors():
            predictor.lm = lm

    def get_lm(self) -> LM | None:
        """Return the model all predictors share.

        Raises:
            ProgramError: they have different ones.
        """
        models = {id(p.lm): p.lm for p in self.predictors()}
        if len(models) > 1:
            raise ProgramError(
                "The predictors of this program ask different models; look at each one's `.lm`."
            )
        return next(iter(models.values()), None)

    def dump_state(self) -> dict[str, Any]:
        """Return what was learned as JSON-able values, by predictor path."""
        return {path: predictor.dump_state() for path, predictor in self.named_predictors()}

    def load_state(self, state: Mapping[str, Any]) -> Self:
        """Take over a dumped state; all of it or, on error, nothing.

        Raises:
            ProgramError: the state belongs to another program.
        """
        from dspex.modules.saving import restore

        restore(self, state)
        return self

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write what was learned to a JSON file.

        Raises:
            ProgramError: the name ends in `.pkl`; programs are never pickled.
        """
        from dspex.modules.saving import write

        return write(self, Path(path))

    def load(self, path: str | os.PathLike[str]) -> Self:
        """Take over what a saved file holds; the program's code stays as it is.

        Raises:
            ProgramError: no such file, not a saved program, or one of another program.
        """
        from dspex.modules.saving import read

        return self.load_state(read(Path(path)))

    def batch(self, examples: list[Any], num_threads: int | None = None) -> list[Prediction]:
        """Run the program over many examples at once and return the answers in their order."""
        from dspex.modules.parallel import run_batch

        return run_batch(self, examples, num_threads)

    def __repr__(self) -> str:
        parts = [f"{path} = {part!r}" for path, part in self.named_predictors() if part is not self]
        return f"{type(self).__name__}({', '.join(parts)})"

    def _walk(self) -> Iterator[tuple[str, Module]]:
        return ((place.path, place.module) for place in _places(self, "", {id(self)}))

    def _refuse_positional(self, args: tuple[Any, ...]) -> None:
        if args:
            raise ProgramError(
                f"`{type(self).__name__}` takes its inputs by name, such as `program({self._first_input()}=...)`."
            )

    def _first_input(self) -> str:
        for predictor in self.predictors():
            return predictor.signature.spec.inputs[0].name
        return "question"


def _overrides(module: Module, method: str) -> bool:
    return getattr(type(module), method) is not getattr(Module, method)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a part of a program sits: in which object, under which key."""

    path: str
    holder: object
    key: Any
    module: Module

    def put(self, new: Module) -> None:
        """Put another module here."""
        if isinstance(self.holder, Module):
            setattr(self.holder, self.key, new)
        else:
            cast(dict[Any, object], self.holder)[self.key] = new


def _places(holder: object, path: str, seen: set[int], *, again: bool = False) -> Iterator[_Place]:
    """Yield where modules sit, each module once; with `again`, every further place of the same module too."""
    for key, step, part in _members(holder):
        here = path + step if path else step.removeprefix(".")
        if id(part) in seen:
            if again and isinstance(part, Module):
                yield _Place(here, holder, key, part)
            continue
        if isinstance(part, Module):
            seen.add(id(part))
            yield _Place(here, holder, key, part)
        if isinstance(part, (Module, list, tuple, dict)):
            seen.add(id(part))
            yield from _places(part, here, seen, again=again)


def _members(holder: object) -> list[tuple[Any, str, object]]:
    if isinstance(holder, Module):
        return [(name, f".{name}", part) for name, part in vars(holder).items()]
    if isinstance(holder, dict):
        return [(key, f"[{key!r}]", part) for key, part in holder.items()]
    if isinstance(holder, (list, tuple)):
        return [(i, f"[{i}]", part) for i, part in enumerate(holder)]
    return []
