"""The stream of one call of a streamed program: what predictors, callbacks and the program itself send.

It is `settings.send_stream` while the program runs. A predictor asks it to `open` a way for the pieces of its
answer; they are cut into fields here, on the thread that reads them, and wait for the reader in a pipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dspex.adapters.chat import ChatAdapter
from dspex.lm.messages import Chunk
from dspex.streaming.chat import ChatFields
from dspex.streaming.fields import FieldReader, Piece
from dspex.streaming.listener import Heard
from dspex.streaming.messages import ModelChunk, StreamResponse
from dspex.streaming.objects import ObjectFields
from dspex.streaming.pipe import Pipe
from dspex.streaming.tags import TagFields


class Stream(Pipe):
    """A pipe that takes pieces of answers too.

    Args:
        heard: what is listened to; nothing to take the pieces as they come.
        program: whose predictors' paths name the pieces.
    """

    def __init__(self, heard: Sequence[Heard] = (), program: Any = None) -> None:
        super().__init__()
        self.heard = tuple(heard)
        find = getattr(program, "named_predictors", None)
        self._paths = [(predict, path) for path, predict in find()] if callable(find) else []
        self._opened: list[Writing] = []

    def open(self, predict: Any, adapter: Any) -> Any:
        """Return what takes the pieces of a predictor's next answer; None where nobody wants them."""
        wanted = [h for h in self.heard if h.predict is predict]
        if self.heard and not (wanted and isinstance(adapter, ChatAdapter)):
            return None
        path = next((path for known, path in self._paths if known is predict), "")
        writing = Writing(self, predict, path, adapter, wanted)
        self._opened.append(writing)
        return writing

    def flush(self) -> None:
        """Send what is still kept back: all answers are whole."""
        for writing in self._opened:
            writing.end()


class Writing:
    """One predictor's answer while it is written, cut into fields."""

    def __init__(self, stream: Stream, predict: Any, path: str, adapter: Any, heard: Sequence[Heard]) -> None:
        self._stream = stream
        self._path = path
        self._adapter = adapter
        self._names = list(predict.signature.output_fields)
        self._thoughts = [
            h for h in heard if getattr(_type(predict, h.field), "__dspex_type__", "") == "reasoning"
        ]
        self._heard = [h for h in heard if h.listener.allow_reuse or not h.ended]
        self._reader: FieldReader | None = None
        self._first = True
        self._again = False
        """Whether an answer went before: the adapter could not read it and asks once more."""

    def __call__(self, chunk: Chunk) -> None:
        """Take a piece of the answer."""
        if not self._stream.heard:
            self._stream.put(ModelChunk(chunk.text, chunk.reasoning, self._path, chunk.finish), _joined)
            return
        first, self._first = self._first, False
        if first and chunk.finish is not None:
            # The whole answer at once: kept, or from a model that does not stream. Its prediction says it all.
            for heard in self._heard:
                heard.kept = True
                heard.tell()
        else:
            self._think(chunk.reasoning)
            self._read(chunk.text)
        if chunk.finish is not None:
            self.end()
            self._first = True

    def end(self) -> None:
        """The answer is whole; what comes after it is another one, such as the adapter's second try."""
        if self._reader is not None:
            self._send(self._reader.finish())
            # What has come to its end is not said again by a second try.
            self._heard = [h for h in self._heard if not h.ended]
            self._again = True
        self._reader = None

    def _think(self, text: str) -> None:
        for heard in self._thoughts if text else ():
            heard.started = True
            heard.tell()
            self._stream.put(StreamResponse(heard.name, heard.field, text, False), _joined)

    def _read(self, text: str) -> None:
        if text:
            if self._reader is None:
                self._reader = reader_for(self._adapter, self._names, again=self._again)
            self._send(self._reader.feed(text))

    def _send(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            for heard in self._heard:
                if heard.field == piece.field:
                    heard.started, heard.ended = True, piece.last
                    heard.tell()
                    self._stream.put(StreamResponse(heard.name, piece.field, piece.text, piece.last), _joined)


def reader_for(adapter: Any, names: Sequence[str], *, again: bool) -> FieldReader:
    """Return the reader of an adapter's layout; with `again`, of the JSON that is asked for after a failure."""
    kinds = {kind.__name__ for kind in type(adapter).__mro__}
    if "JSONAdapter" in kinds or again:
        return ObjectFields(names)
    return TagFields(names) if "XMLAdapter" in kinds else ChatFields(names)


def _type(predict: Any, field: str) -> Any:
    return predict.signature.output_fields[field].annotation


def _joined(last: Any, new: Any) -> Any:
    """Return two pieces of the same text as one, or None."""
    if isinstance(last, StreamResponse) and isinstance(new, StreamResponse):
        same = (last.predict_name, last.signature_field_name) == (new.predict_name, new.signature_field_name)
        if same and not last.is_last_chunk:
            return replace(new, chunk=last.chunk + new.chunk)
    if isinstance(last, ModelChunk) and isinstance(new, ModelChunk) and last.finish is None:
        return replace(new, text=last.text + new.text, reasoning=last.reasoning + new.reasoning)
    return None
