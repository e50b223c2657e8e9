"""Reducing features on Spark: moments in one pass, and the matrix in another.

Only moments and counts travel to the driver: no row of features does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import SparkSession

from verger.errors import BackboneError, StoreError
from verger.projections.moments import Moments, NotFinite, check_width, root_unit
from verger.projections.pca import PCA
from verger.spark.failures import job_errors
from verger.spark.packing import UnlikeLengths, blocks, matrix, reduced
from verger.store.layout import MATRIX
from verger.store.matrix import Range, write_range
from verger.store.tables import Table
from verger.store.work import Work

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


def write_matrix(
    spark: SparkSession, work: Work, features: Table, spans: list[Range], pca: PCA
) -> dict[str, int]:
    """Project a table of features: one task a range of paths, one file a task.

    Every try has a file of its own; returns those of the tries that won, with their rows.
    """

    def write(numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number in chain.from_iterable(batch.column(0).to_pylist() for batch in numbers):
            name = f"part-{work.run}-{number:05d}-{_this_try()}.parquet"
            file = work.built(f"{MATRIX}/{name}")
            rows = write_range(features, spans[number], pca, file)
            yield pa.RecordBatch.from_pylist([{"file": file, "rows": rows}])

    numbers = spark.range(0, len(spans), 1, len(spans))
    with job_errors():
        written = numbers.mapInArrow(write, "file string, rows long").collect()
    return {row["file"]: row["rows"] for row in sorted(written)}


def _this_try() -> int:
    """Return the number of this task's try, which no other try of the session has."""
    context = TaskContext.get()
    assert context is not None  # noqa: S101 - only tasks ask
    return context.taskAttemptId()


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
