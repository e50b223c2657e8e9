"""A real browser for the tests: the Chromium of this machine, headless, driven by Playwright.

Debian's package `chromium` is found on the PATH; VERGER_CHROMIUM names another one.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True,
}  # fmt: skip


# A camera that shows a test picture, and nobody who has to allow it.
_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
_ARGUMENTS = ["--no-sandbox", *_CAMERA]


def chromium() -> str | None:
    """Return the Chromium of this machine, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("VERGER_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def missing() -> str:
    """Say what a browser test lacks here; nothing where it lacks nothing."""
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed"
    return "" if chromium() else "no Chromium here: on Debian, apt install chromium"


needs_browser = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless browser for all tests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=_ARGUMENTS)
        yield started
        started.close()


class Watched:
    """A page, what it complained of, and every request that would have left this machine."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.outside: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._interrupted)
        page.on("request", self._asked)

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _interrupted(self, dialog: Any) -> None:
        self.complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.outside.append(request.url)


@contextmanager
def watched(browser: Browser, **options: Any) -> Iterator[Watched]:
    """Open an empty page, and close it at the end."""
    context = browser.new_context(**(options or DESKTOP))
    try:
        yield Watched(context.new_page())
    finally:
        context.close()


def assert_installable(page: Page) -> None:
    """Assert that Chromium would install the page as an app."""
    session = page.context.new_cdp_session(page)
    told = session.send("Page.getAppManifest")
    assert told["url"].endswith("/verger.webmanifest")
    assert told["errors"] == []
    errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    # A browser without a profile of its own installs nothing, whatever the page is.
    assert {error["errorId"] for error in errors} <= {"in-incognito"}


def axe_violations(page: Page) -> list[tuple[str, str, list[str]]]:
    """Return what axe has against a page: contrast, names, labels, landmarks, headings.

    The page's own policy would refuse the checker's script: open it with `bypass_csp`.
    """
    axe = importlib.util.find_spec("axe_playwright_python")
    if axe is None or axe.origin is None:
        pytest.skip("axe-playwright-python is not installed")
    page.add_script_tag(path=Path(axe.origin).parent / "axe.min.js")
    found = page.evaluate("() => axe.run()")["violations"]
    return [(v["id"], v["help"], [n["html"][:120] for n in v["nodes"][:3]]) for v in found]


def audited(page: Page) -> list[str]:
    """Return a list that fills with what Chromium's audits and its log have against a page.

    Deprecated interfaces, mixed content, cookies, quirks, policies that are broken. That a cookie
    is read at once, which Chromium calls an issue of speed, is none: the server reads it, too.
    """
    found: list[str] = []

    def issue(said: Any) -> None:
        if said["issue"]["code"] != "PerformanceIssue":
            found.append(str(said["issue"]))

    session = page.context.new_cdp_session(page)
    session.on("Audits.issueAdded", issue)
    session.on("Log.entryAdded", lambda said: found.append(said["entry"]["text"]))
    session.send("Audits.enable")
    session.send("Log.enable")
    return found


# What else Lighthouse looks at under "best practices", and what it asks of a page for phones.
_PRACTICES = """() => {
  const bad = [];
  const check = (good, what) => good || bad.push(what);
  const shown = (element) => element.checkVisibility() && element.getBoundingClientRect().width > 1;
  check(document.doctype?.name === "html" && document.compatMode === "CSS1Compat", "a doctype");
  check(document.characterSet === "UTF-8", "UTF-8");
  check(document.title && document.documentElement.lang, "a title and a language");
  check(document.querySelector("meta[name=description]")?.content, "a description");
  const viewport = document.querySelector("meta[name=viewport]")?.content ?? "";
  const fixed = /user-scalable|maximum-scale/.test(viewport);
  check(/width=device-width/.test(viewport) && !fixed, "a viewport");
  check(document.documentElement.scrollWidth <= innerWidth, "no wider than the screen");
  for (const image of [...document.images].filter(shown)) {
    const { width, height } = image.getBoundingClientRect();
    const apart = Math.abs(image.naturalWidth / image.naturalHeight - width / height);
    const cut = getComputedStyle(image).objectFit !== "fill";
    const fits = cut || !image.naturalWidth || apart < 0.05;
    check(fits, `the shape of ${image.src}`);
    check(image.hasAttribute("alt"), `an alt of ${image.src}`);
  }
  for (const link of document.querySelectorAll("a[target=_blank]")) {
    check(link.relList.contains("noopener"), `noopener at ${link.href}`);
  }
  const touched = document.querySelectorAll("button, input:not([type=file]), nav a, summary");
  for (const one of [...touched].filter(shown)) {
    const { width, height } = one.getBoundingClientRect();
    check(width >= 24 && height >= 24, `room for a finger: ${one.outerHTML.slice(0, 80)}`);
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    const size = parseFloat(getComputedStyle(text.parentElement).fontSize);
    const beside = text.parentElement.closest("sup, [aria-hidden=true]");
    const read = text.data.trim() && !beside && shown(text.parentElement);
    check(!read || size >= 12, `legible: ${text.data.slice(0, 40)}`);
  }
  return bad;
}"""


def poor_practices(page: Page) -> list[str]:
    """Return what a page lacks of what Lighthouse's best practices ask, by what it shows now."""
    return list(page.evaluate(_PRACTICES))
