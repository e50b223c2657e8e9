"""Whole runs over hdfs://: Hadoop's own overlay of file systems serves it, from a folder here."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from verger.errors import PhotosError
from verger.pipeline import run
from verger.spark import hadoop

from .conftest import Here

ODD = ("a b.jpg", "a%20b.jpg", "[x]*{y}.jpg", "é.jpg", "A/1.JPG")


@pytest.fixture
def hdfs(spark: SparkSession, tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    """Show a folder of this machine as one of a host of its own on hdfs://."""
    conf = spark.sparkContext._jsc.hadoopConfiguration()

    def show(folder: Path) -> str:
        host = f"h{abs(hash(str(tmp_path)))}"
        conf.set("fs.hdfs.impl", "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme")
        conf.set(f"fs.viewfs.mounttable.{host}.link./shown", f"file://{folder.parent}")
        return f"hdfs://{host}/shown/{folder.name}"

    yield show
    conf.unset("fs.hdfs.impl")


def features_of(store: Path) -> pd.DataFrame:
    return pd.read_parquet(store / "features").sort_values("path", ignore_index=True)


def test_what_comes_through_java_is_what_comes_from_a_folder(
    here: Here,
    hdfs: Callable[[Path], str],
    few: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hadoop, "MOST_PHOTOS", 5)  # so that there are several jobs
    photos, store = tmp_path / "photos", tmp_path / "store"
    for name, file in zip([*ODD, "B/2.jpg", "B/3.jpg"], few, strict=False):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, photos / name)
    (photos / "B" / "text.jpg").write_text("no photo")
    (photos / "B" / "empty.jpg").touch()
    (photos / "B" / "notes.txt").write_text("no photo's name")
    url = hdfs(photos)
    ended = here("run", url, store)
    assert ended.code == 0, ended.err
    assert "come through Java (Spark's binaryFile)" in ended.out
    assert json.loads((store / "run.json").read_text())["counts"] == {
        "listed": 9, "embedded": 7, "rejected": 2,
        "rejected_by_reason": {"empty": 1, "not_an_image": 1},
    }  # fmt: skip
    run(photos, tmp_path / "same")
    mine, same = features_of(store), features_of(tmp_path / "same")
    columns = ["path", "label", "width", "height", "bytes"]
    assert mine[columns].equals(same[columns])
    np.testing.assert_array_equal(
        np.stack(list(mine["features"])), np.stack(list(same["features"]))
    )
    for file in (store / "features").iterdir():
        paths = list(pd.read_parquet(file)["path"])
        assert paths == sorted(paths)

    shutil.copyfile(few[9], photos / "B" / "_hidden.jpg")
    shutil.copyfile(few[9], photos / "B" / "new.jpg")
    os.utime(photos / "B" / "2.jpg", (1, 1))
    (photos / "B" / "3.jpg").unlink()
    record = run(url, store).record
    assert record["changes"] == {
        "new": 2, "changed": 1, "retried": 0, "kept": 7, "relabelled": 0, "gone": 1
    }  # fmt: skip
    rejects = pd.read_parquet(store / "rejects").set_index("path")
    assert rejects.loc["B/_hidden.jpg", "detail"] == (
        "Spark reads no file whose name begins with . or _"
    )


def test_photos_that_go_between_listing_and_reading_cost_themselves(
    hdfs: Callable[[Path], str],
    few: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for n, file in enumerate(few[:4]):
        shutil.copyfile(file, photos / f"{n}.jpg")
    listed = hadoop._embedded

    def one_goes(*args: object) -> list[object]:
        (photos / "2.jpg").unlink()
        return listed(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(hadoop, "_embedded", one_goes)
    record = run(hdfs(photos), tmp_path / "store").record
    assert record["counts"]["rejected_by_reason"] == {"unreadable": 1}
    assert record["counts"]["embedded"] == 3
    (reject,) = pd.read_parquet(tmp_path / "store" / "rejects").to_dict("records")
    assert (reject["path"], reject["detail"]) == ("2.jpg", "gone since it was listed")


def test_photos_that_may_not_be_read_cost_themselves_unless_that_is_all(
    here: Here, hdfs: Callable[[Path], str], few: list[Path], tmp_path: Path
) -> None:
    photos, store = tmp_path / "photos", tmp_path / "store"
    photos.mkdir()
    for n, file in enumerate(few[:3]):
        shutil.copyfile(file, photos / f"{n}.jpg")
    (photos / "0.jpg").chmod(0)  # Hadoop heeds it, even of root
    run(hdfs(photos), store)
    (reject,) = pd.read_parquet(store / "rejects").to_dict("records")
    assert (reject["path"], reject["detail"]) == ("0.jpg", "Permission denied")
    assert list(features_of(store)["path"]) == ["1.jpg", "2.jpg"]
    for n in range(3):
        (photos / f"{n}.jpg").chmod(0)
    ended = here("run", hdfs(photos), tmp_path / "other")
    assert ended.code == PhotosError.exit_code
    assert "None of the 3 photos" in ended.error


def test_places_on_hdfs_that_cannot_be_listed(
    spark: SparkSession, here: Here, hdfs: Callable[[Path], str], tmp_path: Path
) -> None:
    (tmp_path / "a file").touch()
    (tmp_path / "empty").mkdir()
    for name, says in (
        ("none", "No such folder"),
        ("a file", "Not a folder"),
        ("empty", "No photo"),
    ):
        ended = here("run", hdfs(tmp_path / name), tmp_path / "store")
        assert ended.code == PhotosError.exit_code
        assert says in ended.error
        assert not (tmp_path / "store").exists()
    spark.sparkContext._jsc.hadoopConfiguration().unset("fs.hdfs.impl")
    spark.sparkContext._jsc.hadoopConfiguration().set("ipc.client.connect.max.retries", "0")
    ended = here("run", "hdfs://127.0.0.1:1/photos", tmp_path / "store")  # nobody is there
    assert ended.code == PhotosError.exit_code
    assert "Cannot list hdfs://127.0.0.1:1/photos (ConnectException" in ended.error
    ended = here("run", "hdfs://me:secret@host/photos", tmp_path / "store")
    assert ended.code == PhotosError.exit_code
    assert "secret" not in ended.err
    ended = here("run", tmp_path / "empty", "hdfs://host/store")
    assert ended.code == 4
    assert "s3://" in ended.error
