"""The validation is kept while few photos have changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from verger.pipeline import reduce, run
from verger.settings import RunSettings

pytestmark = pytest.mark.slow

_LABELS, _EACH = 4, 30  # 5% of 120 photos are 6
_SETTINGS = RunSettings(engine="process", report=False, csv=False)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, more of the same in a folder beside them, and their STORE."""
    root = tmp_path_factory.mktemp("validating")
    rng = np.random.default_rng(0)

    def picture(label: int) -> npt.NDArray[np.uint8]:
        coarse = rng.integers(0, 90, (4, 4, 3)) + np.roll((150, 80, 20), label)
        return np.kron(coarse, np.ones((20, 20, 1))).astype(np.uint8)

    for number in range(_LABELS):
        for view in range(_EACH + 3):
            folder = root / ("photos" if view < _EACH else "more") / f"label {number}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture(number)).save(folder / f"{view}.jpg")
    run(root / "photos", root / "store", _SETTINGS)
    return root


def calibration(store: Path) -> dict[str, Any]:
    return dict(json.loads((store / "gallery/gallery.json").read_text())["calibration"])


def add(root: Path, *names: str) -> None:
    for name in names:
        shutil.copyfile(root / "more" / name, root / "photos" / name)


def test_it_holds_until_one_photo_of_twenty_has_changed(first: Path, tmp_path: Path) -> None:
    root = shutil.copytree(first, tmp_path / "grown")
    store = root / "store"
    was = calibration(store)
    assert was["photos"] > 100
    add(root, "label 0/30.jpg", "label 1/30.jpg")
    (root / "photos/label 2/0.jpg").unlink()
    assert run(root / "photos", store, _SETTINGS).record["gallery"]["changed"] == 2
    (root / "photos/label 0/1.jpg").rename(root / "photos/label 1/moved.jpg")
    assert run(root / "photos", store, _SETTINGS).record["gallery"]["changed"] == 3
    assert calibration(store) == was
    run(root / "photos", store, _SETTINGS)  # nothing new
    add(root, "label 0/31.jpg", "label 0/32.jpg", "label 1/31.jpg", "label 1/32.jpg")
    assert run(root / "photos", store, _SETTINGS).record["gallery"]["changed"] == 0
    assert calibration(store) != was
    fresh = run(root / "photos", tmp_path / "fresh", _SETTINGS)
    assert fresh.record["gallery"]["changed"] == 0
    for part in ("nearest", "mean", "centre"):
        assert calibration(tmp_path / "fresh")[part] == pytest.approx(calibration(store)[part])


@pytest.mark.parametrize("what", ["reduce", "shrinkage", "label", "damage", "older"])
def test_what_else_has_it_made_anew(first: Path, tmp_path: Path, what: str) -> None:
    root = shutil.copytree(first, tmp_path / "grown")
    store = root / "store"
    add(root, "label 0/30.jpg")
    assert run(root / "photos", store, _SETTINGS).record["gallery"]["changed"] == 1
    add(root, "label 1/30.jpg")
    settings = _SETTINGS
    if what == "shrinkage":
        settings = RunSettings(engine="process", report=False, csv=False, shrinkage=0.5)
    elif what == "label":
        (root / "photos/label 3").rename(root / "photos/label 4")
    elif what == "damage":
        header = json.loads((store / "gallery/gallery.json").read_text())
        header["calibration"]["photos"] = -1
        (store / "gallery/gallery.json").write_text(json.dumps(header))
    elif what == "older":  # than galleries, seals and lists of files
        record = json.loads((store / "run.json").read_text())
        said = {n: record[n] for n in record if n not in ("gallery", "sha256", "manifest")}
        (store / "run.json").write_text(json.dumps(said | {"format": 1}))
        shutil.rmtree(store / "gallery")
    if what == "reduce":
        record = reduce(store, settings).record
    else:
        record = run(root / "photos", store, settings).record
    assert record["gallery"]["changed"] == 0
    assert calibration(store)["photos"] > 100
