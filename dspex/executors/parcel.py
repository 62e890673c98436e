"""What a worker is given once for each evaluation: the program, the metric, the settings; and once for each example.

Dask's own serialisation carries both. A language model travels as its state, without keys: the worker finds those in
its own environment. What bounds a provider's use is cut into equal shares, since workers do not see each other's calls.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from dspex.data.example import Example
from dspex.errors import ProgramError
from dspex.evaluate.course import Note
from dspex.evaluate.elsewhere import Errand
from dspex.evaluate.recipe import PLAIN_SETTINGS
from dspex.evaluate.score import name_of
from dspex.lm.lm import LM
from dspex.modules.module import Module
from dspex.settings import Settings

CARRIED = (*PLAIN_SETTINGS, "disable_history", "max_history_size", "lm", "adapter", "rm")
"""Settings that a worker has too; listeners and traces stay here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is the same for all examples of one evaluation."""

    session: str
    """The evaluation's name on the cluster."""
    name: str
    """This parcel's own: a run whose model is changed on the way packs another."""
    topic: str
    """Where its events go."""
    errand: Errand
    settings: dict[str, Any]
    workers: int = 1
    """How many share what the provider allows."""

    def ready(self) -> tuple[Errand, Settings]:
        """Return what to do, and the settings to do it with, after it has arrived."""
        program = self.errand.program
        if isinstance(program, Module):
            for predictor in program.predictors():
                predictor.lm = shared(predictor.lm, self.workers)
        settings = {**self.settings, "lm": shared(self.settings.get("lm"), self.workers)}
        return self.errand, Settings(**settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """What is asked for one example."""

    cell: int
    """The cell's number in the session."""
    place: int
    example: Example
    repeat: int
    span: str
    parent: str
    caps: dict[str, float] = field(default_factory=dict)
    """The most it may take, by kind."""
    path: bytes = b""
    """Its place in the run's ledger."""
    known: dict[bytes, bytes] = field(default_factory=dict)
    """What its calls gave in earlier lives of the run."""
    notes: dict[str, Note] = field(default_factory=dict)
    """What a person said of the example, if anything, by its digest."""


def pack(session: str, name: str, topic: str, errand: Errand, settings: Settings, workers: int) -> Parcel:
    """Return what a worker is given.

    Raises:
        ProgramError: it cannot be sent; the message says what of it.
    """
    packed = Parcel(
        session=session,
        name=name,
        topic=topic,
        errand=dataclasses.replace(errand, notes={}),  # each goes with the example it is of
        settings={name: getattr(settings, name) for name in CARRIED},
        workers=max(1, workers),
    )
    parts = {
        f"The metric `{name_of(errand.metric)}`": errand.metric,
        "The program": errand.program,
        "The setting `lm`": settings.lm,
        "The setting `adapter`": settings.adapter,
        "The setting `rm`": settings.rm,
    }
    for what, part in parts.items():
        if (why := _unsendable(part)) is not None:
            raise ProgramError(
                f"{what} cannot be sent to the workers: {why} Keep what belongs to this process (connections, locks, "
                "open files) out of it, or make it there when it is first needed."
            )
    return packed


def shared(lm: Any, workers: int) -> Any:
    """Return the model with a worker's share of the limits that the user set; one whose limit is found keeps it so.

    Example:
        >>> from dspex.lm.pool import Pool
        >>> shared(LM("openai/gpt-4o-mini", pool=Pool(concurrency=30, rpm=600)), 3).pool
        <Pool openai/gpt-4o-mini: 0 of 10 in flight, closed>
    """
    described = getattr(lm, "_described", None)
    if not isinstance(lm, LM) or described is None or workers == 1:
        return lm
    fixed = described.fixed
    return lm.copy(
        pool=dataclasses.replace(
            described,
            concurrency="auto" if fixed is None else max(1, fixed // workers),
            rpm=None if described.rpm is None else max(1.0, described.rpm / workers),
            tpm=None if described.tpm is None else max(1.0, described.tpm / workers),
        )
    )


def _unsendable(part: object) -> str | None:
    from distributed.protocol.serialize import serialize

    try:
        serialize(part, on_error="raise")
    except Exception as exc:  # whatever a user's own objects raise; it is told as what it is about
        text = str(exc.__cause__ or exc).strip() or type(exc).__name__
        return text.splitlines()[0].rstrip(".") + "."
    return None
