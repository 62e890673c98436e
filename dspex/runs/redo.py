"""What people did to a run in its earlier lives, done again where it still has a say: caps, pins, words on examples.

What concerns the work itself (its model, its width, people's candidates) is handed on to the work, which does it when
it is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from dspex.events.event import RunSteered
from dspex.runs.picture import CandidateView

if TYPE_CHECKING:
    from dspex.runs.engine import Engine
    from dspex.runs.past import Past


class Before(tuple[CandidateView, ...]):  # noqa: SLOT001  # it has one thing to say beside its rows
    """The candidates of a run's earlier lives, in the order they came, people's among them.

    Attributes:
        led: the one that led when the last life ended, as everybody was told; "" where none had a score.
    """

    led: str = ""

    @classmethod
    def of(cls, past: Past) -> Before:
        """Return those of a journal."""
        made = cls(past.state.candidates)
        made.led = past.state.best
        return made


def redo(engine: Engine, past: Past) -> None:
    """Do again what people did; before the work begins."""
    kept = engine.kept
    for act in past.steered:
        told = args_of(act)
        match act.verb:
            case "budget":
                engine.take_caps(told)
            case "pin" if told.get("pinned", True):
                kept.pinned.append(told["candidate"])
            case "pin":
                kept.pinned.remove(told["candidate"])
            case "label":
                kept.notes[told["example"]] = {"label": told.get("label"), "comment": told.get("comment")}
            case _:
                continue
    kept.steered = tuple(act for act in past.steered if act.verb in ("concurrency", "model", "drop"))
    kept.guests = Before.of(past)


def args_of(act: RunSteered) -> dict[str, Any]:
    """Return what an act was done with, as values.

    Example:
        >>> args_of(RunSteered(verb="concurrency", args={"n": "4"}))
        {'n': 4}
    """
    return {name: msgspec.json.decode(text) for name, text in act.args.items()}
