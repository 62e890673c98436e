"""The live widget of one run, found by the names that screen readers hear.

Those names are an interface of the widget; nothing here goes by its classes or its layout.
"""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.browser.lab import Notebook

SLOW = 60_000


class RunWidget:
    """The region `Run <id>` below a cell."""

    def __init__(self, notebook: Notebook, cell: int) -> None:
        self.notebook = notebook
        self.cell = cell
        self.region = notebook.cell(cell).get_by_role("region", name=re.compile(r"^Run r\d+$"))
        self.status = self.region.get_by_role("status")
        self.chart = self.region.get_by_role("img", name="Candidate scores")
        self.dots = self.chart.locator("[data-candidate]")
        self.rows = self.region.get_by_role("table", name="Candidates").get_by_role("row")
        self.log = self.region.get_by_role("log", name="Events")

    @property
    def id(self) -> str:
        """The run's id, as the region says it."""
        return (self.region.get_attribute("aria-label") or "").removeprefix("Run ")

    def button(self, name: str) -> Locator:
        """Return the button with exactly this name."""
        return self.region.get_by_role("button", name=name, exact=True)

    def tile(self, name: str) -> str:
        """Return what a tile says."""
        return self.region.get_by_role("group", name=name, exact=True).inner_text()

    def number(self, name: str) -> float:
        """Return a tile's first number."""
        found = re.search(r"\d[\d,]*(\.\d+)?", self.tile(name))
        assert found, f"tile {name} says {self.tile(name)!r}"
        return float(found[0].replace(",", ""))

    def wait_status(self, *words: str, timeout: float = SLOW) -> str:
        """Wait until the status is one of these words and return it."""
        expect(self.status).to_have_text(re.compile(f"^({'|'.join(words)})$"), timeout=timeout)
        return self.status.inner_text()

    def wait_end(self, word: str, timeout: float = SLOW) -> None:
        """Wait until the cell says how the run ended, in the live widget or in its frozen form."""
        expect(self.notebook.cell(self.cell).get_by_text(word, exact=True).first).to_be_visible(
            timeout=timeout
        )

    def wait_dots(self, least: int, timeout: float = SLOW) -> int:
        """Wait until the chart shows at least so many candidates and return how many it shows."""
        expect(self.dots.nth(least - 1)).to_be_attached(timeout=timeout)
        return self.dots.count()
