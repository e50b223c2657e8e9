"""Which engine carries out the tasks of a run: Spark, or for little work this process's threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from verger.machine.cores import cores
from verger.machine.memory import memory_available
from verger.pipeline.context import Job
from verger.settings import RunSettings
from verger.tasks.engine import Engine, ThisProcess

# Photos to embed up to which threads are faster on few cores, and as fast on many: decision 43.
FEW = 10_000


@contextmanager
def opened(job: Job, to_embed: int, rows: int = 0) -> Iterator[Engine]:
    """Give the engine for so many photos, or rows of features, to work on; Spark ends with it."""
    if not takes_spark(job.settings, to_embed):
        from verger.spark.java_memory import threads_of

        yield ThisProcess(job.settings.cores or threads_of(memory_available(), cores()))
        return
    from verger.machine.extras import need

    need("", "Spark", "pyspark", "pandas")
    from verger.spark import executors, session
    from verger.spark.engine import SparkEngine

    with ExitStack() as stack:
        with job.clock.time("start"):
            short = max(to_embed, rows) <= FEW  # Java starts for a short session
            with job.reporter.step("Spark"):
                spark = stack.enter_context(session.session(job.settings, short=short))
            at_once = executors.cores(spark, job.reporter)
            engine = SparkEngine(spark, at_once, job.settings.device)
        yield engine


def takes_spark(settings: RunSettings, to_embed: int) -> bool:
    """Say whether Spark is to carry out a run with so many photos to embed."""
    if settings.engine != "auto":
        return settings.engine == "spark"
    return to_embed > FEW or _is_asked_for(settings)


def _is_asked_for(settings: RunSettings) -> bool:
    """Say whether a Spark is there or chosen; importing it to find out would take half a second."""
    chosen = settings.master or settings.spark_conf or settings.memory != "auto"
    if chosen or settings.device == "cuda" or "PYSPARK_GATEWAY_PORT" in os.environ:
        return True
    if "pyspark" not in sys.modules:
        return False
    from verger.spark.session import running_session

    return running_session() is not None
