"""The pure functions of the rooms above, mapped over Spark's partitions.

Workers run plain functions over captured values. Only file names, counts and moments travel to or
from the driver: no photo and no row of features does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.pandas.types import from_arrow_schema

import verger.errors
from verger.backbones import Backbone, Network
from verger.errors import EngineError, StoreError, VergerError
from verger.features import KEPT, Embedder, embed, outcome_schema
from verger.moments import Moments, merge_all
from verger.photos.source import PhotoRef
from verger.projection import PCA
from verger.spark.spans import Span
from verger.spark.telling import Address, Teller, listening
from verger.store import Work
from verger.tables import files_of

_BYTES_A_MATRIX_FILE = 128 * 2**20
_BYTES_A_SPLIT = 128 * 2**20  # Spark's default size of one task's input
_ROWS_A_BLOCK = 4096
_MERGED_BY_DRIVER = 8  # more partial moments than this are merged by tasks first
_MOMENTS = pa.schema([("n", pa.int64()), ("mean", pa.binary()), ("scatter", pa.binary())])
# Small row groups: little memory while writing, and readers can share a file out.
_ROW_GROUP = str(16 * 2**20)


def embed_photos(
    spark: SparkSession,
    work: Work,
    photos: Path,
    spans: list[Span],
    embedder: Embedder,
    hear: Callable[[int, int], None],
) -> None:
    """Embed the listed photos in one job, one task a span, and write all outcomes to `work`.

    `hear` is told (done, rejected) while it goes on. Raises `EngineError`, or the error of the
    room that failed.
    """
    host = spark.conf.get("spark.driver.host") or "127.0.0.1"
    refs, root = str(work.refs), str(photos)
    with listening(host, hear) as address, _job_errors():
        tasks = spark.range(0, len(spans), 1, len(spans))

        def run(ids: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in ids:
                for task in batch.column(0).to_pylist():
                    yield from _embed_span(refs, root, task, spans[task], embedder, address)

        outcomes = tasks.mapInArrow(run, from_arrow_schema(outcome_schema()))
        (
            outcomes.write.partitionBy("outcome")
            .option("parquet.block.size", _ROW_GROUP)
            .option("parquet.enable.dictionary", "false")
            .parquet(str(work.outcomes))
        )


def settle_outcomes(spark: SparkSession, work: Work) -> None:
    """Part the outcomes into the tables `features` and `rejects`, as a STORE holds them."""
    kept, features = work.outcome(KEPT), work.published("features")
    with _job_errors():
        if kept.exists():
            kept.rename(features)
        else:
            _empty(spark, from_arrow_schema(outcome_schema())).drop("outcome").write.parquet(
                str(features)
            )
        left = any(work.outcomes.glob("outcome=*")) if work.outcomes.exists() else False
        schema = from_arrow_schema(outcome_schema())
        rows = (
            spark.read.schema(schema).parquet(str(work.outcomes)) if left else _empty(spark, schema)
        )
        detail = F.col("thumbnail").cast("string").alias("detail")
        reason = F.col("outcome").alias("reason")
        rejects = rows.select("path", "label", reason, detail, "bytes", "modified")
        rejects.coalesce(1).sortWithinPartitions("path").write.parquet(
            str(work.published("rejects"))
        )


def moments_of(spark: SparkSession, features: Path, width: int) -> Moments:
    """Compute the moments of a table of features in one pass over it."""

    def partial(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        blocks = (Moments.of(block) for block in _blocks(batches, width))
        yield _pack(merge_all(blocks, width))

    def merged(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts = (_unpack(row) for batch in batches for row in batch.to_pylist())
        yield _pack(merge_all(parts, width))

    schema = from_arrow_schema(_MOMENTS)
    with _job_errors():
        parts = spark.read.parquet(str(features)).select("features").mapInArrow(partial, schema)
        tasks = sum(file.stat().st_size for file in files_of(features)) // _BYTES_A_SPLIT
        if tasks > _MERGED_BY_DRIVER:
            parts = parts.repartition(int(np.sqrt(tasks))).mapInArrow(merged, schema)
        return merge_all((_unpack(row.asDict()) for row in parts.collect()), width)


def write_matrix(spark: SparkSession, work: Work, pca: PCA, rows: int) -> None:
    """Project the features and write them as the matrix, in order of path, in large files."""

    def project(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            values = pca.transform(_matrix(batch.column("features"), len(pca.mean)))
            offsets = pa.array(np.arange(len(values) + 1, dtype=np.int32) * np.int32(pca.k))
            components = pa.ListArray.from_arrays(offsets, pa.array(values.ravel()))
            yield pa.RecordBatch.from_arrays(
                [batch.column("path"), batch.column("label"), components],
                names=["path", "label", "components"],
            )

    schema = "path string not null, label string, components array<float>"
    files = max(1, round(rows * (4 * pca.k + 64) / _BYTES_A_MATRIX_FILE))
    with _job_errors():
        features = spark.read.parquet(str(work.published("features")))
        matrix = features.select("path", "label", "features").mapInArrow(project, schema)
        ordered = matrix.coalesce(1) if files == 1 else matrix.repartitionByRange(files, "path")
        (
            ordered.sortWithinPartitions("path")
            .write.option("parquet.block.size", _ROW_GROUP)
            .option("parquet.enable.dictionary", "false")
            .parquet(str(work.published("matrix")))
        )


def _embed_span(
    refs: str, root: str, task: int, span: Span, embedder: Embedder, address: Address
) -> Iterator[pa.RecordBatch]:
    """Embed one span, in a worker."""
    folder = Path(root)

    def read(path: str) -> bytes:
        return (folder / path).read_bytes()

    with closing(Teller(address, task)) as tell:
        yield from embed(_refs(refs, span), embedder, read, _network(embedder.backbone), tell)


@cache
def _network(backbone: Backbone) -> Network:
    """Load the model once a worker process."""
    return backbone.network()


def _refs(file: str, span: Span) -> Iterator[PhotoRef]:
    """Read the references of one span, and no more of the file than the row groups it touches."""
    with pq.ParquetFile(file) as parquet:
        start = 0
        for group in range(parquet.num_row_groups):
            stop = start + parquet.metadata.row_group(group).num_rows
            if start < span.stop and stop > span.start:
                rows = parquet.read_row_group(group)
                offset = max(span.start - start, 0)
                for row in rows.slice(offset, span.stop - start - offset).to_pylist():
                    yield PhotoRef(**row)
            start = stop


def _blocks(batches: Iterable[pa.RecordBatch], width: int) -> Iterator[np.ndarray[Any, Any]]:
    """Gather batches into blocks of rows (up to 4,096, width), large enough for matrix products."""
    held: list[np.ndarray[Any, Any]] = []
    rows = 0
    for batch in batches:
        held.append(_matrix(batch.column(0), width))
        rows += len(held[-1])
        if rows >= _ROWS_A_BLOCK:
            yield np.concatenate(held)
            held, rows = [], 0
    if held:
        yield np.concatenate(held)


def _matrix(column: pa.ListArray, width: int) -> np.ndarray[Any, Any]:
    """View a column of lists, all of one length, as a matrix (n, width)."""
    return np.asarray(column.flatten()).reshape(len(column), width)


def _pack(moments: Moments) -> pa.RecordBatch:
    row = {"n": moments.n, "mean": moments.mean.tobytes(), "scatter": moments.scatter.tobytes()}
    return pa.RecordBatch.from_pylist([row], schema=_MOMENTS)


def _unpack(row: dict[str, Any]) -> Moments:
    mean = np.frombuffer(row["mean"])
    return Moments(row["n"], mean, np.frombuffer(row["scatter"]).reshape(len(mean), len(mean)))


def _empty(spark: SparkSession, schema: Any) -> DataFrame:
    return spark.createDataFrame([], schema)


@contextmanager
def _job_errors() -> Iterator[None]:
    """Turn what Spark throws into our own errors, of one line."""
    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise _translated(str(error)) from error


def _translated(text: str) -> VergerError:
    ours = re.search(r"verger\.errors\.(\w+): (.+)", text)
    if ours and isinstance(kind := getattr(verger.errors, ours.group(1), None), type):
        return kind(ours.group(2))  # type: ignore[no-any-return]
    if re.search(r"No space left on device|Disk quota exceeded|ENOSPC", text):
        return StoreError("The disk is full.", hint="Free some space, and run again.")
    if denied := re.search(r"AccessDeniedException: (.+)|Permission denied: (.+)", text):
        return StoreError(f"No permission to write: {denied.group(1) or denied.group(2)}")
    causes = re.findall(r"Caused by: (.+)", text)
    lines = (
        causes[-1:] or [line for line in text.splitlines() if line.strip()] or ["no reason given"]
    )
    return EngineError(f"A Spark job failed: {lines[0][:300]}", hint="--verbose shows all of it.")
