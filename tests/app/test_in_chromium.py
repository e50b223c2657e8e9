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
from verger.gallery import Gallery
from verger.gallery.identify import Identifier
from verger.photos.decode import decode

from .pictures_taken import taken

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [needs_browser, pytest.mark.slow]

EACH = 4  # photos of each variety
# Asks the app's engine as its own modules do.
_LOOK = """async (photos) => {
  const { ask } = await import("./engine.js");
  const out = [];
  for (const photo of photos) {
    const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
    const features = await ask("look", { file: new Blob([bytes]) });
    out.push([Array.from(features), await ask("name", { rows: [features] })]);
  }
  return out;
}"""


@pytest.fixture(scope="module")
def page(browser: Browser, site: str) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(site)
    yield page
    context.close()


def looked(page: Page, *photos: bytes) -> list[tuple[np.ndarray[Any, Any], dict[str, Any]]]:
    """Return the app's features and answer for each photo."""
    sent = [base64.b64encode(photo).decode() for photo in photos]
    return [(np.array(row, np.float32), said) for row, said in page.evaluate(_LOOK, sent)]


def test_photos_get_the_answers_of_verger_identify(page: Page, store: Path) -> None:
    """JPEG, PNG and WebP, large and small, turned and half transparent.

    Where the browser decodes the whole photo as the server does, features are the same. A large
    JPEG, which the server decodes smaller, differs by a level in a fifth of the values: the network
    in eight bits makes much of a level (2% of one colour's values, changed by one: 0.999).
    """
    identifier = Identifier.open(store)
    photos = list(taken(identifier.gallery.labels, EACH))
    cosines: dict[bool, list[float]] = {True: [], False: []}  # by whether it was decoded smaller
    same_label = same_verdict = 0
    furthest = 0.0
    for start in range(0, len(photos), 12):
        some = photos[start : start + 12]
        told = looked(page, *(photo for _, photo in some))
        for (name, photo), (row, said) in zip(some, told, strict=True):
            features = identifier.features(photo)
            answer = identifier.gallery.identify(features[None]).as_json()
            cosine = float(row @ features / np.linalg.norm(row) / np.linalg.norm(features))
            cosines[is_decoded_smaller(name, photo)].append(cosine)
            same_label += said["labels"][0]["label"] == answer["labels"][0]["label"]
            same_verdict += said["verdict"] == answer["verdict"]
            by = abs(said["labels"][0]["confidence"] - answer["labels"][0]["confidence"])
            furthest = max(furthest, by)
    measured = {large: (min(some), float(np.mean(some))) for large, some in cosines.items()}
    assert measured[False][0] > 0.9999, measured
    assert measured[True][0] > 0.995, measured
    assert measured[True][1] > 0.998, measured
    assert same_label >= 0.99 * len(photos)
    assert same_verdict >= 0.98 * len(photos)
    assert furthest < 0.1


def is_decoded_smaller(name: str, photo: bytes) -> bool:
    """Say whether it is a JPEG whose shorter side is more than twice what the network looks at."""
    with Image.open(io.BytesIO(photo)) as image:
        return name.endswith("jpeg") and min(image.size) > 512


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
def test_a_large_jpeg_is_decoded_smaller_as_libjpeg_does(
    page: Page, size: tuple[int, int], colours: int
) -> None:
    """By 2, 4 and 8, with colours at the full resolution, at half on one side, and on both."""
    rng = np.random.default_rng(colours)
    coarse = rng.integers(0, 256, (size[1] // 40, size[0] // 40, 3)).astype(np.uint8)
    out = io.BytesIO()
    large = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    large.save(out, "JPEG", quality=85, subsampling=colours)
    differ = differences(page, out.getvalue())
    assert differ.max() <= 4
    assert differ.mean() < 0.4


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


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"no picture", "not-a-photo"), (b"\xff\xd8\xff\xe0 broken", "damaged-photo")],
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
