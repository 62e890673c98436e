"""The widget of one run: two values and a message channel; all drawing happens in the browser.

Only the broadcaster's thread writes to a panel once it is open. What the browser says goes to `controls`.
"""

from __future__ import annotations

from collections.abc import Callable

import anywidget
import traitlets

from dspex_widgets.assets import script


class RunPanel(anywidget.AnyWidget):
    """Shows a run in the notebook; made by `show`, not by hand.

    Args:
        run: the run's id.
        snapshot: its state as JSON.
        steered: whether it has buttons; a run of another kernel can only be watched.
        hear: called with whatever the browser sends, on any thread.

    Example:
        >>> panel = RunPanel(run="r1", snapshot="{}", hear=[].append)
        >>> panel.run
        'r1'
    """

    _esm = traitlets.Unicode().tag(sync=True)
    run = traitlets.Unicode(read_only=True).tag(sync=True)
    snapshot = traitlets.Unicode("{}").tag(sync=True)
    steered = traitlets.Bool(True, read_only=True).tag(sync=True)

    def __init__(
        self, *, run: str, snapshot: str, hear: Callable[[object], object], steered: bool = True
    ) -> None:
        # A stray keyword would be taken by traitlets in silence; this signature refuses it.
        self.set_trait("run", run)
        self.set_trait("steered", steered)
        super().__init__(_esm=script("widget.js"), snapshot=snapshot)
        self.on_msg(lambda _panel, content, _buffers: hear(content))

    def open(self) -> None:
        """Open the channel, so that a button is heard while a cell runs.

        ipykernel 7.4 hands a message to the shell that last published on its channel; our threads publish from
        none, and the main one is busy. Then the default, the browser's own subshell, is the right answer.
        """
        super().open()
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = lambda _data, default: default

    def close(self) -> None:
        """Close the channel; the browser forgets the widget."""
        if self.comm is None:
            return
        super().close()
        self.layout.close()
