"""Reducing features on Spark: moments in one pass, and the matrix in another.

Only moments and counts travel to the driver: no row of features does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import NamedTuple

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import SparkSession

from verger.errors import BackboneError, StoreError
from verger.projections.moments import Moments, NotFinite, check_width, root_unit
from verger.projections.pca import PCA
from verger.spark.failures import job_errors
from verger.spark.packing import UnlikeLengths, blocks, matrix, reduced
from verger.store.gathering import Gathering
from verger.store.labels import LabelNotes, Note
from verger.store.layout import MATRIX
from verger.store.matrix import Files, Range, write_range
from verger.store.tables import Table
from verger.store.work import Work

_TASKS_A_CORE = 2
_ROWS_A_TASK = 1_024  # to send moments takes as long as to compute those of so many rows
_COLUMNS = ["path", "label", "features"]


class FeatureMoments(NamedTuple):
    """What both projections are fitted to, from one pass over the features.

    raw:   of all rows as they are
    unit:  of the labelled rows, prepared by `root_unit`, with counts and means by label
    """

    raw: Moments
    unit: Moments


def feature_moments(
    spark: SparkSession, features: Table, rows: int, width: int, labels: LabelNotes | None = None
) -> FeatureMoments:
    """Compute the moments of a table of features in one pass over it, which may note its labels.

    `rows` is how many it has, by which the pass is shared out.

    Raises `BackboneError`, with the path of the photo, where a feature is NaN or infinite, and
    `StoreError` where the features of a photo are not of `width`.
    """
    # Moments are large, however few the rows: what each task sends is worth that of many files.
    most = _TASKS_A_CORE * spark.sparkContext.defaultParallelism
    tasks = max(min(most, len(features.files), -(-rows // _ROWS_A_TASK)), 1)

    def of_files(numbers: Iterable[pa.RecordBatch]) -> dict[str, Moments]:
        (task,) = _tasks(numbers)
        # Dealt like cards: the first files are the largest.
        dealt = range(task, len(features.files), tasks)
        with labels.noting(task) if labels else nullcontext() as note:
            return _moments_of(_noted(features, dealt, note), width)._asdict()

    check_width(width)
    return FeatureMoments(**reduced(spark.range(0, tasks, 1, tasks), of_files))


def write_matrix(
    spark: SparkSession,
    work: Work,
    features: Table,
    spans: list[Range],
    pca: PCA,
    gathering: Gathering,
) -> list[Files]:
    """Project a table of features, and gather what comes of it: one task a range of paths.

    Every try has files of its own; returns those of the tries that won.
    """

    def write(numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number in _tasks(numbers):
            name = f"part-{work.run}-{number:05d}-{_this_try()}.parquet"
            matrix, light, heavy = (work.built(f"{at}/{name}") for at in (MATRIX, "light", "heavy"))
            to = Files(matrix, light, heavy)
            done = write_range(features, spans[number], pca, gathering, to)
            yield pa.RecordBatch.from_pylist([done._asdict()])

    numbers = spark.range(0, len(spans), 1, len(spans))
    with job_errors():
        schema = "matrix string, light string, heavy string, rows long"
        written = numbers.mapInArrow(write, schema).collect()
    return sorted(Files(**row.asDict()) for row in written)


def on_a_worker(spark: SparkSession, what: Callable[[], str]) -> str:
    """Have one worker do something, and return what it says of it."""

    def run(numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        list(_tasks(numbers))
        yield pa.RecordBatch.from_pylist([{"said": what()}])

    with job_errors():
        (row,) = spark.range(0, 1, 1, 1).mapInArrow(run, "said string").collect()
    return str(row["said"])


def _tasks(numbers: Iterable[pa.RecordBatch]) -> Iterator[int]:
    for batch in numbers:
        yield from batch.column(0).to_pylist()


def _this_try() -> int:
    """Return the number of this task's try, which no other try of the session has."""
    context = TaskContext.get()
    assert context is not None  # noqa: S101 - only tasks ask
    return context.taskAttemptId()


def _noted(features: Table, files: Iterable[int], note: Note | None) -> Iterator[pa.RecordBatch]:
    """Read files for their moments, and note the labels on the way."""
    for file in files:
        row = 0
        for batch in features.batches([file], _COLUMNS):
            if note is not None:
                note(file, row, batch.column("label"))
            row += len(batch)
            yield batch


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
