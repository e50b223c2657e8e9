"""One rendered orchard with everything in it that a report has to tell, and its report."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from once import once
from report_stores import lay, make_store
from verger.demo.render import VARIETIES, render_photo
from verger.report import write_report
from verger.store.store import Store

VIEWS = 14
# Two of the varieties lie in folders with hostile names, and so do some photos.
NAMES = {
    VARIETIES[0]: '"quoted" & <b onclick=alert(4)>bold',
    VARIETIES[4]: "تفاح 🍎",
}
SCRIPT = "<script>alert(1)</script>.jpg"  # the slash makes a folder, and so a label, of it
QUOTE = 'x\' onmouseover="alert(3)" \u202egpj.exe.jpg'
IMAGE = "<img src=x onerror=alert(2)>.jpg"


@dataclass(frozen=True, slots=True)
class Orchard:
    """A STORE, and what was planted in its photos."""

    store: Store
    copies: dict[str, str]  # copy → original
    wrong: dict[str, str]  # path → the label that it should have
    rejected: int


def jpeg(variety: str, view: int, views: int = VIEWS, quality: int = 92) -> bytes:
    """Render one photo."""
    out = io.BytesIO()
    Image.fromarray(render_photo(variety, view, views=views)).save(out, "JPEG", quality=quality)
    return out.getvalue()


def again(photo: bytes, quality: int) -> bytes:
    """Encode a photo again."""
    out = io.BytesIO()
    Image.open(io.BytesIO(photo)).save(out, "JPEG", quality=quality)
    return out.getvalue()


def _make(folder: Path) -> None:
    """Make the STORE in a folder, and write down what was planted."""
    chosen = VARIETIES[:16:2]
    photos = {
        f"{NAMES.get(variety, variety)}/{view}.jpg": jpeg(variety, view)
        for variety in chosen
        for view in range(VIEWS)
    }
    first, second, third, last = (NAMES.get(v, v) for v in (*chosen[:3], chosen[-1]))
    wrong = {f"{last}/{QUOTE}": first, f"{second}/{IMAGE}": third}
    photos[f"{last}/{QUOTE}"] = photos.pop(f"{first}/3.jpg")
    photos[f"{last}/{SCRIPT}"] = jpeg(VARIETIES[20], 0)
    photos[f"{second}/{IMAGE}"] = photos.pop(f"{third}/5.jpg")
    copies = {
        f"{first}/copy.jpg": f"{first}/7.jpg",
        f"{second}/copy.jpg": f"{second}/8.jpg",
        f"{last}/copy.jpg": f"{last}/9.jpg",
    }
    for quality, (copy, original) in zip((0, 70, 60), copies.items(), strict=True):
        photos[copy] = again(photos[original], quality) if quality else photos[original]
    photos |= {
        f"{first}/empty.jpg": b"",
        f"{first}/<i>no photo</i>.jpg": b"nothing of the kind",
        f"{second}/short.jpg": photos[f"{second}/1.jpg"][:900],
    }
    make_store(lay(folder / "photos", photos), folder / "store")
    (folder / "planted.json").write_text(json.dumps([copies, wrong, 3]))


@pytest.fixture(scope="session")
def orchard(tmp_path_factory: pytest.TempPathFactory) -> Orchard:
    """Eight varieties, with copies, wrong labels, hostile names and files that are no photos."""
    folder = once(tmp_path_factory, "orchard", _make)
    return Orchard(Store(folder / "store"), *json.loads((folder / "planted.json").read_text()))


@pytest.fixture(scope="session")
def page(orchard: Orchard) -> Path:
    """The orchard's report."""
    return Path(write_report(orchard.store.root))
