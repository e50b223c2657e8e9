"""The app as people have it: on a phone, without a network, in both languages, with nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browser import (
    DESKTOP,
    PHONE,
    assert_installable,
    audited,
    axe_violations,
    needs_browser,
    poor_practices,
)
from verger.app import export_app
from verger.progress import Silent

from .conftest import BELOW, hosted
from .pictures_taken import taken

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = playwright.expect
pytestmark = [needs_browser, pytest.mark.slow]
FIG = next(photo for _, photo in taken(("Fig",), 1))


class Visit:
    """A page, what it asked for and what it complained of."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.asked: list[str] = []
        self.complaints: list[str] = []
        context.on("request", lambda request: self.asked.append(request.url))
        self.page: Page = context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def choose(self, *photos: bytes) -> None:
        files: Any = [{"name": "photo", "mimeType": "image/jpeg", "buffer": p} for p in photos]
        self.page.locator("input[type=file][multiple]").set_input_files(files)

    def to(self, what: str) -> None:
        """Press the tabulator until it comes to an element; it begins anew after the last one."""
        for _ in range(80):
            if self.page.locator(f"{what}:focus").count():
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard never came to {what}")

    def kept(self) -> None:
        """Wait until the app is on the device."""
        self.page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Open a browser for a visitor; at the end, nothing may have gone elsewhere."""
    visits: list[Visit] = []

    def begin(**options: Any) -> Visit:
        context = browser.new_context(**{"locale": "en-GB", **PHONE, **options})
        visits.append(Visit(context))
        return visits[-1]

    yield begin
    for one in visits:
        one.context.close()
        hosts = {url.split("/")[2] for url in one.asked if url.startswith("http")}
        assert len(hosts) <= 1, hosts


def test_from_a_photo_to_an_answer(visit: Callable[..., Visit], site: str) -> None:
    one = visit()
    one.page.goto(site)
    expect(one.page.locator("h1")).to_have_text("What fruit is this?")
    expect(one.page.get_by_text("It is sent nowhere")).to_be_visible()
    expect(one.page.locator(".known li")).not_to_have_count(0)
    one.choose(FIG)
    expect(one.page.locator(".answer")).to_be_visible(timeout=30_000)
    expect(one.page.locator(".answer h1")).to_have_text("Fig")
    shown = one.page.locator(".near img").first.evaluate("(image) => image.naturalWidth")
    assert shown > 0
    one.choose(FIG, FIG)
    expect(one.page.locator(".answer .mounted img")).to_have_count(3, timeout=30_000)
    assert not one.complaints


def test_in_flight_mode_after_one_visit(
    visit: Callable[..., Visit], store: Path, tmp_path: Path
) -> None:
    """The host is gone altogether; the app and all its pictures are there."""
    export_app(store, str(tmp_path / BELOW.strip("/")), 12, Silent())
    one = visit(locale="fr-FR")
    with hosted(tmp_path) as address:
        one.page.goto(address + BELOW)
        one.kept()
    one.context.set_offline(True)
    one.asked.clear()
    one.page.reload()
    expect(one.page.locator("h1")).to_have_text("Quel est ce fruit ?")
    expect(one.page.locator("#offline")).to_be_visible()
    one.choose(FIG)
    expect(one.page.locator(".answer")).to_be_visible(timeout=30_000)
    expect(one.page.locator(".kicker")).to_have_text("Détermination")
    # The runtime came from an address of its own, so that the browser need not compile it again.
    runtime = {url.rpartition(".")[2] for url in one.asked if "/runtime-" in url}
    assert runtime == {"wasm"}
    one.page.goto(address + BELOW + "#/varieties")
    expect(one.page.locator(".photos li")).to_have_count(12)
    one.page.wait_for_function(
        "() => [...document.images].every((i) => i.loading === 'lazy' || i.naturalWidth)"
    )


def test_nothing_can_leave_the_page_or_its_worker(visit: Callable[..., Visit], site: str) -> None:
    one = visit()
    one.page.goto(site)
    one.choose(FIG)
    expect(one.page.locator(".answer")).to_be_visible(timeout=30_000)
    leave = "(url) => fetch(url, { mode: 'no-cors' }).then(() => 'left', () => 'held')"
    elsewhere = "http://127.0.0.1:9/"
    assert one.page.evaluate(leave, elsewhere) == "held"
    (worker,) = one.page.workers
    assert worker.evaluate(leave, elsewhere) == "held"
    refused = [text for text in one.complaints if "Content Security Policy" in text]
    assert len(refused) >= 2, one.complaints
    one.asked = [url for url in one.asked if url != elsewhere]


def test_it_can_be_installed(visit: Callable[..., Visit], site: str) -> None:
    one = visit()
    one.page.goto(site)
    one.kept()
    assert_installable(one.page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_that_axe_finds(visit: Callable[..., Visit], site: str, scheme: Any) -> None:
    one = visit(color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    one.page.goto(site)
    expect(one.page.locator(".known li")).not_to_have_count(0)

    assert axe_violations(one.page) == []
    one.choose(FIG)
    expect(one.page.locator(".answer")).to_be_visible(timeout=30_000)
    assert axe_violations(one.page) == []


def test_best_practices(visit: Callable[..., Visit], site: str) -> None:
    """Of Lighthouse, as far as they can be asked of a page on this machine."""
    one = visit()
    found = audited(one.page)
    one.page.goto(site)
    one.kept()
    expect(one.page.locator(".known li")).not_to_have_count(0)
    assert poor_practices(one.page) == []
    one.choose(FIG)
    expect(one.page.locator(".answer")).to_be_visible(timeout=30_000)
    assert poor_practices(one.page) == []
    for place in ("#/varieties", "#/history"):
        one.page.goto(site + place)
        expect(one.page.locator("#content li").first).to_be_visible()
        assert poor_practices(one.page) == []
    assert found == []
    assert not one.complaints


def test_with_the_keyboard_alone(visit: Callable[..., Visit], site: str) -> None:
    """From the first key to an answer, to the camera, and to what was asked before; in French."""
    one = visit(locale="fr-FR", color_scheme="dark")
    # From the start: asked for only at the key, the browser may have opened its own dialog.
    one.page.on("filechooser", lambda _: None)
    one.page.goto(site)
    expect(one.page.locator(".known li")).not_to_have_count(0)
    one.page.keyboard.press("Tab")
    expect(one.page.locator(".skip")).to_be_focused()
    one.to("button:has-text('Prendre une photo')")
    one.page.keyboard.press("Enter")
    expect(one.page.locator(".viewfinder")).to_be_visible()
    one.page.keyboard.press("Escape")
    expect(one.page.locator(".viewfinder")).to_have_count(0)
    one.to("input[type=file][multiple]")
    with one.page.expect_file_chooser() as chooser:
        one.page.keyboard.press("Enter")
    chooser.value.set_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": FIG})
    expect(one.page.locator(".answer h1")).to_be_focused(timeout=30_000)
    one.to("button.near")
    one.page.keyboard.press("Enter")
    expect(one.page.get_by_role("dialog")).to_be_visible()
    one.page.keyboard.press("Escape")
    one.to("button:has-text('Oui')")
    one.page.keyboard.press("Enter")
    expect(one.page.locator(".right [role=status]")).to_be_visible()
    one.to("a[data-route=history]")
    one.page.keyboard.press("Enter")
    expect(one.page.locator(".history > li")).to_have_count(1)
    assert not one.complaints


def test_a_later_version_comes_when_the_page_is_opened_again(
    visit: Callable[..., Visit], store: Path, tmp_path: Path
) -> None:
    first = export_app(store, str(tmp_path), 12, Silent())
    one = visit(**DESKTOP)
    with hosted(tmp_path) as address:
        one.page.goto(address)
        one.kept()
        export_app(store, str(tmp_path), first.download / 1e6 - 0.05, Silent())
        one.page.reload()
        one.choose(FIG)
        expect(one.page.locator(".answer")).to_be_visible(timeout=30_000)
        one.page.wait_for_function(
            "async () => (await navigator.serviceWorker.getRegistration()).waiting"
        )
        files = "async () => (await import('./files.js')).default.pictures.file"
        before = one.page.evaluate(files)
        for _ in range(20):  # the browser changes over when it has noticed that the page is gone
            one.page.close()
            one.page = one.context.new_page()
            one.page.goto(address)
            if one.page.evaluate(files) != before:
                return
        pytest.fail("the later version never came")


def test_names_while_the_camera_looks(visit: Callable[..., Visit], site: str) -> None:
    """By the browser's own test picture, whatever it is taken for."""
    one = visit(permissions=["camera"])
    one.page.goto(site)
    one.page.get_by_role("button", name="Take a photo").click()
    expect(one.page.locator(".viewfinder video")).to_be_visible()
    expect(one.page.locator(".seen")).not_to_have_text("Starting the camera…")
    expect(one.page.locator(".seen")).not_to_have_text("", timeout=30_000)
    one.page.get_by_role("button", name="Take this photo").click()
    expect(one.page.locator(".viewfinder")).to_have_count(0)
    expect(one.page.locator(".answer .mounted img")).to_have_count(1, timeout=30_000)
    assert not one.complaints


def test_what_is_no_photo_is_told_without_a_broken_picture(
    visit: Callable[..., Visit], site: str
) -> None:
    one = visit()
    one.page.goto(site)
    one.page.locator("input[type=file]").set_input_files(
        {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"}
    )
    # Not every browser opens what a server does: HEIC is not promised.
    expect(one.page.get_by_role("alert")).to_have_text(
        "We couldn’t read photo 1. JPEG, PNG and WebP always work.", timeout=30_000
    )
    expect(one.page.locator(".mounted")).to_have_text("No preview")
    expect(one.page.locator(".mounted img")).to_have_count(0)


def test_opened_as_a_file_it_says_why_it_does_not_run(
    browser: Browser, store: Path, tmp_path: Path
) -> None:
    export_app(store, str(tmp_path / "app"), 12, Silent())
    context = browser.new_context()
    page = context.new_page()
    page.goto((tmp_path / "app" / "index.html").as_uri())
    said = page.get_by_text("the app runs from a web address")
    expect(said).to_be_hidden()  # where it runs, nobody sees it
    expect(said).to_be_visible(timeout=30_000)
    expect(page.get_by_text("l’application s’ouvre par une adresse web")).to_be_visible()
    context.close()


def test_without_a_camera_photos_are_chosen(visit: Callable[..., Visit], site: str) -> None:
    one = visit()
    one.page.goto(site)
    one.page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('no')); }"
    )
    one.page.get_by_role("button", name="Take a photo").click()
    expect(one.page.locator(".seen")).to_contain_text("The camera cannot be used")
    one.page.get_by_role("button", name="Cancel").click()
    expect(one.page.locator(".viewfinder")).to_have_count(0)
    one.page.get_by_role("button", name="Take a photo").click()
    expect(one.page.locator(".viewfinder")).to_have_count(1)
    one.page.evaluate("() => { location.hash = '#/varieties'; }")
    expect(one.page.locator(".viewfinder")).to_have_count(0)
