"""The browser's end of a widget in a real kernel: what came over its wire, reduced as the page reduces it, and when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dspex.runs.state import RunState, fold
from dspex_widgets.freeze import MIME
from dspex_widgets.protocol import Delta, Snapshot, decode, decode_state
from dspex_widgets.show import WIDGET
from tests.dspex_widgets.notebooks import Message, Notebook, customs, displays


class Page:
    """One widget of a notebook.

    Args:
        notebook: where it is.
        heard: the messages of the cell that showed it.

    Attributes:
        run: the run's id.
        state: what the page shows.
        grew: when the number of scored examples grew, by the kernel's clock, and to what.
    """

    def __init__(self, notebook: Notebook, heard: list[Message]) -> None:
        [bundle] = [b for b in displays(heard) if WIDGET in b]
        self.run: str = bundle[MIME]["run"]
        self.grew: list[tuple[float, int]] = []
        self._comm: str = bundle[WIDGET]["model_id"]
        self._notebook = notebook
        opened = next(
            m for m in heard if m["msg_type"] == "comm_open" and m["content"]["comm_id"] == self._comm
        )
        self.state: RunState = decode_state(opened["content"]["data"]["state"]["snapshot"])
        for message in heard:
            self.hear(message)

    @property
    def tokens(self) -> int:
        """What the tokens' tile adds up."""
        return sum(model.prompt_tokens + model.completion_tokens for model in self.state.lm)

    @property
    def cost(self) -> float:
        """What the money's tile adds up."""
        return sum(model.cost for model in self.state.lm)

    def hear(self, message: Message) -> None:
        """Take one message of the kernel, as the page does: a batch must follow what is known."""
        for content in customs([message], self._comm):
            said = decode(content)
            if isinstance(said, Snapshot) and said.seq > self.state.seq:
                self.state = said.state
            elif isinstance(said, Delta):
                assert said.from_ <= self.state.seq + 1, "a batch is missing"
                fold(said.ev, self.state)
        if self.state.examples > (self.grew[-1][1] if self.grew else 0):
            self.grew.append((message["header"]["date"].timestamp(), self.state.examples))

    def until(self, true: Callable[[], bool], timeout: float = 60.0) -> None:
        """Listen until what the page shows is so."""

        def seen(message: Message) -> bool:
            self.hear(message)
            return true()

        self._notebook.until(seen, timeout)

    def press(self, op: str, **more: Any) -> None:
        """Say what a button says."""
        self._notebook.say(self._comm, {"op": op, **more})
