"""An index on disk: `config.json` and `corpus_embeddings.npy`, read as a stranger's files.

Apart from the search because it is a border: whatever the files hold, reading them runs no code, takes no more
memory than the files are long, and ends in an index or in one error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from dspex.errors import DataError
from dspex.retrieve.ranking import Numbers

CONFIG = "config.json"
VECTORS = "corpus_embeddings.npy"
_HEAD = 512
"""Bytes in which a matrix's header ends, with room to spare."""
_HEADER = re.compile(
    rb"\x93NUMPY(?:\x01\x00..|[\x02\x03]\x00....)"
    rb"\{'descr': '([<>]f[248])', 'fortran_order': (True|False), 'shape': \((\d{1,15}), (\d{1,15})\), \} *\n",
    re.DOTALL,
)
"""How numpy writes down a matrix of floats."""


class _Config(msgspec.Struct):
    k: int
    normalize: bool
    corpus: list[str]
    has_faiss_index: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What a saved index holds."""

    corpus: list[str]
    vectors: Numbers
    k: int
    normalize: bool


def write_index(folder: Path, corpus: Sequence[str], vectors: Numbers, *, k: int, normalize: bool) -> None:
    """Write an index into a folder: each file whole, or as it was before."""
    import numpy

    config = _Config(k=k, normalize=normalize, corpus=list(corpus))
    told = msgspec.json.format(msgspec.json.encode(config), indent=2)
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / VECTORS, lambda file: numpy.save(file, vectors, allow_pickle=False))
    _replace(folder / CONFIG, lambda file: file.write(told))


def read_index(folder: Path) -> Index:
    """Read an index.

    Raises:
        DataError: there is none, or the files hold something else.
    """
    for name in (CONFIG, VECTORS):
        if not (folder / name).is_file():
            raise DataError(f"`{folder}` is no saved index: there is no file `{name}` in it.")
    try:
        config = msgspec.json.decode((folder / CONFIG).read_bytes(), type=_Config)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise DataError(f"`{folder / CONFIG}` does not describe a saved index: {exc}") from None
    vectors = _numbers(folder / VECTORS)
    if config.k < 1 or len(vectors) != len(config.corpus) or not vectors.size:
        raise DataError(
            f"`{folder}` is no saved index: {len(config.corpus)} passages, k={config.k} and numbers of the shape "
            f"{vectors.shape} do not belong together."
        )
    return Index(corpus=config.corpus, vectors=vectors, k=config.k, normalize=config.normalize)


def _numbers(path: Path) -> Numbers:
    """Read a matrix of floats; numpy's own reader takes far more forms than that, and its parser fails in as many ways."""
    import numpy

    with path.open("rb") as file:
        head = file.read(_HEAD)
    known = _HEADER.match(head)
    if known is None:
        raise DataError(f"`{path}` holds no numbers: it is no `.npy` file with a matrix of floats.")
    kind, fortran, rows, columns = (part.decode() for part in known.groups())
    dtype, count = numpy.dtype(kind), int(rows) * int(columns)
    start = known.end()
    # A header that claims more than the file holds is refused before any memory is taken.
    if path.stat().st_size != start + count * dtype.itemsize:
        raise DataError(
            f"`{path}` holds no numbers that can be read: {rows} x {columns} of them are not there."
        )
    flat = numpy.fromfile(path, dtype=dtype, count=count, offset=start)
    vectors: Numbers = flat.reshape((int(rows), int(columns)), order="F" if fortran == "True" else "C")
    if not numpy.isfinite(vectors).all():
        raise DataError(f"`{path}` holds what is no finite number.")
    return numpy.ascontiguousarray(vectors, dtype=numpy.float32)


def _replace(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            write(file)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
