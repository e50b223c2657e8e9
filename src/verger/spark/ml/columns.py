"""Columns of features, in the three shapes that users have: float, double and ml vectors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import ArrayType, DoubleType, FloatType

from verger.errors import UsageError
from verger.projections.moments import Moments, NotFinite, check_width, root_unit
from verger.spark.failures import job_errors
from verger.spark.moment_chunks import reduced
from verger.spark.session import choose_python
from verger.store.blocks import UnlikeLengths, blocks, matrix

_ROWS_AT_ONCE = 1024

# Steps of a plan that give a first row without computing others: what reads, and what passes on.
_CHEAP_STEPS = {
    *("FileScan", "BatchScan", "LocalTableScan", "Range", "InMemoryTableScan", "InMemoryRelation"),
    *("Project", "ColumnarToRow", "Coalesce", "Union"),
}

Transform = Callable[[npt.NDArray[np.floating]], npt.NDArray[np.float32]]


def as_array(dataset: DataFrame, name: str) -> Column:
    """Return a column of features as an array column. Raises `UsageError` for any other type."""
    if name not in dataset.columns:
        raise UsageError(f"There is no column {name!r}; there are {', '.join(dataset.columns)}.")
    kind = dataset.schema[name].dataType
    if isinstance(kind, VectorUDT):
        return vector_to_array(F.col(name))
    if isinstance(kind, ArrayType) and isinstance(kind.elementType, FloatType | DoubleType):
        return F.col(name)
    raise UsageError(
        f"Column {name!r} is {kind.simpleString()}; features are array<float>, array<double> or "
        "an ml vector."
    )


def with_projected(dataset: DataFrame, source: str, target: str, transform: Transform) -> DataFrame:
    """Add the projection of column `source` as column `target`.

    It is array<float>, or an ml vector where the source is one; null where the source is null.
    """

    # Spark reads these annotations at run time, where a Series takes no parameter.
    def project(columns: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for column in columns:
            present = column.notna()
            projected = pd.Series([None] * len(column), dtype=object)
            if present.any():
                rows = _transformed(column[present].tolist(), transform)
                projected[present.to_numpy()] = pd.Series(rows, dtype=object).to_numpy()
            yield projected

    choose_python()
    udf: Any = pandas_udf(project, "array<float>")  # type: ignore[call-overload]
    out: Column = udf(as_array(dataset, source))
    if isinstance(dataset.schema[source].dataType, VectorUDT):
        out = array_to_vector(out.cast("array<double>"))
    return dataset.withColumn(target, out)


def _transformed(
    rows: list[npt.NDArray[np.floating]], transform: Transform
) -> list[npt.NDArray[np.float32]]:
    """Project rows, a thousand at a time: Spark may hand over ten times as many."""
    projected: list[npt.NDArray[np.float32]] = []
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        if len({len(row) for row in some}) > 1:
            raise UsageError("Rows of features differ in length.")
        try:
            projected.extend(transform(np.stack(some)))
        except ValueError as error:
            raise UsageError(f"The model does not fit the features: {error}.") from None
    return projected


def moments_of(dataset: DataFrame, features: str, label: str | None = None) -> Moments:
    """Compute the moments of a column of features in one pass; null rows are left out.

    With `label`, rows are prepared by `root_unit`, and those with a null label left out. Raises
    `UsageError` for rows that differ in length, for NaN (with its path where the dataset has a
    column of that name), for a width whose moments would not fit into memory (before the pass where
    `width_ahead` knows it, else at a task's first rows), and where there is no row at all.
    """
    columns = [as_array(dataset, features).alias("features")]
    check_width(width_ahead(dataset, features) or 0)
    if label is not None:
        if label not in dataset.columns:
            raise UsageError(f"There is no column {label!r} of labels.")
        columns.append(F.col(label).cast("string").alias("label"))
    wanted = ["features"] if label is None else ["features", "label"]
    if dict(dataset.dtypes).get("path") == "string":
        columns.append(F.col("path"))  # to name a row whose features cannot be used

    def of_partition(batches: Iterable[pa.RecordBatch]) -> dict[str, Moments]:
        total: Moments | None = None
        for block in blocks(_of_widths_that_fit(batches)):
            part = _block_moments(block, labelled=label is not None)
            total = part if total is None else _merge(total, part)
        return {} if total is None else {str(total.features): total}

    choose_python()
    merged = reduced(dataset.select(*columns).dropna(subset=wanted), of_partition)
    if not merged:
        raise UsageError(f"Column {features!r} holds no row to fit to.")
    if len(merged) > 1:
        one, other, *_ = (int(width) for width in merged)
        raise UsageError(str(UnlikeLengths(one, other)))
    return next(iter(merged.values()))


def width_ahead(dataset: DataFrame, features: str) -> int | None:
    """Return the width of a column of features where that is known without a pass, or None.

    It stands in the metadata of ml vectors, as `VectorAssembler` writes it; else one row is read,
    if the plan computes no other for it: behind a shuffle, a filter or Python it may compute all.
    """
    attributes = dataset.schema[features].metadata.get("ml_attr", {})
    if isinstance(width := attributes.get("num_attrs"), int):
        return width
    java: Any = getattr(dataset, "_jdf", None)  # which Spark Connect lacks
    if java is None:
        return None
    plan = java.queryExecution().executedPlan().toString()
    steps = re.findall(r"^[\s:+*()\d-]*(\w+(?: ExistingRDD)?)", plan, re.MULTILINE)
    if not _CHEAP_STEPS.issuperset(steps):
        return None
    with job_errors():
        first = dataset.select(F.size(as_array(dataset, features))).head()
    return None if first is None or first[0] is None or first[0] < 0 else int(first[0])


def _of_widths_that_fit(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Refuse a width at the first rows, before a block of them is gathered."""
    for batch in batches:
        if len(batch):
            check_width(len(batch.column("features")[0]))
        yield batch


def _merge(one: Moments, two: Moments) -> Moments:
    if one.features != two.features:
        raise UsageError(str(UnlikeLengths(one.features, two.features)))
    return one.merge(two)


def _block_moments(block: pa.Table, *, labelled: bool) -> Moments:
    try:
        rows = matrix(block["features"])
    except UnlikeLengths as error:
        raise UsageError(str(error)) from None
    if not rows.shape[1]:
        raise UsageError("A row of features is empty.")
    try:
        if not labelled:
            return Moments.of(rows)
        if not np.isfinite(rows).all():
            raise NotFinite(int(np.argmin(np.isfinite(rows).all(axis=1))))
        return Moments.of(root_unit(rows), block["label"].to_pylist())
    except NotFinite as error:
        path = block["path"][error.row].as_py() if "path" in block.column_names else None
        row = "A row of features" if path is None else f"The row of {path}"
        raise UsageError(
            f"{row} holds NaN, an infinite value or one too large to square."
        ) from None
