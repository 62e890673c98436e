"""A JupyterLab of the tests' own and a notebook in it, driven as a person would.

Waits are polls of what a person could see: an output, a prompt, a named element. The kernel's own status is not
among them, because a message answered on a subshell says "idle" while a cell still runs.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, cast

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, Page, expect

SHOTS = Path(__file__).resolve().parents[2] / "build" / "shots"
START = 60.0
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
NUMBERED = re.compile(r"\[\d+\]")
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
QUIET = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "completer-extension/inline-completer": {"providers": {}},
}
"""Settings of JupyterLab that would look for news outside this machine."""


class Lab:
    """One JupyterLab server on loopback, with a home, a configuration and a run store of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.root = home / "work"
        self.root.mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home / "jupyter.log"
        self._settings(home / "settings")
        self._process = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def environment(self) -> dict[str, str]:
        """What the server and its kernels see as theirs."""
        places = {
            "HOME": "", "DSPEX_HOME": "dspex", "DSPEX_CACHE_DIR": "cache", "IPYTHONDIR": "ipython",
            "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        }  # fmt: skip
        return os.environ | {name: str(self.home / place) for name, place in places.items()}

    def write(self, name: str, cells: Sequence[str]) -> Path:
        """Put a notebook with these code cells into the server's folder."""
        notebook = new_notebook(cells=[new_code_cell(c) for c in cells], metadata={"kernelspec": KERNEL})
        path = self.root / name
        nbformat.write(notebook, path)
        return path

    def request(self, path: str, method: str = "GET") -> Any:
        """Ask the server's own interface, as JupyterLab does."""
        with urllib.request.urlopen(
            urllib.request.Request(self.url + path, method=method), timeout=10
        ) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def convert(self, name: str) -> Path:
        """Run plain `jupyter nbconvert --to html` on a saved notebook."""
        command = [sys.executable, "-m", "nbconvert", "--to", "html", name]
        subprocess.run(
            command, cwd=self.root, env=self.environment, check=True, capture_output=True, timeout=60
        )
        return (self.root / name).with_suffix(".html")

    def _settings(self, folder: Path) -> None:
        for name, values in QUIET.items():
            path = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))

    def _start(self) -> subprocess.Popen[bytes]:
        options = [
            "--no-browser", "--allow-root", "--expose-app-in-browser", "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={self.root}",
            "--ServerApp.disable_check_xsrf=True", "--IdentityProvider.token=", "--LabApp.news_url=None",
            "--LabApp.extension_manager=readonly", "--LabApp.collaborative=False",
        ]  # fmt: skip
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *options],
                stdout=log, stderr=log, cwd=self.root, env=self.environment,
            )  # fmt: skip
        deadline = time.monotonic() + START
        while time.monotonic() < deadline:
            try:
                self.request("/api/status")
            except (urllib.error.URLError, ConnectionError):
                try:
                    process.wait(0.2)
                except subprocess.TimeoutExpired:
                    continue
                break
            else:
                return process
        process.kill()
        raise RuntimeError(f"JupyterLab did not start:\n{self.log.read_text()[-4000:]}")


class Notebook:
    """One notebook open in a page; cells are counted from 0."""

    def __init__(self, lab: Lab, page: Page, name: str) -> None:
        self.lab = lab
        self.page = page
        self.name = name

    def open(self) -> Notebook:
        """Open the notebook in a fresh workspace and wait for its kernel."""
        self.page.goto(f"{self.lab.url}/lab/tree/{self.name}?reset")
        return self._ready()

    def reload(self) -> Notebook:
        """Reload the page; the kernel lives on."""
        self.page.reload()
        return self._ready()

    def run(self, cell: int) -> None:
        """Start a cell as Ctrl-Enter does and return at once."""
        self._panel(
            """(panel, app, cell) => {
                panel.content.deselectAll();
                panel.content.activeCellIndex = cell;
                void app.commands.execute('notebook:run-cell');
            }""",
            cell,
        )

    def execute(self, cell: int, timeout: float = 30) -> str:
        """Run a cell, wait until its prompt has a number, and return its text."""
        self.run(cell)
        self.wait_done(cell, timeout)
        return self.text(cell)

    def returned_in(self, cell: int) -> float:
        """Run a cell and return how many seconds JupyterLab took until it was done with it."""
        ran = self._panel(
            """async (panel, app, cell) => {
                panel.content.deselectAll();
                panel.content.activeCellIndex = cell;
                const before = performance.now();
                await app.commands.execute('notebook:run-cell');
                return (performance.now() - before) / 1000;
            }""",
            cell,
        )
        self.wait_done(cell)
        return float(ran)

    def wait_done(self, cell: int, timeout: float = 30) -> None:
        """Wait until the cell's prompt shows a number instead of a star."""
        expect(self.cell(cell).locator(".jp-InputPrompt").first).to_have_text(
            NUMBERED, timeout=timeout * 1000
        )

    def is_running(self, cell: int) -> bool:
        """Tell whether the cell's prompt shows a star."""
        return "*" in self.cell(cell).locator(".jp-InputPrompt").first.inner_text()

    def cell(self, index: int) -> Locator:
        """Return the element of a cell."""
        return self.page.locator(f'.jp-Notebook .jp-Cell[data-windowed-list-index="{index}"]')

    def outputs(self, cell: int) -> list[dict[str, Any]]:
        """Return the cell's outputs as they would be saved."""
        found = self._panel(
            "(panel, app, cell) => panel.content.model.sharedModel.toJSON().cells[cell].outputs", cell
        )
        return cast("list[dict[str, Any]]", found)

    def text(self, cell: int) -> str:
        """Return what the cell printed and showed, as plain text; errors with their traceback."""
        parts: list[str] = []
        for output in self.outputs(cell):
            value = (
                output.get("text") or output.get("traceback") or output.get("data", {}).get("text/plain", "")
            )
            parts.append(value if isinstance(value, str) else "".join(value))
        return "\n".join(parts)

    def wait_text(self, cell: int, wanted: Callable[[str], bool], timeout: float = 30) -> str:
        """Poll a cell's text until it is as wanted."""
        deadline = time.monotonic() + timeout
        while not wanted(text := self.text(cell)):
            assert time.monotonic() < deadline, f"cell {cell} still says {text!r}"
            self.page.wait_for_timeout(50)
        return text

    def wait_frozen(self, cell: int, timeout: float = 30) -> str:
        """Wait until the cell's output is portable HTML instead of a live widget; return its plain text."""
        deadline = time.monotonic() + timeout
        while any(WIDGET_MIME in o.get("data", {}) for o in self.outputs(cell)) or not any(
            "text/html" in o.get("data", {}) for o in self.outputs(cell)
        ):
            assert time.monotonic() < deadline, f"cell {cell} still holds {self.outputs(cell)}"
            self.page.wait_for_timeout(50)
        return self.text(cell)

    def save(self) -> dict[str, Any]:
        """Save and return the file's content."""
        self._panel("(panel) => panel.context.save()")
        return cast("dict[str, Any]", json.loads((self.lab.root / self.name).read_text()))

    def shut_kernel(self) -> None:
        """Shut the notebook's kernel down and wait until the server has none."""
        self._panel("(panel) => panel.sessionContext.shutdown()")
        deadline = time.monotonic() + 15
        while self.lab.request("/api/kernels"):
            assert time.monotonic() < deadline, "the kernel is still there"
            self.page.wait_for_timeout(50)

    def theme(self, name: str) -> None:
        """Switch to "Light" or "Dark" as the menu does."""
        self.page.evaluate(
            "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})",
            f"JupyterLab {name}",
        )
        light = "true" if name == "Light" else "false"
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-light", light)
        # A second change while the curtain of the first one is up makes JupyterLab take it away twice, and raise.
        expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)

    def alone(self) -> None:
        """Fold the file browser away, as one does in a narrow window."""
        self.page.evaluate("window.jupyterapp.shell.collapseLeft()")

    def shot(self, name: str, width: int = 1280, height: int = 1400, part: Locator | None = None) -> Path:
        """Take a picture at this width, of the page or of one part, and return its path."""
        self.page.set_viewport_size({"width": width, "height": height})
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{name}.png"
        (part or self.page).screenshot(path=path)
        return path

    def _ready(self) -> Notebook:
        self.page.wait_for_function(
            """name => {
                const panel = window.jupyterapp?.shell.currentWidget;
                return panel?.context?.path === name && panel.context.isReady
                    && panel.sessionContext?.isReady
                    && panel.sessionContext.session?.kernel?.connectionStatus === 'connected';
            }""",
            arg=self.name,
            timeout=60_000,
        )
        expect(self.cell(0)).to_be_visible(timeout=30_000)
        return self

    def _panel(self, function: str, value: object = None) -> Any:
        """Call a JavaScript function with the notebook's panel, the application and one value."""
        return self.page.evaluate(
            f"value => ({function})(window.jupyterapp.shell.currentWidget, window.jupyterapp, value)", value
        )
