"""`python -m benchmarks.one_answer STORE PHOTOS`: the page and the app beside `verger identify`.

Photos of a folder, as they are and in the forms in which phones and people have them, go through
Chromium twice: over the server's page, which makes them smaller and sends them, and through the
app that STORE becomes. What is told is compared with what this process says of the same file.
Writes `benchmarks/one_answer.md`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.contenders import HERE
from benchmarks.table import machine, table
from verger.app import export_app
from verger.gallery.identify import Identifier
from verger.photos.colour import profile_of_code_points
from verger.progress import Silent

sys.path.insert(0, str(HERE.parent / "tests"))  # the page and the app are asked as in the tests

from app.asking import looked
from app.conftest import hosted
from browser import chromium
from serve.asking import by_page

_AT_ONCE = 10
_P3 = profile_of_code_points(12, 13)
_BUDGET = 25  # MB, of the app
Form = Callable[[Image.Image, int], bytes]


def _saved(kind: str, longer: int | None = None, **options: Any) -> Form:
    """Make a form: enlarged to so many pixels, with the noise of a sensor, and saved."""

    def save(image: Image.Image, number: int) -> bytes:
        if longer:
            by = longer / max(image.size)
            size = (round(image.width * by), round(image.height * by))
            image = image.resize(size, Image.Resampling.BICUBIC)
            noise = np.random.default_rng(number).normal(0, 3, (*image.size[::-1], 1))
            image = Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))
        exif, out = Image.Exif(), io.BytesIO()
        exif[0x0112] = number % 8 + 1
        image.save(out, kind, exif=exif, **options)
        return out.getvalue()

    return save


FORMS: dict[str, Form | None] = {
    "as they are": None,
    "JPEG of 1,400 pixels, 4:2:2": _saved("JPEG", 1400, quality=85, subsampling=1),
    "JPEG of 2,016 pixels, 4:4:4, progressive": _saved(
        "JPEG", 2016, quality=90, subsampling=0, progressive=True
    ),
    "JPEG of 4,032 pixels, 4:2:0, Display P3": _saved("JPEG", 4032, quality=80, icc_profile=_P3),
    "PNG": _saved("PNG"),
    "WebP of 1,600 pixels": _saved("WEBP", 1600, quality=85),
}


@dataclass
class Told:
    """How what was told of some photos differs from what `verger identify` says."""

    photos: int = 0
    names: int = 0  # that differ
    verdicts: int = 0
    points: list[float] = field(default_factory=list)
    cosines: list[float] = field(default_factory=list)

    def add(self, told: dict[str, Any], said: dict[str, Any]) -> None:
        """Count one photo."""
        self.photos += 1
        self.names += told["labels"][0]["label"] != said["labels"][0]["label"]
        self.verdicts += told["verdict"] != said["verdict"]
        if told["verdict"] == said["verdict"]:
            self.points.append(100 * abs(told["confidence"] - said["confidence"]))


def main() -> None:
    """Make the forms, ask, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.one_answer", description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=300)
    given = parser.parse_args()
    found = sorted(given.photos.rglob("*.jpg"))
    some = random.Random(17).sample(found, min(given.count, len(found)))  # noqa: S311
    files = list(_formed(some))
    identifier = Identifier.open(given.store)
    rows = [identifier.features(photo) for _, photo in files]
    said = [identifier.gallery.identify(row[None]).as_json() for row in rows]
    page = _counted(files, _by_page(given.store, [photo for _, photo in files]), said)
    answers, size = _by_app(given.store, [photo for _, photo in files])
    app = _counted(files, [told for _, told in answers], said)
    for (form, _), (seen, _), row in zip(files, answers, rows, strict=True):
        cosine = float(seen @ row / np.linalg.norm(seen) / np.linalg.norm(row))
        app[form].cosines.append(cosine)
    text = _page(page, app, size)
    print(text)
    (HERE / "one_answer.md").write_text(text)


def _formed(photos: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    names = list(FORMS)
    for number, file in enumerate(photos):
        name = names[number % len(names)]
        form = FORMS[name]
        with Image.open(file) as image:
            yield name, form(image.convert("RGB"), number) if form else file.read_bytes()


def _counted(
    files: Sequence[tuple[str, bytes]],
    told: Sequence[dict[str, Any]],
    said: Sequence[dict[str, Any]],
) -> dict[str, Told]:
    counts = {form: Told() for form in FORMS}
    for (form, _), one, other in zip(files, told, said, strict=True):
        counts[form].add(one, other)
    return counts


def _by_page(store: Path, photos: Sequence[bytes]) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "verger", "serve", str(store), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, _browser() as here:
        try:
            assert server.stdout
            url = server.stdout.readline().split(" at ")[1].split()[0]
            return list(by_page(here, url, photos, _AT_ONCE))
        finally:
            server.terminate()


def _by_app(store: Path, photos: Sequence[bytes]) -> tuple[list[tuple[Any, dict[str, Any]]], str]:
    with tempfile.TemporaryDirectory(prefix="verger-bench-") as folder, _browser() as here:
        made = export_app(store, folder, _BUDGET, Silent())
        size = (
            f"{made.labels} labels, {made.photos} of {made.of} photos, {made.download / 1e6:.1f} MB"
        )
        with hosted(Path(folder)) as address:
            page = here.new_page()
            page.goto(address)
            some = (photos[at : at + _AT_ONCE] for at in range(0, len(photos), _AT_ONCE))
            return [one for few in some for one in looked(page, *few)], size


@contextlib.contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield started
        started.close()


def _page(page: dict[str, Told], app: dict[str, Told], size: str) -> str:
    head = ["form", "photos", "other verdict", "other first name", "confidence apart, points"]
    lines = [
        "# One photo, one answer, as measured\n",
        f"`python -m benchmarks.one_answer`, {machine()}. The app: {size}. Beside what\n"
        "`verger identify` says of the same files.\n",
        "## From the page\n",
        *table(head, [_row(form, told) for form, told in page.items()]),
        "## From the app\n",
        *table(
            [*head, "least cosine of features"],
            [
                [*_row(form, told), f"{min(told.cosines, default=1):.5f}"]
                for form, told in app.items()
            ],
        ),
    ]
    return "\n".join(lines)


def _row(form: str, told: Told) -> list[str]:
    most = max(told.points, default=0)
    return [form, str(told.photos), str(told.verdicts), str(told.names), f"{most:.2f} at most"]


if __name__ == "__main__":
    main()
