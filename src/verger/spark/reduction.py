"""Reducing features on Spark: moments in one pass, and the matrix in another.

Only moments travel to the driver: no row of features does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from verger.errors import BackboneError
from verger.moments import Moments, NotFinite, unit_length
from verger.projection import PCA
from verger.spark.embedding import ROW_GROUP_BYTES
from verger.spark.failures import job_errors
from verger.spark.packing import MOMENTS_SCHEMA, blocks, pack, unpack
from verger.store import MATRIX, Work
from verger.tables import files_of

_BYTES_A_MATRIX_FILE = 128 * 2**20
_BYTES_A_SPLIT = 128 * 2**20  # Spark's default size of one task's input
_MERGED_BY_DRIVER = 8  # more partial moments than this are merged by tasks first


class FeatureMoments(NamedTuple):
    """What both projections are fitted to, from one pass over the features.

    raw:   of all rows as they are
    unit:  of the labelled rows at unit length, with counts and means by label
    """

    raw: Moments
    unit: Moments

    @classmethod
    def zero(cls, features: int) -> FeatureMoments:
        """Return the moments of no row."""
        return cls(Moments.zero(features), Moments.zero(features))

    def merge(self, other: FeatureMoments) -> FeatureMoments:
        """Return the moments of both sets of rows together."""
        return FeatureMoments(self.raw.merge(other.raw), self.unit.merge(other.unit))


def feature_moments(spark: SparkSession, features: Path, width: int) -> FeatureMoments:
    """Compute the moments of a table of features in one pass over it.

    Raises `BackboneError`, with the path of the photo, where a feature is NaN or infinite.
    """

    def partial(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from _pack(_moments_of(batches, width))

    def merged(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from _pack(_merged((row for batch in batches for row in batch.to_pylist()), width))

    schema = from_arrow_schema(MOMENTS_SCHEMA)
    with job_errors():
        rows = spark.read.parquet(str(features)).select("path", "label", "features")
        parts = rows.mapInArrow(partial, schema)
        tasks = sum(file.stat().st_size for file in files_of(features)) // _BYTES_A_SPLIT
        if tasks > _MERGED_BY_DRIVER:
            parts = parts.repartition(int(np.sqrt(tasks))).mapInArrow(merged, schema)
        return _merged((row.asDict() for row in parts.collect()), width)


def write_matrix(spark: SparkSession, features: Path, work: Work, pca: PCA, rows: int) -> None:
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
    with job_errors():
        table = spark.read.parquet(str(features)).select("path", "label", "features")
        (
            _ordered(table.mapInArrow(project, schema), files)
            .write.option("parquet.block.size", ROW_GROUP_BYTES)
            .option("parquet.enable.dictionary", "false")
            .parquet(str(work.published(MATRIX)))
        )


def _ordered(matrix: DataFrame, files: int) -> DataFrame:
    """Order by path, over all files together and within each."""
    cut = matrix.coalesce(1) if files == 1 else matrix.repartitionByRange(files, "path")
    return cut.sortWithinPartitions("path")


def _moments_of(batches: Iterable[pa.RecordBatch], width: int) -> FeatureMoments:
    moments = FeatureMoments.zero(width)
    for block in blocks(batches):
        rows = _matrix(block["features"].combine_chunks(), width)
        labels = block["label"].to_pylist()
        try:
            raw = Moments.of(rows)
        except NotFinite as error:
            path = block["path"][error.row].as_py()
            raise BackboneError(f"The features of {path} are NaN or infinite.") from None
        labelled = [row for row, label in enumerate(labels) if label is not None]
        unit = Moments.of(unit_length(rows[labelled]), [labels[row] for row in labelled])
        moments = moments.merge(FeatureMoments(raw, unit))
    return moments


def _matrix(column: pa.ListArray, width: int) -> np.ndarray[Any, Any]:
    """View a column of lists, all of one length, as a matrix (n, width)."""
    return np.asarray(column.flatten()).reshape(len(column), width)


def _pack(moments: FeatureMoments) -> Iterator[pa.RecordBatch]:
    for space, part in moments._asdict().items():
        if part.n:
            yield pack(space, part)


def _merged(rows: Iterable[dict[str, Any]], width: int) -> FeatureMoments:
    """Merge packed moments, each space on its own."""
    merged = FeatureMoments.zero(width)._asdict()
    for row in rows:
        merged[row["space"]] = merged[row["space"]].merge(unpack(row))
    return FeatureMoments(**merged)
