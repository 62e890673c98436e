"""Vectors of texts on the wire: a Request with `inputs` as a JSON body, rows of numbers as a Response. Pure.

Apart from the wire of conversations, which it shares nothing with but the errors. Vectors travel and are kept as
bytes: a list of floats takes eight times the room.
"""

from __future__ import annotations

import base64
import binascii
import math
import sys
from array import array
from collections.abc import Sequence
from typing import Any

import msgspec

from dspex import _canon
from dspex.lm.messages import Request, Response, Usage
from dspex.lm.wire import UNREADABLE, NoAnswerError, WireUsage

PATH = "/embeddings"
"""What follows the address of an OpenAI-compatible endpoint."""

Row = Sequence[float] | str
"""A vector as a provider sends it: numbers, or base64 of 32-bit floats."""


class _Vector(msgspec.Struct):
    embedding: list[float] | str
    index: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Vector]
    usage: WireUsage | None = None
    model: str | None = None


_decoder = msgspec.json.Decoder(_Answer)


def embedding_body(request: Request, model: str) -> bytes:
    """Return the JSON body that asks `model` for the vectors of a request's inputs.

    Example:
        >>> embedding_body(Request(model="openai/m", messages=(), inputs=("hi",)), "m")
        b'{"model":"m","input":["hi"]}'
    """
    body: dict[str, Any] = {"model": model, "input": request.inputs, **(request.options or {})}
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:  # half a character, which no provider can read
        return msgspec.json.encode({**body, "input": _canon.legible(list(request.inputs))})


def embedding_response(body: bytes, count: int) -> Response:
    """Return the Response that a body holds.

    Args:
        body: the answer as it came.
        count: how many texts were sent.

    Raises:
        NoAnswerError: it does not hold one vector for each of them.
    """
    try:
        answer = _decoder.decode(body)
    except UNREADABLE as exc:
        raise NoAnswerError(str(exc)) from None
    return _response(answer, count)


def embedding_from(form: object, count: int) -> Response:
    """Return the Response that the dict of an answer in OpenAI's form holds.

    Raises:
        NoAnswerError: it does not hold one vector for each text.
    """
    try:
        return _response(msgspec.convert(form, _Answer), count)
    except msgspec.ValidationError as exc:
        raise NoAnswerError(str(exc)) from None


def embedded(rows: Sequence[Row], *, tokens: int = 0, model: str = "") -> Response:
    r"""Return the Response of these vectors.

    Args:
        rows: one vector for each text, in the order of the texts.
        tokens: how many the texts had.
        model: as the provider names it.

    Raises:
        NoAnswerError: a row is no vector, or they differ in length.

    Example:
        >>> embedded([[1.0, 2.0]]).vectors
        (b'\x00\x00\x80?\x00\x00\x00@',)
    """
    vectors = tuple(map(_bytes, rows))
    lengths = {len(vector) for vector in vectors}
    if len(lengths) > 1 or 0 in lengths:
        sizes = ", ".join(str(length // 4) for length in sorted(lengths))
        raise NoAnswerError(
            f"vectors of one request are equally long and not empty; these have {sizes} numbers"
        )
    return Response(choices=(), usage=Usage(prompt_tokens=tokens), model=model, vectors=vectors)


def _response(answer: _Answer, count: int) -> Response:
    rows = answer.data
    if len(rows) != count:
        raise NoAnswerError(f"{len(rows)} vectors came for {count} texts")
    places = [row.index for row in rows]
    if None not in places:
        if sorted(places) != list(range(count)):  # type: ignore[type-var]  # none of them is None here
            raise NoAnswerError("`index` does not number the vectors from 0")
        rows = sorted(rows, key=lambda row: row.index or 0)
    used = (answer.usage or WireUsage()).usage()
    return embedded([row.embedding for row in rows], tokens=used.prompt_tokens, model=answer.model or "")


def _bytes(row: Row) -> bytes:
    if isinstance(row, str):
        try:
            numbers = array("f", base64.b64decode(row, validate=True))
        except (binascii.Error, ValueError) as exc:
            raise NoAnswerError(f"a vector is no base64 of 32-bit floats: {exc}") from None
        if sys.byteorder == "big":
            numbers.byteswap()
    else:
        numbers = array("f", row)
    if not math.isfinite(sum(numbers)):
        raise NoAnswerError("a vector holds what is no finite number")
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()
