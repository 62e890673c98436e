"""Record what providers answer and play it again: tests that need no network, no key and no cent.

It sits at the transport, outside of limits and breakers, so that everything above (retry, cache, meter, events) does
its real work. What a provider says to a request is recorded, an answer or a refusal; what only says how it feels
today (busy, slow, down, a key that is wrong) is not.
"""

from __future__ import annotations

import os
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from dspex import _canon
from dspex.errors import ContextWindowExceededError, LMInvalidRequestError, SettingsError, UsageError
from dspex.lm import store as _store
from dspex.lm.exchange import masked, named, to_write, without_keys
from dspex.lm.messages import Choice, Chunk, Request, Response
from dspex.lm.secret import without_credentials
from dspex.lm.store import Store
from dspex.lm.tape import Line, Refusal, Tape
from dspex.lm.transport import OnChunk, Transport, ask, waits

Mode = Literal["auto", "record", "replay"]
_REFUSALS = {kind.kind: kind for kind in (LMInvalidRequestError, ContextWindowExceededError)}


class Cassette:
    """What providers answered, by request; see `cassette`.

    Attributes:
        path: the file.
        played, recorded: how many answers came from it, and how many went into it.
    """

    def __init__(self, path: Path, mode: Mode) -> None:
        self.path = path
        self.mode = mode
        self.played = 0
        self.recorded = 0
        self._lines: defaultdict[str, list[Line]] = defaultdict(list)
        self._asked: defaultdict[str, int] = defaultdict(int)
        self._lock = threading.Lock()
        self._tape = Tape(path, anew=mode == "record")
        if mode != "record":
            self._read()

    def __repr__(self) -> str:
        return f"<Cassette {self.path.name}: {self.played} played, {self.recorded} recorded>"

    async def send(self, request: Request, transport: Transport, on_chunk: OnChunk | None = None) -> Response:
        """Answer from the file, or ask the transport and record what it says.

        Raises:
            UsageError: the file has no answer, and nothing may be recorded.
            LMError: the refusal that was recorded, or what the transport raises.
        """
        key = _canon.digest(request)
        line = self._take(key, request)
        if line is not None:
            return _play(line, request, on_chunk)
        try:
            response = await ask(transport, request, on_chunk)
        except LMInvalidRequestError as exc:
            refusal = Refusal(kind=exc.kind, message=exc.message, status=exc.status, provider=exc.provider)
            self._keep(key, request, refusal=refusal)
            raise
        self._keep(key, request, response=response)
        return response

    def finish(self, *, whole: bool) -> None:
        """Put a new recording in the place of the old one, which stays where the new one is not whole."""
        if whole:
            self._tape.finish()
        else:
            self._tape.drop()

    # ------------------------------------------------------------------------------------------- private

    def _take(self, key: str, request: Request) -> Line | None:
        with self._lock:
            lines = self._lines[key]
            if self.mode == "record" or (not lines and self.mode == "auto"):
                return None
            if not lines:
                raise UsageError(self._unknown(request))
            k = self._asked[key]
            if k >= len(lines) and self.mode == "auto":
                return None
            self._asked[key] += 1
            self.played += 1
            # The cache may have kept back what is now asked for: after the last answer it is given again.
            return lines[min(k, len(lines) - 1)]

    def _keep(
        self, key: str, request: Request, *, response: Response | None = None, refusal: Refusal | None = None
    ) -> None:
        answer = None if response is None else without_keys(response)
        line = Line(key=key, request=_shown(request), response=answer, refusal=refusal)
        with self._lock:
            self._tape.append(line)
            self._lines[key].append(line)
            self._asked[key] += 1
            self.recorded += 1

    def _read(self) -> None:
        try:
            for line in self._tape.read():
                self._lines[line.key].append(line)
        except FileNotFoundError:
            if self.mode == "replay":
                raise SettingsError(
                    f'There is no cassette `{self.path}`; `dspex.testing.cassette("{self.path.name}")` records one.'
                ) from None

    def _unknown(self, request: Request) -> str:
        wanted = _shown(request)
        said = request.messages[-1].text if request.messages else " ".join(request.inputs)
        known = [line.request for lines in self._lines.values() for line in lines]
        parts = [
            [name for name in sorted({*wanted, *other}) if wanted.get(name) != other.get(name)]
            for other in known
        ]
        nearest = min(parts, key=len, default=[])
        differs = (
            f" The nearest one recorded differs in {', '.join(f'`{p}`' for p in nearest)}." if nearest else ""
        )
        return (
            f"`{self.path.name}` holds no answer of `{request.model}` to {masked(said[-80:])!r}.{differs} "
            f'Record it: `dspex.testing.cassette("{self.path.name}", mode="auto")`.'
        )


@contextmanager
def cassette(path: str | os.PathLike[str], mode: Mode = "auto") -> Iterator[Cassette]:
    """Play recorded answers to every model asked in the `with` block, in whatever thread.

    The cache is set aside meanwhile, so that a recording is whole and what is played depends on nothing else. The file
    holds requests and answers, one a line, to be read and kept under version control; what looks like a key is masked.

    Args:
        path: a `.jsonl` file.
        mode: `auto` plays what is there and records what is not; `record` asks for everything and puts a new
            recording in the old one's place when the block ends well; `replay` never asks, for CI. A request that was recorded several times
            gets its answers in that order; in `replay`, the last one again after that.

    Raises:
        SettingsError: the mode is unknown, or the file is missing or is no cassette.

    Example:
        >>> import tempfile, pathlib
        >>> with cassette(pathlib.Path(tempfile.mkdtemp(), "colours.jsonl")) as tape:
        ...     tape
        <Cassette colours.jsonl: 0 played, 0 recorded>
    """
    if mode not in get_args(Mode):
        raise SettingsError(f"`{mode}` is no mode of a cassette; there are {', '.join(get_args(Mode))}.")
    tape = Cassette(named(path) if mode == "replay" else to_write(path), mode)
    own, before = Store(), _store.replaced
    own.keyer = before.keyer if before is not None else None
    _store.replaced = own
    _active.append(tape)
    whole = False
    try:
        yield tape
        whole = True
    finally:
        _active.remove(tape)
        if _store.replaced is own:  # unless the cache was configured meanwhile
            _store.replaced = before
        tape.finish(whole=whole)


_active: list[Cassette] = []


def active() -> Cassette | None:
    """Return the cassette that is in, the innermost one; who asks providers asks it first."""
    return _active[-1] if _active else None


class Taped:
    """A Transport that asks the cassette first while one is in.

    Args:
        transport: who answers otherwise.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.waits = waits(transport)

    async def send(self, request: Request) -> Response:
        """Answer one request."""
        tape = active()
        return await (self._transport.send(request) if tape is None else tape.send(request, self._transport))

    async def stream(self, request: Request, on_chunk: OnChunk) -> Response:
        """Answer one request in pieces."""
        tape = active()
        if tape is None:
            return await ask(self._transport, request, on_chunk)
        return await tape.send(request, self._transport, on_chunk)


def around(transport: Transport) -> Taped:
    """Return a transport with the place for a cassette."""
    return Taped(transport)


def _play(line: Line, request: Request, on_chunk: OnChunk | None) -> Response:
    if line.response is None:
        said = line.refusal or Refusal()
        kind = _REFUSALS.get(said.kind, LMInvalidRequestError)
        raise kind(said.message, model=request.model, provider=said.provider, status=said.status)
    if on_chunk is not None and line.response.choices:
        for piece in _pieces(line.response.choices[0]):
            on_chunk(piece)
    return line.response


def _pieces(choice: Choice) -> Iterator[Chunk]:
    """Cut a completion into words, as a stream brings it."""
    for word in re.findall(r"\s*\S+|\s+$", choice.reasoning):
        yield Chunk(reasoning=word)
    for word in re.findall(r"\s*\S+|\s+$", choice.text):
        yield Chunk(text=word)
    yield Chunk(calls=choice.calls, finish=choice.finish)


def _shown(request: Request) -> dict[str, Any]:
    shown: dict[str, Any] = without_credentials(masked(msgspec.json.decode(_canon.canonical(request))))
    return shown
