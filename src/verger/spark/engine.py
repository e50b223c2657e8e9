"""Spark as an engine: each task is a partition, and its rows are all that the driver gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager

import pyarrow as pa
from pyspark.sql import SparkSession

from verger.embed.features import Progress
from verger.projections.moment_bytes import Parts
from verger.spark.failures import job_errors
from verger.spark.gpu_tasks import Gpus
from verger.spark.moment_chunks import reduced
from verger.spark.session import versions
from verger.spark.task_progress import Teller, listening
from verger.tasks.engine import Row, Tell


class SparkEngine:
    """A session, as an engine; `device` is 'cpu' or 'cuda'. See `verger.tasks.engine.Engine`."""

    name = "spark"

    def __init__(self, spark: SparkSession, cores: int | None = None, device: str = "cpu") -> None:
        self.spark = spark
        self.cores = cores or spark.sparkContext.defaultParallelism
        self.versions: Mapping[str, str] = versions(spark)
        self.gpus = Gpus.of(spark, self.cores) if device == "cuda" else None

    def rows(
        self, count: int, task: Callable[[int], Row], schema: str, at_once: int | None = None
    ) -> list[Row]:
        """Carry out tasks, in workers: no photo and no feature passes through Java."""

        def run(numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for number in _numbers(numbers):
                yield pa.RecordBatch.from_pylist([task(number)])

        with job_errors():
            numbers = self.spark.range(0, count, 1, at_once or count)
            return [row.asDict() for row in numbers.mapInArrow(run, schema).collect()]

    def moments(self, count: int, task: Callable[[int], Parts]) -> Parts:
        """Carry out tasks, and merge their moments on their way."""

        def run(numbers: Iterable[pa.RecordBatch]) -> Parts:
            (number,) = _numbers(numbers)
            return task(number)

        return reduced(self.spark.range(0, count, 1, count), run)

    @contextmanager
    def telling(self, hear: Progress) -> Iterator[Tell]:
        """Listen to what workers tell."""
        host = self.spark.conf.get("spark.driver.host") or "127.0.0.1"
        bind = self.spark.conf.get("spark.driver.bindAddress", None)
        with listening(host, hear, bind) as address:
            yield lambda number: closing(Teller(address, number))


def _numbers(batches: Iterable[pa.RecordBatch]) -> Iterator[int]:
    for batch in batches:
        yield from batch.column(0).to_pylist()
