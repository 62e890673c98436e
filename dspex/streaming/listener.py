"""StreamListener: which field of which predictor a reader wants to see while it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dspex.errors import ProgramError, nearest


class StreamListener:
    """Asks for the pieces of one output field.

    Args:
        signature_field_name: the field.
        predict: the predictor; None to find the one that has the field.
        predict_name: its path in the program, such as `answer.predict`.
        allow_reuse: whether to go on where the predictor is asked again within one call of the program.

    Attributes:
        stream_start, stream_end: whether the last stream's field has begun, and has ended.
        cache_hit: whether the last answer was there at once, so that there were no pieces.

    Example:
        >>> StreamListener(signature_field_name="answer")
        StreamListener('answer')
    """

    def __init__(
        self,
        signature_field_name: str,
        predict: Any = None,
        predict_name: str | None = None,
        allow_reuse: bool = False,
    ) -> None:
        self.signature_field_name = signature_field_name
        self.predict = predict
        self.predict_name = predict_name
        self.allow_reuse = allow_reuse
        self.stream_start = self.stream_end = self.cache_hit = False

    def __repr__(self) -> str:
        where = f", predict_name={self.predict_name!r}" if self.predict_name else ""
        return f"StreamListener({self.signature_field_name!r}{where})"


@dataclass(slots=True)
class Heard:
    """A listener and the predictor it listens to, found; and how far one stream is, since several may go on at once."""

    listener: StreamListener
    predict: Any
    name: str
    field: str
    started: bool = False
    ended: bool = False
    kept: bool = False
    """Whether an answer was there at once."""

    def afresh(self) -> Heard:
        """Return the same for another stream."""
        return Heard(self.listener, self.predict, self.name, self.field)

    def tell(self) -> None:
        """Let the user's object say how far the last stream is."""
        listener = self.listener
        listener.stream_start, listener.stream_end, listener.cache_hit = self.started, self.ended, self.kept


def find_predictors(program: Any, listeners: Sequence[StreamListener]) -> list[Heard]:
    """Return each listener with its predictor.

    Raises:
        ProgramError: there is no such predictor or field, or more than one.
    """
    return [_find(program, listener) for listener in listeners]


def _find(program: Any, listener: StreamListener) -> Heard:
    find = getattr(program, "named_predictors", None)
    predictors = list(find()) if callable(find) else []
    field = listener.signature_field_name
    if listener.predict is not None:
        named = [name for name, predict in predictors if predict is listener.predict]
        name = listener.predict_name or (named[0] if named else type(listener.predict).__name__)
        found = [(name, listener.predict)]
    elif listener.predict_name is not None:
        names = [name for name, _ in predictors]
        if listener.predict_name not in names:
            hint = nearest(listener.predict_name, names)
            raise ProgramError(f"The program has no predictor `{listener.predict_name}`.{hint}")
        found = [(name, predict) for name, predict in predictors if name == listener.predict_name]
    else:
        found = [pair for pair in predictors if field in pair[1].signature.output_fields]
    found = [pair for pair in found if field in pair[1].signature.output_fields]
    if not found:
        fields = [name for _, predict in predictors for name in predict.signature.output_fields]
        raise ProgramError(f"No predictor has an output `{field}` to stream.{nearest(field, fields)}")
    if len(found) > 1:
        paths = ", ".join(f"`{name}`" for name, _ in found)
        raise ProgramError(
            f"Several predictors have an output `{field}`: say which with predict_name=: {paths}."
        )
    return Heard(listener, found[0][1], found[0][0], field)
