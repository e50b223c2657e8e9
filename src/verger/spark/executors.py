"""A cluster's workers: waiting for them, and making them ready."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

import verger.embed
import verger.embed.features
from verger.progress import Reporter
from verger.spark.failures import job_errors
from verger.spark.session import is_local

_SECONDS_TO_COME = 30


def cores(spark: SparkSession, reporter: Reporter) -> int:
    """Return how many tasks run at once.

    A cluster's workers come one after another, and the first tasks of each take seconds: those that
    came are given a job that makes them ready, until none came during one. A slow machine, whose
    workers come slowly, is long over such a job. Raises `EngineError` where it fails.
    """
    context: Any = spark.sparkContext
    inner = context._jsc.sc()
    profile = inner.resourceProfileManager().defaultResourceProfile()
    ready, until = 0, time.monotonic() + _SECONDS_TO_COME
    while True:
        found, late = int(inner.maxNumConcurrentTasks(profile)), time.monotonic() > until
        if found and (found == ready or late or is_local(context.master)):
            return found
        if not found and not late:
            time.sleep(0.1)
            continue
        if not found:
            # Some clusters give a worker only to who has something to do: it is asked for below.
            conf = context.getConf()
            needs = conf.get("spark.executor.memory", "1g")
            if conf.get("spark.executor.resource.gpu.amount"):
                needs = f"{needs} and a GPU"
            reporter.say(f"Waiting for a worker of {context.master} that has {needs} free.")
            until = time.monotonic() + _SECONDS_TO_COME
        # Spark plans, and each core starts its Python, as the photos' tasks will need them.
        tasks = max(found, 1)
        with job_errors():
            spark.range(0, tasks, 1, tasks).mapInArrow(_import_all, "id long").collect()
        ready = found


def _import_all(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Hand rows on; what this module imports, a worker has imported to unpickle this function."""
    verger.embed.preload()
    yield from batches
