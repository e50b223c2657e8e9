"""The matrix against NumPy and scikit-learn, and against itself on other tasks and batches."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from program import verger
from verger.pipeline import run
from verger.settings import RunSettings
from whole_runs import Here

pytestmark = pytest.mark.slow

Floats = npt.NDArray[np.float64]


def features_of(store: Path) -> Floats:
    rows = pd.read_parquet(store / "features").sort_values("path")
    return np.stack(list(rows["features"])).astype(np.float64)


def matrix_of(store: Path) -> Floats:
    rows = pd.read_parquet(store / "matrix").sort_values("path")
    return np.stack(list(rows["components"])).astype(np.float64)


def by_svd(rows: Floats) -> tuple[Floats, Floats]:
    """Project centred rows by NumPy's SVD: all scores, and the ratio each component explains.

    In each component the entry that is largest in absolute value is made positive.
    """
    _, sigma, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    scores = (rows - rows.mean(axis=0)) @ (axes * signs[:, None]).T
    return scores, sigma**2 / (sigma**2).sum()


@pytest.fixture(scope="module")
def one_core(orchard: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without Spark on one core, a photo a batch, its record on standard output."""
    store = tmp_path_factory.mktemp("one") / "store"
    env = {**os.environ, "TZ": "America/New_York"}  # no result depends on where the clock stands
    ended = verger(
        "run", orchard, store, "--cores", 1, "--batch-size", 1, "--json", "--report", env=env
    )
    assert ended.code == 0, ended.err
    record = json.loads(ended.out)
    assert json.loads((store / "run.json").read_text()).items() >= record.items()
    assert record["cores"] == 1
    # Not a terminal: plain lines, no colour, no movement of the cursor.
    assert "\x1b" not in ended.err
    assert "\r" not in ended.err
    assert "Embedding: 30/30 photos" in ended.err
    assert {line.split(":")[0] for line in ended.err.splitlines()} <= {
        "Listing",
        "Spark",
        "Embedding",
        "Fitting",
        "Matrix",
        "Gallery",
        "CSV",
        "Report",
    }
    assert (store / "report" / "report.html").exists()
    return store


@pytest.fixture(scope="module")
def two_cores(spark: object, orchard: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same photos on the two cores of the tests' Spark, eight a batch."""
    store = tmp_path_factory.mktemp("two") / "store"
    record = run(orchard, store, RunSettings(batch_size=8, report=False, engine="spark")).record
    assert record["cores"] == 2
    return store


@pytest.mark.spark
@pytest.mark.any_spark
def test_cores_and_batches_change_nothing(one_core: Path, two_cores: Path) -> None:
    np.testing.assert_allclose(features_of(one_core), features_of(two_cores), atol=1e-5)
    np.testing.assert_allclose(matrix_of(one_core), matrix_of(two_cores), atol=1e-4)
    paths = [list(pd.read_parquet(store / "matrix")["path"]) for store in (one_core, two_cores)]
    assert paths[0] == paths[1]


def test_modified_is_utc_in_any_time_zone(one_core: Path, orchard: Path) -> None:
    rows = pd.read_parquet(one_core / "features")
    for path, modified in zip(rows["path"], rows["modified"], strict=True):
        mtime = (orchard / path).stat().st_mtime
        assert modified.timestamp() == pytest.approx(mtime, abs=2e-6)


def test_the_matrix_is_that_of_numpy(one_core: Path) -> None:
    matrix = matrix_of(one_core)
    k = matrix.shape[1]
    scores, ratios = by_svd(features_of(one_core))
    np.testing.assert_allclose(matrix, scores[:, :k], atol=1e-4)
    record = json.loads((one_core / "run.json").read_text())["projection"]
    np.testing.assert_allclose(record["explained_variance_ratio"], ratios[:k], atol=1e-8)
    assert k == record["k"] == int(np.searchsorted(np.cumsum(ratios), 0.95)) + 1


def test_the_matrix_is_that_of_scikit_learn(one_core: Path) -> None:
    from sklearn import decomposition

    matrix = matrix_of(one_core)
    theirs = decomposition.PCA(matrix.shape[1], svd_solver="full").fit(features_of(one_core))
    axes = theirs.components_
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    scores = theirs.transform(features_of(one_core)) * signs
    np.testing.assert_allclose(matrix, scores, atol=1e-4)


def test_the_components_are_centred_and_uncorrelated(one_core: Path) -> None:
    matrix = matrix_of(one_core)
    np.testing.assert_allclose(matrix.mean(axis=0), 0, atol=1e-5)
    covariance = np.cov(matrix, rowvar=False)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-3)
    assert (np.diff(np.diag(covariance)) <= 1e-6).all()


def test_standardize_is_the_pca_of_the_correlations(
    here: Here, orchard: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    ended = here("run", orchard, store, "--standardize", "-k", 5, "--no-csv")
    assert ended.code == 0, ended.err
    rows = features_of(store)
    spread = rows.std(axis=0, ddof=1)
    varies = spread > 1e-6
    scaled = (rows - rows.mean(axis=0))[:, varies] / spread[varies]
    matrix = matrix_of(store)
    assert matrix.shape == (30, 5)
    scores = by_svd(scaled)[0][:, :5]
    # The saved axes have all features, so that ties of sign could fall otherwise: compare signed
    # after making the first photo's score positive in both.
    np.testing.assert_allclose(matrix * np.sign(matrix[0]), scores * np.sign(scores[0]), atol=1e-3)
    assert not (store / "matrix.csv").exists()
    assert "matrix.csv" not in ended.out
    assert json.loads((store / "run.json").read_text())["settings"]["csv"] is False


@pytest.mark.parametrize(("asked", "least"), [("0.5", 0.5), ("7", 0.0)])
def test_components_as_a_share_and_as_a_number(
    here: Here, orchard: Path, tmp_path: Path, asked: str, least: float
) -> None:
    ended = here("run", orchard, tmp_path / "store", "--components", asked, "--json")
    assert ended.code == 0, ended.err
    projection = json.loads(ended.out)["projection"]
    ratios = by_svd(features_of(tmp_path / "store"))[1]
    k = int(asked) if asked.isdigit() else int(np.searchsorted(np.cumsum(ratios), least)) + 1
    assert projection["k"] == matrix_of(tmp_path / "store").shape[1] == k
    assert projection["explained_variance"] == pytest.approx(ratios[:k].sum(), abs=1e-8)


def test_more_components_than_there_are_and_a_thousand_labels(
    here: Here, few: list[Path], tmp_path: Path
) -> None:
    """Both in one run, since each alone would take as long."""
    photos = tmp_path / "photos"
    for number in range(1000):
        folder = photos / f"label {number}"
        folder.mkdir(parents=True)
        (folder / "photo.jpg").hardlink_to(few[number % 30])
    small = ("--image-size", 96)  # sooner embedded
    ended = here("run", photos, tmp_path / "store", "--components", 10_000, *small)
    assert ended.code == 0, ended.err
    record = json.loads((tmp_path / "store" / "run.json").read_text())
    assert record["labels"] == record["counts"]["embedded"] == 1000
    assert record["projection"]["k"] == 29  # 30 photos, over and over
    said = [line for line in ended.out.splitlines() if "10000 components were asked for" in line]
    assert len(said) == 1, ended.out
    assert "1000 photos give 29" in said[0]
    assert said[0].removeprefix("Note: ") in record["projection"]["notes"]
    assert set(pd.read_parquet(tmp_path / "store" / "matrix")["label"]) == {
        f"label {number}" for number in range(1000)
    }


@pytest.mark.spark
@pytest.mark.any_spark
def test_reduce_changes_the_matrix_and_nothing_else(
    on_spark: Here, two_cores: Path, tmp_path: Path, copy_of: Callable[[Path], Path]
) -> None:
    store = copy_of(two_cores)
    ended = on_spark("reduce", store, "-k", 3)
    assert ended.code == 0, ended.err
    np.testing.assert_array_equal(features_of(store), features_of(two_cores))
    np.testing.assert_allclose(matrix_of(store), matrix_of(two_cores)[:, :3], atol=1e-5)
    assert json.loads((store / "run.json").read_text())["projection"]["k"] == 3
    assert (store / "matrix.csv").read_text().startswith("path,label,pc1,pc2,pc3\n")
