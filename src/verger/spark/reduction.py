"""Reducing features on Spark: moments in one pass, and the matrix in another.

Only moments travel to the driver: no row of features does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from verger.errors import BackboneError, StoreError
from verger.projections.moments import Moments, NotFinite, check_width, root_unit
from verger.projections.pca import PCA
from verger.spark.failures import job_errors
from verger.spark.packing import UnlikeLengths, blocks, matrix, reduced
from verger.store.tables import Table

# Small row groups: little memory while writing, and readers can share a file out.
_ROW_GROUP_BYTES = str(16 * 2**20)
_BYTES_A_MATRIX_FILE = 128 * 2**20
_TASKS_A_CORE = 2
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
    # Moments are large, however few the rows: what each task sends is worth that of many files.
    most = _TASKS_A_CORE * spark.sparkContext.defaultParallelism
    tasks = max(min(most, len(features.files)), 1)

    def of_files(numbers: Iterable[pa.RecordBatch]) -> dict[str, Moments]:
        dealt = _dealt(numbers, tasks, len(features.files))
        return _moments_of(features.batches(dealt, _COLUMNS), width)._asdict()

    check_width(width)
    return FeatureMoments(**reduced(spark.range(0, tasks, 1, tasks), of_files))


def write_matrix(spark: SparkSession, features: Table, out: str, pca: PCA) -> None:
    """Project a table of features and write the matrix, in order of path and in large files."""
    files = max(1, round(pca.rows * (4 * pca.k + 64) / _BYTES_A_MATRIX_FILE))
    # One file is one task from its start: parts that are coalesced have a worker each, all at once.
    tasks = 1 if files == 1 else len(features.files)

    def project(numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in features.batches(_dealt(numbers, tasks, len(features.files)), _COLUMNS):
            values = pca.transform(matrix(batch.column("features"), len(pca.mean)))
            offsets = pa.array(np.arange(len(values) + 1, dtype=np.int32) * np.int32(pca.k))
            components = pa.ListArray.from_arrays(offsets, pa.array(values.ravel()))
            yield pa.RecordBatch.from_arrays(
                [batch.column("path"), batch.column("label"), components],
                names=["path", "label", "components"],
            )

    schema = "path string not null, label string, components array<float>"
    rows = spark.range(0, tasks, 1, tasks).mapInArrow(project, schema)
    if files > 1:
        rows = rows.repartitionByRange(files, "path")
    with job_errors():
        (
            rows.sortWithinPartitions("path")
            .write.option("parquet.block.size", _ROW_GROUP_BYTES)
            .option("parquet.enable.dictionary", "false")
            .mode("overwrite")
            .parquet(out)
        )


def _dealt(tasks: Iterable[pa.RecordBatch], step: int, files: int) -> Iterator[int]:
    """Return the numbers of the files of a task, dealt like cards: the first are the largest."""
    for batch in tasks:
        for task in batch.column(0).to_pylist():
            yield from range(task, files, step)


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
