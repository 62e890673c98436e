"""Pipelines: `A >> B` gives B what A answered and what went in before, fields matched by name.

What follows `>>` is a module; a tuple or list of modules, which run side by side; or a dict `{old: new}`, which gives
fields new names. Names are checked before anything is called. A pipeline is a module like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dspex import _host
from dspex.data.example import Example, Prediction
from dspex.errors import DataError, ProgramError, nearest
from dspex.modules.module import Module
from dspex.modules.ports import Ports
from dspex.scope.flow import flow


class Pipeline(Module):
    """Modules one after the other, made by `>>`.

    Each part gets the fields it takes, from what the pipeline was called with and what the parts before it answered;
    where a name comes twice, the later value counts. The answer holds what all parts answered.

    Args:
        *parts: modules; tuples or lists of modules to run side by side; dicts `{old: new}` of new names.

    Raises:
        ProgramError: a part is none of these, or two that run side by side give the same field.
        DataError: at the call, before any part runs: a part needs a field that nothing before it gives.

    Example:
        >>> from dspex.modules.predict import Predict
        >>> answer, check = Predict("question -> answer"), Predict("claim -> verdict: bool")
        >>> answer >> {"answer": "claim"} >> check
        Predict(question -> answer) >> {'answer': 'claim'} >> Predict(claim -> verdict)
        >>> {"answer": "4"} | answer >> check
        Traceback (most recent call last):
            ...
        dspex.errors.DataError: `Predict(question -> answer)` needs `question`, ...
    """

    native_async = True

    def __init__(self, *parts: Any) -> None:
        super().__init__()
        self.parts = [piece for part in parts for piece in _pieces(part)]
        if not any(isinstance(part, Module) for part in self.parts):
            raise ProgramError("A pipeline has at least one module; `>>` joins modules.")

    async def aforward(self, **inputs: Any) -> Prediction:
        """Run the parts in their order."""
        _check(self.parts, inputs)
        values, made = dict(inputs), dict[str, Any]()
        for part in self.parts:
            if isinstance(part, Rename):
                values, made = part.apply(values, strict=True), part.apply(made)
                continue
            answer = fields_of(part, await part.acall(**chosen(part, values)))
            values |= answer
            made |= answer
        return Prediction(made)

    def _ports(self) -> Ports:
        walk = _Walk(inferring=True)
        for part in self.parts:
            walk.step(part)
        return Ports(
            required=tuple(walk.inferred),
            optional=tuple(name for name in walk.wished if name not in walk.inferred),
            takes_any=walk.takes_any,
            gives=None if walk.unknown else tuple(walk.made),
        )

    def __repr__(self) -> str:
        return " >> ".join(repr(part) for part in self.parts)


class FanOut(Module):
    """Modules side by side: each gets the fields it takes, at the same time, and their answers are one.

    Written as a tuple or list in a pipeline, `A >> (B, C)`.

    Raises:
        ProgramError: two of them give the same field.

    Example:
        >>> from dspex.modules.predict import Predict
        >>> FanOut(Predict("text -> title"), Predict("text -> tags: list[str]"))
        (Predict(text -> title), Predict(text -> tags))
    """

    native_async = True

    def __init__(self, *parts: Any) -> None:
        super().__init__()
        self.parts = [_side(part) for part in parts]
        if not self.parts:
            raise ProgramError(
                "Nothing stands in `()`; name the modules to run side by side, such as `A >> (B, C)`."
            )
        self._merged({index: part._ports().gives or () for index, part in enumerate(self.parts)})

    async def aforward(self, **inputs: Any) -> Prediction:
        """Run the parts at the same time."""
        for part in self.parts:
            chosen(part, inputs)  # what one of them lacks is said before any is called
        answers = await _host.native(self._all(inputs))
        self._merged(answers)
        return Prediction(
            {name: value for index in sorted(answers) for name, value in answers[index].items()}
        )

    async def _all(self, inputs: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
        async def run(part: Module) -> dict[str, Any]:
            return fields_of(part, await part.acall(**chosen(part, inputs)))

        return {index: answer async for index, answer in flow(self.parts, run, len(self.parts))}

    def _merged(self, answers: Mapping[int, Iterable[str]]) -> None:
        seen: dict[str, int] = {}
        for index, names in sorted(answers.items()):
            for name in names:
                if name in seen:
                    raise ProgramError(
                        f"`{name}` comes from both {_short(self.parts[seen[name]])} and {_short(self.parts[index])}; "
                        f'give one another name: `(A, B >> {{"{name}": "{name}_2"}})`.'
                    )
                seen[name] = index

    def _ports(self) -> Ports:
        all_ports = [part._ports() for part in self.parts]
        required = dict.fromkeys(name for ports in all_ports for name in ports.required)
        optional = dict.fromkeys(
            name for ports in all_ports for name in ports.optional if name not in required
        )
        gives = [ports.gives for ports in all_ports]
        return Ports(
            required=tuple(required),
            optional=tuple(optional),
            takes_any=any(ports.takes_any for ports in all_ports),
            gives=None if None in gives else tuple(name for names in gives for name in names or ()),
        )

    def __repr__(self) -> str:
        return f"({', '.join(repr(part) for part in self.parts)}{',' if len(self.parts) == 1 else ''})"


@dataclass(frozen=True, slots=True)
class Rename:
    """New names for fields, `{old: new}`: from here on the value is found under the new one alone."""

    names: Mapping[str, str]

    def apply(self, values: Mapping[str, Any], *, strict: bool = False) -> dict[str, Any]:
        """Return the values under their new names.

        Raises:
            DataError: with `strict`, a field is not there.
        """
        if strict:
            for old in self.names:
                if old not in values:
                    raise _lacking(self, old, values)
        kept = {name: value for name, value in values.items() if name not in self.names}
        return kept | {new: values[old] for old, new in self.names.items() if old in values}

    def __repr__(self) -> str:
        return repr(dict(self.names))


@dataclass(slots=True)
class _Walk:
    """What is at hand on the way through a pipeline; with `inferring`, what is missing becomes an input."""

    at_hand: dict[str, None] = field(default_factory=dict)
    inferring: bool = False
    inferred: dict[str, None] = field(default_factory=dict)
    made: dict[str, None] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    wished: dict[str, None] = field(default_factory=dict)
    """Inputs that a part takes where they are there."""
    unknown: bool = False
    """Whether a part before gave fields that only its code knows."""
    takes_any: bool = False
    """Whether a part takes whatever there is."""

    def step(self, part: Module | Rename) -> None:
        if isinstance(part, Rename):
            for old in part.names:
                self.need(part, old)
            self.at_hand = dict.fromkeys(part.apply(self.at_hand))
            self.made = dict.fromkeys(part.apply(self.made))
            return
        beside = part.parts if isinstance(part, FanOut) else [part]
        sides = [(one, one._ports()) for one in beside]
        for one, ports in sides:
            for name in ports.required:
                self.need(one, name)
            self.used.update(ports.optional)
            self.wished |= dict.fromkeys(name for name in ports.optional if name not in self.at_hand)
        for _, ports in sides:  # only now: parts side by side do not see each other's answers
            self.unknown |= ports.gives is None
            self.takes_any |= ports.takes_any
            self.made |= dict.fromkeys(ports.gives or ())
        self.at_hand |= self.made

    def need(self, part: Module | Rename, name: str) -> None:
        self.used.add(name)
        if name in self.at_hand or self.unknown:
            return
        if not self.inferring:
            raise _lacking(part, name, self.at_hand)
        self.inferred[name] = self.at_hand[name] = None


def feed(inputs: Any, program: Module) -> Any:
    """Run a program with what stands before `|`.

    Args:
        inputs: a dict or an Example of inputs; a Prediction, of which the program gets the fields it takes; or a
            list of these, for as many answers.
        program: what to run.

    Raises:
        ProgramError: it is none of these.
    """
    if isinstance(inputs, (list, tuple)):
        if any(not isinstance(row, (Mapping, Example)) for row in inputs):
            raise _no_inputs(inputs, program)
        return program.batch([named(row, program) for row in inputs])
    return program(**named(inputs, program))


def named(inputs: Any, program: Module) -> dict[str, Any]:
    """Return inputs by name for a program: all of a dict, the inputs of an example, what fits of a prediction."""
    if isinstance(inputs, Example):
        if inputs.input_keys is not None:
            return dict(inputs.inputs().items())
        ports = program._ports()
        return {name: value for name, value in inputs.items() if ports.takes_any or name in ports.takes}
    if isinstance(inputs, Mapping):
        return dict(inputs)
    raise _no_inputs(inputs, program)


def chosen(part: Module, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values a module takes.

    Raises:
        DataError: one that it needs is not there.
    """
    ports = part._ports()
    for name in ports.required:
        if name not in values:
            raise _lacking(part, name, values)
    return dict(values) if ports.takes_any else {name: values[name] for name in ports.takes if name in values}


def fields_of(part: Module, answer: object) -> dict[str, Any]:
    """Return the fields of a part's answer.

    Raises:
        ProgramError: it has none.
    """
    if isinstance(answer, Example):
        return dict(answer.items())
    if isinstance(answer, Mapping):
        return dict(answer)
    raise ProgramError(
        f"{_short(part)} answered a {type(answer).__name__}; in a pipeline, return fields by name: "
        "`dspex.Prediction(name=...)` or a dict."
    )


def _check(parts: Sequence[Module | Rename], given: Mapping[str, Any]) -> None:
    """Refuse inputs with which a part would lack a field, and inputs that no part takes."""
    walk = _Walk(at_hand=dict.fromkeys(given))
    for part in parts:
        walk.step(part)
    unused = [name for name in given if name not in walk.used]
    if unused and not walk.takes_any:
        raise DataError(
            f"No part of the pipeline takes `{unused[0]}`.{nearest(unused[0], walk.used)} "
            f"Its parts take: {', '.join(sorted(walk.used))}."
        )


def _lacking(part: Module | Rename, name: str, at_hand: Iterable[str]) -> DataError:
    known = list(at_hand)
    what = f"the new name `{part.names[name]}`" if isinstance(part, Rename) else _short(part)
    way = f'`... >> {{"{known[-1]}": "{name}"}} >> ...`' if known else '`{"' + name + '": ...} | pipeline`'
    return DataError(
        f"{what[0].upper()}{what[1:]} needs `{name}`, which neither the inputs nor a part before it give."
        f"{nearest(name, known)} At hand: {', '.join(known) or 'nothing'}. Give `{name}=...`, or rename a field: {way}."
    )


def _pieces(part: Any) -> list[Module | Rename]:
    if isinstance(part, Pipeline):
        return list(part.parts)
    if isinstance(part, Module):
        return [part]
    if isinstance(part, (list, tuple)):
        return [FanOut(*part)]
    if isinstance(part, Mapping) and part and all(isinstance(n, str) for pair in part.items() for n in pair):
        return [Rename(dict(part))]
    raise _no_part(part)


def _side(part: Any) -> Module:
    if isinstance(part, Module):
        return part
    raise _no_part(part)


def _no_part(part: Any) -> ProgramError:
    if isinstance(part, type) and issubclass(part, Module):
        return ProgramError(f"`{part.__name__}` is a class; make a module of it: `{part.__name__}()`.")
    if isinstance(part, str):
        return ProgramError(f'"{part}" is a text; make a module of it: `dspex.Predict("{part}")`.')
    return ProgramError(
        f"`>>` joins modules, `(A, B)` side by side, and new names such as "
        f'`{{"answer": "question"}}`; this is a `{type(part).__name__}`.'
    )


def _no_inputs(inputs: object, program: Module) -> ProgramError:
    first = next(iter(program._ports().takes), "question")
    return ProgramError(
        f"`|` gives a program its inputs by name, not a `{type(inputs).__name__}`: "
        f'write `{{"{first}": ...}} | program`, or a list of such dicts or of examples.'
    )


def _short(part: Module) -> str:
    text = repr(part)
    return f"`{text if len(text) <= 80 else type(part).__name__}`"
