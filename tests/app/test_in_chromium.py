"""The app in a real browser says what `verger identify` says, and tells nobody else."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from browser import needs_browser
from makers.colours import OF_PHONES, SPACES, SRGB, icc
from verger.gallery import Gallery
from verger.gallery.identify import Identifier
from verger.photos.decode import decode

from .asking import looked
from .pictures_taken import taken

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [needs_browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def page(browser: Browser, site: str) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(site)
    yield page
    context.close()


def test_several_photos_of_one_fruit(page: Page, store: Path) -> None:
    identifier = Identifier.open(store)
    photos = [photo for _, photo in taken(identifier.gallery.labels[:1], 3)]
    rows = [row.tolist() for row, _ in looked(page, *photos)]
    said = page.evaluate(
        "async (rows) => (await import('./engine.js')).ask('name', { rows })", rows
    )
    answer = identifier.identify(photos).as_json()
    for ours, theirs in zip(said["labels"], answer["labels"], strict=True):
        assert ours["label"] == theirs["label"]
        assert ours["confidence"] == pytest.approx(theirs["confidence"], abs=0.02)
    assert said["verdict"] == answer["verdict"]
    assert said["known"] == pytest.approx(answer["known"], abs=0.02)
    assert said["photos"] == 3
    assert said["neighbours"][0]["label"] == answer["neighbours"][0]["label"]


def test_look_alikes_are_those_that_there_is_a_picture_of(page: Page) -> None:
    shown = page.evaluate(
        """async () => {
          const { Gallery } = await import("./names.js");
          const gallery = new Gallery({ groups: [], pictures: [5, 5, 9, 9, 9, 12, 13] }, {});
          return gallery.shown([1, 0, 3, 2, 6, 5, 4]);
        }"""
    )
    assert shown == [0, 2, 6, 5, 1]


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_each_way_a_camera_was_held(page: Page, kind: str, turn: int) -> None:
    """The squares that the network gets are the server's, pixel by pixel."""
    rng = np.random.default_rng(turn)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8))
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = turn
    coarse.resize((400, 300), Image.Resampling.BICUBIC).save(out, kind, exif=exif, quality=95)
    assert differences(page, out.getvalue()).max() <= 1


@pytest.mark.parametrize("size", [(1201, 903), (1210, 1607), (2501, 2100)])
@pytest.mark.parametrize("colours", [0, 1, 2])
@pytest.mark.parametrize("by_libjpeg", [True, False])
def test_a_large_jpeg_is_decoded_smaller_as_libjpeg_does(
    page: Page, size: tuple[int, int], colours: int, by_libjpeg: bool
) -> None:
    """By 2, 4 and 8, with colours at the full resolution, at half on one side, and on both.

    To the last bit, where the browser has libjpeg do it; nearly, where it does not.
    """
    rng = np.random.default_rng(colours)
    coarse = rng.integers(0, 256, (size[1] // 40, size[0] // 40, 3)).astype(np.uint8)
    out = io.BytesIO()
    large = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    large.save(out, "JPEG", quality=85, subsampling=colours)
    if by_libjpeg:
        assert differences(page, out.getvalue()).max() == 0
        return
    page.evaluate("() => { globalThis.kept = ImageDecoder; delete globalThis.ImageDecoder; }")
    try:
        differ = differences(page, out.getvalue())
    finally:
        page.evaluate("() => { globalThis.ImageDecoder = kept; }")
    assert 0 < differ.max() <= 4
    assert differ.mean() < 0.4


@pytest.mark.parametrize(
    "profile",
    [*(icc(space) for space in SPACES), icc("Display P3", curve=OF_PHONES), SRGB],
    ids=[*SPACES, "Display P3 of a phone", "sRGB"],
)
@pytest.mark.parametrize("size", [(500, 400), (1400, 1100)])
def test_colours_that_a_jpeg_declares(page: Page, profile: bytes, size: tuple[int, int]) -> None:
    """They become sRGB by LittleCMS's arithmetic, to the last bit."""
    coarse = np.random.default_rng(3).integers(0, 256, (9, 12, 3)).astype(np.uint8)
    out = io.BytesIO()
    photo = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    photo.save(out, "JPEG", quality=90, icc_profile=profile)
    assert differences(page, out.getvalue()).max() == 0


def differences(page: Page, photo: bytes) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Return by how many levels the app's square of a photo differs from the server's."""
    squares = page.evaluate(
        """async (photo) => {
          const { viewsOf } = await import("./views.js");
          const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
          return Array.from(await viewsOf(new Blob([bytes]), { size: 224, views: [256] }));
        }""",
        base64.b64encode(photo).decode(),
    )
    ours = np.array(squares, np.int16).reshape(224, 224, 3)
    return np.asarray(np.abs(ours - decode(photo, thumbnail=False).pixels[0]), np.int16)


def cut_short(width: int, height: int) -> bytes:
    """Return the first half of a JPEG."""
    out = io.BytesIO()
    Image.effect_noise((width, height), 60).convert("RGB").save(out, "JPEG")
    return out.getvalue()[: out.tell() // 2]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"no picture", "not-a-photo"),
        (b"", "damaged-photo"),
        (b"\xff\xd8\xff\xe0 broken", "damaged-photo"),
        (cut_short(400, 300), "damaged-photo"),
        (cut_short(1600, 1200), "damaged-photo"),
    ],
    ids=["no picture", "nothing", "a head alone", "half a JPEG", "half a large JPEG"],
)
def test_what_is_no_photo(page: Page, content: bytes, word: str) -> None:
    said = page.evaluate(
        """async (photo) => {
          const { ask } = await import("./engine.js");
          const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
          return ask("look", { file: new Blob([bytes]) }).catch((problem) => problem);
        }""",
        base64.b64encode(content).decode(),
    )
    assert said["word"] == word


def test_labels_and_species_are_those_of_the_gallery(page: Page, store: Path) -> None:
    told = page.evaluate("async () => (await import('./gallery.js')).gallery()")
    gallery = Gallery.open(store)
    assert [label["label"] for label in told["labels"]] == list(gallery.labels)
    assert told["photos"] == gallery.photos
