"""Example and Prediction: a row of named values, and a program's answer.

Values live in one dict; attributes and items read the same place, as in DSPy. A field may be called `keys` or
`items`: items win, the method stays reachable through the class.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

from dspex import _canon
from dspex.errors import DataError, nearest

_NEXT = ",\n    "


class Example:
    """One row of data: fields by name, and which of them are inputs.

    Args:
        base: another example or a mapping to start from.
        **fields: values by field name; they win over `base`.

    Raises:
        AttributeError, KeyError: a field is asked for that is not there.
        DataError: `with_inputs` names a field that is not there.

    Example:
        >>> row = Example(question="1 + 1?", answer="2").with_inputs("question")
        >>> row.inputs(), row.labels().answer
        (Example({'question': '1 + 1?'}) (input_keys={'question'}), '2')
    """

    __slots__ = ("_inputs", "_store")

    def __init__(self, base: Example | Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        store: dict[str, Any] = {}
        inputs: frozenset[str] | None = None
        if "base" in fields and base is None and isinstance(fields["base"], (Example, Mapping)):
            base = fields.pop("base")
        if isinstance(base, Example):
            store.update(base._store)
            inputs = base._inputs
        elif base is not None:
            store.update(base)
        store.update(fields)
        object.__setattr__(self, "_store", store)
        object.__setattr__(self, "_inputs", inputs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self._store[name]
        except KeyError:
            raise AttributeError(
                f"`{type(self).__name__}` has no field `{name}`.{nearest(name, self._store)} "
                f"It has: {', '.join(self._store) or 'none'}."
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._store[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self._store:
            raise AttributeError(name)
        del self._store[name]

    def __getitem__(self, name: str) -> Any:
        return self._store[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._store[name] = value

    def __delitem__(self, name: str) -> None:
        del self._store[name]

    def __contains__(self, name: object) -> bool:
        return name in self._store

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._store))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Example) and self._store == other._store

    def __hash__(self) -> int:
        return _hash(self._store)

    def __repr__(self) -> str:
        shown = f"{type(self).__name__}({dict(self.items())!r})"
        return shown if self._inputs is None else f"{shown} (input_keys={set(self._inputs)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), dict(self._store), self._inputs))

    def keys(self, include_dspy: bool = False) -> list[str]:
        """Return the field names; names that begin with `dspy_` are hidden unless asked for."""
        return [k for k in self._store if include_dspy or not k.startswith("dspy_")]

    def values(self, include_dspy: bool = False) -> list[Any]:
        """Return the values in the order of `keys`."""
        return [self._store[k] for k in self.keys(include_dspy)]

    def items(self, include_dspy: bool = False) -> list[tuple[str, Any]]:
        """Return (name, value) pairs."""
        return [(k, self._store[k]) for k in self.keys(include_dspy)]

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field's value, or the default where it is not there."""
        return self._store.get(name, default)

    def with_inputs(self, *names: str) -> Self:
        """Return a copy that knows which fields are inputs."""
        missing = [n for n in names if n not in self._store]
        if missing:
            raise DataError(
                f"`with_inputs`: the example has no field `{missing[0]}`.{nearest(missing[0], self._store)} "
                f"It has: {', '.join(self._store) or 'none'}."
            )
        return self._copy(self._store, frozenset(names))

    @property
    def input_keys(self) -> frozenset[str] | None:
        """Names of the inputs; None where `with_inputs` was not called."""
        inputs: frozenset[str] | None = self._inputs
        return inputs

    def inputs(self) -> Self:
        """Return the inputs alone.

        Raises:
            DataError: nobody said which fields are inputs.
        """
        if self._inputs is None:
            fields = ", ".join(self._store)
            raise DataError(
                f"This example does not say which of its fields are inputs; write `.with_inputs(...)` with some of: "
                f"{fields}."
            )
        return self._copy({k: v for k, v in self._store.items() if k in self._inputs}, self._inputs)

    def labels(self) -> Self:
        """Return all fields that are not inputs."""
        inputs = self.inputs()._store
        return self._copy({k: v for k, v in self._store.items() if k not in inputs}, None)

    def copy(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return self._copy({**self._store, **changes}, self._inputs)

    def without(self, *names: str) -> Self:
        """Return a copy that lacks these fields."""
        inputs = None if self._inputs is None else self._inputs - set(names)
        return self._copy({k: v for k, v in self._store.items() if k not in names}, inputs)

    def toDict(self) -> dict[str, Any]:
        """Return the fields as a dict, nested examples too."""
        return {k: _plain(v) for k, v in self._store.items()}

    @property
    def digest(self) -> str:
        """Ten hex digits that name this content, the same in every process.

        Raises:
            DataError: a field holds something that has no JSON form.
        """
        try:
            return _canon.digest(self._store)[:10]
        except DataError:
            for name, value in self._store.items():
                _check_plain(name, value)
            raise

    def _copy(self, store: Mapping[str, Any], inputs: frozenset[str] | None) -> Self:
        kind = type(self)
        # A class of the user's may make more in its `__init__`; ours is called so often that it is left out.
        other = kind.__new__(kind) if kind is Example or kind is Prediction else kind()
        object.__setattr__(other, "_store", dict(store))
        object.__setattr__(other, "_inputs", inputs)
        return other


class Prediction(Example):
    """What a program answered: its output fields, and the other completions where several were asked for.

    Example:
        >>> Prediction(answer="4").answer
        '4'
    """

    __slots__ = ("_completions", "_usage")

    def __init__(self, base: Example | Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        super().__init__(base, **fields)
        object.__setattr__(self, "_completions", None)
        object.__setattr__(self, "_usage", {})

    @classmethod
    def from_completions(
        cls, completions: Iterable[Mapping[str, Any]] | Mapping[str, Sequence[Any]], signature: Any = None
    ) -> Self:
        """Build a prediction from several completions, by row or by field; its own fields are those of the first.

        Args:
            completions: rows of fields, or lists of values by field.
            signature: what they answer, kept as `completions.signature`.

        Raises:
            DataError: there is none.
        """
        found = Completions(completions, signature)
        if not len(found):
            raise DataError("A prediction is made of at least one completion; there is none.")
        prediction = cls(**found.row(0))
        object.__setattr__(prediction, "_completions", found)
        return prediction

    def _copy(self, store: Mapping[str, Any], inputs: frozenset[str] | None) -> Self:
        other = super()._copy(store, inputs)
        object.__setattr__(other, "_completions", self._completions)
        object.__setattr__(other, "_usage", dict(self._usage))
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        rest = {"_completions": self._completions, "_usage": dict(self._usage)}
        return (_rebuild, (type(self), dict(self._store), self._inputs, rest))

    @property
    def completions(self) -> Completions:
        """All completions, the first one included."""
        return self._completions or Completions([dict(self._store)])

    def get_lm_usage(self) -> dict[str, Any]:
        """Return tokens by model, where `track_usage` was on."""
        return dict(self._usage)

    def set_lm_usage(self, usage: Mapping[str, Any] | None) -> None:
        """Say how many tokens the answer took, by model."""
        object.__setattr__(self, "_usage", dict(usage or {}))

    def __float__(self) -> float:
        return float(self._score())

    def __add__(self, other: object) -> float:
        return self._score() + float(other)  # type: ignore[arg-type]  # a number or a scored prediction

    __radd__ = __add__  # `sum(predictions)` begins with 0

    def __truediv__(self, other: object) -> float:
        return self._score() / float(other)  # type: ignore[arg-type]

    def __rtruediv__(self, other: object) -> float:
        return float(other) / self._score()  # type: ignore[arg-type]

    def __lt__(self, other: object) -> bool:
        return self._score() < float(other)  # type: ignore[arg-type]

    def __le__(self, other: object) -> bool:
        return self._score() <= float(other)  # type: ignore[arg-type]

    def __gt__(self, other: object) -> bool:
        return self._score() > float(other)  # type: ignore[arg-type]

    def __ge__(self, other: object) -> bool:
        return self._score() >= float(other)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        fields = [f"{k}={v!r}" for k, v in self.items()]
        more = len(self._completions) - 1 if self._completions is not None else 0
        if more:
            fields.append("completions=Completions(...)")
        shown = f"Prediction(\n    {_NEXT.join(fields)}\n)"
        return f"{shown} ({more} completions omitted)" if more else shown

    def _score(self) -> float:
        if "score" not in self._store:
            raise DataError("This prediction has no `score`; only a metric's result counts as a number.")
        return float(self._store["score"])


class Completions:
    """Several answers to one question, by row or by field.

    Example:
        >>> two = Completions([{"answer": "4"}, {"answer": "5"}])
        >>> len(two), two.answer
        (2, ['4', '5'])
    """

    def __init__(
        self, rows: Iterable[Mapping[str, Any]] | Mapping[str, Sequence[Any]], signature: Any = None
    ) -> None:
        if isinstance(rows, Mapping):
            if len({len(values) for values in rows.values()}) > 1:
                raise DataError("Completions by field have as many values for each field; these differ.")
            rows = [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]
        self._rows = [dict(row.items()) for row in rows]
        self.signature = signature

    def row(self, index: int) -> dict[str, Any]:
        """Return one completion's fields."""
        return dict(self._rows[index])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: int | str) -> Any:
        return Prediction(**self._rows[key]) if isinstance(key, int) else [row[key] for row in self._rows]

    def __contains__(self, name: object) -> bool:
        return any(name in row for row in self._rows)

    def __getattr__(self, name: str) -> list[Any]:
        if name.startswith("_") or not all(name in row for row in self._rows):
            raise AttributeError(name)
        return [row[name] for row in self._rows]

    def items(self) -> list[tuple[str, list[Any]]]:
        """Return (field, values) pairs."""
        return [(name, self[name]) for name in (self._rows[0] if self._rows else {})]

    def __repr__(self) -> str:
        return f"Completions({self._rows!r})"


def _rebuild(
    cls: type[Example],
    store: dict[str, Any],
    inputs: frozenset[str] | None,
    rest: Mapping[str, Any] | None = None,
) -> Example:
    made = cls()._copy(store, inputs)
    for name, value in (rest or {}).items():
        object.__setattr__(made, name, value)
    return made


def _hash(value: object) -> int:
    # Equal values must hash equally, and fields may hold what Python does not hash.
    if isinstance(value, (list, tuple)):
        return hash(tuple(_hash(part) for part in value))
    if isinstance(value, Mapping):
        return hash(frozenset((name, _hash(part)) for name, part in value.items()))
    try:
        return hash(value)
    except TypeError:
        return 0


def _plain(value: Any) -> Any:
    if isinstance(value, Example):
        return value.toDict()
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else value


def _check_plain(name: str, value: object) -> None:
    """Refuse a field that no file can hold, with its name."""
    try:
        _canon.digest(value)
    except DataError as exc:
        why = str(exc).partition("JSON form: ")[2]
        raise DataError(
            f"The field `{name}` of an example is a `{type(value).__name__}` that cannot be written down ({why}): "
            "make it text, a number, a list or a dict."
        ) from None
