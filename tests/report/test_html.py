"""The page in a real browser. VERGER_SHOTS names a folder to leave screenshots in."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from browser import DESKTOP, PHONE, Watched, needs_browser, watched
from report_orchard import NAMES, SCRIPT
from verger.report import write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = needs_browser


def opened(tab: Watched, page: Path) -> None:
    tab.page.goto(page.as_uri())
    tab.page.wait_for_selector("html[data-ready]")
    tab.page.wait_for_function("() => document.getElementById('mapstatus')?.textContent !== ''")


def shot(tab: Watched, name: str) -> None:
    if folder := os.environ.get("VERGER_SHOTS"):
        tab.page.screenshot(path=str(Path(folder) / f"report-{name}.png"), full_page=True)


def show_map(tab: Watched) -> dict[str, float]:
    tab.page.locator("#mapchart").evaluate(
        "box => box.scrollIntoView({block: 'center', behavior: 'instant'})"
    )
    box = tab.page.locator("#mapchart").bounding_box()
    assert box is not None
    return {side: float(box[side]) for side in ("x", "y", "width", "height")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("desktop", DESKTOP),
        pytest.param("phone", PHONE, marks=pytest.mark.slow),
        pytest.param("dark", DESKTOP | {"color_scheme": "dark"}, marks=pytest.mark.slow),
    ],
)
def test_it_opens_without_complaint_or_request(
    browser: Browser, page: Path, name: str, options: dict[str, object]
) -> None:
    with watched(browser, **options) as tab:
        opened(tab, page)
        drawn = tab.page.locator(".chart svg, #mapchart canvas")
        assert drawn.count() == 4  # map, variance, purity, counts; drift has nothing to draw
        wide = tab.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0  # nothing to scroll sideways
        background = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (np.mean(levels(background)) < 60) == (name == "dark")
        shot(tab, name)
        assert (tab.complaints, tab.outside) == ([], [])


def levels(text: str) -> list[int]:
    return [int(part) for part in text.removeprefix("rgb(").removesuffix(")").split(",")]


@pytest.mark.slow
def test_hovering_a_point_names_its_photo(browser: Browser, page: Path) -> None:
    with watched(browser) as tab:
        opened(tab, page)
        box = show_map(tab)
        data = tab.page.evaluate("window.verger.data.photos.paths")
        at = data.index(next(path for path in data if path.endswith(SCRIPT)))
        x, y = tab.page.evaluate("at => window.verger.map.places()[at]", at)
        tab.page.mouse.move(box["x"] + x, box["y"] + y)
        hover = tab.page.locator("#hover")
        hover.wait_for(state="visible")
        said = hover.inner_text().splitlines()
        places = tab.page.evaluate(EVERY)
        # A thumbnail may lie over the point: then it is the thumbnail's photo that is named.
        close = [i for i, (px, py) in enumerate(places) if abs(px - x) < 24 and abs(py - y) < 24]
        assert said[-1] in {data[i] for i in close}
        face = hover.locator("i")
        assert face.evaluate("face => face.style.backgroundImage").startswith('url("blob:')
        shot(tab, "hover")
        tab.page.mouse.move(5, 5)
        hover.wait_for(state="hidden")
        assert tab.complaints == []


@pytest.mark.slow
def test_one_label_can_be_shown_alone_and_found(browser: Browser, page: Path) -> None:
    arabic = next(name for name in NAMES.values() if "🍎" in name)
    with watched(browser) as tab:
        opened(tab, page)
        show_map(tab)
        status = tab.page.locator("#mapstatus")
        everything = status.inner_text()
        tab.page.fill("#search", "🍎")
        items = tab.page.locator("#labels li:visible")
        assert items.count() == 1
        assert items.locator("bdi").inner_text() == arabic
        items.hover()
        items.get_by_role("button").click()
        tab.page.wait_for_function(
            "before => document.getElementById('mapstatus').textContent !== before", arg=everything
        )
        assert status.inner_text().startswith("13 photos in view")
        tab.page.click("#none")
        tab.page.wait_for_function(
            "() => document.getElementById('mapstatus').textContent.startsWith('0 photos')"
        )
        tab.page.fill("#search", "")
        tab.page.click("#every")
        tab.page.wait_for_function(
            "before => document.getElementById('mapstatus').textContent === before", arg=everything
        )
        assert tab.complaints == []


EVERY = "window.verger.map.places()"
WIDEST = f"(xs => Math.max(...xs) - Math.min(...xs))({EVERY}.map(([x]) => x))"
MOST_CENTRAL = f"""([x, y]) => {{
    const far = {EVERY}.map(([px, py]) => Math.hypot(px - x, py - y));
    return far.indexOf(Math.min(...far));
}}"""


@pytest.mark.slow
def test_zooming_by_wheel_button_and_key_brings_photos_and_back(
    browser: Browser, page: Path
) -> None:
    with watched(browser) as tab:
        opened(tab, page)
        box = show_map(tab)
        status = tab.page.locator("#mapstatus")
        whole = status.inner_text()
        assert "elsewhere" not in whole
        for zoom_in in (
            partial(tab.page.click, "#zoomin"),
            partial(tab.page.locator("#mapchart").press, "+"),
        ):
            before = tab.page.evaluate(WIDEST)
            zoom_in()
            tab.page.wait_for_function(f"before => ({WIDEST}) > 1.5 * before", arg=before)
        # The middle of a map by neighbours may be empty: the wheel goes to a photo.
        tab.page.locator("#mapchart").press("0")
        tab.page.wait_for_function(
            "before => document.getElementById('mapstatus').textContent === before", arg=whole
        )
        middle = [box["width"] / 2, box["height"] / 2]
        most_central = tab.page.evaluate(MOST_CENTRAL, middle)
        for _ in range(40):  # a busy browser makes one turn of several
            x, y = tab.page.evaluate("at => window.verger.map.places()[at]", most_central)
            tab.page.mouse.move(box["x"] + x, box["y"] + y)
            tab.page.mouse.wheel(0, -300)
            tab.page.wait_for_timeout(100)
            if tab.page.evaluate("window.verger.map.near()"):
                break
        assert "elsewhere" in status.inner_text()
        assert tab.page.evaluate("window.verger.map.near()")
        shot(tab, "zoomed")
        tab.page.locator("#mapchart").press("ArrowLeft")
        tab.page.locator("#mapchart").press("0")
        tab.page.wait_for_function(
            "before => document.getElementById('mapstatus').textContent === before", arg=whole
        )
        assert tab.complaints == []


@pytest.mark.slow
def test_another_layout_moves_the_points(browser: Browser, page: Path) -> None:
    with watched(browser) as tab:
        opened(tab, page)
        before = tab.page.evaluate("window.verger.map.places().slice(0, 3)")
        tab.page.select_option("#layout", label="Label directions")
        assert tab.page.evaluate("window.verger.map.places().slice(0, 3)") != before
        assert tab.complaints == []


@pytest.mark.slow
def test_light_and_dark_by_hand(browser: Browser, page: Path) -> None:
    with watched(browser) as tab:
        opened(tab, page)
        colors = []
        for _ in range(3):
            colors.append(tab.page.evaluate("getComputedStyle(document.body).backgroundColor"))
            tab.page.click("#theme")
        assert colors[0] == colors[2] != colors[1]
        assert tab.complaints == []


@pytest.mark.slow
def test_on_paper_everything_is_open_and_nothing_is_lost_after(
    browser: Browser, page: Path, tmp_path: Path
) -> None:
    with watched(browser) as tab:
        opened(tab, page)
        shut = tab.page.locator("details:not([open])").count()
        tab.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert tab.page.locator("details:not([open]):not(.rest)").count() == 0
        tab.page.emulate_media(media="print")
        assert not tab.page.locator("nav").is_visible()
        tab.page.emulate_media(media="screen")
        tab.page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert tab.page.locator("details:not([open])").count() == shut
        pdf = tab.page.pdf(format="A4")
        assert pdf.startswith(b"%PDF")
        if folder := os.environ.get("VERGER_SHOTS"):
            (Path(folder) / "report.pdf").write_bytes(pdf)
        assert tab.complaints == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, page: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    with watched(browser, **DESKTOP, color_scheme=scheme, bypass_csp=True) as tab:
        opened(tab, page)
        tab.page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
        found = axe.Axe().run(tab.page).response["violations"]
        assert [
            (one["id"], one["nodes"][0]["html"][:200], one["nodes"][0]["failureSummary"][:300])
            for one in found
        ] == []


@pytest.mark.slow
def test_a_store_without_a_photo_still_opens(browser: Browser, tmp_path: Path) -> None:
    from report_stores import lay, make_store

    store = make_store(lay(tmp_path / "photos", {"a/none.jpg": b""}), tmp_path / "store")
    with watched(browser) as tab:
        tab.page.goto(Path(write_report(store.root)).as_uri())
        tab.page.wait_for_selector("html[data-ready]")
        assert (tab.complaints, tab.outside) == ([], [])
