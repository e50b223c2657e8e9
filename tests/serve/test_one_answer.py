"""One photo, one answer: by Python, by the command, over HTTP, and as the page shrinks it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from browser import needs_browser
from embedded_stores import build_store
from once import once
from verger.demo.render import VARIETIES as RENDERED
from verger.demo.render import render_orchard, render_photo
from verger.gallery.identify import Identifier

from .conftest import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, needs_browser]
PHOTOS, VARIETIES, VIEWS = 200, 12, 12
# Of photos as people have them: width and height in pixels, and the quality of the JPEG.
SIZES = [
    (240, 320), (500, 400), (640, 480), (800, 800), (1024, 768), (1200, 900), (1600, 1067),
    (1500, 2000), (640, 960), (2400, 1800),
]  # fmt: skip
QUALITIES = (60, 80, 92)
_AT_ONCE = 20
# As the page does it, with the page's own modules.
_ASK = """async (photos) => {
  const { prepare, send } = await import("./photos.js");
  const told = [];
  for (const photo of photos) {
    const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
    const prepared = await prepare(new File([bytes], "photo.jpg", { type: "image/jpeg" }));
    if (!prepared.url) throw new Error("it was sent as it was");
    told.push(await send([prepared], () => {}, new AbortController().signal));
  }
  return told;
}"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(root: Path) -> None:
        render_orchard(root / "photos", varieties=VARIETIES, views=VIEWS, test_views=0)
        build_store(root / "photos", root / "store")

    return once(tmp_path_factory, "rehearsed", make) / "store"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Photos of fruit that the gallery has and of some that it has not, in all sizes."""
    folder = tmp_path_factory.mktemp("photos")
    rng, files = np.random.default_rng(17), []
    for number in range(PHOTOS):
        variety = RENDERED[number * len(RENDERED) // PHOTOS]  # each is grown once
        picture = Image.fromarray(render_photo(variety, number % 31, views=31, size=100))
        width, height = SIZES[number % len(SIZES)]
        side = min(width, height)
        noise = rng.normal(0, 4, (height, width, 1))
        ground = Image.new("RGB", (width, height), tuple(rng.integers(120, 256, 3).tolist()))
        fruit = picture.resize((side, side), Image.Resampling.BICUBIC)
        ground.paste(fruit, ((width - side) // 2, (height - side) // 2))
        pixels = np.clip(np.asarray(ground) + noise, 0, 255).astype(np.uint8)
        file = folder / f"{number:03}.jpg"
        Image.fromarray(pixels).save(file, quality=QUALITIES[number % len(QUALITIES)])
        files.append(file)
    return files


def test_200_photos_get_one_answer_whichever_way_they_go(
    start: Callable[..., AbstractContextManager[Server]],
    store: Path,
    photos: list[Path],
    browser: Browser,
) -> None:
    identifier = Identifier.open(store)
    python = [identifier.identify([file.read_bytes()]).as_json() for file in photos]
    command = [sys.executable, "-m", "verger", "identify", str(store), *map(str, photos), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    by_command = [fruit["answer"] for fruit in json.loads(done.stdout)]
    with start(store=store) as server:
        by_http = [server.identify(file.read_bytes()).json() for file in photos]
        by_page = list(_by_page(browser, server.url, photos))
    assert by_command == python
    assert {answer["verdict"] for answer in python} >= {"variety", "unfamiliar"}
    for one, http in zip(python, by_http, strict=True):
        kept = ("verdict", "close", "confidence", "known", "photos")
        assert [http[key] for key in kept] == [one[key] for key in kept]
        assert _firsts(http) == _firsts(one)
    turned, apart = [], []
    for one, shrunk in zip(python, by_page, strict=True):
        if shrunk["verdict"] == one["verdict"]:
            apart.append(abs(shrunk["confidence"] - one["confidence"]))
        else:  # so close to a bound that it is told as such, by both
            turned.append((one["verdict"], shrunk["verdict"], one["close"], shrunk["close"]))
    assert all(one[2] and one[3] for one in turned), turned
    assert len(turned) <= PHOTOS // 100, turned
    # What the browser decodes and averages is not to the last bit what libjpeg decodes smaller.
    assert np.quantile(apart, 0.9) <= 0.01, sorted(apart)[-20:]
    assert max(apart) <= 0.04, sorted(apart)[-20:]


def _by_page(browser: Browser, url: str, photos: list[Path]) -> Iterator[dict[str, Any]]:
    page = browser.new_page()
    page.goto(url)
    encoded = [base64.b64encode(file.read_bytes()).decode() for file in photos]
    for at in range(0, len(photos), _AT_ONCE):
        yield from page.evaluate(_ASK, encoded[at : at + _AT_ONCE])
    page.close()


def _firsts(answer: dict[str, Any]) -> tuple[str, str]:
    return answer["labels"][0]["label"], answer["groups"][0]["group"]
