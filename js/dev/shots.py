"""Takes pictures of the pages that dev/render.mjs wrote, in both themes and at three widths, for looking at.

python js/dev/shots.py [PAGE ...]; pictures land in js/dev/build.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

OUT = Path(__file__).parent / "build"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def main(pages: list[str], widths: tuple[int, ...] = (480, 800, 1060, 1200)) -> None:
    """Picture each page."""
    with sync_playwright() as it:
        browser = it.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        for name in pages or sorted(path.stem for path in OUT.glob("*.html")):
            for theme in ("light", "dark"):
                for width in widths:
                    page = browser.new_page(viewport={"width": width, "height": 600})
                    faults: list[str] = []
                    page.on("pageerror", lambda error, seen=faults: seen.append(str(error)))
                    page.goto(f"{OUT.joinpath(name).with_suffix('.html').as_uri()}?theme={theme}")
                    page.wait_for_timeout(150)
                    page.screenshot(path=OUT / f"{name}-{theme}-{width}.png", full_page=True)
                    if faults:
                        sys.stderr.write(f"{name} {theme} {width}: {faults}\n")
                    page.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
