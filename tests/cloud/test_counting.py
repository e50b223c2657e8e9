"""What is counted for a plan: a folder as it is, a bucket beside what the STORE knows."""

from __future__ import annotations

import uuid
from pathlib import Path

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seaweed import S3
from verger.cloud.counting import count
from verger.embed import open_backbone
from verger.errors import PhotosError, StoreError
from verger.photos.labels import labeller_from
from verger.progress import Silent
from verger.storage.place import list_place, place_of
from verger.store.layout import FEATURES
from verger.store.parts import SCHEMAS
from verger.store.publication import Publication
from verger.store.record import backbone_record
from verger.store.store import Store


@pytest.fixture
def bucket(s3: S3, monkeypatch: pytest.MonkeyPatch) -> str:
    """Four photos in a bucket, and an environment that may read it."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    name = f"plan-{uuid.uuid4().hex[:12]}"
    store = s3.make_bucket(name)
    for number in range(4):
        obstore.put(store, f"photos/Apple/{number}.jpg", b"x" * (number + 1))
    obstore.put(store, "photos/notes.txt", b"no photo")
    return f"s3://{name}"


def publish(url: str, photos: str, known: int) -> None:
    """Publish a STORE that knows the first photos, in two views each."""
    source = place_of(photos, PhotosError)
    refs = list(list_place(source, labeller_from("none", "")))[:known]
    backbone = backbone_record(open_backbone("efficientnet-lite0", views=(224, 420)))
    store = Store(url)
    store.claim(backbone=backbone, overwrite=False)
    rows = [
        {"path": r.path, "bytes": r.bytes, "modified": r.modified, "features": [1.0]} for r in refs
    ]
    with store.working() as work:
        part = work.built("features/part.parquet")
        with store.place.incoming(part) as file:
            pq.write_table(pa.Table.from_pylist(rows, SCHEMAS[FEATURES]), file)
        store.publish(work, {"backbone": backbone}, Publication({FEATURES: [part]}, {}))


def test_a_folder_counts_whole_and_has_to_be_sent(tmp_path: Path) -> None:
    for name, size in (("a/1.jpg", 10), ("a/2.JPG", 20), ("b.txt", 5)):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x" * size)
    work, notes = count(str(tmp_path), "s3://bucket/store", Silent(), csv=False)
    assert (work.photos, work.size, work.listed) == (2, 30, 2)
    assert (work.upload, work.csv, notes) == (True, False, [])


@pytest.mark.parametrize("make", [False, True])
def test_a_folder_without_photos_is_refused(tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "photos"
    if make:
        folder.mkdir()
    with pytest.raises(PhotosError):
        count(str(folder), "s3://bucket/store", Silent(), csv=True)


def test_a_bucket_counts_what_the_store_does_not_know(bucket: str) -> None:
    photos, store = f"{bucket}/photos", f"{bucket}/store"
    work, notes = count(photos, store, Silent(), csv=True)
    assert (work.photos, work.size, work.listed, notes) == (4, 10, 4, [])
    assert (work.upload, work.views) == (False, 1)
    publish(store, photos, known=3)
    work, notes = count(photos, store, Silent(), csv=True)
    assert (work.photos, work.size, work.listed, notes) == (1, 4, 4, [])
    assert work.views == 2
    assert count(photos, store, Silent(), csv=True, views=3)[0].views == 3
    publish(store, photos, known=4)
    work, (note,) = count(photos, store, Silent(), csv=True)
    assert (work.photos, work.size, work.listed) == (0, 0, 4)
    assert note.startswith("No photo is new, changed or gone")


def test_a_store_that_is_not_told_counts_as_empty_and_that_is_said(bucket: str) -> None:
    work, (note,) = count(f"{bucket}/photos", "s3://no-such-bucket/x", Silent(), csv=True)
    assert work.photos == 4
    assert note.startswith("STORE was not looked at, and counts as empty: ")


def test_a_bucket_that_may_not_be_listed_is_one_line(
    s3: S3, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.as_user("stranger").environment().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PhotosError, match="verger cloud plan --photos-count 10000") as told:
        count(f"{bucket}/photos", f"{bucket}/store", Silent(), csv=True)
    assert "\n" not in str(told.value)


def test_nothing_is_written(bucket: str, s3: S3) -> None:
    store = s3.store(bucket.partition("://")[2])
    before = sorted(entry["path"] for entry in obstore.list(store).collect())
    count(f"{bucket}/photos", f"{bucket}/store-of-nobody", Silent(), csv=True)
    assert sorted(entry["path"] for entry in obstore.list(store).collect()) == before


def test_a_store_that_is_no_bucket_is_refused_before_anything_is_listed(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="names no bucket"):
        count(str(tmp_path), "s3://", Silent(), csv=True)
