"""What a run leaves in STORE: layout, schemas, values, and four readers that agree on them."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import verger
from awkward import MTIME_NS
from verger.embed import open_backbone
from verger.photos.decode import decode
from verger.photos.reasons import Reason
from verger.projections.pca import load_pca
from verger.settings import DEFAULT_BACKBONE
from verger.store.reader import RECORD_FORMAT
from verger.texts.numbers import Numbers
from whole_runs import Whole

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow

_UTC = pa.timestamp("us", tz="UTC")
_FLOATS = pa.list_(pa.field("element", pa.float32()))
SCHEMAS = {
    "features": {
        "path": pa.string(),
        "label": pa.string(),
        "features": _FLOATS,
        "width": pa.int32(),
        "height": pa.int32(),
        "bytes": pa.int64(),
        "modified": _UTC,
        "thumbnail": pa.binary(),
        "e_tag": pa.string(),
        "picture": pa.binary(),
        "sha256": pa.binary(),
    },
    "rejects": {
        "path": pa.string(),
        "label": pa.string(),
        "reason": pa.string(),
        "detail": pa.string(),
        "bytes": pa.int64(),
        "modified": _UTC,
        "e_tag": pa.string(),
    },
    "matrix": {"path": pa.string(), "label": pa.string(), "components": _FLOATS},
}
IN_SPARK = {
    "features": "path:string,label:string,features:array<float>,width:int,height:int,"
    "bytes:bigint,modified:timestamp,thumbnail:binary,e_tag:string,picture:binary,"
    "sha256:binary",
    "rejects": "path:string,label:string,reason:string,detail:string,bytes:bigint,"
    "modified:timestamp,e_tag:string",
    "matrix": "path:string,label:string,components:array<float>",
}
IN_DUCKDB = {
    "features": [
        "VARCHAR", "VARCHAR", "FLOAT[]", "INTEGER", "INTEGER", "BIGINT",
        "TIMESTAMP WITH TIME ZONE", "BLOB", "VARCHAR", "BLOB", "BLOB",
    ],
    "rejects": [
        "VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR", "BIGINT", "TIMESTAMP WITH TIME ZONE",
        "VARCHAR",
    ],
    "matrix": ["VARCHAR", "VARCHAR", "FLOAT[]"],
}  # fmt: skip
_POLARS_UTC = pl.Datetime("us", "UTC")
IN_POLARS = {
    "features": [
        pl.String, pl.String, pl.List(pl.Float32), pl.Int32, pl.Int32, pl.Int64, _POLARS_UTC,
        pl.Binary, pl.String, pl.Binary, pl.Binary,
    ],
    "rejects": [
        pl.String, pl.String, pl.String, pl.String, pl.Int64, _POLARS_UTC, pl.String,
    ],
    "matrix": [pl.String, pl.String, pl.List(pl.Float32)],
}  # fmt: skip
TABLES = sorted(SCHEMAS)
Rows = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def features(whole: Whole) -> Rows:
    return _rows(whole, "features")


@pytest.fixture(scope="module")
def rejects(whole: Whole) -> Rows:
    return _rows(whole, "rejects")


@pytest.fixture(scope="module")
def matrix(whole: Whole) -> Rows:
    return _rows(whole, "matrix")


def _rows(whole: Whole, table: str) -> Rows:
    """Read a table with pandas, as rows by their path, in order."""
    rows = pd.read_parquet(whole.store / table).to_dict("records")
    return {str(row["path"]): {str(key): value for key, value in row.items()} for row in rows}


def _column(rows: Rows, name: str) -> list[Any]:
    return [row[name] for row in rows.values()]


def _paths(whole: Whole, table: str) -> set[str]:
    return set(whole.photos.rejected if table == "rejects" else whole.photos.kept)


def test_a_store_holds_what_is_documented_and_nothing_else(whole: Whole) -> None:
    assert {entry.name for entry in whole.store.iterdir()} == {
        "features", "rejects", "matrix", "matrix.csv", "projection", "gallery", "report",
        "run.json", ".verger",
    }  # fmt: skip
    marked = {entry.name for entry in (whole.store / ".verger").iterdir()}
    assert marked == {"history", "lock", "moments", "store.json"}
    for table in TABLES:
        files = [file.name for file in (whole.store / table).iterdir()]
        assert all(name.endswith((".parquet", ".parquet.crc")) for name in files), files
    assert len(list((whole.store / "matrix").glob("*.parquet"))) == 1
    page = (whole.store / "report" / "report.html").read_text(encoding="utf-8")
    assert Numbers("en").moment(whole.record["finished"]) in page


@pytest.mark.parametrize("table", TABLES)
def test_the_schema_of_the_files(whole: Whole, table: str) -> None:
    for file in (whole.store / table).glob("*.parquet"):
        schema = pq.read_schema(file)
        assert dict(zip(schema.names, schema.types, strict=True)) == SCHEMAS[table]
        assert schema.field("label").nullable


@pytest.mark.parametrize("table", TABLES)
def test_pandas_reads_it(whole: Whole, table: str) -> None:
    rows = pd.read_parquet(whole.store / table)
    assert list(rows.columns) == list(SCHEMAS[table])
    assert sorted(rows["path"]) == sorted(_paths(whole, table))


@pytest.mark.parametrize("table", TABLES)
def test_duckdb_reads_it(whole: Whole, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(whole.store)
    with duckdb.connect() as connection:
        query = f"from read_parquet('{table}/*.parquet')"
        described = connection.execute(f"describe {query}").fetchall()
        assert [row[:2] for row in described] == list(
            zip(SCHEMAS[table], IN_DUCKDB[table], strict=True)
        )
        paths = connection.execute(f"select path {query}").fetchall()
    assert sorted(path for (path,) in paths) == sorted(_paths(whole, table))


@pytest.mark.parametrize("table", TABLES)
def test_polars_reads_it(whole: Whole, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(whole.store)
    rows = pl.read_parquet(f"{table}/*.parquet")
    assert rows.columns == list(SCHEMAS[table])
    assert rows.dtypes == IN_POLARS[table]
    assert sorted(rows["path"]) == sorted(_paths(whole, table))


@pytest.mark.spark
@pytest.mark.any_spark
@pytest.mark.parametrize("table", TABLES)
def test_spark_reads_it(whole: Whole, table: str, spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "plain").symlink_to(whole.store)  # Spark takes brackets and stars for patterns
    rows = spark.read.parquet(str(tmp_path / "plain" / table))
    assert rows.schema.simpleString() == f"struct<{IN_SPARK[table]}>"
    paths = [row.path for row in rows.select("path").collect()]
    assert sorted(paths) == sorted(_paths(whole, table))


def test_labels_sizes_and_bytes(whole: Whole, features: Rows) -> None:
    for path, (label, width, height) in whole.photos.kept.items():
        row = features[path]
        assert (row["label"], row["width"], row["height"]) == (label, width, height), path
        assert row["bytes"] == (whole.photos.root / path).stat().st_size


def test_modified_is_the_mtime_in_utc(
    whole: Whole, features: Rows, rejects: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = pd.Timestamp(MTIME_NS, tz="UTC")
    assert set(_column(features, "modified")) == {expected}
    assert rejects["bad/empty.jpg"]["modified"] == expected
    monkeypatch.chdir(whole.store)
    with duckdb.connect() as connection:
        query = "select distinct epoch_us(modified) from read_parquet('features/*.parquet')"
        assert connection.execute(query).fetchall() == [(MTIME_NS // 1000,)]


def test_thumbnails_are_small_jpegs_of_the_whole_photo(whole: Whole, features: Rows) -> None:
    for path, (_, width, height) in whole.photos.kept.items():
        with Image.open(io.BytesIO(features[path]["thumbnail"])) as image:
            image.load()
            assert (image.format, image.mode) == ("JPEG", "RGB")
            scale = min(1.0, 96 / max(width, height))
            expected = max(1, width * scale), max(1, height * scale)
            assert image.size == pytest.approx(expected, abs=1), path
            assert max(image.size) <= 96, path


def test_a_bad_file_costs_its_neighbours_nothing(whole: Whole, features: Rows) -> None:
    """Each photo's features are those that the network gives for this photo alone."""
    backbone = open_backbone(DEFAULT_BACKBONE)
    network = backbone.network()
    for path in whole.photos.kept:
        data = (whole.photos.root / path).read_bytes()
        photo = decode(data, backbone.card.input.framing)
        alone = network(photo.pixels[None])[0]
        assert features[path]["features"].dtype == np.float32
        np.testing.assert_allclose(features[path]["features"], alone, atol=1e-5, err_msg=path)


def test_rejects_have_the_right_reason_and_a_detail(whole: Whole, rejects: Rows) -> None:
    assert {path: row["reason"] for path, row in rejects.items()} == whole.photos.rejected
    assert set(_column(rejects, "reason")) <= {reason.value for reason in Reason}
    assert all(detail.strip() and "\n" not in detail for detail in _column(rejects, "detail"))
    assert rejects["bad/huge.png"]["bytes"] < 60_000
    assert "20000 × 20000" in rejects["bad/huge.png"]["detail"]
    assert set(_column(rejects, "label")) == {"bad", "links"}


def test_nothing_listed_is_lost(whole: Whole) -> None:
    counts = whole.record["counts"]
    assert counts["listed"] == whole.photos.listed
    assert counts["embedded"] == len(whole.photos.kept)
    assert counts["rejected"] == len(whole.photos.rejected)
    assert sum(counts["rejected_by_reason"].values()) == counts["rejected"]
    assert counts["rejected_by_reason"]["truncated"] == 9


def test_the_record(whole: Whole) -> None:
    record = json.loads((whole.store / "run.json").read_text())
    assert record == {"format": RECORD_FORMAT, **json.loads(json.dumps(whole.record))}
    assert record["versions"]["verger"] == verger.__version__
    assert record["photos"] == str(whole.photos.root)
    assert record["backbone"]["name"] == DEFAULT_BACKBONE
    assert len(record["backbone"]["sha256"]) == 64
    assert record["backbone"]["features"] == 1280
    projection = record["projection"]
    assert projection["k"] == len(projection["explained_variance_ratio"]) > 1
    assert 0.95 <= projection["explained_variance"] <= 1
    assert record["settings"]["components"] == "0.95"
    assert {"list", "embed", "fit", "project", "csv"} <= record["seconds"].keys()
    assert record["photos_per_second"] > 0
    assert set(record["versions"]) == {"verger", "python"}
    started, finished = (dt.datetime.fromisoformat(record[at]) for at in ("started", "finished"))
    assert started <= finished
    assert started.utcoffset() == dt.timedelta(0)


def test_the_csv_is_the_matrix(whole: Whole, matrix: Rows) -> None:
    k = whole.record["projection"]["k"]
    with (whole.store / "matrix.csv").open(encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines)
    assert header == ["path", "label", *(f"pc{i}" for i in range(1, k + 1))]
    assert [row[0] for row in rows] == list(matrix)
    assert [row[1] for row in rows] == _column(matrix, "label")
    values = np.array([row[2:] for row in rows], dtype=np.float32)
    np.testing.assert_array_equal(values, np.stack(_column(matrix, "components")))


def test_pandas_reads_the_csv_as_it_is(whole: Whole, matrix: Rows) -> None:
    rows = pd.read_csv(
        whole.store / "matrix.csv", keep_default_na=False, lineterminator="\n"
    ).set_index("path")
    assert list(rows.index) == list(matrix)
    assert list(rows["label"]) == _column(matrix, "label")
    values = rows.drop(columns="label").to_numpy(np.float32)
    np.testing.assert_array_equal(values, np.stack(_column(matrix, "components")))


def test_the_matrix_is_in_order_of_path(matrix: Rows) -> None:
    assert [path.encode() for path in matrix] == sorted(path.encode() for path in matrix)


def test_the_saved_projection_makes_the_matrix_again(
    whole: Whole, features: Rows, matrix: Rows
) -> None:
    pca = load_pca(whole.store / "projection")
    rows: npt.NDArray[np.float32] = np.stack([features[path]["features"] for path in matrix])
    np.testing.assert_allclose(
        pca.transform(rows), np.stack(_column(matrix, "components")), atol=1e-5
    )


def test_projecting_needs_no_spark(whole: Whole) -> None:
    script = (
        "import sys, pathlib, numpy; from verger.projections.pca import load_pca; "
        "pca = load_pca(pathlib.Path(sys.argv[1])); "
        "assert pca.transform(numpy.zeros((2, 1280), numpy.float32)).shape == (2, pca.k); "
        "assert not {'pyspark', 'py4j', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, str(whole.store / "projection")], check=True)
