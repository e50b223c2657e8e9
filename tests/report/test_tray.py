"""Labels corrected on the page, in a real browser, and applied by `verger relabel`."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from browser import DESKTOP, PHONE, Watched, axe_violations, needs_browser, watched
from once import once
from report_orchard import jpeg
from report_stores import lay
from verger.cli.main import cli
from verger.demo.render import VARIETIES
from verger.pipeline import run
from verger.settings import RunSettings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [needs_browser, pytest.mark.slow]

KINDS, VIEWS, WRONG = (*VARIETIES[5:16], *VARIETIES[:5]), 18, 50
NAMES = (
    "=cmd|'calc'!A0.jpg", "-1+1.jpg", "'quoted, \"twice\".jpg", "<script>alert(1).jpg",
    "two\nlines.jpg", "return\rhere.jpg", "تفاح 🍎.jpg", " blank.jpg",
)  # fmt: skip


def _make(folder: Path) -> None:
    """Lay 288 photos out, 50 of them under a wrong label, and run; then the photos go."""
    photos = {f"{kind}/{view}.jpg": (kind, view) for kind in KINDS for view in range(VIEWS)}
    wrong: dict[str, str] = {}
    for at in range(WRONG):
        turn, place = divmod(at, len(KINDS))
        kind, view = KINDS[place], 3 + 4 * turn
        other = KINDS[(place + 6 + turn) % len(KINDS)]  # not two of a kind under the same one
        name = NAMES[at] if at < len(NAMES) else f"planted {at}.jpg"
        photos[f"{other}/{name}"] = photos.pop(f"{kind}/{view}.jpg")
        wrong[f"{other}/{name}"] = kind
    files = {path: jpeg(*what, VIEWS) for path, what in photos.items()}
    run(lay(folder / "photos", files), folder / "store", RunSettings(engine="process", csv=False))
    shutil.rmtree(folder / "photos")  # so that nothing can be embedded again
    found = pq.read_table(folder / "store" / "features", columns=["path"])["path"].to_pylist()
    assert set(wrong) <= set(found)
    (folder / "wrong.json").write_text(json.dumps(wrong))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = once(tmp_path_factory, "tray", _make)
    return folder / "store", json.loads((folder / "wrong.json").read_text())


@pytest.fixture
def store(made: tuple[Path, dict[str, str]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "store"))


def opened(tab: Watched, store: Path) -> Page:
    tab.page.goto((store / "report" / "report.html").as_uri())
    tab.page.wait_for_selector("html[data-ready]")
    return tab.page


def shot(page: Page, name: str) -> None:
    if folder := os.environ.get("VERGER_SHOTS"):
        page.screenshot(path=str(Path(folder) / f"tray-{name}.png"))


def suspect(page: Page, path: str) -> int:
    at = page.evaluate("path => window.verger.data.photos.paths.indexOf(path)", path)
    assert at >= 0
    return int(at)


def saved(page: Page, button: str, into: Path) -> Path:
    with page.expect_download() as caught:
        page.click(button)
    file = into / caught.value.suggested_filename
    caught.value.save_as(file)
    return file


def relabel(store: Path, *words: str) -> dict[str, list[object]]:
    done = CliRunner().invoke(cli, ["relabel", str(store), *words, "--json", "--quiet"])
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def labels(store: Path) -> dict[str, str]:
    rows = pq.read_table(store / "features", columns=["path", "label"]).to_pylist()
    return {row["path"]: row["label"] for row in rows}


def features(store: Path) -> pa.Table:
    return pq.read_table(store / "features", columns=["path", "features"]).sort_by("path")


def test_wrong_labels_are_put_right_through_the_page(
    browser: Browser, store: Path, made: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    wrong = made[1]
    before = features(store)
    with watched(browser) as tab:
        page = opened(tab, store)
        for more in page.locator("#health details.rest > summary").all():
            more.click()
        for number, (path, right) in enumerate(wrong.items()):
            place = page.locator(f'td.decide[data-photo="{suspect(page, path)}"]')
            accept = place.get_by_role("button", name=right, exact=True)
            if number % 5 and accept.count():
                accept.click()
            else:
                place.get_by_role("combobox").fill(f"  {right} ")
                place.get_by_role("combobox").press("Enter")
        assert page.inner_text("#trayopen") == f"Picked: 0 · Decided: {WRONG}"
        shot(page, "decided")
        sheet = saved(page, "#savelabels", tmp_path)
        assert (tab.complaints, tab.outside) == ([], [])
    assert sheet.name == "labels.csv"
    for row in csv.reader(sheet.open(encoding="utf-8-sig", newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)
    told = relabel(store, str(sheet))
    assert {one["path"]: one["after"] for one in told["labels"]} == wrong  # type: ignore[index]
    now = labels(store)
    assert {path: now[path] for path in wrong} == wrong
    assert features(store).equals(before)
    changes = json.loads((store / "run.json").read_text())["changes"]
    assert (changes["kept"], changes["new"], changes["relabelled"]) == (len(now), 0, WRONG)
    left = pq.read_table(store / "report" / "mislabelled.parquet")["path"].to_pylist()
    assert not set(left) & set(wrong)
    with watched(browser) as tab:  # the next run begins with an empty tray
        assert not opened(tab, store).is_visible("#tray")


def test_each_decision_survives_a_reload_and_is_applied(
    browser: Browser, store: Path, made: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    one, two, three, four = list(made[1])[1:5]
    with watched(browser) as tab:
        page = opened(tab, store)
        places = [page.locator(f'td.decide[data-photo="{suspect(page, p)}"]') for p in made[1]][1:5]
        for more in page.locator("#health details.rest > summary").all():
            more.click()
        places[0].get_by_role("button", name="not a fruit: leave out").press("Enter")
        places[1].get_by_role("button", name="fine as it is").press("Space")
        places[2].get_by_role("combobox").fill('a pear, "grey"\u00a0')
        places[2].get_by_role("combobox").press("Tab")
        places[3].get_by_role("button", name="fine as it is").click()
        places[3].get_by_role("button", name="fine as it is").click()  # taken back
        assert places[2].inner_text().find("a new label") >= 0
        typed = places[3].get_by_role("combobox")
        for slip in (KINDS[0].upper(), KINDS[0][:-2] + KINDS[0][:-3:-1], KINDS[0] + "x"):
            typed.fill(slip)
            typed.press("Tab")
            assert f"did you mean {KINDS[0]}?" in places[3].inner_text()
        typed.fill("")
        typed.press("Tab")
        page.locator(f'figure[data-photo="{suspect(page, four)}"] > .pick').first.check()
        said = page.inner_text("#trayopen")
        assert said == "Picked: 1 · Decided: 3"
        page.reload()
        page.wait_for_selector("html[data-ready]")
        assert page.inner_text("#trayopen") == said
        page.click("#trayopen")
        assert page.inner_text("#relabel code") == "verger relabel STORE labels.csv --new-labels"
        assert page.locator("#traylist li").count() == 4
        picked = saved(page, "#savepicked", tmp_path)
        page.get_by_role("group", name="all that are picked").get_by_role(
            "button", name="as suggested"
        ).click()
        assert page.inner_text("#trayopen") == "Picked: 1 · Decided: 4"
        sheet = saved(page, "#savelabels", tmp_path)
        assert tab.complaints == []
        page.click("#emptytray")  # the question is answered with no
        assert page.is_visible("#tray")
        page.evaluate("window.confirm = () => true")
        page.click("#emptytray")
        assert not page.is_visible("#tray")
    rows = list(csv.DictReader(picked.open(encoding="utf-8-sig", newline="")))
    assert [row["suggested"] for row in rows] == [made[1][four]]
    relabel(store, str(sheet), "--new-labels")
    now = labels(store)
    assert one not in now
    assert (now[three], now[four]) == ('a pear, "grey"', made[1][four])
    suspects = pq.read_table(store / "report" / "mislabelled.parquet")["path"].to_pylist()
    assert two not in suspects
    assert four not in suspects


@pytest.mark.parametrize(
    ("name", "options"),
    [("desktop", DESKTOP), ("phone", PHONE), ("dark", DESKTOP | {"color_scheme": "dark"})],
)
def test_it_is_good_to_look_at(
    browser: Browser, made: tuple[Path, dict[str, str]], name: str, options: dict[str, object]
) -> None:
    with watched(browser, **options, bypass_csp=True) as tab:
        page = opened(tab, made[0])
        press = "tap" if name == "phone" else "click"
        for tick in page.locator("#mislabelled ~ table .pick:visible").all()[:4]:
            getattr(tick, press)()
        getattr(page.locator("td.decide button").first, press)()
        page.locator("td.decide button").first.scroll_into_view_if_needed()
        shot(page, f"{name}-shut")
        getattr(page.locator("#trayopen"), press)()
        shot(page, name)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert axe_violations(page) == []
        assert tab.complaints == []
