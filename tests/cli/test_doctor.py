"""What `verger doctor` finds, where something is wrong and where all is well."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import obstore
import pytest

from pictures import encoded, smooth
from seaweed import S3
from verger.cli import doctor
from verger.embed import backbone
from verger.errors import FAIL, OK, WARN, Check, PhotosError, StoreError
from verger.storage.place import place_of

PHOTO = encoded(smooth(40, 30), "JPEG")
Env = Callable[[S3], None]


@pytest.fixture
def as_user(monkeypatch: pytest.MonkeyPatch) -> Env:
    def set_environment(s3: S3) -> None:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in s3.environment().items():
            monkeypatch.setenv(name, value)

    return set_environment


def photos(where: object) -> Check:
    return doctor._told("PHOTOS", lambda: doctor._photos(place_of(str(where), PhotosError)))


def store(where: object) -> Check:
    return doctor._told("STORE", lambda: doctor._store(place_of(str(where), StoreError)))


def test_less_than_is_good_is_a_warning_and_less_than_is_needed_a_failure() -> None:
    states = [doctor._graded("x", value, 1, 2, "f.", "Do.").state for value in (3, 2, 1.5, 0.5)]
    assert states == [OK, OK, WARN, FAIL]
    assert str(doctor._graded("disk", 0, 1, 2, "0 GB.", "Do.")) == "FAIL disk      0 GB. Do."


def test_this_machine_is_well_but_for_spark() -> None:
    assert doctor._told("Java", doctor._java).state == OK
    found = doctor._told("backbone", lambda: doctor._backbone(None)).found
    assert found.startswith("efficientnet-lite0-int8, views 224/256, the default one;")


def test_a_network_that_is_damaged_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = backbone._shipped_folder()
    for file in shipped.glob("efficientnet-lite0-int8.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with (tmp_path / "efficientnet-lite0-int8.onnx").open("ab") as model:
        model.write(b"more")
    monkeypatch.setattr(backbone, "_shipped_folder", lambda: tmp_path)
    check = doctor._told("backbone", lambda: doctor._backbone(None))
    assert check.state == FAIL
    assert "is damaged: its SHA-256" in check.found


def test_a_folder_of_photos(tmp_path: Path) -> None:
    assert "No such folder" in photos(tmp_path / "none").found
    assert "holds no photo" in photos(tmp_path).found
    (tmp_path / "kind é").mkdir()
    (tmp_path / "kind é" / "notes.txt").touch()
    (tmp_path / "kind é" / "A b.JPG").write_bytes(PHOTO)
    found = photos(tmp_path)
    assert (found.state, "kind é/A b.JPG" in found.found) == (OK, True)


def test_a_folder_for_a_store_is_left_as_it_was(tmp_path: Path) -> None:
    assert store(tmp_path / "new" / "store").state == OK
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".verger").mkdir()
    assert store(tmp_path).state == OK
    assert [path.name for path in tmp_path.iterdir()] == [".verger"]
    (tmp_path / "file").touch()
    refused = store(tmp_path / "file" / "store")
    assert (refused.state, "Not a directory" in refused.found) == (FAIL, True), refused


def test_a_bucket(s3: S3, as_user: Env) -> None:
    bucket = s3.make_bucket("doctor")
    obstore.put(bucket, "photos/é 1/a.jpg", PHOTO)
    as_user(s3)
    assert photos("s3://doctor/photos").state == OK
    assert photos("s3://doctor/other").state == FAIL
    assert store("s3://doctor/store").state == OK
    assert [one["path"] for one in obstore.list(bucket).collect()] == ["photos/é 1/a.jpg"]
    missing = photos("s3://no-such-bucket/photos")
    assert (missing.state, "no such bucket" in missing.found) == (FAIL, True)


@pytest.mark.parametrize(
    ("user", "reads", "writes"),
    [("reader", OK, FAIL), ("blind", FAIL, FAIL), ("stranger", FAIL, FAIL)],
)
def test_what_a_user_may_not_is_found(
    s3: S3, as_user: Env, user: str, reads: str, writes: str
) -> None:
    name = f"doctor-{user}"
    obstore.put(s3.make_bucket(name), "photos/a.jpg", PHOTO)
    as_user(s3.as_user(user))
    first, second = photos(f"s3://{name}/photos"), store(f"s3://{name}/store")
    assert (first.state, second.state) == (reads, writes)
    assert all(check.remedy for check in (first, second) if check.state == FAIL)
    assert s3.as_user(user).keys.secret_key not in f"{first} {second}"
