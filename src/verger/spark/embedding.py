"""Embedding photos on Spark: one job, one pass, and nothing but counts to the driver.

Workers run plain functions over captured values. No photo passes through Java.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.pandas.types import from_arrow_schema

from verger.backbones import Backbone, Network
from verger.features import KEPT, Embedder, embed, outcome_schema
from verger.photos.source import PhotoRef
from verger.spark.failures import job_errors
from verger.spark.reading import reader, spark_path
from verger.spark.spans import Span
from verger.spark.telling import Address, Teller, listening
from verger.store import FEATURES, REJECTS, Work

# Small row groups: little memory while writing, and readers can share a file out.
ROW_GROUP_BYTES = str(16 * 2**20)
# Nobody searches by the smallest or largest of all features; that costs Java 0.1 ms a row.
_FEATURE = "features.list.element"


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
    refs, root = str(work.refs.absolute()), str(photos)
    with listening(host, hear) as address, job_errors():
        tasks = spark.range(0, len(spans), 1, len(spans))

        def run(ids: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in ids:
                for task in batch.column(0).to_pylist():
                    yield from _embed_span(refs, root, task, spans[task], embedder, address)

        outcomes = tasks.mapInArrow(run, from_arrow_schema(outcome_schema()))
        (
            outcomes.write.partitionBy("outcome")
            .option("parquet.block.size", ROW_GROUP_BYTES)
            .option("parquet.enable.dictionary", "false")
            .option(f"parquet.column.statistics.enabled#{_FEATURE}", "false")
            .option(f"parquet.size.statistics.enabled#{_FEATURE}", "false")
            .parquet(spark_path(work.outcomes))
        )


def settle_outcomes(spark: SparkSession, work: Work) -> None:
    """Part the outcomes into the tables `features` and `rejects`, as a STORE holds them."""
    kept, features = work.outcome(KEPT), work.published(FEATURES)
    with job_errors():
        if kept.exists():
            kept.rename(features)
        else:
            _empty(spark, from_arrow_schema(outcome_schema())).drop("outcome").write.parquet(
                spark_path(features)
            )
        left = any(work.outcomes.glob("outcome=*")) if work.outcomes.exists() else False
        schema = from_arrow_schema(outcome_schema())
        rows = _empty(spark, schema)
        if left:
            rows = reader(spark).schema(schema).parquet(spark_path(work.outcomes))
        detail = F.col("thumbnail").cast("string").alias("detail")
        reason = F.col("outcome").alias("reason")
        rejects = rows.select("path", "label", reason, detail, "bytes", "modified")
        ordered = rejects.coalesce(1).sortWithinPartitions("path")
        ordered.write.parquet(spark_path(work.published(REJECTS)))


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


def _empty(spark: SparkSession, schema: Any) -> DataFrame:
    return spark.createDataFrame([], schema)
