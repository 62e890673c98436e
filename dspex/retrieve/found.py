"""What a retriever found: passages as values, in every shape that retrievers give them, and as a Response.

Apart from the retrievers because a Response is what is kept, metered and replayed: whatever finds passages, they
pass through this one form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

from dspex.data.example import Prediction
from dspex.errors import DataError
from dspex.lm.forms import plain_text
from dspex.lm.messages import Choice, Response

TEXT_NAMES = ("long_text", "text", "passage", "content", "page_content", "document", "contents")
"""Names under which retrievers keep a passage's text, the surest first."""
_NOTHING = Choice(citations=({"found": False},))
"""Stands for no passages: an answer that holds nothing at all is taken for none, and kept by no cache."""
_MOST_PLACES = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One passage.

    Attributes:
        text: the passage itself.
        index: its place in the corpus, where there is one.
        score: how well it fits, the higher the better, where that is known.
        source: what else is known of it, such as a title: plain values by name.
    """

    text: str
    index: int | None = None
    score: float | None = None
    source: Mapping[str, Any] = field(default_factory=dict)


def found_in(value: Any, who: str) -> list[Found]:
    """Return the passages in what a retriever gave: a Prediction, texts, dicts, or objects with a text.

    Args:
        value: what it gave.
        who: its name, for the error.

    Raises:
        DataError: it holds no passages.

    Example:
        >>> [one.text for one in found_in(["a", {"text": "b", "score": 2.0}], "mine")]
        ['a', 'b']
    """
    rows = value
    if isinstance(value, (Mapping, Prediction)) and "passages" in value:
        rows = _columns(value)
    elif isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        rows = [value]
    rows = list(rows)  # what can be gone through once only is gone through once
    found = [_one(row) for row in rows]
    if any(one is None for one in found):
        wrong = next(row for row, one in zip(rows, found, strict=True) if one is None)
        raise DataError(
            f"The retriever `{who}` gave a `{type(wrong).__name__}` that holds no passage; return texts, or dicts "
            "with a `text`."
        )
    return [one for one in found if one is not None]


def response_of_found(found: Sequence[Found], model: str) -> Response:
    """Return passages as the Response of a retriever, which costs nothing."""
    choices = []
    for one in found:
        known = {"index": one.index, "score": one.score, "source": dict(one.source) or None}
        told: dict[str, object] = {name: value for name, value in known.items() if value is not None}
        choices.append(Choice(text=plain_text(one.text), citations=(told,) if told else ()))
    return Response(choices=tuple(choices) or (_NOTHING,), model=model, cost=0.0)


def prediction_of(response: Response, *, scores: bool = True) -> Prediction:
    """Return the passages of a Response as `passages`, with `indices`, `scores` and `sources` where all are known.

    Example:
        >>> prediction_of(response_of_found([Found(text="a", index=3)], "mine"))
        Prediction(
            passages=['a'],
            indices=[3]
        )
    """
    choices = [choice for choice in response.choices if choice != _NOTHING]
    known: list[dict[str, Any]] = [dict(c.citations[0]) if c.citations else {} for c in choices]
    fields: dict[str, Any] = {"passages": [choice.text for choice in choices]}
    for name, many in (("index", "indices"), ("score", "scores")):
        if known and all(name in one for one in known) and (scores or name != "score"):
            fields[many] = [one[name] for one in known]
    if any("source" in one for one in known):
        fields["sources"] = [dict(one.get("source") or {}) for one in known]
    return Prediction(**fields)


def _columns(value: Any) -> list[Any]:
    """Return the rows of an answer that has a list for each of passages, indices and scores."""
    passages = value["passages"]
    passages = (
        list(passages) if isinstance(passages, Iterable) and not isinstance(passages, str) else [passages]
    )
    rows: list[Any] = []
    columns = [
        (one, list(value[many]))
        for many, one in (("indices", "index"), ("scores", "score"))
        if many in value and isinstance(value[many], Iterable)
    ]
    for place, passage in enumerate(passages):
        row = dict(passage) if isinstance(passage, Mapping) else {"text": passage}
        row |= {one: values[place] for one, values in columns if place < len(values)}
        rows.append(row if isinstance(passage, (str, Mapping)) else passage)
    return rows


def _one(row: Any) -> Found | None:
    if isinstance(row, Found):
        return row
    if isinstance(row, str):
        return Found(text=row)
    if not isinstance(row, Mapping):
        text = next((t for name in TEXT_NAMES if isinstance(t := getattr(row, name, None), str)), None)
        return None if text is None else Found(text=text, score=_number(getattr(row, "score", None)))
    name = next((name for name in TEXT_NAMES if isinstance(row.get(name), str)), None)
    if name is None:
        return None
    index = _number(row.get("index"))
    told = {
        str(key): _plain(value)
        for key, value in row.items()
        if key not in (name, "index", "score") and _is_plain(value) and value != row[name]
    }
    return Found(
        text=row[name],
        index=int(index) if index is not None and 0 <= index < _MOST_PLACES else None,
        score=_number(row.get("score")),
        source=told,
    )


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, Real))


def _plain(value: Any) -> Any:
    """Return a text or number as Python's own kind, the one that can be kept: arrays have others."""
    if isinstance(value, str):
        return plain_text(value)
    if value is None or isinstance(value, bool):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


def _number(value: Any) -> float | None:
    """Return a number, numpy's too, as Python's; None for everything else."""
    if value is None or isinstance(value, (str, bool)):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number - number == 0 else None  # neither infinite nor none
