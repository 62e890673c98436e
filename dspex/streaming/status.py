"""The callback that turns what a streamed program does into status messages on its stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dspex.scope.callbacks import BaseCallback
from dspex.settings import current_settings
from dspex.streaming.messages import StatusMessage, StatusMessageProvider
from dspex.streaming.pipe import Pipe

FINISH = "finish"
"""The tool by which an agent says that it is done: nothing to tell a reader."""


class StatusCallback(BaseCallback):
    """Asks a provider for words at every start and end, and sends them.

    Args:
        provider: None for the usual one, which tells of tools only.
    """

    def __init__(self, provider: StatusMessageProvider | None = None) -> None:
        self.provider = provider or StatusMessageProvider()
        self._quiet: set[str] = set()

    def on_tool_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """Tell of a tool."""
        if instance.name == FINISH:
            self._quiet.add(call_id)
        else:
            _send(self.provider.tool_start_status_message, instance, inputs)

    def on_tool_end(self, call_id: str, outputs: Any | None, exception: BaseException | None = None) -> None:
        """Tell of a tool's answer."""
        if call_id in self._quiet:
            self._quiet.discard(call_id)
        else:
            _send(self.provider.tool_end_status_message, outputs)

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """Tell of a module."""
        _send(self.provider.module_start_status_message, instance, inputs)

    def on_module_end(
        self, call_id: str, outputs: Any | None, exception: BaseException | None = None
    ) -> None:
        """Tell of a module's answer."""
        _send(self.provider.module_end_status_message, outputs)

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """Tell of a model."""
        _send(self.provider.lm_start_status_message, instance, inputs)

    def on_lm_end(self, call_id: str, outputs: Any | None, exception: BaseException | None = None) -> None:
        """Tell of a model's answer."""
        _send(self.provider.lm_end_status_message, outputs)


def _send(say: Callable[..., str | None], *about: Any) -> None:
    stream = current_settings().send_stream
    if isinstance(stream, Pipe):
        message = say(*about)
        if message:
            stream.put(StatusMessage(message))
