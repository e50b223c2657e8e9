"""The files of an app, and what `verger app` refuses."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from program import verger
from verger.app import export_app
from verger.errors import UsageError
from verger.gallery import Gallery
from verger.progress import Silent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("app") / "folder"
    export_app(store, str(out), 12, Silent())
    return out


def data(folder: Path, name: str) -> bytes:
    (file,) = folder.glob(f"{name}-*")
    body = file.read_bytes()
    return gzip.decompress(body) if file.suffix == ".gz" else body


def test_all_that_the_page_asks_for_is_there(folder: Path) -> None:
    there = {file.name for file in folder.iterdir()}
    asked = set()
    for file in folder.iterdir():
        if file.suffix in (".js", ".html", ".webmanifest") and file.name != "onnxruntime-web.js":
            text = file.read_text("utf-8")
            asked |= set(
                re.findall(r"""(?:from |src=|href=|"src": )"(?:\./)?([\w.-]+\.\w+)\"""", text)
            )
    assert "onnxruntime-web.js" in asked
    assert asked <= there
    told = json.loads((folder / "app.json").read_text())
    assert set(told["files"]) == there
    assert told["photos"] == 144


def test_the_worker_keeps_all_but_licences(folder: Path) -> None:
    kept = re.search(r"^const FILES = (\{.*\});", (folder / "sw.js").read_text(), re.MULTILINE)
    assert kept
    names = set(json.loads(kept[1]))
    left_out = {file.name for file in folder.iterdir()} - names
    assert left_out == {"app.json", "licences.txt", "sw.js"}


def test_it_is_small_enough_for_a_phone(folder: Path) -> None:
    sizes = {file.name: file.stat().st_size for file in folder.iterdir()}
    assert sum(sizes.values()) < 12_000_000
    unpacked = sum(
        len(gzip.decompress(file.read_bytes())) if file.suffix == ".gz" else sizes[file.name]
        for file in folder.iterdir()
    )
    assert unpacked < 25_000_000


def test_no_path_of_a_photo_is_told(folder: Path, store: Path) -> None:
    gallery = Gallery.open(store)
    header = data(folder, "gallery").decode()
    assert gallery.path(0) not in header
    assert "_100.jpg" not in header
    assert gallery.labels[0] in header


def test_licences_come_along(folder: Path) -> None:
    assert "MIT License" in (folder / "licences.txt").read_text("utf-8")


def test_a_smaller_budget_holds_fewer_photos(store: Path, tmp_path: Path) -> None:
    whole = export_app(store, str(tmp_path / "whole"), 12, Silent())
    tight = whole.download / 1e6 - 0.05
    less = export_app(store, str(tmp_path / "less"), tight, Silent())
    assert less.download <= tight * 1e6
    assert (less.photos, less.pictures) < (whole.photos, whole.pictures)
    with pytest.raises(UsageError, match=r"--budget 5 is too small: .* the app has \d+\.\d MB"):
        export_app(store, str(tmp_path / "none"), 5, Silent())
    assert not (tmp_path / "none").exists()


def test_an_app_takes_the_place_of_an_earlier_one_and_of_nothing_else(
    store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "app"
    export_app(store, str(out), 12, Silent())
    before = {file.name for file in out.iterdir()}
    told = json.loads((out / "app.json").read_text())
    (out / "network-of-before.onnx.gz").write_bytes(b"old")
    (tmp_path / "mine.txt").write_text("mine")
    told["files"] += ["network-of-before.onnx.gz", "../mine.txt"]
    (out / "app.json").write_text(json.dumps(told))
    (out / "CNAME").write_text("example.org")
    export_app(store, str(out), 12, Silent())
    assert {file.name for file in out.iterdir()} == before | {"CNAME"}
    assert (tmp_path / "mine.txt").exists()
    with pytest.raises(UsageError, match="holds something other than an app"):
        export_app(store, str(tmp_path), 12, Silent())


def test_the_command(store: Path, tmp_path: Path) -> None:
    done = verger("app", store, "--output", tmp_path / "app")
    assert done.code == 0, done.err
    assert re.search(r"MB to download; 12 labels, 144 photos, 144 pictures\.", done.out)
    assert "http.server" in done.out
    refused = verger("app", store, "--output", store)
    assert refused.code == 2
    assert "holds something other than an app" in refused.err
