"""Draw the page's PNG icons from icon.svg, in the sizes that phones ask for.

    python scripts/draw_icons.py      needs Chromium (scripts/install_chromium.py)

The icons are committed: this runs when icon.svg changes.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).resolve().parent.parent / "src" / "verger" / "serve" / "page"
GREEN = "#2f5d3a"
# A maskable icon is cut to any shape: the drawing keeps to the inner 80%, green fills the rest.
ICONS = {"icon-180.png": (180, 1.0), "icon-192.png": (192, 1.0), "icon-512.png": (512, 1.0),
         "icon-maskable-512.png": (512, 0.8)}  # fmt: skip


def main() -> None:
    """Write the PNG files."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("No Chromium here: run `python scripts/install_chromium.py` first.")
    svg = (FOLDER / "icon.svg").read_text(encoding="utf-8")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (size, share) in ICONS.items():
            ground = GREEN if share < 1 or size == 180 else "transparent"
            page = browser.new_page(viewport={"width": size, "height": size})
            page.set_content(
                f"<style>body{{margin:0;display:grid;place-items:center;height:100vh;"
                f"background:{ground}}}svg{{width:{share:.0%};height:{share:.0%}}}</style>{svg}"
            )
            page.screenshot(path=FOLDER / name, omit_background=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
