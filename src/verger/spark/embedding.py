"""Embedding photos on Spark: one job, one pass, and nothing but counts to the driver.

Workers run plain functions over captured values. No photo and no feature passes through Java: each
task writes its own part (decision 13).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache, partial

import pyarrow as pa
from pyspark.sql import SparkSession

from verger.embed import Backbone, Network
from verger.embed.features import Embedder, embed
from verger.spark.failures import job_errors
from verger.spark.gpu import Gpus
from verger.spark.spans import Span
from verger.spark.task_progress import Address, Teller, listening
from verger.storage.place import Source
from verger.store.inventory import edits_of, refs_of
from verger.store.layout import FEATURES
from verger.store.parts import Done, rewrite_part, write_part
from verger.store.troubles import troubles_told
from verger.store.work import Work

_SCHEMA = "task long, embedded long, rejected long"


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Files of features that become one, with their edits: rows dropped, and labels changed."""

    files: tuple[str, ...]
    to: str


def embed_photos(
    spark: SparkSession,
    work: Work,
    photos: Source,
    spans: list[Span],
    rewrites: list[Rewrite],
    embedder: Embedder,
    hear: Callable[[int, int], None],
    gpus: Gpus | None = None,
) -> list[str]:
    """Embed the photos of `work.refs`, one task a span, and carry out the rewrites, in one job.

    `hear` is told (done, rejected) while it goes on. `gpus`, where there are any, compute the
    network; where Spark does not give them out, one task does it all. Returns the paths of the
    files of features that hold rows. Raises `EngineError`, or the error of the room that failed.
    """
    tasks: list[Span | Rewrite] = [*spans, *rewrites]
    if not tasks:
        return []
    photos = photos.absolute()
    host = spark.conf.get("spark.driver.host") or "127.0.0.1"
    bind = spark.conf.get("spark.driver.bindAddress", None)
    with listening(host, hear, bind) as address, job_errors():

        def run(ids: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in ids:
                for number in batch.column(0).to_pylist():
                    task = tasks[number]
                    with troubles_told(str(work.place)):
                        done = _carry_out(work, photos, number, task, embedder, gpus, address)
                    row = {"task": number, **done._asdict()}
                    yield pa.RecordBatch.from_pylist([row])

        at_once = gpus.at_once(len(tasks)) if gpus else len(tasks)
        numbers = spark.range(0, len(tasks), 1, at_once)
        done = numbers.mapInArrow(run, _SCHEMA).collect()
    written = sorted(row["task"] for row in done if row["embedded"])
    return [_features_of(work, number, tasks[number]) for number in written]


def _carry_out(
    work: Work,
    photos: Source,
    number: int,
    task: Span | Rewrite,
    embedder: Embedder,
    gpus: Gpus | None,
    tell: Address,
) -> Done:
    """Carry out one task, in a worker."""
    if isinstance(task, Rewrite):
        edits = partial(edits_of, work.place, work.edits)
        return rewrite_part(work.place, task.files, task.to, edits)
    refs = refs_of(work.place, work.refs, *task)
    gpu = None
    if gpus is not None:
        gpu, embedder = gpus.index(), replace(embedder, decoders=gpus.decoders_here())
    with closing(Teller(tell, number)) as teller:
        made = embed(
            refs, embedder, photos.read, network(embedder.backbone, gpu), teller,
            reads_at_once=photos.reads_at_once,
        )  # fmt: skip
        return write_part(work.place, work.parts, _name(work, number), made)


def _features_of(work: Work, number: int, task: Span | Rewrite) -> str:
    return (
        task.to if isinstance(task, Rewrite) else f"{work.parts}/{FEATURES}/{_name(work, number)}"
    )


def _name(work: Work, number: int) -> str:
    return f"part-{work.run}-{number:05d}.parquet"


@cache
def network(backbone: Backbone, gpu: int | None = None) -> Network:
    """Load the model once a worker process."""
    return backbone.network(gpu)
