"""A projection that is held: the matrix is that of projecting all photos with it."""

from __future__ import annotations

import io
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from seaweed import S3
from verger.cli.main import cli
from verger.errors import StoreError
from verger.gallery import Gallery
from verger.gallery.projector import open_projector
from verger.pipeline import Outcome, reduce, run
from verger.projections.pca import load_pca
from verger.report import write_report
from verger.settings import RunSettings
from verger.store.checkout import checkout
from verger.store.log import log
from verger.store.store import Store
from verger.verify import verify

pytestmark = pytest.mark.slow

K = 6


def settings(engine: str = "process", **others: Any) -> RunSettings:
    given: dict[str, Any] = {"components": str(K), "report": False, "refit": "when-it-matters"}
    return RunSettings(engine=engine, **given | others)


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold a projection whatever comes: of thirty photos, each changes much."""
    monkeypatch.setattr("verger.pipeline.holding.MOST_LOST", 1.0)
    monkeypatch.setattr("verger.pipeline.holding.LEAST_SEPARATED", 0.0)


@pytest.fixture(scope="module")
def first(orchard: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A STORE after its first run."""
    store = tmp_path_factory.mktemp("first") / "store"
    assert run(orchard, store, settings()).record["projection"]["held"] is False
    return store


@pytest.fixture
def photos(orchard: Path, tmp_path: Path) -> Path:
    """A folder of photos that a test may change: a folder a label."""
    return Path(shutil.copytree(orchard, tmp_path / "photos"))


@pytest.fixture
def store(first: Path, tmp_path: Path) -> Path:
    """The STORE of these photos."""
    return Path(shutil.copytree(first, tmp_path / "store"))


def models(store: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (store / "projection").iterdir()}


def assert_as_if_projected(store: Path) -> None:
    """Matrix, CSV and gallery are those of all features, with the models that are there."""
    features = pq.read_table(store / "features").to_pandas().sort_values("path")
    matrix = pd.concat([pd.read_parquet(file) for file in sorted((store / "matrix").iterdir())])
    assert matrix["path"].tolist() == features["path"].tolist()
    assert matrix["label"].tolist() == features["label"].tolist()
    rows = np.stack(features["features"].tolist())
    wanted = load_pca(store / "projection").transform(rows)
    np.testing.assert_allclose(np.stack(matrix["components"].tolist()), wanted, atol=1e-6)
    csv = pd.read_csv(store / "matrix.csv")
    assert csv["path"].tolist() == features["path"].tolist()
    gallery, projector = Gallery.open(store), open_projector(store / "projection")
    at = [list(features["path"]).index(gallery.path(one)) for one in range(gallery.photos)]
    assert sorted(at) == list(range(len(features)))
    labels = features["label"].tolist()
    assert [gallery.label(one) for one in range(gallery.photos)] == [labels[row] for row in at]
    vectors = np.load(store / "gallery" / "vectors.npy")
    np.testing.assert_allclose(vectors, projector(rows[at]), atol=1e-6)
    assert not verify(store).findings


class History:
    """A folder of photos that changes by a seed; no label comes or goes."""

    def __init__(self, photos: Path, seed: int) -> None:
        self.photos, self.random, self.step = photos, random.Random(seed), 0  # noqa: S311

    def change(self) -> None:
        self.step += 1
        mine = sorted(self.photos.rglob("*.jpg"))
        drawn = self.random.sample(mine, 8)
        for number, file in enumerate(drawn[:3]):  # new, at any place in the order of paths
            shutil.copyfile(drawn[7], file.with_name(f"{'aZ'[number % 2]}{self.step}{number}.jpg"))
        if self.step % 2:
            drawn[3].write_bytes(drawn[4].read_bytes() + b" " * self.step)  # another photo there
        if self.step != 2:
            drawn[5].unlink()
            label = self.random.choice(sorted({file.parent.name for file in mine}))
            to = self.photos / "Moved" / label / f"{self.step}.jpg"
            to.parent.mkdir(parents=True, exist_ok=True)
            drawn[6].rename(to)


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files of a few rows each, as of a large matrix."""
    monkeypatch.setattr("verger.store.matrix._BYTES_A_FILE", 6 * (4 * K + 64))
    monkeypatch.setattr("verger.store.matrix._BYTES_A_GROUP", 2 * (4 * K + 64))


def matrix_files(store: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (store / "matrix").iterdir()}


@pytest.mark.usefixtures("lenient", "small_files")
def test_files_of_a_matrix_stay_where_nothing_between_their_paths_has_changed(
    photos: Path, tmp_path: Path
) -> None:
    """And each run of the history has its own, shared or not, as long as it is kept."""
    store, given = tmp_path / "store", settings(keep=3)
    run(photos, store, given)
    made = [matrix_files(store)]
    assert len(made[0]) > 3
    last = max(photos.rglob("*.jpg"))
    for day in range(1, 5):
        if day == 3:
            min(photos.rglob("*.jpg")).unlink()
        for number in range(4):  # at the end of the paths
            shutil.copyfile(last, last.with_name(f"z{day}{number}.jpg"))
        assert run(photos, store, given).record["projection"]["held"] is True
        assert_as_if_projected(store)
        made.append(matrix_files(store))
        stayed = made[-2].keys() & made[-1].keys()
        assert len(stayed) == len(made[-2]) - (2 if day == 3 else 1)
        assert all(made[-2][name] == made[-1][name] for name in stayed)
    assert len(made[-1]) > len(made[0])  # the last one was cut as it grew
    for number in (3, 4, 5):
        checkout(Store(store), tmp_path / str(number), number)
        assert matrix_files(tmp_path / str(number)) == made[number - 1]
    with pytest.raises(StoreError, match="no longer kept"):
        checkout(Store(store), tmp_path / "2", 2)


@pytest.mark.usefixtures("lenient", "small_files")
@pytest.mark.parametrize("seed", [1, 2])
def test_any_history_ends_in_the_matrix_of_the_held_projection(
    photos: Path, store: Path, seed: int
) -> None:
    history, before = History(photos, seed), models(store)
    for _ in range(4):
        history.change()
        record = run(photos, store, settings()).record
        assert record["projection"]["held"] is True
        assert models(store) == before
        assert_as_if_projected(store)
    assert [one.held for one in log(Store(store))] == [*[True] * 4, False]


def relabelled(photos: Path, file: Path) -> RunSettings:
    """Take labels from a table, by which some photos have another one; none comes or goes."""
    rows = [
        (str(one.relative_to(photos)), one.parent.name) for one in sorted(photos.rglob("*.jpg"))
    ]
    labels = sorted({label for _, label in rows})
    table = pd.DataFrame(rows, columns=["path", "label"])
    table.loc[::7, "label"] = labels[0]
    table.to_csv(file, index=False)
    return settings(label_from=str(file))


@pytest.mark.usefixtures("lenient")
def test_a_new_label_of_a_photo_is_in_the_matrix_and_the_gallery(
    photos: Path, store: Path, tmp_path: Path
) -> None:
    before = models(store)
    record = run(photos, store, relabelled(photos, tmp_path / "labels.csv")).record
    assert record["changes"]["relabelled"] > 2
    assert record["projection"]["held"] is True
    assert models(store) == before
    assert_as_if_projected(store)


@pytest.mark.spark
@pytest.mark.usefixtures("lenient", "spark")
def test_spark_carries_a_matrix_on_as_threads_do(photos: Path, store: Path) -> None:
    """Every second run is Spark's, on the STORE of the other."""
    history, before = History(photos, 3), models(store)
    for engine in ("spark", "process"):
        history.change()
        record = run(photos, store, settings(engine)).record
        assert (record["engine"], record["projection"]["held"]) == (engine, True)
        assert models(store) == before
        assert_as_if_projected(store)


def doubled(photos: Path) -> None:
    """Have each photo twice: means and directions stay what they are."""
    for file in sorted(photos.rglob("*.jpg")):
        shutil.copyfile(file, file.with_name(f"again {file.name}"))


def test_photos_like_those_there_are_change_nothing_that_matters(photos: Path, store: Path) -> None:
    run(photos, store, settings(components="0.9"))
    before = models(store)
    doubled(photos)
    given = settings(components="0.9", report=True)
    held = run(photos, store, given).record["projection"]
    assert held["held"] is True
    assert held["compared"]["angle"] < 1e-3
    assert held["compared"]["variance_kept"] == pytest.approx(held["compared"]["variance_best"])
    assert held["compared"]["separation_kept"] == pytest.approx(1, abs=1e-6)
    assert models(store) == before
    assert_as_if_projected(store)
    page = (store / "report" / "report.html").read_text(encoding="utf-8")
    assert "The projection is held from an earlier run, of 30 photos: of all photos it" in page
    assert "A check failed" not in page
    page = Path(write_report(store, language="fr")).read_text(encoding="utf-8")
    assert "La projection vient d’une exécution précédente, sur 30 photos" in page


def shifted(photos: Path) -> None:
    """Add photos of another kind to each label: upside down, and blue."""
    from PIL import Image

    for number, file in enumerate(sorted(photos.rglob("*.jpg"))):
        with Image.open(file) as image:
            red, green, blue = image.convert("RGB").rotate(180).split()
            Image.merge("RGB", (blue, green, red)).save(file.with_name(f"shifted {number}.jpg"))


def test_photos_of_another_kind_have_it_fitted_anew(
    photos: Path, store: Path, tmp_path: Path
) -> None:
    before = models(store)
    shifted(photos)
    made = run(photos, store, settings()).record["projection"]
    assert made["held"] is False
    assert made["compared"]["variance_best"] - made["compared"]["variance_kept"] > 0.001
    assert models(store) != before
    run(photos, tmp_path / "whole", settings())
    assert_same_fit(store, tmp_path / "whole")


def assert_same_fit(store: Path, whole: Path) -> None:
    """The matrix is that of one run over all photos, signs included."""
    one, other = (load_pca(root / "projection") for root in (store, whole))
    np.testing.assert_allclose(one.components, other.components, atol=1e-8)
    assert_as_if_projected(store)


def new_label(photos: Path, _: Path) -> dict[str, Any]:
    mine = sorted(photos.rglob("*.jpg"))
    (photos / "Quince").mkdir()
    shutil.copyfile(mine[0], photos / "Quince" / "1.jpg")
    return {}


def label_gone(photos: Path, _: Path) -> dict[str, Any]:
    label = min(file.parent.name for file in photos.rglob("*.jpg"))
    for folder in list(photos.rglob(label)):
        shutil.rmtree(folder)
    return {}


def always(photos: Path, _: Path) -> dict[str, Any]:
    doubled(photos)
    return {"refit": "always"}


def other_components(photos: Path, _: Path) -> dict[str, Any]:
    doubled(photos)
    return {"components": "4"}


def standardized(photos: Path, _: Path) -> dict[str, Any]:
    doubled(photos)
    return {"standardize": True}


def other_shrinkage(photos: Path, _: Path) -> dict[str, Any]:
    doubled(photos)
    return {"shrinkage": 0.5}


def damaged(name: str) -> Callable[[Path, Path], dict[str, Any]]:
    def damage(photos: Path, store: Path) -> dict[str, Any]:
        doubled(photos)
        (file,) = sorted(store.glob(name))
        content = bytearray(file.read_bytes())
        content[-9] ^= 1
        file.write_bytes(content)
        return {"keep": 1}  # what is damaged is not worth to be kept

    return damage


def without_gallery(photos: Path, store: Path) -> dict[str, Any]:
    doubled(photos)
    shutil.rmtree(store / "gallery")
    return {}


def older(photos: Path, store: Path) -> dict[str, Any]:
    """A record of before there were checksums."""
    doubled(photos)
    record = json.loads((store / "run.json").read_text())
    for name in ("manifest", "run", "kept", "sha256"):
        del record[name]
    for name in ("held", "compared"):
        del record["projection"][name]
    del record["settings"]["refit"]
    (store / "run.json").write_text(json.dumps(record))
    return {}


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize(
    "change",
    [
        new_label,
        label_gone,
        always,
        other_components,
        standardized,
        other_shrinkage,
        damaged("projection/pca.components.npy"),
        damaged("projection/discriminant.json"),
        damaged("gallery/gallery.json"),
        damaged("gallery/vectors.npy"),
        damaged("matrix/*.parquet"),
        without_gallery,
        older,
    ],
    ids=lambda change: change.__name__,
)
def test_it_is_fitted_anew_where_it_could_not_be_held(
    photos: Path, store: Path, change: Callable[[Path, Path], dict[str, Any]]
) -> None:
    record = run(photos, store, settings(**change(photos, store))).record
    assert record["projection"]["held"] is False
    assert load_pca(store / "projection").rows == record["counts"]["embedded"] != 30
    assert_as_if_projected(store)


@pytest.mark.usefixtures("lenient")
def test_who_asks_for_always_gets_a_fit_though_nothing_is_new(photos: Path, store: Path) -> None:
    shifted(photos)
    held = run(photos, store, settings()).record
    assert held["projection"]["held"] is True
    assert held["projection"]["compared"]["variance_kept"] < 0.99
    assert run(photos, store, settings()).record["run"] == held["run"]  # nothing new
    again = run(photos, store, settings(refit="always")).record
    assert (again["projection"]["held"], again["run"]) == (False, held["run"] + 1)
    assert load_pca(store / "projection").rows == again["counts"]["embedded"]
    assert_as_if_projected(store)


@pytest.mark.usefixtures("lenient")
def test_a_csv_that_is_missing_moves_no_projection(photos: Path, store: Path) -> None:
    before = models(store)
    run(photos, store, settings())
    was = (store / "matrix.csv").read_bytes()
    (store / "matrix.csv").unlink()
    assert run(photos, store, settings()).record["projection"]["held"] is True
    assert (models(store), (store / "matrix.csv").read_bytes()) == (before, was)


@pytest.mark.usefixtures("lenient")
def test_reduce_makes_again_what_was_there(store: Path) -> None:
    """As the hint at damage says: with the components that were asked for, not the default."""
    was = {name: np.sort(rows) for name, rows in matrix_rows(store).items()}
    for file in (store / "matrix").iterdir():
        file.unlink()
    made = CliRunner().invoke(cli, ["reduce", str(store), "--json"], standalone_mode=False)
    record = json.loads(made.stdout)
    kept = {name: record["settings"][name] for name in ("components", "refit", "standardize")}
    assert kept == {"components": str(K), "refit": "when-it-matters", "standardize": False}
    for name, rows in matrix_rows(store).items():
        np.testing.assert_allclose(np.sort(rows), was[name], atol=1e-4)
    words = ["reduce", str(store), "-k", "2", "--refit", "always", "--standardize", "--quiet"]
    assert CliRunner().invoke(cli, words, standalone_mode=False).exit_code == 0
    made_of = reduce(store).record
    assert (made_of["projection"]["k"], made_of["projection"]["standardized"]) == (2, True)
    words = ["reduce", str(store), "--no-standardize", "--quiet"]
    assert CliRunner().invoke(cli, words, standalone_mode=False).exit_code == 0
    assert reduce(store).record["projection"]["standardized"] is False


def matrix_rows(store: Path) -> dict[str, Any]:
    rows = pq.read_table(store / "matrix").to_pylist()
    return {row["path"]: np.abs(row["components"]) for row in rows}


@pytest.mark.usefixtures("lenient")
def test_reduce_holds_what_it_is_told_to_hold(photos: Path, store: Path) -> None:
    before = models(store)
    shifted(photos)
    run(photos, store, settings())
    made: Outcome = reduce(store, settings())
    assert made.record["projection"]["held"] is True
    assert models(store) == before
    assert_as_if_projected(store)
    assert reduce(store, settings(refit="always")).record["projection"]["held"] is False
    assert models(store) != before
    assert_as_if_projected(store)


@pytest.mark.usefixtures("lenient")
def test_in_a_bucket_a_matrix_is_carried_on_as_in_a_folder(
    photos: Path, store: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    bucket, root = s3.make_bucket("refit"), "s3://refit/store"
    run(photos, root, settings())
    history = History(photos, 5)
    for _ in range(2):
        history.change()
        assert run(photos, root, settings()).record["projection"]["held"] is True
    assert not verify(root).findings
    run(photos, store, settings())  # which holds what was fitted to the same photos
    theirs = pd.concat(
        pq.read_table(io.BytesIO(bytes(obstore.get(bucket, path).bytes()))).to_pandas()
        for path in sorted(
            one["path"] for page in obstore.list(bucket, "store/matrix") for one in page
        )
    )
    mine = pd.read_parquet(store / "matrix")
    assert theirs["path"].tolist() == mine["path"].tolist()
    assert theirs["label"].tolist() == mine["label"].tolist()
    rows, wanted = (np.stack(one["components"].tolist()) for one in (theirs, mine))
    np.testing.assert_allclose(rows, wanted, atol=1e-6)
