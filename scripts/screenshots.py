"""Take the pictures of the report, the page and the slides that the docs show: docs/images/*.webp.

    python scripts/screenshots.py                a demo run in a scratch folder, then the pictures
    python scripts/screenshots.py --store STORE  of a run that is there
    python scripts/screenshots.py report page    not all: the report's, those of the page, slides

All is real: a run on photos that Verger renders, `verger report`, `verger serve` in Chromium, and
`verger slides` as LibreOffice shows them. Needs Playwright and Chromium, and for slides LibreOffice
and Poppler; on Debian: apt-get install chromium libreoffice-impress poppler-utils fonts-liberation.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from install_chromium import found
from verger.demo.render import render_photo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"
MOST_BYTES = 150_000
_OF = ("report", "page", "slides")
_LANGUAGES = (("en-GB", "page.webp"), ("fr-FR", "page-fr.webp"))
_SHOWN = (4, 6, 7, 9, 12, 16)  # slides, as a sheet of two columns
_VARIETY, _VIEW, _VIEWS = "Pomegranate", 7, 29  # a side that no photo of the demo shows
_PATIENCE = 120_000  # milliseconds
GROUND = (225, 221, 209)


def main() -> None:
    """Make what is missing, and take the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("of", nargs="*", help=f"what to take pictures of: {', '.join(_OF)}")
    parser.add_argument("--store", type=Path, help="a STORE; without it, a demo is run")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pictures go")
    options = parser.parse_args()
    of = set(options.of or _OF)
    if unknown := of - set(_OF):
        parser.error(f"no pictures of {', '.join(sorted(unknown))}: there are {', '.join(_OF)}.")
    for program in ("soffice", "pdftoppm") if "slides" in of else ():
        if not shutil.which(program):
            sys.exit(f"{program} is missing: the first lines of {__file__} say what is needed.")
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="verger-") as scratch:
        store = options.store
        if store is None:
            _verger("demo", str(Path(scratch) / "demo"))
            store = Path(scratch) / "demo" / "store"
        for language in ("en", "fr") if "slides" in of else ():
            _slides(store, language, Path(scratch), options.folder)
        if of & {"report", "page"}:
            _pages(store, options.folder, of)
    for file in sorted(options.folder.glob("*.webp")):
        print(f"{file}: {file.stat().st_size:,} bytes")


def _verger(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "verger", *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def _save(image: Image.Image, file: Path) -> None:
    """Write a picture as WebP, of a quality that keeps it below the limit."""
    for quality in range(86, 30, -8):
        out = io.BytesIO()
        image.save(out, "WEBP", quality=quality, method=6)
        if out.tell() <= MOST_BYTES:
            file.write_bytes(out.getvalue())
            return
    sys.exit(f"{file} cannot be kept below {MOST_BYTES:,} bytes.")


def _slides(store: Path, language: str, scratch: Path, folder: Path) -> None:
    """Lay some slides out on one sheet."""
    deck = scratch / f"slides-{language}.pptx"
    _verger("slides", str(store), "--language", language, "--output", str(deck))
    pages = scratch / f"pages-{language}"
    pages.mkdir()
    pdf = deck.with_suffix(".pdf")
    subprocess.run(["pdftoppm", "-r", "54", "-png", str(pdf), str(pages / "page")], check=True)
    files = sorted(pages.glob("*.png"))
    images = [Image.open(files[number - 1]) for number in _SHOWN]
    across, down, gap = *images[0].size, 8
    rows = len(images) // 2
    sheet = Image.new("RGB", (2 * across + 3 * gap, rows * (down + gap) + gap), GROUND)
    for at, image in enumerate(images):
        row, column = divmod(at, 2)
        sheet.paste(image, (gap + column * (across + gap), gap + row * (down + gap)))
    _save(sheet, folder / ("slides.webp" if language == "en" else f"slides-{language}.webp"))


def _pages(store: Path, folder: Path, of: set[str]) -> None:
    """Look at the report, the page, or both as a person does."""
    from playwright.sync_api import sync_playwright

    report = Path(_verger("report", str(store)).split("\n")[0])
    with sync_playwright() as driver, served(store) as address:
        browser = driver.chromium.launch(executable_path=found(), args=["--no-sandbox"])
        if "report" in of:
            _report(browser, report, folder)
        for language, name in _LANGUAGES if "page" in of else ():
            _page(browser, address, language, folder / name)
        browser.close()


@contextmanager
def served(store: Path) -> Iterator[str]:
    """Serve a STORE; give the address."""
    command = [sys.executable, "-m", "verger", "serve", str(store), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None  # noqa: S101 - it is a pipe
            said = re.search(r"http://\S+", server.stdout.readline())
            if said is None:
                sys.exit("`verger serve` did not say where it serves.")
            yield said.group()
        finally:
            server.terminate()


def _report(browser: Browser, report: Path, folder: Path) -> None:
    page = opened(browser, report.absolute().as_uri(), width=1180, height=900)
    _save(shot(page), folder / "report.webp")
    page.locator("#map .maplayout").scroll_into_view_if_needed()
    page.locator("#photos").check()
    page.wait_for_timeout(1500)
    _save(shot(page.locator("#map .maplayout")), folder / "report-map.webp")
    page.context.close()


def _page(browser: Browser, address: str, language: str, file: Path) -> None:
    page = opened(browser, address, width=1000, height=1000, locale=language)
    out = io.BytesIO()
    photo = render_photo(_VARIETY, _VIEW, views=_VIEWS, size=320)
    Image.fromarray(photo).save(out, "JPEG", quality=92)
    chosen: Any = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": out.getvalue()}
    page.locator("input[type=file][multiple]").set_input_files(chosen)
    page.locator(".answer").wait_for()
    page.locator(".near img").first.wait_for()
    page.wait_for_timeout(1000)
    _save(shot(page), file)
    page.context.close()


def opened(
    browser: Browser, address: str, *, width: int, height: int, locale: str = "en-GB"
) -> Page:
    """Open an address in a window of this size, and wait until it has been drawn."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, locale=locale, color_scheme="light"
    )
    context.set_default_timeout(_PATIENCE)
    page = context.new_page()
    page.goto(address)
    page.wait_for_load_state("load")
    page.wait_for_timeout(3000)  # until charts have been drawn
    return page


def shot(what: Any) -> Image.Image:
    """Take a picture of a page, or of a part of one."""
    return Image.open(io.BytesIO(what.screenshot(animations="disabled"))).convert("RGB")


if __name__ == "__main__":
    main()
