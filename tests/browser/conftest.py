"""Fixtures of the browser tests: one JupyterLab and one Chromium for all, a page for each.

They run in a process of their own (`make browser-test`), because Playwright's sync interface keeps an event loop
on the main thread, where the other tests run theirs.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.lab import Lab, Notebook

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
HERE = Path(__file__).parent

OpenNotebook = Callable[[str, Sequence[str]], Notebook]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test in this folder, so that a plain `pytest` leaves it out, and give it more time."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(180))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A running JupyterLab."""
    with Lab(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium that can reach nothing but loopback."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.fail("No Chromium found: `make test` installs it when run as root.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page, tall enough that JupyterLab keeps every cell of a short notebook in the document."""
    context = browser.new_context(viewport={"width": 1280, "height": 2400})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert not faults, f"the page raised: {faults}"


@pytest.fixture
def open_notebook(lab: Lab, page: Page) -> Iterator[OpenNotebook]:
    """Open a new notebook with the given cells; its kernel goes when the test ends."""

    def open_cells(name: str, cells: Sequence[str]) -> Notebook:
        lab.write(name, cells)
        return Notebook(lab, page, name).open()

    yield open_cells
    for session in lab.request("/api/sessions"):
        lab.request(f"/api/sessions/{session['id']}", method="DELETE")
