"""Module: a program is plain Python whose predictors can be found, copied, saved and improved.

A subclass writes `forward` (or `aforward`) and keeps its parts as attributes, in lists or in dicts; nothing needs
to be registered. Copies share nothing that learning changes.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from msgspec.structs import replace

from dspex import _host
from dspex.errors import ProgramError
from dspex.events.bus import bus
from dspex.events.event import ModuleEnd, ModuleStart
from dspex.lm.base import BaseLM
from dspex.modules import calling, parts
from dspex.scope.scope import current, enter, within

if TYPE_CHECKING:
    from dspex.modules.pipeline import Pipeline
    from dspex.modules.ports import Ports
    from dspex.modules.predict import Predict


class Module(parts.Part):
    """A program or a part of one: call it with its inputs, get a Prediction.

    `A >> B` makes a pipeline of two, and `{"question": "..."} | A` runs one.

    Args:
        callbacks: who is told when this module starts and ends, beside those of the settings.

    Attributes:
        history: what models were asked and answered inside this module.

    Raises:
        ProgramError: the class has neither `forward` nor `aforward`, or takes its inputs by name only.

    Example:
        >>> class Upper(Module):
        ...     def forward(self, text):
        ...         return text.upper()
        >>> Upper()(text="hi")
        'HI'
    """

    native_async = False
    """True for our own modules, whose `aforward` waits for nothing but language models and parts of programs."""
    callbacks: list[Any]
    history: list[dict[str, Any]]
    _way = ""
    """Which method runs: the one of `forward` and `aforward` that the most derived class writes."""
    _native = False
    """Whether that is an `aforward` of ours."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for writer in cls.__mro__:
            written = vars(writer)
            if writer is not Module and ("aforward" in written or "forward" in written):
                cls._way = "aforward" if "aforward" in written else "forward"
                cls._native = cls._way == "aforward" and bool(written.get("native_async"))
                break

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the object with what every module has, whether or not its `__init__` calls ours."""
        made = super().__new__(cls)
        made.callbacks, made.history = [], []
        return made

    def __init__(self, callbacks: Iterable[Any] | None = None) -> None:
        self.callbacks = list(callbacks or ())

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        """Run the program in this thread and return its answer."""
        if args:
            self._check_positional()
        return _host.drive(self._run(args, inputs), f"`{type(self).__name__}`")

    async def acall(self, *args: Any, **inputs: Any) -> Any:
        """Run the program as a coroutine, on any event loop."""
        if args:
            self._check_positional()
        return await self._run(args, inputs)

    async def _run(self, args: tuple[Any, ...], inputs: dict[str, Any]) -> Any:
        scope = current()
        with enter(replace(scope, histories=(*scope.histories, self.history))):
            if calling.watched(self):
                return await calling.around(self, args, inputs, self._emitting)
            return await self._emitting(args, inputs)

    async def _emitting(self, args: tuple[Any, ...], inputs: dict[str, Any]) -> Any:
        if not bus.wanted(ModuleStart):
            return await self._forward(args, inputs)
        name = type(self).__name__
        call = f"{name}-{os.urandom(4).hex()}"  # never of the run's own draws, which nobody's listening may change
        with within(call, apart=False) as scope:
            scope.emit(ModuleStart(module=name, call=call))
            error = "cancelled"
            try:
                answer = await self._forward(args, inputs)
                error = ""
                return answer
            except Exception as exc:  # only to name it in the event; it goes on to the caller as it is
                error = type(exc).__name__
                raise
            finally:
                scope.emit(ModuleEnd(module=name, call=call, error=error))

    async def _forward(self, args: tuple[Any, ...], inputs: dict[str, Any]) -> Any:
        if "forward" in vars(self) or self._way == "forward":  # one put on the object itself goes first
            return await _host.in_worker(lambda: self.forward(*args, **inputs))
        if self._native:
            return await self.aforward(*args, **inputs)
        if self._way:
            return await _host.native(self.aforward(*args, **inputs))
        raise ProgramError(
            f"`{type(self).__name__}` has no `forward` method; write what the program does there."
        )

    def forward(self, *args: Any, **inputs: Any) -> Any:
        """What the program does; written by the subclass."""
        if type(self).aforward is Module.aforward:
            raise NotImplementedError
        return _host.drive(self.aforward(*args, **inputs), f"`{type(self).__name__}.forward`")

    async def aforward(self, *args: Any, **inputs: Any) -> Any:
        """What the program does, as a coroutine; written by the subclass instead of `forward`."""
        raise NotImplementedError

    def __rshift__(self, following: Any) -> Pipeline:
        """Return the pipeline of this program and what follows: a module, several side by side, or new names."""
        from dspex.modules.pipeline import Pipeline

        return Pipeline(self, following)

    def __rrshift__(self, before: Any) -> Pipeline:
        """Return the pipeline of several modules side by side, or of new names, and this program."""
        from dspex.modules.pipeline import Pipeline

        return Pipeline(before, self)

    def __ror__(self, inputs: Any) -> Any:
        """Run the program: `{"question": "..."} | program`, or with an example, a prediction or a list of rows."""
        from dspex.modules.pipeline import feed

        return feed(inputs, self)

    def named_predictors(self) -> list[tuple[str, Predict]]:
        """Return (path, predictor) pairs: the parts that have an instruction and demonstrations.

        A part whose `_compiled` is true is left out with all below it: it is not to learn further.
        """
        from dspex.modules.predict import Predict  # Predict is a Module, so this file cannot know it on top

        own = [("self", self)] if isinstance(self, Predict) else []
        return own + [(path, part) for path, part in self._walk() if isinstance(part, Predict)]

    def predictors(self) -> list[Predict]:
        """Return the predictors in the order of `named_predictors`."""
        return [predictor for _, predictor in self.named_predictors()]

    def named_sub_modules(
        self, type_: type | tuple[type, ...] | None = None, skip_compiled: bool = False
    ) -> Iterator[tuple[str, Any]]:
        """Yield (path, part) pairs, the nearest first; this module is `self`, its parts are `self.a`, `self.b[0]`.

        Args:
            type_: which parts, modules by default.
            skip_compiled: whether to leave out what lies inside parts that are not to learn further.
        """
        wanted = type_ or Module
        return (
            (path, part) for path, part in parts.all_below(self, skip_compiled) if isinstance(part, wanted)
        )

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
        for place in list(parts.places(self, "", {id(self)}, again=True)):
            old = place.part
            if isinstance(old, Predict):
                if id(old) not in changed:
                    changed[id(old)] = change(old)
                place.put(changed[id(old)])
        return self

    def deepcopy(self) -> Self:
        """Return a copy that shares no demonstration, signature or setting with this program."""
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        other = type(self).__new__(type(self))
        memo[id(self)] = other
        for name, value in self.__getstate__().items():
            vars(other)[name] = parts.copied(value, memo)
        return other

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in parts.KEPT_OUT}

    def reset_copy(self) -> Self:
        """Return a copy whose predictors have no demonstrations."""
        other = self.deepcopy()
        for predictor in other.predictors():
            predictor.reset()
        return other

    def set_lm(self, lm: BaseLM | None) -> None:
        """Have every predictor ask this model."""
        for predictor in self.predictors():
            predictor.lm = lm

    def get_lm(self) -> BaseLM | None:
        """Return the model all predictors share.

        Raises:
            ProgramError: they have different ones.
        """
        models = {id(predictor.lm): predictor.lm for predictor in self.predictors()}
        if len(models) > 1:
            raise ProgramError(
                "The predictors of this program ask different models; look at each one's `.lm`."
            )
        return next(iter(models.values()), None)

    def dump_state(self, json_mode: bool = True) -> dict[str, Any]:
        """Return what was learned as JSON-able values, by predictor path."""
        return {path: predictor.dump_state() for path, predictor in self.named_predictors()}

    def load_state(self, state: Mapping[str, Any], *, allow_unsafe_lm_state: bool = False) -> Self:
        """Take over a dumped state; all of it or, on error, nothing.

        Args:
            state: from `dump_state`.
            allow_unsafe_lm_state: whether a saved model may call an address on another machine.

        Raises:
            ProgramError: the state belongs to another program.
        """
        from dspex.modules.saving import restore

        restore(self, state, trusted=allow_unsafe_lm_state)
        return self

    def save(
        self, path: str | os.PathLike[str], save_program: bool = False, modules_to_serialize: Any = None
    ) -> Path:
        """Write what was learned to a JSON file; DSPy reads it too.

        Args:
            path: a name that ends in `.json`.
            save_program, modules_to_serialize: DSPy's words for pickling the code along, which is refused.

        Raises:
            ProgramError: a pickle is asked for; programs are saved as JSON alone.
        """
        from dspex.modules.saving import write

        return write(self, Path(path), pickled=save_program or modules_to_serialize is not None)

    def load(
        self, path: str | os.PathLike[str], allow_pickle: bool = False, allow_unsafe_lm_state: bool = False
    ) -> Self:
        """Take over what a saved file holds, ours or DSPy's; the program's code stays as it is.

        Args:
            path: a JSON file.
            allow_pickle: accepted for DSPy's sake; nothing is ever unpickled.
            allow_unsafe_lm_state: whether a saved model may call an address on another machine.

        Raises:
            ProgramError: no such file, not a saved program, or one of another program.
        """
        from dspex.modules.saving import read

        return self.load_state(read(Path(path)), allow_unsafe_lm_state=allow_unsafe_lm_state)

    def batch(
        self,
        examples: Iterable[Any],
        num_threads: int | None = None,
        max_errors: int | None = None,
        return_failed_examples: bool = False,
        provide_traceback: bool | None = None,
        disable_progress_bar: bool = False,
        timeout: float = 120,
        straggler_limit: int = 3,
    ) -> Any:
        """Run the program over many examples at once; `Parallel` tells what each option means.

        Returns:
            The answers in the examples' order, None where one failed; with `return_failed_examples` also the
            examples that failed, and their errors.
        """
        from dspex.modules.parallel import Parallel

        run = Parallel(
            num_threads=num_threads,
            max_errors=max_errors,
            return_failed_examples=return_failed_examples,
            provide_traceback=provide_traceback,
            disable_progress_bar=disable_progress_bar,
            timeout=timeout,
            straggler_limit=straggler_limit,
        )
        return run([(self, example) for example in examples])

    def inspect_history(self, n: int = 1, file: Any = None) -> Any:
        """Show the last `n` calls of models inside this module; see `dspex.inspect_history`."""
        from dspex.lm.history import pretty_print_history

        return pretty_print_history(self.history, n, file=file)

    def __repr__(self) -> str:
        parts = [f"{path} = {part!r}" for path, part in self.named_predictors() if part is not self]
        return f"{type(self).__name__}({', '.join(parts)})"

    def _walk(self) -> Iterator[tuple[str, Any]]:
        return ((place.path, place.part) for place in parts.places(self, "", {id(self)}))

    def _ports(self) -> Ports:
        """Tell what the program takes and gives, as far as that is known without running it."""
        from dspex.modules.ports import of_code

        return of_code(self._code())

    def _check_positional(self) -> None:
        from dspex.modules.ports import takes_positional

        if not takes_positional(self._code()):
            first = next(iter((*self._ports().required, *self._ports().optional)), "question")
            raise ProgramError(
                f"`{type(self).__name__}` takes its inputs by name, such as `program({first}=...)`."
            )

    def _code(self) -> Callable[..., Any]:
        return self.aforward if self._way == "aforward" and "forward" not in vars(self) else self.forward
