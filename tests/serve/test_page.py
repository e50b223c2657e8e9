"""The page in a real browser: Debian's Chromium, headless, driven by Playwright.

Set VERGER_SHOTS to a folder to keep a picture of every state.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
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
from verger.photos.decode import decode
from verger.photos.labels import labeller_from
from verger.storage.folder import LocalPlace

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route
from .conftest import HOSTILE_LABEL, Photo, Server

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = playwright.expect
pytestmark = needs_browser


class Visit:
    """A page, what it asked for and what it complained of."""

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self.page = context.new_page()
        self.server = server
        self.asked: list[str] = []
        self.complaints: list[str] = []
        context.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _said(self, message: Any) -> None:
        # A refused upload is said by the browser too: that is no complaint about the page.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def open(self, path: str = "/") -> None:
        self.page.goto(self.server.url + path)
        self.page.wait_for_load_state("networkidle")

    def choose(self, *photos: bytes, kind: str = "image/jpeg") -> None:
        files = [{"name": "photo.jpg", "mimeType": kind, "buffer": photo} for photo in photos]
        self.page.locator("input[type=file][multiple]").set_input_files(files)  # type: ignore[arg-type]

    def keep(self, name: str) -> None:
        if folder := os.environ.get("VERGER_SHOTS"):
            self.page.wait_for_load_state("networkidle")
            self.page.wait_for_timeout(400)  # until the label has come to lie
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Callable[..., Visit]]:
    """Open a browser for a visitor; at the end, nothing may have gone elsewhere or wrong."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def begin(**options: Any) -> Visit:
        context = browser.new_context(**{"locale": "en-GB", **DESKTOP, **options})
        contexts.append(context)
        visits.append(Visit(context, server))
        return visits[-1]

    yield begin
    for context in contexts:
        context.close()
    for one in visits:
        elsewhere = [url for url in one.asked if not url.startswith((server.url, "blob:"))]
        assert not elsewhere
        assert not one.complaints


@pytest.mark.parametrize("size", ["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_from_a_photo_to_an_answer(
    visit: Callable[..., Visit], photo: Photo, size: str, scheme: str
) -> None:
    shape = PHONE if size == "phone" else DESKTOP
    one = visit(color_scheme=scheme, **shape)
    one.open()
    expect(one.page.locator("h1")).to_have_text("What fruit is this?")
    expect(one.page.locator(".known li")).not_to_have_count(0)
    one.keep(f"home-{size}-{scheme}")
    one.choose(photo("Fig", 3))
    expect(one.page.locator(".answer")).to_be_visible()
    expect(one.page.locator(".answer h1")).to_have_text("Fig")
    expect(one.page.locator(".answer .mounted img")).to_have_count(1)
    expect(one.page.locator(".near img").first).to_be_visible()
    # Where its photos lie is for those who ask.
    expect(one.page.locator(".path").first).to_be_hidden()
    one.page.locator("summary").filter(has_text="Where these photos").click()
    expect(one.page.locator(".path").first).to_contain_text("Training/")
    _pictures_are_there(one.page)
    _fits(one.page)
    one.keep(f"answer-{size}-{scheme}")
    one.choose(photo("Fig", 5), photo("Fig", 7))
    expect(one.page.locator(".answer .mounted img")).to_have_count(3)
    expect(one.page.locator(".signed")).to_contain_text("from 3 photos")
    one.keep(f"answer-of-three-{size}-{scheme}")
    one.choose(*[photo("Fig", view) for view in (1, 2, 4)])
    expect(one.page.locator(".signed")).to_contain_text("from 5 photos")
    expect(one.page.locator(".actions > .note")).to_have_text(
        "The most is 5 photos; the first 5 are used."
    )
    one.keep(f"answer-of-too-many-{size}-{scheme}")
    one.page.get_by_role("button", name="Another fruit").click()
    expect(one.page.locator("h1")).to_have_text("What fruit is this?")


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("verdict", ["variety", "group", "ambiguous", "unfamiliar", "unknown"])
def test_every_verdict_is_put_into_words(
    visit: Callable[..., Visit], photo: Photo, verdict: str, known: bool
) -> None:
    """The server's own answer, with another verdict, and without its species."""
    one = visit()

    def turned(route: Route) -> None:
        answer = route.fetch()
        told = answer.json() | {"verdict": verdict}
        if not known:
            told["species"] = {}
            for guess in (*told["labels"], *told["groups"]):
                guess["species"] = None
        route.fulfill(response=answer, json=told)

    one.page.route("**/api/v1/identify", turned)
    one.open()
    one.choose(photo("Fig", 3))
    fig, a_fig = re.compile("^fig$", re.IGNORECASE), "a fig" if known else "(fig|Fig)"
    titles = {
        "variety": fig, "group": fig, "ambiguous": re.compile(f"^{a_fig} or ", re.IGNORECASE),
        "unfamiliar": re.compile(f"^Most like {a_fig}$"), "unknown": "Not recognised",
    }  # fmt: skip
    expect(one.page.locator(".answer h1")).to_have_text(titles[verdict])
    words = {
        "group": "cannot be told", "ambiguous": "looks like both",
        "unfamiliar": "unlike the photos known here", "unknown": "no fruit or vegetable known",
    }  # fmt: skip
    if verdict in words:
        expect(one.page.locator(".verdict")).to_contain_text(words[verdict])
    else:  # it is told once
        expect(one.page.locator(".verdict")).to_have_count(0)
    named = verdict in ("variety", "group")
    expect(one.page.locator(".species")).to_have_count(int(known and named))
    expect(one.page.locator(".determination .scale")).to_have_count(int(verdict != "unknown"))
    if verdict == "unknown":
        expect(one.page.locator(".candidates")).to_have_count(0)
    if verdict in ("variety", "unfamiliar"):  # nor is the name that stands above said again
        expect(one.page.locator(".candidate b").filter(has_text=fig)).to_have_count(0)
    expect(one.page.locator(".two img")).to_have_count(2 if verdict == "ambiguous" else 0)
    one.keep(f"verdict-{verdict}{'' if known else '-unlabelled'}")


def test_the_photo_is_made_smaller_and_loses_what_else_it_told(
    visit: Callable[..., Visit],
) -> None:
    """A large photo with a place in it leaves the browser small, to be turned, and without it."""
    import io

    from PIL import Image

    picture = Image.new("RGB", (3000, 2000), (200, 60, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    exif[0x010E] = "SECRET PLACE"
    out = io.BytesIO()
    picture.save(out, "JPEG", exif=exif)
    one = visit()
    bodies: list[bytes] = []

    def keep(route: Route) -> None:
        bodies.append(route.request.post_data_buffer or b"")
        route.continue_()

    one.page.route("**/api/v1/identify", keep)
    one.open()
    one.choose(out.getvalue())
    expect(one.page.locator(".answer")).to_be_visible()
    (body,) = bodies
    assert b"SECRET" not in body
    start = body.index(b"\x89PNG")
    with Image.open(io.BytesIO(body[start:])) as sent:
        assert sent.size == (750, 500)
        assert dict(sent.getexif()) == {0x0112: 6}
        assert sent.info.keys() <= {"exif"}


def test_the_second_language_is_chosen_kept_and_first_for_those_who_speak_it(
    visit: Callable[..., Visit], photo: Photo
) -> None:
    one = visit(locale="fr-FR")
    one.open()
    expect(one.page.locator("h1")).to_have_text("Quel est ce fruit ?")
    one.choose(photo("Fig", 3))
    expect(one.page.locator(".kicker")).to_have_text("Détermination")
    expect(one.page.locator(".species dt").first).to_have_text("En anglais")
    one.keep("french")
    one.page.get_by_role("button", name="Show the page in English").click()
    expect(one.page.locator(".kicker")).to_have_text("Determination")
    assert one.page.locator("html").get_attribute("lang") == "en"
    one.open()
    expect(one.page.locator("h1")).to_have_text("What fruit is this?")
    assert one.page.title() == "Verger: what fruit is this?"


def test_with_the_keyboard_alone(visit: Callable[..., Visit], photo: Photo) -> None:
    one = visit()
    # From the start: asked for only at the key, the browser may have opened its own dialog.
    one.page.on("filechooser", lambda _: None)
    one.open()
    keyboard = one.page.keyboard
    keyboard.press("Tab")
    expect(one.page.locator(".skip")).to_be_focused()
    for _ in range(30):
        keyboard.press("Tab")
        if one.page.locator("input[type=file][multiple]:focus").count():
            break
    focused = one.page.locator("label:has(input[multiple]:focus-visible)")
    expect(focused).to_have_css("outline-style", "solid")
    with one.page.expect_file_chooser() as chooser:
        keyboard.press("Enter")
    chooser.value.set_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo("Fig", 3)})
    expect(one.page.locator(".answer h1")).to_be_focused()
    expect(one.page.locator("#status")).to_contain_text("Answer:")
    for _ in range(30):
        keyboard.press("Tab")
        if one.page.locator("button.near:focus").count():
            break
    keyboard.press("Enter")
    expect(one.page.get_by_role("dialog")).to_be_visible()
    keyboard.press("Escape")
    expect(one.page.locator("button.near:focus")).to_have_count(1)
    one.page.locator("a[data-route=varieties]").focus()
    keyboard.press("Enter")
    expect(one.page.locator("h1")).to_have_text("The varieties")
    expect(one.page.locator("h1")).to_be_focused()
    one.page.go_back()
    expect(one.page.locator(".answer")).to_be_visible()


def test_browsing_the_varieties(visit: Callable[..., Visit]) -> None:
    one = visit(**PHONE)
    one.open("/#/varieties")
    expect(one.page.locator(".group li")).to_have_count(10)
    _fits(one.page)
    one.keep("varieties-phone")
    one.page.get_by_label("Search").fill("framb")
    expect(one.page.locator(".group li")).to_have_count(1)
    expect(one.page.get_by_role("status").filter(has_text="1 variety")).to_have_count(1)
    one.page.get_by_label("Search").fill("RUBUS")
    expect(one.page.locator(".group li")).to_have_count(1)
    one.page.get_by_label("Search").fill("no such thing")
    expect(one.page.get_by_text("No variety of that name here.")).to_be_visible()
    one.page.get_by_label("Search").fill("rasp")
    one.page.locator(".group a").click()
    expect(one.page.locator("h1")).to_have_text("Raspberry")
    expect(one.page.locator(".photos img")).to_have_count(6)
    _pictures_are_there(one.page)
    one.keep("variety-phone")


def test_a_label_that_is_markup_is_shown_as_text(visit: Callable[..., Visit]) -> None:
    one = visit()
    one.open("/#/varieties")
    one.page.get_by_text(re.compile("onerror")).first.click()
    expect(one.page.locator("h1")).to_have_text(HOSTILE_LABEL.replace("-", " "))
    expect(one.page.locator("h1 img")).to_have_count(0)
    expect(one.page.locator(".photos img")).to_have_count(6)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_no_photo_is_told_and_can_be_left_out(
    visit: Callable[..., Visit], photo: Photo, scheme: str
) -> None:
    one = visit(color_scheme=scheme, **PHONE)
    one.open()
    one.choose(photo("Fig", 3), b"this is no photo")
    expect(one.page.get_by_role("alert")).to_contain_text("We couldn’t read photo 2")
    _fits(one.page)
    one.keep(f"error-phone-{scheme}")
    one.page.get_by_role("button", name="Leave it out and go on").click()
    expect(one.page.locator(".answer .mounted img")).to_have_count(1)


def test_while_it_works_it_says_so_and_can_be_stopped(
    visit: Callable[..., Visit], photo: Photo
) -> None:
    one = visit(**PHONE)
    held: list[Route] = []
    one.page.route("**/api/v1/identify", lambda route: held.append(route))  # noqa: PLW0108
    one.open()
    one.choose(photo("Fig", 3))
    expect(one.page.locator("progress")).to_be_visible()
    expect(one.page.locator("[aria-busy=true]")).to_be_visible()
    one.keep("working-phone")
    one.page.get_by_role("button", name="Cancel").click()
    expect(one.page.locator("h1")).to_have_text("What fruit is this?")
    expect(one.page.locator("#status")).to_have_text("Cancelled.")


def test_a_busy_server_is_asked_again(visit: Callable[..., Visit], photo: Photo) -> None:
    one = visit()
    answers = iter([True, False])

    def busy(route: Route) -> None:
        if next(answers):
            problem = '{"type": "urn:verger:problem:overloaded", "status": 503, "detail": "Busy."}'
            route.fulfill(
                status=503,
                body=problem,
                headers={"Retry-After": "1", "Content-Type": "application/problem+json"},
            )
        else:
            route.continue_()

    one.page.route("**/api/v1/identify", busy)
    one.open()
    one.choose(photo("Fig", 3))
    expect(one.page.locator("#work-status")).to_contain_text("The server is busy")
    expect(one.page.locator(".answer")).to_be_visible()


def test_without_a_network_the_page_still_opens(visit: Callable[..., Visit], photo: Photo) -> None:
    one = visit(**PHONE)
    one.open()
    one.page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    one.open("/#/varieties")
    expect(one.page.locator(".group li")).to_have_count(10)
    one.page.context.set_offline(True)
    one.page.reload()
    expect(one.page.locator(".group li")).to_have_count(10)
    expect(one.page.locator("#offline")).to_be_visible()
    one.page.goto(one.server.url + "/")
    one.choose(photo("Fig", 3))
    expect(one.page.get_by_role("alert")).to_contain_text("You are offline")
    one.keep("offline-phone")
    one.page.context.set_offline(False)
    one.page.get_by_role("button", name="Try again").click()
    expect(one.page.locator(".answer")).to_be_visible()


def test_it_can_be_installed(visit: Callable[..., Visit]) -> None:
    one = visit()
    one.open()
    one.page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    assert_installable(one.page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_that_axe_finds(visit: Callable[..., Visit], photo: Photo, scheme: str) -> None:
    """Contrast, names, labels, landmarks, headings: what a machine can tell of accessibility."""
    one = visit(color_scheme=scheme, bypass_csp=True, **PHONE)
    one.page.emulate_media(reduced_motion="reduce", color_scheme=scheme)  # type: ignore[arg-type]

    def check(state: str) -> None:
        one.page.wait_for_load_state("networkidle")
        assert axe_violations(one.page) == [], state

    one.open()
    expect(one.page.locator(".known")).to_be_visible()
    check("home")
    one.choose(photo("Fig", 3))
    expect(one.page.locator(".answer")).to_be_visible()
    check("answer")
    one.open("/#/varieties")
    expect(one.page.locator(".group").first).to_be_visible()
    check("varieties")
    one.open("/#/variety/Fig")
    expect(one.page.locator(".photos img")).to_have_count(6)
    check("variety")
    one.open("/")
    one.choose(b"no photo")
    expect(one.page.get_by_role("alert")).to_be_visible()
    check("error")
    one.open("/docs")
    check("docs")


def test_best_practices(visit: Callable[..., Visit], photo: Photo) -> None:
    """Of Lighthouse, as far as they can be asked of a page on this machine."""
    one = visit(**PHONE)
    found = audited(one.page)
    one.open()
    expect(one.page.locator(".known li")).not_to_have_count(0)
    assert poor_practices(one.page) == []
    one.choose(photo("Fig", 3))
    expect(one.page.locator(".answer")).to_be_visible()
    assert poor_practices(one.page) == []
    for place in ("/#/varieties", "/#/history"):
        one.open(place)
        expect(one.page.locator("#content li").first).to_be_visible()
        assert poor_practices(one.page) == []
    assert found == []


def test_a_look_alike_is_shown_large_beside_ones_own(
    visit: Callable[..., Visit], photo: Photo
) -> None:
    one = visit(**PHONE)
    one.open()
    one.choose(photo("Fig", 3))
    one.page.locator("button.near").nth(1).click()
    viewer = one.page.get_by_role("dialog")
    expect(viewer.locator(".own img")).to_be_visible()
    expect(viewer.locator(".strip li").nth(1)).to_be_in_viewport(ratio=0.6)
    expect(viewer.locator(".strip li").nth(0)).not_to_be_in_viewport()
    one.keep("viewer-phone")
    one.page.keyboard.press("ArrowRight")
    expect(viewer.locator(".strip li").nth(2)).to_be_in_viewport(ratio=0.6)
    viewer.get_by_role("button", name="Previous").click()
    expect(viewer.locator(".strip li").nth(1)).to_be_in_viewport(ratio=0.6)
    one.page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)
    expect(one.page.locator("button.near").nth(1)).to_be_focused()


def test_an_answer_is_saved_as_a_picture(visit: Callable[..., Visit], photo: Photo) -> None:
    from PIL import Image

    one = visit()
    one.open()
    one.choose(photo("Fig", 3))
    with one.page.expect_download() as download:
        one.page.get_by_role("button", name="Save as a picture").click()
    with Image.open(download.value.path()) as picture:
        assert picture.size == (1080, 1350)
        assert len(picture.getcolors(2**24) or ()) > 1000


def test_what_was_asked_is_kept_here_and_what_was_right(
    visit: Callable[..., Visit], photo: Photo, tmp_path: Path
) -> None:
    one = visit(**PHONE)
    one.page.on("dialog", lambda dialog: dialog.accept())
    one.open()
    one.choose(photo("Fig", 3))
    one.page.get_by_role("button", name="Yes").click()
    expect(one.page.locator(".right")).to_contain_text("Noted on this device: Fig")
    one.choose(photo("Fig", 5))  # another photo of it: the same entry
    expect(one.page.locator(".signed")).to_contain_text("from 2 photos")
    one.page.get_by_role("button", name="Another fruit").click()
    one.choose(photo("Raspberry", 2))
    one.page.get_by_role("button", name="No", exact=True).click()
    one.page.get_by_label("What is it?").fill('=my "own", berry')
    one.page.get_by_role("button", name="Note it").click()
    one.page.get_by_role("link", name="History").click()
    expect(one.page.locator(".history > li")).to_have_count(2)
    _fits(one.page)
    one.keep("history-phone")
    with one.page.expect_download() as download:
        one.page.get_by_role("button", name="Save photos and labels").click()
    # What is saved is a folder of photos and its labels, as a run takes them.
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    label_of = labeller_from(str(tmp_path / "labels.csv"), tmp_path.name)
    listed = list(LocalPlace(tmp_path).list(label_of))
    assert sorted(str(ref.label) for ref in listed) == ['=my "own", berry', "Fig", "Fig"]
    for ref in listed:
        assert decode((tmp_path / ref.path).read_bytes()).width == 200
    one.open("/#/history")
    expect(one.page.locator(".history > li")).to_have_count(2)
    one.page.get_by_role("button", name="Forget: Raspberry").click()
    expect(one.page.locator(".history > li")).to_have_count(1)
    one.page.get_by_role("button", name="Clear the history").click()
    expect(one.page.get_by_text("Nothing yet.")).to_be_visible()
    one.open("/#/history")
    expect(one.page.get_by_text("Nothing yet.")).to_be_visible()


def test_the_narrowest_layout_breaks_no_word_and_covers_none(
    visit: Callable[..., Visit], photo: Photo
) -> None:
    one = visit(locale="fr-FR", **PHONE)
    for width in (390, 360, 320):
        one.page.set_viewport_size({"width": width, "height": 700})
        one.open()
        for link in one.page.locator(".bar nav a, .language").all():
            assert link.evaluate(_LINES) == 1, (width, link.inner_text())
        _fits(one.page)
    one.choose(photo("Fig", 3))
    expect(one.page.locator(".answer")).to_be_visible()
    one.open("/#/history")
    one.page.get_by_role("button", name="Non").click()
    row = one.page.locator(".history li")
    headline, gone = row.locator("div > b").bounding_box(), row.locator("> button").bounding_box()
    assert headline
    assert gone
    assert headline["x"] + headline["width"] <= gone["x"]
    for part in row.locator("form *").all():
        box = part.bounding_box()
        assert not box or box["x"] + box["width"] <= gone["x"]
    one.keep("history-narrow")


# On how many lines a text stands.
_LINES = """(element) => {
  const range = document.createRange();
  range.selectNodeContents(element);
  return new Set([...range.getClientRects()].map((line) => line.top)).size;
}"""


def test_an_answer_waits_for_those_who_went_elsewhere(
    visit: Callable[..., Visit], photo: Photo
) -> None:
    one = visit()
    held: list[Route] = []
    one.page.route("**/api/v1/identify", lambda route: held.append(route))  # noqa: PLW0108
    one.open()
    with one.page.expect_request("**/api/v1/identify"):
        one.choose(photo("Fig", 3))
    one.page.get_by_role("link", name="Varieties").click()
    expect(one.page.locator("h1")).to_have_text("The varieties")
    held[0].continue_()
    expect(one.page.locator("#status")).to_have_text("Answer: Fig.")
    expect(one.page.locator("h1")).to_have_text("The varieties")
    one.page.get_by_role("link", name="Identify").click()
    expect(one.page.locator(".answer h1")).to_have_text("Fig")


def test_a_photo_that_is_pasted_anywhere_is_asked_about(
    visit: Callable[..., Visit], photo: Photo
) -> None:
    one = visit()
    one.open("/#/varieties")
    one.page.evaluate(_PASTE, list(photo("Fig", 3)))
    expect(one.page.locator(".answer h1")).to_have_text("Fig")
    expect(one.page.locator("nav [aria-current]")).to_have_text("Identify")


_PASTE = """(bytes) => {
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([Uint8Array.from(bytes)], "a.jpg", { type: "image/jpeg" }));
  document.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
}"""


def test_a_file_is_saved_under_an_ending_that_a_run_looks_for(
    visit: Callable[..., Visit], photo: Photo
) -> None:
    one = visit()
    one.open()
    one.choose(photo("Fig", 3), kind="application/octet-stream")  # as HEIC is to many browsers
    one.page.get_by_role("button", name="Yes").click()
    one.page.get_by_role("link", name="History").click()
    with one.page.expect_download() as download:
        one.page.get_by_role("button", name="Save photos and labels").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.namelist()[1].endswith(".jpeg")


def test_dates_are_those_of_the_readers_country(visit: Callable[..., Visit], photo: Photo) -> None:
    one = visit(locale="en-GB")
    one.open()
    one.choose(photo("Fig", 3))
    expect(one.page.locator(".signed")).to_have_text(
        re.compile(r"Det\. Verger, \d+ \w+ \d{4}, from one photo")
    )


def test_a_server_with_a_key_asks_for_it_once(
    start: Callable[..., AbstractContextManager[Server]],
    browser: Browser,
    photo: Photo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VERGER_API_KEY", "correct-horse-battery-staple")
    with start() as server:
        one = Visit(browser.new_context(**PHONE), server)
        one.open()
        one.choose(photo("Fig", 3))
        expect(one.page.get_by_role("alert")).to_contain_text("asks for a key")
        one.page.get_by_label("Key").fill("wrong-horse-battery-staple")
        one.page.get_by_role("button", name="Go on").click()
        expect(one.page.get_by_role("alert")).to_contain_text("not the right one")
        one.page.get_by_label("Key").fill("correct-horse-battery-staple")
        one.page.get_by_role("button", name="Go on").click()
        expect(one.page.locator(".answer h1")).to_have_text("Fig")
        _pictures_are_there(one.page)
        one.page.get_by_role("link", name="Varieties").click()
        expect(one.page.locator(".group li")).to_have_count(10)
        assert len(one.asked) < 100, "it goes on asking"
        one.page.context.close()


def test_labels_are_in_the_readers_language(visit: Callable[..., Visit], photo: Photo) -> None:
    one = visit(locale="fr-FR")
    one.open()
    one.choose(photo("Fig", 3))
    expect(one.page.locator(".answer h1")).to_have_text("Figue")
    expect(one.page.locator("button.near b").first).to_have_text("Figue")
    one.open("/#/variety/Fig")
    expect(one.page.locator("h1")).to_have_text("Figue")
    one.open("/")
    # At home, species come first: what is none finds no room.
    expect(one.page.locator(".known li")).to_have_count(8)
    expect(one.page.locator(".known")).not_to_contain_text("onerror")


def test_what_it_is_can_be_told_in_the_readers_language(
    visit: Callable[..., Visit], photo: Photo, tmp_path: Path
) -> None:
    one = visit(locale="fr-FR")
    one.open()
    one.choose(photo("Fig", 3))
    one.page.get_by_role("button", name="Non", exact=True).click()
    expect(one.page.locator("datalist option[value=Framboise]")).to_have_count(1)
    one.page.get_by_label("Qu’est-ce que c’est").fill("framboise")
    one.page.get_by_role("button", name="Noter").click()
    expect(one.page.locator(".right")).to_contain_text("Noté sur cet appareil : Framboise")
    one.page.get_by_role("link", name="Historique").click()
    with one.page.expect_download() as download:
        one.page.get_by_role("button", name="Enregistrer photos").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.read("labels.csv").decode().split() == ["path,label", "1-1.jpeg,Raspberry"]


def _fits(page: Page) -> None:
    """Check that nothing is wider than the window."""
    wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0


def _pictures_are_there(page: Page) -> None:
    """Wait until every picture that is near the window has come."""
    missing = [""]
    for _ in range(100):
        missing = page.evaluate(
            "() => [...document.images]"
            ".filter(i => i.loading !== 'lazy' && !(i.complete && i.naturalWidth)).map(i => i.src)"
        )
        if not missing:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"these pictures never came: {missing}")
