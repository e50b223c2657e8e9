"""A sheet of corrections names photos by their paths, or by their names alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from verger.errors import UsageError
from verger.photos.labels import LabelSheet

PHOTOS = ["1.jpg", "sub/1.jpg", "sub/2.jpg"]


def decided(sheet: Path) -> dict[str, str | None]:
    read = LabelSheet(sheet, "photos")
    read.prefer(PHOTOS)
    found = {path: read.decided(path) for path in PHOTOS}
    read.check()
    return {path: one[1] for path, one in found.items() if one}


def test_a_path_names_its_own_photo_and_a_name_any_that_is_called_so(tmp_path: Path) -> None:
    sheet = tmp_path / "labels.csv"
    sheet.write_text("path,label\n1.jpg,plum\n2.jpg,pear\n")
    assert decided(sheet) == {"1.jpg": "plum", "sub/2.jpg": "pear"}


def test_a_name_of_two_photos_is_refused(tmp_path: Path) -> None:
    sheet = tmp_path / "labels.csv"
    sheet.write_text("path,label\n1.jpg,plum\n")
    read = LabelSheet(sheet, "photos")
    read.prefer(["a/1.jpg", "b/1.jpg"])
    assert read.decided("a/1.jpg")
    with pytest.raises(UsageError, match=r"1\.jpg names a/1\.jpg and b/1\.jpg"):
        read.decided("b/1.jpg")
