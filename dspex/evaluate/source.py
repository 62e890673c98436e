"""What an evaluation reads: examples one by one, from a list or from a source of any length.

A list is checked whole before anything is spent. Any other iterable is read as the evaluation asks for more, a few
rows ahead at most, in a worker thread: a file, a database or a generator that is slow holds nobody up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from dspex import _clock, _host
from dspex.data.example import Example
from dspex.errors import DataError, in_words
from dspex.evaluate.estimate import spread
from dspex.evaluate.launch import check_examples, check_inputs, program_name
from dspex.modules.module import Module

AHEAD = 32
"""Rows read at once from a source that is no list."""
GLANCE = 0.005
"""Seconds after which what was read so far is taken, where a source is slow."""

Data = Iterable[Example] | AsyncIterable[Example]


class Source:
    """Examples, checked as they come.

    Args:
        data: a list of examples, or any other iterable of them; an `async for` one too.
        program: whose inputs they must have.
        what: the user's name for the data, for errors.

    Raises:
        DataError: it is no iterable, it is an empty list, or an example of a list cannot be used.
    """

    def __init__(self, data: Data | None, program: Module, what: str = "data") -> None:
        self._program = program
        self._what = what
        self._needed = set(program._ports().required)
        self._count = 0
        self._reader: Iterator[Any] | AsyncIterator[Any] | None = None
        self._reading: asyncio.Future[bool] | None = None
        self.rows: Sequence[Example] | None = None
        """All examples, where they are a list."""
        self._lazy = is_lazy(data)
        self._data: Any = data
        if not self._lazy:
            self.rows = check_examples(data, what)  # type: ignore[arg-type]  # it refuses what is none
            check_inputs(program, self.rows, what)

    @property
    def size(self) -> int | None:
        """How many there are, where that is known: a hint of a source that is no list may be wrong."""
        if self.rows is not None:
            return len(self.rows)
        try:
            return len(self._data)
        except TypeError:
            return None

    def __iter__(self) -> Iterator[Example | asyncio.Future[None]]:
        """Yield examples; where the next one is to be read first, a future of the host loop."""
        if self.rows is not None:
            yield from self.rows
            return
        buffer: deque[Example] = deque()
        arrived: asyncio.Future[None]
        while True:
            if self._reading is None:
                arrived = _host.loop().create_future()
                self._reading = asyncio.ensure_future(self._read(buffer, arrived))
            reading = self._reading
            yield asyncio.ensure_future(_some(reading, arrived, buffer))
            over = False
            if reading.done():
                self._reading = None
                over = reading.result()  # an error of the source ends the evaluation here
            while buffer:
                yield buffer.popleft()
            if over:
                if not self._count:
                    raise DataError(f"`{self._what}` is empty: it gave no example.")
                return

    def close(self) -> None:
        """Read no more; what a plain source does at this moment goes on, and nobody waits for it."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def sample(self, most: int) -> list[Example]:
        """Return some of the examples, without spending any.

        Raises:
            DataError: they can be read only once, or cannot be used.
        """
        if self.rows is not None:
            return spread(self.rows, most)
        if isinstance(self._data, (Iterator, AsyncIterable)):
            raise DataError(
                f"`{self._what}` can be read only once: give a list of a few of its examples to look at instead."
            )
        rows = check_examples(list(islice(self._data, most)), self._what)
        check_inputs(self._program, rows, self._what)
        return rows

    async def _read(self, buffer: deque[Example], arrived: asyncio.Future[None]) -> bool:
        """Read a few rows, telling of the first; return whether there are no more."""
        if self._reader is None:
            self._reader = await self._open()
        reader = self._reader
        if isinstance(reader, AsyncIterator):
            try:
                row = await anext(reader)
            except StopAsyncIteration:
                return True
            except DataError:
                raise
            except Exception as exc:  # the source is foreign code; its own error stays the cause
                raise self._failed(exc) from exc
            buffer.append(self._checked(row))
            return False
        return await _host.in_worker(self._take, reader, buffer, arrived)

    async def _open(self) -> Iterator[Any] | AsyncIterator[Any]:
        if isinstance(self._data, AsyncIterable):
            return aiter(self._data)
        opened: Iterator[Any] = await _host.in_worker(iter, self._data)
        return opened

    def _take(self, reader: Iterator[Any], buffer: deque[Example], arrived: asyncio.Future[None]) -> bool:
        until = _clock.monotonic() + GLANCE
        for nth in range(AHEAD):
            try:
                row = next(reader)
            except StopIteration:
                return True
            except DataError:
                raise
            except Exception as exc:  # the source is foreign code; its own error stays the cause
                raise self._failed(exc) from exc
            buffer.append(self._checked(row))
            if _clock.monotonic() > until:
                break
            if nth == 0:
                _host.loop().call_soon_threadsafe(_host.release, arrived)
        return False

    def _failed(self, exc: Exception) -> DataError:
        return DataError(f"`{self._what}` failed at example {self._count}: {in_words(exc)}")

    def _checked(self, row: Any) -> Example:
        """Return the row if it can be used; checked alone, it is told by its number."""
        index, self._count = self._count, self._count + 1
        if isinstance(row, Example) and row.input_keys is not None and self._needed <= row.input_keys:
            return row
        if isinstance(row, Example) and row.input_keys is not None:
            missing = min(self._needed - row.input_keys)
            raise DataError(
                f"`{self._what}[{index}]` lacks the input `{missing}` of `{program_name(self._program)}`; "
                f"its inputs are: {', '.join(sorted(row.input_keys)) or 'none'}."
            )
        try:
            check_examples([row], self._what)
        except DataError as exc:
            raise DataError(str(exc).replace(f"`{self._what}[0]`", f"`{self._what}[{index}]`")) from None
        return row  # type: ignore[no-any-return]  # nothing else passes the check


async def _some(reading: asyncio.Future[bool], arrived: asyncio.Future[None], buffer: deque[Example]) -> None:
    """Wait until a row is there, or there are no more: those at hand do not wait for a slow one after them."""
    first: list[asyncio.Future[Any]] = [reading, arrived]
    await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait([reading], timeout=GLANCE)
    if not buffer:
        await asyncio.wait([reading])


def is_lazy(data: object) -> bool:
    """Tell whether data is to be read bit by bit: any iterable that does not hold its rows in memory itself.

    Example:
        >>> is_lazy([1]), is_lazy(iter([1])), is_lazy("text")
        (False, True, False)
    """
    from dspex.data.dataset import Dataset

    held = (list, tuple, set, frozenset, dict, str, bytes, Dataset)
    return isinstance(data, (Iterable, AsyncIterable)) and not isinstance(data, held)
