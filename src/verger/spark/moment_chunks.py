"""Moments on their way between tasks.

Moments travel as chunks of a few MiB: the scatter of 4,096 features is one value of 64 MiB, and
Spark was seen to lose rows of that size without a word when Java had 1 GB (`collect` gave nothing).
So values are small, every part says of how many chunks it is, and the driver knows how many parts
must reach it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

from verger.errors import EngineError
from verger.projections.moment_bytes import Parts, from_bytes, merged, to_bytes
from verger.spark.failures import job_errors

_BYTES_A_CHUNK = 4 * 2**20
_PARTS_AT_DRIVER = 4  # as many tasks send theirs to the driver; more are merged by reducers first
_REDUCERS = 2
_CHUNKS = pa.schema(
    [
        ("part", pa.string()),
        ("index", pa.int32()),
        ("count", pa.int32()),
        ("content", pa.binary()),
    ]
)


def reduced(rows: DataFrame, moments_of: Callable[[Iterable[pa.RecordBatch]], Parts]) -> Parts:
    """Compute moments over all partitions of `rows`, in one pass, and merge them.

    `moments_of` gets the batches of one partition. Raises its `VergerError`, and `EngineError`
    where a part went missing on its way.
    """

    def map_side(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from _chunks(moments_of(batches))

    def reduce_side(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from _chunks(_merged(row for batch in batches for row in batch.to_pylist())[0])

    schema = from_arrow_schema(_CHUNKS)
    with job_errors():
        parts = rows.mapInArrow(map_side, schema)
        wanted = _partitions(parts)
        if wanted is None or wanted > _PARTS_AT_DRIVER:
            wanted = _REDUCERS
            parts = parts.repartition(_REDUCERS, "part").mapInArrow(reduce_side, schema)
        found, count = _merged(_collected(parts))
    if count != wanted:
        raise EngineError(
            f"{wanted - count} of {wanted} parts of the moments did not reach the driver.",
            hint="Give Java more memory: --memory 2g, or spark.driver.memory.",
        )
    return found


def _partitions(rows: DataFrame) -> int | None:
    """Count partitions where that computes nothing; None where it would, and in Spark Connect.

    Of a plan with an exchange, counting may run what comes before it, which a plan with reducers
    would then run once more.
    """
    java: Any = getattr(rows, "_jdf", None)
    if java is None:
        return None
    execution = java.queryExecution()
    if re.search(r"Exchange|Adaptive|Subquery", execution.executedPlan().toString()):
        return None
    return int(execution.toRdd().getNumPartitions())


def _collected(rows: DataFrame) -> Iterator[Mapping[str, Any]]:
    """Bring rows to the driver, as Arrow where Spark can: three times as fast as row by row."""
    if hasattr(rows, "toArrow"):  # Spark 4
        batches = rows.toArrow().to_batches()
        yield from (row for batch in batches for row in batch.to_pylist())
    else:
        yield from (row.asDict() for row in rows.collect())


def _chunks(parts: Parts) -> Iterator[pa.RecordBatch]:
    """Cut moments into rows; moments of nothing are one row too."""
    content = to_bytes(parts)
    name = uuid.uuid4().hex
    starts = range(0, len(content), _BYTES_A_CHUNK)
    for index, start in enumerate(starts):
        row = {
            "part": name,
            "index": index,
            "count": len(starts),
            "content": content[start : start + _BYTES_A_CHUNK],
        }
        yield pa.RecordBatch.from_pylist([row], schema=_CHUNKS)


def _merged(rows: Iterable[Mapping[str, Any]]) -> tuple[Parts, int]:
    """Merge parts as soon as all their chunks are there; return them and their number."""
    waiting: dict[str, dict[int, bytes]] = {}
    all_of_it: Parts = {}
    count = 0
    for row in rows:
        chunks = waiting.setdefault(row["part"], {})
        chunks[row["index"]] = bytes(row["content"])
        if len(chunks) == row["count"]:
            del waiting[row["part"]]
            count += 1
            content = b"".join(chunks[index] for index in sorted(chunks))
            all_of_it = merged([all_of_it, from_bytes(content)])
    if waiting:
        raise EngineError("Some of the moments were lost on their way between tasks.")
    return all_of_it, count
