"""Reducing features on Spark: moments in one pass, and the matrix in another.

Only moments travel to the driver: no row of features does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from verger.errors import BackboneError, StoreError
from verger.moments import Moments, NotFinite, check_width, root_unit
from verger.projection import PCA
from verger.spark.failures import job_errors
from verger.spark.packing import UnlikeLengths, blocks, matrix, reduced
from verger.tables import Table

# Small row groups: little memory while writing, and readers can share a file out.
_ROW_GROUP_BYTES = str(16 * 2**20)
_BYTES_A_MATRIX_FILE = 128 * 2**20
_COLUMNS = ["path", "label", "features"]


class FeatureMoments(NamedTuple):
    """What both projections are fitted to, from one pass over the features.

    raw:   of all rows as they are
    unit:  of the labelled rows, prepared by `root_unit`, with counts and means by label
    """

    raw: Moments
    unit: Moments


def feature_moments(spark: SparkSession, features: Table, width: int) -> FeatureMoments:
    """Compute the moments of a table of features in one pass over it.

    Raises `BackboneError`, with the path of the photo, where a feature is NaN or infinite, and
    `StoreError` where the features of a photo are not of `width`.
    """

    def of_files(numbers: Iterable[pa.RecordBatch]) -> dict[str, Moments]:
        return _moments_of(features.batches(_listed(numbers), _COLUMNS), width)._asdict()

    check_width(width)
    return FeatureMoments(**reduced(_numbers(spark, features), of_files))


def write_matrix(spark: SparkSession, features: Table, out: str, pca: PCA) -> None:
    """Project a table of features and write the matrix, in order of path and in large files."""

    def project(numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in features.batches(_listed(numbers), _COLUMNS):
            values = pca.transform(matrix(batch.column("features"), len(pca.mean)))
            offsets = pa.array(np.arange(len(values) + 1, dtype=np.int32) * np.int32(pca.k))
            components = pa.ListArray.from_arrays(offsets, pa.array(values.ravel()))
            yield pa.RecordBatch.from_arrays(
                [batch.column("path"), batch.column("label"), components],
                names=["path", "label", "components"],
            )

    schema = "path string not null, label string, components array<float>"
    files = max(1, round(pca.rows * (4 * pca.k + 64) / _BYTES_A_MATRIX_FILE))
    with job_errors():
        (
            _ordered(_numbers(spark, features).mapInArrow(project, schema), files)
            .write.option("parquet.block.size", _ROW_GROUP_BYTES)
            .option("parquet.enable.dictionary", "false")
            .mode("overwrite")
            .parquet(out)
        )


def _numbers(spark: SparkSession, table: Table) -> DataFrame:
    """Give each file of a table to a task of its own, by its number."""
    return spark.range(0, len(table.files), 1, len(table.files))


def _listed(numbers: Iterable[pa.RecordBatch]) -> Iterator[int]:
    for batch in numbers:
        yield from batch.column(0).to_pylist()


def _ordered(matrix: DataFrame, files: int) -> DataFrame:
    """Order by path, over all files together and within each."""
    cut = matrix.coalesce(1) if files == 1 else matrix.repartitionByRange(files, "path")
    return cut.sortWithinPartitions("path")


def _moments_of(batches: Iterable[pa.RecordBatch], width: int) -> FeatureMoments:
    raw = unit = Moments.zero(width)
    for block in blocks(batches):
        try:
            rows = matrix(block["features"], width)
        except UnlikeLengths as error:
            raise StoreError(str(error), hint="Run `verger run` again with --overwrite.") from None
        labels = block["label"].to_pylist()
        try:
            raw = raw.merge(Moments.of(rows))
        except NotFinite as error:
            path = block["path"][error.row].as_py()
            raise BackboneError(
                f"The features of {path} are NaN, infinite or too large to square."
            ) from None
        labelled = [row for row, label in enumerate(labels) if label is not None]
        mine = root_unit(rows[labelled]), [labels[row] for row in labelled]
        unit = unit.merge(Moments.of(*mine))
    return FeatureMoments(raw, unit)
