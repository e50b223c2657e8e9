"""The map as a tool, in a real browser: by mouse, touch and keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from browser import DESKTOP, PHONE, Watched, axe_violations, needs_browser, watched
from report_orchard import NAMES, Orchard, jpeg
from report_stores import lay, make_store
from verger.demo.render import VARIETIES
from verger.report import write_report
from verger.report.data import build
from verger.report.mapped import HUES, colours, nearest_on_map

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

IN_BROWSER = [needs_browser, pytest.mark.slow]
LARGE = {"viewport": {"width": 1440, "height": 900}}


def opened(tab: Watched, file: Path) -> Page:
    tab.page.goto(file.as_uri())
    tab.page.wait_for_selector("html[data-ready]")
    tab.page.locator("#mapchart").evaluate(
        "box => box.scrollIntoView({block: 'center', behavior: 'instant'})"
    )
    tab.page.wait_for_function("() => window.verger.map.near() > 0")
    return tab.page


def shot(page: Page, name: str) -> None:
    if folder := os.environ.get("VERGER_SHOTS"):
        page.screenshot(path=str(Path(folder) / f"map-{name}.png"))


def place(page: Page, at: int) -> tuple[float, float]:
    """Where a photo lies on the screen."""
    box = page.locator("#mapchart").bounding_box()
    assert box is not None
    x, y = page.evaluate("at => window.verger.map.places()[at]", at)
    return float(box["x"] + x), float(box["y"] + y)


def alone(page: Page) -> int:
    """Find the photo that is furthest from any other on the map."""
    points = np.array(page.evaluate("window.verger.map.places()"))
    apart = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    np.fill_diagonal(apart, np.inf)
    return int(apart.min(axis=1).argmax())


def test_neighbours_are_those_of_the_report(orchard: Orchard) -> None:
    report = build(orchard.store)
    near = nearest_on_map(report)
    assert len(near) == len(report.map_rows) == len(report.codes)
    rows = report.map_rows
    for at in (0, 7, len(near) - 1):
        assert [int(rows[one]) for one in near[at]] == report.neighbours.index[rows[at]].tolist()


def test_no_colour_stands_for_two_things() -> None:
    few = colours(["Apple", None, "Pear"], [3, 9, 4], "en")
    assert (few.names, few.groups, few.own) == (["Pear", "Apple"], [1, -1, 0], True)
    labels = [f"{fruit} {at}" for fruit in ("Apple", "Cherry", "Pear") for at in range(9)]
    many = colours([*labels, "Odd Thing 2"], [5] * 27 + [1], "fr")
    assert many.names == ["Pomme", "Cerise", "Poire", "Odd Thing"]
    assert many.groups == [0] * 9 + [1] * 9 + [2] * 9 + [3]
    most = colours([f"thing {chr(97 + at)}" for at in range(26)], list(range(26)), "en")
    assert len(set(most.names)) == HUES
    assert sorted(most.groups) == [-1] * (26 - HUES) + list(range(HUES))


class TestMap:
    pytestmark = IN_BROWSER

    def test_names_lie_over_their_photos_and_not_over_each_other(
        self, browser: Browser, page: Path
    ) -> None:
        with watched(browser, **LARGE) as tab:
            shown = opened(tab, page)
            boxes = shown.evaluate("window.verger.map.names()")
            assert len(boxes) > 5
            for one, a in enumerate(boxes):
                for b in boxes[:one]:
                    apart = abs(a["x"] - b["x"]) >= a["half"] + b["half"]
                    assert apart or abs(a["y"] - b["y"]) >= a["high"] + b["high"]
            hues = shown.evaluate("window.verger.map.hues")
            assert hues == HUES
            dots = shown.locator("#labels .dot").evaluate_all(
                "all => all.map((one) => getComputedStyle(one).backgroundColor)"
            )
            assert len(set(dots)) == len(dots)
            shown.select_option("#colours", index=2)
            dots = shown.locator("#labels .dot").evaluate_all(
                "all => all.map((one) => getComputedStyle(one).backgroundColor)"
            )
            assert len(set(dots)) == 2
            assert shown.locator("#key li").count() == 2
            shot(shown, "one-label")
            assert tab.complaints == []

    def test_searching_narrows_it_and_all_and_none_act_on_what_was_found(
        self, browser: Browser, page: Path
    ) -> None:
        says = "text => document.getElementById('mapstatus').textContent.startsWith(text)"
        with watched(browser) as tab:
            shown = opened(tab, page)
            every = shown.inner_text("#mapstatus")
            shown.fill("#search", "🍎")
            shown.wait_for_function(says, arg="13 photos in view")
            shown.click("#none")
            shown.wait_for_function(says, arg="0 photos in view")
            shown.fill("#search", "")
            rest = int(every.split()[0]) - 13
            shown.wait_for_function(says, arg=f"{rest} photos in view")
            shown.fill("#search", "🍎")
            shown.click("#every")
            shown.wait_for_function(says, arg="13 photos in view")
            assert tab.complaints == []

    @pytest.mark.parametrize("how", ["mouse", "touch", "keys"])
    def test_a_photo_opens_as_a_card_and_leads_to_its_neighbours(
        self, browser: Browser, page: Path, how: str
    ) -> None:
        options: dict[str, Any] = PHONE if how == "touch" else LARGE
        with watched(browser, **options) as tab:
            shown = opened(tab, page)
            at = alone(shown)
            card = shown.locator("#card")
            if how == "keys":
                shown.focus("#mapchart")
                shown.keyboard.press("Enter")
            else:
                x, y = place(shown, at)
                (shown.mouse.click if how == "mouse" else shown.touchscreen.tap)(x, y)
            card.wait_for(state="visible")
            at = shown.evaluate("window.verger.card.shown()")
            data = shown.evaluate(
                "({...window.verger.data.photos, near: window.verger.data.map.near})"
            )
            assert card.locator(".path").inner_text().strip() == data["paths"][at].strip()
            near = card.locator(".nearest button")
            assert near.count() == len(data["near"][at]) == 10
            assert near.first.locator("i").evaluate("i => i.style.backgroundImage") != ""
            if how == "keys":
                near.nth(1).press("Enter")
            elif how == "mouse":
                near.nth(1).click()
            else:
                near.nth(1).tap()
            assert shown.evaluate("window.verger.card.shown()") == data["near"][at][1]
            card.get_by_role("checkbox").check()
            card.get_by_role("button", name="not a fruit: leave out").click()
            assert shown.inner_text("#trayopen") == "Picked: 1 · Decided: 1"
            shot(shown, f"card-{how}")
            card.press("Escape")
            card.wait_for(state="hidden")
            assert shown.evaluate("document.activeElement.id") == "mapchart"
            assert (tab.complaints, tab.outside) == ([], [])

    @pytest.mark.parametrize("mode", ["lasso", "box"])
    def test_photos_are_picked_by_drawing_around_them(
        self, browser: Browser, page: Path, mode: str
    ) -> None:
        with watched(browser, **LARGE) as tab:
            shown = opened(tab, page)
            points = np.array(shown.evaluate("window.verger.map.places()"))
            middle = np.median(points, axis=0)
            inside = (np.abs(points - middle) < 120).all(axis=1)
            box = shown.locator("#mapchart").bounding_box()
            assert box is not None
            left, top = box["x"] + middle[0], box["y"] + middle[1]
            shown.click(f"[data-mode={mode}]")
            corners = [(-120, -120), (120, -120), (120, 120), (-120, 120), (-120, -120)]
            way = corners if mode == "lasso" else [corners[0], corners[2]]
            shown.mouse.move(left + way[0][0], top + way[0][1])
            shown.mouse.down()
            for x, y in way[1:]:
                shown.mouse.move(left + x, top + y, steps=4)
            if mode == "lasso":
                shot(shown, mode)
            shown.mouse.up()
            assert shown.inner_text("#trayopen") == f"Picked: {inside.sum()} · Decided: 0"
            picked = shown.evaluate(
                "data => data.paths.map((_, at) => window.verger.tray.has(at))",
                shown.evaluate("window.verger.data.photos"),
            )
            assert picked[: len(inside)] == inside.tolist()
            shown.keyboard.press("Escape")
            assert shown.locator(f"[data-mode={mode}]").get_attribute("aria-pressed") == "false"
            shown.click("#pickview")
            assert shown.inner_text("#trayopen") == f"Picked: {len(inside)} · Decided: 0"
            shown.wait_for_timeout(300)
            shot(shown, f"picked-{mode}")
            assert tab.complaints == []

    def test_a_finger_draws_too(self, browser: Browser, page: Path) -> None:
        with watched(browser, **PHONE) as tab:
            shown = opened(tab, page)
            box = shown.locator("#mapchart").bounding_box()
            assert box is not None
            shown.locator("[data-mode=box]").tap()
            finger = shown.context.new_cdp_session(shown)
            top = shown.evaluate("document.getElementById('mapchart').getBoundingClientRect().top")
            corners = [
                (box["x"] + 2, top + 60),
                (box["x"] + box["width"] - 2, top + box["height"] - 60),
            ]
            for kind, some in (
                ("touchStart", corners[:1]), ("touchMove", corners[1:]), ("touchEnd", []),
            ):  # fmt: skip
                points = [{"x": x, "y": y} for x, y in some]
                finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            shown.wait_for_selector("#tray:not([hidden])")
            assert tab.complaints == []

    @pytest.mark.parametrize("options", [DESKTOP, PHONE, DESKTOP | {"color_scheme": "dark"}])
    def test_axe_finds_nothing_on_the_card(
        self, browser: Browser, page: Path, options: dict[str, Any]
    ) -> None:
        with watched(browser, **options, bypass_csp=True) as tab:
            shown = opened(tab, page)
            shown.focus("#mapchart")
            shown.keyboard.press("Enter")
            shown.wait_for_selector("#card:not([hidden])")
            assert axe_violations(shown) == []

    def test_names_of_strangers_are_text(self, browser: Browser, page: Path) -> None:
        with watched(browser) as tab:
            shown = opened(tab, page)
            paths = shown.evaluate("window.verger.data.photos.paths")
            for name in ("onerror", "onmouseover", "🍎", "<script"):
                at = next(at for at, path in enumerate(paths) if name in path)
                shown.evaluate("at => window.verger.card.open(at)", at)
                assert shown.locator("#card .path").inner_text().split() == paths[at].split()
            assert shown.locator("#card script, #card .about img").count() == 0
            assert all(
                name in " ".join(shown.locator("#labels").all_inner_texts())
                for name in NAMES.values()
            )
            assert (tab.complaints, tab.outside) == ([], [])

    def test_beside_photos_the_card_shows_the_photo_itself(
        self, browser: Browser, tmp_path: Path
    ) -> None:
        names = ["100% #1?.jpg", "<b>&amp;.jpg", "été 🍎.jpg", *(f"{at}.jpg" for at in range(9))]
        photos = {f"pommes/{name}": jpeg(VARIETIES[0], at) for at, name in enumerate(names)}
        store = make_store(lay(tmp_path / "my photos", photos), tmp_path / "store")
        with watched(browser) as tab:
            shown = opened(tab, Path(write_report(store.root)))
            paths = shown.evaluate("window.verger.data.photos.paths")
            for name in names[:3]:
                at = paths.index(f"pommes/{name}")
                shown.evaluate("at => window.verger.card.open(at)", at)
                seen = "() => document.querySelector('#card .large img')?.naturalWidth === 100"
                shown.wait_for_function(seen)
            (tmp_path / "my photos").rename(tmp_path / "elsewhere")
            shown.evaluate("at => window.verger.card.open(at)", paths.index("pommes/4.jpg"))
            shown.wait_for_selector("#card .large i")  # its thumbnail, then
            assert tab.outside == []
