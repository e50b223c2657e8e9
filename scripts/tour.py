"""Record the twenty seconds at the top of the README: docs/images/tour.webp.

    python scripts/tour.py

All is real: `verger demo` and what it says (told faster than it was), the report of that run in
Chromium, and the page, which names a photo that the run has not seen. Needs Playwright and
Chromium.
"""

from __future__ import annotations

import html
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from install_chromium import found
from screenshots import FOLDER, GROUND, opened, served, shot

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SIZE = (960, 600)
WINDOW = (1280, 800)  # of the report, which is shown smaller
PHONE = (390, 600)
MOST_BYTES = 1_500_000
_TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; padding: 28px 32px; background: #1d221c; color: #e4e8dc;
       font: 15px/1.5 "DejaVu Sans Mono", monospace; white-space: pre-wrap }
b { color: #9ccc65; font-weight: normal }
</style>%s"""

Frames = list[tuple[Image.Image, int]]  # pictures, and milliseconds that each is shown


def main() -> None:
    """Run the demo, look at what it leaves, and write the animation."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(prefix="verger-") as name, sync_playwright() as driver:
        folder = Path(name)
        said = _demo(folder)
        browser = driver.chromium.launch(executable_path=found(), args=["--no-sandbox"])
        frames = [
            *_terminal(browser, said),
            *_map(browser, folder / "verger-demo" / "store"),
            *_answer(browser, folder / "verger-demo"),
        ]
        browser.close()
    file = FOLDER / "tour.webp"
    _write(frames, file)
    seconds = sum(shown for _, shown in frames) / 1000
    print(f"{file}: {seconds:.0f} s, {len(frames)} pictures, {file.stat().st_size:,} bytes")


def _demo(folder: Path) -> list[str]:
    """Run the demo; return the lines that it says, as one reads them."""
    line = [sys.executable, "-m", "verger", "demo", "verger-demo"]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True)
    verger = re.escape(str(Path(sys.executable).parent)) + "/"
    lines = re.sub(verger, "", done.stderr + done.stdout).replace(f"{folder}/", "").rstrip()
    rates = re.findall(r"^Rendering: .*/s$", lines, re.MULTILINE)
    return [line for line in lines.split("\n") if line not in rates or line in rates[::4]]


def _terminal(browser: Browser, said: list[str]) -> Frames:
    page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
    frames = []

    def show(command: str, lines: list[str], milliseconds: int) -> None:
        text = f"<b>$</b> {html.escape(command)}\n" + html.escape("\n".join(lines[-22:]))
        page.set_content(_TERMINAL % text)
        frames.append((shot(page), milliseconds))

    command = "make demo"
    for end in range(0, len(command) + 1, 3):
        show(command[:end], [], 120)
    for end in range(1, len(said) + 1):
        show(command, said[:end], 90)
    frames[-1] = (frames[-1][0], 2000)
    page.close()
    return frames


def _map(browser: Browser, store: Path) -> Frames:
    """Look at the map: all, one label by the search, nearer, and the card of a photo."""
    address = (store / "report" / "report.html").as_uri()
    page = opened(browser, address, width=WINDOW[0], height=WINDOW[1])
    page.locator("#map .maplayout").scroll_into_view_if_needed()
    frames: Frames = []

    def show(milliseconds: int) -> None:
        page.wait_for_timeout(400)
        frames.append((shot(page).resize(SIZE, Image.Resampling.LANCZOS), milliseconds))

    show(2000)
    for end in range(1, len("cherry") + 1):
        page.locator("#search").fill("cherry"[:end])
        show(150)
    frames[-1] = (frames[-1][0], 1500)
    page.locator("#search").fill("")
    page.locator("#mapchart").focus()
    for _ in range(2):
        page.keyboard.press("+")
        show(400)
    page.keyboard.press("Enter")
    show(2500)
    page.context.close()
    return frames


def _answer(browser: Browser, folder: Path) -> Frames:
    """Ask the page what fruit it is, at a phone's size."""
    frames = []
    with served(folder / "store") as address:
        page = opened(browser, address, width=PHONE[0], height=PHONE[1])

        def show(milliseconds: int) -> None:
            whole = Image.new("RGB", SIZE, GROUND)
            whole.paste(shot(page), ((SIZE[0] - PHONE[0]) // 2, 0))
            frames.append((whole, milliseconds))

        show(1500)
        page.locator("input[type=file][multiple]").set_input_files(
            str(folder / "new" / "pomegranate.jpg")
        )
        page.locator(".answer").wait_for()
        page.locator(".near img").first.wait_for()
        page.wait_for_timeout(1000)
        show(2500)
        for _ in range(5):
            page.mouse.wheel(0, 80)
            page.wait_for_timeout(200)
            show(150)
        show(2500)
        page.context.close()
    return frames


def _write(frames: Frames, file: Path) -> None:
    """Write an animation that goes round, of a quality that keeps it below the limit."""
    pictures, shown = zip(*frames, strict=True)
    for quality in (70, 55, 40, 30):
        pictures[0].save(
            file, "WEBP", save_all=True, append_images=pictures[1:], duration=list(shown),
            loop=0, quality=quality, method=4, minimize_size=True,
        )  # fmt: skip
        if file.stat().st_size <= MOST_BYTES:
            return
    sys.exit(f"{file} cannot be kept below {MOST_BYTES:,} bytes.")


if __name__ == "__main__":
    main()
