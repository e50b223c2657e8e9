"""The network and the views of a run: as asked for, else as STORE was made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from onnx_bytes import pooled_bytes
from verger.cli import doctor
from verger.embed import open_backbone
from verger.errors import FAIL
from verger.gallery.identify import Identifier
from verger.photos.decode import Framing, decode
from whole_runs import Here

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow

ACCURATE = (224, 336, 560)


def _features(photos: Path, framing: Framing) -> dict[str, np.ndarray]:
    """Embed photos one by one, without Spark."""
    network = open_backbone("efficientnet-lite0").network()
    files = sorted(photos.rglob("*.jpg"))
    rows = [network(decode(file.read_bytes(), framing).pixels[None])[0] for file in files]
    return {file.relative_to(photos).as_posix(): row for file, row in zip(files, rows, strict=True)}


def test_views_are_recorded_kept_and_seen_by_all(
    here: Here, photos_of: Callable[..., Path], few: list[Path], tmp_path: Path
) -> None:
    photos, store = photos_of("a/1.jpg", "b/2.jpg"), tmp_path / "store"
    asked = ("--backbone", "efficientnet-lite0", "--accurate")
    assert here("run", photos, store, *asked, "--quiet").code == 0

    (photos / "c").mkdir()
    (photos / "c/3.jpg").write_bytes(few[2].read_bytes())
    ended = here("run", photos, store, "--json")
    assert ended.code == 0, ended.err
    record = json.loads(ended.out)
    assert record["changes"]["new"] == 1
    assert record["backbone"]["views"] == list(ACCURATE)
    assert record["settings"]["backbone"] == "efficientnet-lite0"

    expected = _features(photos, Framing(224, ACCURATE))
    rows = pd.read_parquet(store / "features")
    assert set(rows["path"]) == set(expected)
    for path, features in zip(rows["path"], rows["features"], strict=True):
        np.testing.assert_allclose(features, expected[path], atol=1e-5)

    assert Identifier.open(store).framing == Framing(224, ACCURATE)
    refused = here("run", photos, store, "--views", "256")
    assert refused.code == 4
    assert "efficientnet-lite0 (views 224/224,336,560)" in refused.error
    assert "efficientnet-lite0 (views 224/256)" in refused.error
    assert "--overwrite" in refused.error
    assert "Leave out --backbone" in refused.error


@pytest.mark.spark
def test_views_are_seen_by_a_pipeline_of_one_s_own(
    spark: SparkSession, here: Here, photos_of: Callable[..., Path], tmp_path: Path
) -> None:
    from verger.ml import PhotoEmbedder

    photos, store = photos_of("a/1.jpg", "b/2.jpg"), tmp_path / "store"
    asked = ("--backbone", "efficientnet-lite0", "--accurate")
    assert here("run", photos, store, *asked, "--quiet").code == 0
    expected = _features(photos, Framing(224, ACCURATE))
    table = spark.createDataFrame([(str(photos / path),) for path in expected], "path string")
    embedded = PhotoEmbedder.of_store(store).transform(table).collect()
    assert len(embedded) == 2
    for row in embedded:
        name = Path(row["path"]).relative_to(photos).as_posix()
        np.testing.assert_allclose(row["features"], expected[name], atol=1e-5)


def test_a_store_of_before_there_were_views_grows_on(
    here: Here, photos_of: Callable[..., Path], few: list[Path], tmp_path: Path
) -> None:
    photos, store = photos_of("a/1.jpg", "b/2.jpg"), tmp_path / "store"
    asked = ("--backbone", "efficientnet-lite0", "--views", "256")
    assert here("run", photos, store, *asked, "--quiet").code == 0
    record = json.loads((store / "run.json").read_text())
    record["backbone"]["resize_shorter_side"] = record["backbone"].pop("views")[0]
    for name in ("views", "accurate", "device"):
        del record["settings"][name]
    del record["device"]
    (store / "run.json").write_text(json.dumps(record))

    (photos / "a/3.jpg").write_bytes(few[2].read_bytes())
    ended = here("run", photos, store, "--json")
    assert ended.code == 0, ended.err
    grown = json.loads(ended.out)
    assert (grown["changes"]["new"], grown["counts"]["embedded"]) == (1, 3)
    assert grown["backbone"]["sha256"] == record["backbone"]["sha256"]
    assert grown["backbone"]["views"] == [256]


def test_a_network_of_one_s_own_is_found_again_or_asked_for(
    here: Here, photos_of: Callable[..., Path], few: list[Path], tmp_path: Path
) -> None:
    photos, store, network = (
        photos_of("a/1.jpg", "b/2.jpg"),
        tmp_path / "store",
        tmp_path / "n.onnx",
    )
    network.write_bytes(pooled_bytes(40))
    assert here("run", photos, store, "--backbone", network, "--quiet").code == 0
    (photos / "a/3.jpg").write_bytes(few[2].read_bytes())
    ended = here("run", photos, store, "--json")
    assert (ended.code, json.loads(ended.out)["counts"]["embedded"]) == (0, 3), ended.err

    network.rename(tmp_path / "moved.onnx")
    ended = here("run", photos, store)
    assert ended.code == 5
    assert f"was made with the network {network}, which is not here" in ended.error
    assert "--backbone" in ended.error
    examined = doctor._told("backbone", lambda: doctor._backbone(str(store)))
    assert examined.state == FAIL
    assert f"{store} was made with the network {network}" in examined.found
    assert here("run", photos, store, "--backbone", tmp_path / "moved.onnx", "--quiet").code == 0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--views", "224;420"], "--views 224;420 is not a list of whole numbers"),
        (["--views", "nonsense"], "--views nonsense is not a list of whole numbers"),
        (["--views", "224,0"], "a side of 0 is not between 1 and 4,096 pixels"),
        (["--views", "224,9999"], "a side of 9999 is not between 1 and 4,096 pixels"),
        (["--views", "9" * 5000], f"a side of {'9' * 12}… is not between 1 and 4,096 pixels"),
        (["--views", "224", "--accurate"], "exclude each other"),
    ],
)
def test_views_that_are_none(here: Here, tmp_path: Path, asked: list[str], said: str) -> None:
    ended = here("run", tmp_path, tmp_path / "store", *asked)
    assert ended.code == 2
    assert said in ended.error


@pytest.mark.parametrize("views", ["100", "224,224,224,224,224"])
def test_views_that_do_not_fit(
    here: Here, photos_of: Callable[..., Path], tmp_path: Path, views: str
) -> None:
    ended = here("run", photos_of("a/1.jpg"), tmp_path / "store", "--views", views)
    assert ended.code == 2
    assert f"The views 224/{views} cannot be cut" in ended.error
    assert "Give 1 to 4 sides of 224 to 4,096 pixels" in ended.error
    assert not (tmp_path / "store").exists()


def test_what_is_not_asked_for_is_as_store_was_made(
    here: Here, photos_of: Callable[..., Path], tmp_path: Path
) -> None:
    photos, store = photos_of("a/1.jpg", "b/2.jpg"), tmp_path / "store"
    asked = ("--image-size", "96", "--accurate", "--no-report", "--quiet")
    assert here("run", photos, store, *asked).code == 0
    for some in (
        ("--image-size", "96"),
        ("--accurate",),
        ("--views", "96,144,240"),
        ("--views", "240,96,144"),
        (),
    ):
        ended = here("run", photos, store, *some, "--dry-run")
        assert ended.code == 0, ended.err
    ended = here("run", photos, store, "--views", "96", "--dry-run")
    assert "(views 96/96,144,240)" in ended.error
    assert "(views 96/96)" in ended.error


def test_accurate_is_three_views_or_those_that_a_store_has(
    here: Here, photos_of: Callable[..., Path], tmp_path: Path
) -> None:
    photos = photos_of("a/1.jpg", "b/2.jpg")
    ended = here("run", photos, tmp_path / "new", "--accurate", "--no-report", "--json")
    made = json.loads(ended.out)["backbone"]
    assert (made["image_size"], made["views"]) == (192, [192, 288, 480])

    # As --accurate made them until 30 November 2026.
    asked = ("--views", "224,420", "--no-report", "--quiet")
    assert here("run", photos, tmp_path / "old", *asked).code == 0
    assert here("run", photos, tmp_path / "old", "--accurate", "--dry-run").code == 0

    assert here("run", photos, tmp_path / "one", "--no-report", "--quiet").code == 0
    # STORE's own network and views, named.
    asked = ("--backbone", "efficientnet-lite0-int8", "--views", "192,288,480")
    assert here("run", photos, tmp_path / "new", *asked, "--dry-run").code == 0
    refused = here("run", photos, tmp_path / "one", "--accurate", "--dry-run")
    assert refused.code == 4
    assert "(views 192/192,288,480)" in refused.error


def test_a_network_of_one_s_own_is_found_from_other_folders(
    here: Here, photos_of: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, store = photos_of("a/1.jpg", "b/2.jpg"), tmp_path / "store"
    (tmp_path / "mine.onnx").write_bytes(pooled_bytes(40))
    monkeypatch.chdir(tmp_path)
    asked = ("--backbone", "mine.onnx", "--no-report", "--quiet")
    assert here("run", photos, store, *asked).code == 0
    monkeypatch.chdir("/")
    assert here("run", photos, store, "--dry-run").code == 0
    Identifier.open(store)
