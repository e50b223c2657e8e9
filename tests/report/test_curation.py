"""What else a curator looks for: 50 of each planted, at least 45 found, at most 10 wrong."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from once import once
from report_orchard import again, jpeg
from report_stores import lay, make_store
from verger.demo.render import VARIETIES
from verger.photos.decode import THUMBNAIL_SIDE
from verger.report import write_report
from verger.report.curation import find_spellings, split_of, unbalanced
from verger.report.data import build
from verger.report.measures import Measures, measure
from verger.report.oddities import find_oddities

KINDS, VIEWS, PLANTED = VARIETIES[26:34], 25, 50
ODD: dict[str, Callable[[Image.Image], Image.Image]] = {
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.2),
    "bright": lambda image: Image.eval(image, lambda level: min(255, int(level * 0.6 + 140))),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
    "tiny": lambda image: image.resize((24, 24)),
    "shape": lambda image: image.crop((0, 35, 100, 65)),
}


@dataclass
class Photos:
    """As much of the report's photos as is looked at here."""

    codes: np.ndarray
    width: np.ndarray
    height: np.ndarray

    def __len__(self) -> int:
        return len(self.codes)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    def make(folder: Path) -> None:
        lay(folder, {f"{k}/{v:02}.jpg": jpeg(k, v, VIEWS) for k in KINDS for v in range(VIEWS)})

    return sorted(once(tmp_path_factory, "curated", make).rglob("*.jpg"))


def thumbnail(image: Image.Image) -> bytes:
    small, out = image.convert("RGB"), io.BytesIO()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    small.save(out, "JPEG", quality=85)
    return out.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ODD)
def test_odd_photos_are_found(rendered: list[Path], kind: str) -> None:
    planted = set(np.random.default_rng(7).permutation(len(rendered))[:PLANTED].tolist())
    images = [Image.open(file).convert("RGB") for file in rendered]
    images = [ODD[kind](one) if at in planted else one for at, one in enumerate(images)]
    sizes = np.array([one.size for one in images])
    codes = np.repeat(np.arange(len(KINDS)), VIEWS)
    shown = [thumbnail(one) for one in images]
    measures = measure(shown, Measures.none())
    odd = Photos(codes, sizes[:, 0], sizes[:, 1])
    found = find_oddities(odd, np.arange(len(images)), measures)  # type: ignore[arg-type]
    mine = {one.row for one in found if one.what == kind}
    assert len(mine & planted) >= 45
    assert len({one.row for one in found} - planted) <= 10
    assert kind == "tiny" or not any(one.what == "tiny" for one in found)
    untouched = measure([thumbnail(Image.open(file)) for file in rendered], Measures.none())
    plain = Photos(codes, np.full(len(codes), 100), np.full(len(codes), 100))
    found = find_oddities(plain, np.arange(len(images)), untouched)  # type: ignore[arg-type]
    assert len(found) <= 10


@pytest.mark.slow
def test_pictures_on_both_sides_of_a_split_are_found(rendered: list[Path], tmp_path: Path) -> None:
    data = [file.read_bytes() for file in rendered[:130]]
    photos = {f"Training/{at % 5}/{at}.jpg": one for at, one in enumerate(data[:80])}
    photos |= {f"test/{at % 5}/{at}.jpg": one for at, one in enumerate(data[80:])}
    leaks = {f"test/{at % 5}/copy {at}.jpg": at for at in range(PLANTED)}
    photos |= {path: data[at] if at % 2 else again(data[at], 80) for path, at in leaks.items()}
    photos["Training/0/twice.jpg"] = data[79]  # a copy, but no leak
    store = make_store(lay(tmp_path / "photos", photos), tmp_path / "store")
    write_report(store.root)
    rows = pq.read_table(tmp_path / "store/report/leaks.parquet").to_pylist()
    groups: dict[int, dict[str, set[str]]] = {}
    for row in rows:
        groups.setdefault(row["group"], {}).setdefault(row["split"], set()).add(row["path"])
    named = set().union(*(its["test"] for its in groups.values()))
    assert all(its.keys() == {"train", "test"} for its in groups.values())
    assert len(named & leaks.keys()) >= 45
    assert len(named - leaks.keys()) <= 10
    assert "Training/0/twice.jpg" not in {row["path"] for row in rows}


def test_labels_written_in_several_ways_are_found() -> None:
    names = [f"Fruit {chr(97 + at // 26)}{chr(97 + at % 26)}" for at in range(150)]
    ways: list[Callable[[str], str]] = [
        str.upper, lambda name: name.replace(" ", "_"), lambda name: name.replace(" ", ""),
        lambda name: name.replace("F", "Ｆ"), str.lower,
    ]  # fmt: skip
    planted = {ways[at % 5](name): name for at, name in enumerate(names[:PLANTED])}
    every = tuple(
        sorted([*names, *planted, "Éclair", "Eclair", "Kiwi 1", "Kiwi 2", "🍎", "-", "_"])
    )
    found = find_spellings(every, np.ones(len(every), np.int64))
    assert {frozenset(one.labels) for one in found} == {frozenset(pair) for pair in planted.items()}


def test_labels_out_of_balance_are_found() -> None:
    counts = np.random.default_rng(3).integers(80, 120, 200)
    counts[:PLANTED] = np.tile([20, 400], PLANTED // 2)
    assert sorted(unbalanced(counts)) == list(range(PLANTED))
    assert unbalanced(np.zeros(0, np.int64)) == []


def test_folders_tell_a_split() -> None:
    assert split_of("fruits/Training/apple/1.jpg") == "train"
    assert split_of("VAL/test.jpg") == "validation"
    assert split_of("apple/test.jpg") is None
    assert split_of("contest/1.jpg") is None


def test_the_page_shows_them(rendered: list[Path], tmp_path: Path) -> None:
    photos = {f"train/{file.parent.name}/{file.name}": file.read_bytes() for file in rendered[:50]}
    first = next(iter(photos))
    photos[f"test/{KINDS[0].upper()}/copy.jpg"] = photos[first]
    out = io.BytesIO()
    Image.open(rendered[3]).resize((20, 20)).save(out, "JPEG")
    photos[f"train/{KINDS[0]}/tiny.jpg"] = out.getvalue()
    store = make_store(lay(tmp_path / "photos", photos), tmp_path / "store")
    report = build(store)
    assert {one.what for one in report.oddities} >= {"tiny"}
    page = Path(write_report(store.root, language="fr")).read_text(encoding="utf-8")
    for words in ("1 image est des deux côtés", "s’écrit de plusieurs façons", "Minuscules"):
        assert words in page
