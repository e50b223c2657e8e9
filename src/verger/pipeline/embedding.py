"""Embedding: which photos and files are whose task."""

from __future__ import annotations

from verger.embed import Backbone
from verger.embed.features import Embedder
from verger.pipeline.context import Job
from verger.pipeline.reducing import Features
from verger.storage.place import Source
from verger.store.inventory import sizes_of
from verger.store.layout import FEATURES
from verger.store.parts import empty_table, too_small
from verger.store.reuse import write_known
from verger.store.stock import Stock
from verger.tasks.embedding import Rewrite, embed_photos
from verger.tasks.engine import Engine
from verger.tasks.splits import cut


def embed(job: Job, engine: Engine, photos: Source, stock: Stock, backbone: Backbone) -> Features:
    """Embed what is to be embedded; return all files of features that there are then."""
    work, tally = job.work, stock.tally
    settings = job.settings
    at_once = engine.gpus.at_once(engine.cores) if engine.gpus else engine.cores
    embedder = Embedder(backbone, settings.photos_a_batch, settings.max_pixels, settings.max_bytes)
    with job.clock.time("embed"):
        sizes = sizes_of(job.place, work.refs)
        splits = cut(sizes, tally.to_embed, tally.bytes_to_read, at_once)
        rewrites = _rewrites(job, stock)
        reuse = _write_known(job, stock)
        with job.reporter.stage("Embedding", tally.to_embed, "photos") as stage:
            made = embed_photos(
                engine, work, photos, splits, rewrites, embedder, stage.update, reuse=reuse
            )
    tally.reused = made.reused
    rewritten = {file for rewrite in rewrites for file in rewrite.files}
    kept = [file for file in stock.features if file not in rewritten]
    files = [*kept, *made.files]
    files = files or [empty_table(job.place, work.built(f"{FEATURES}/empty.parquet"))]
    return Features(job, files, {rewrite.to: rewrite.files for rewrite in rewrites})


def _write_known(job: Job, stock: Stock) -> bool:
    """Write which contents may be those of photos to embed; say whether there are any."""
    if job.settings.overwrite or not (stock.features and stock.tally.to_embed):
        return False
    sizes = sizes_of(job.place, job.work.refs)
    with job.place.incoming(job.work.known) as known:
        return write_known(job.place, stock.features, sizes, known) > 0


def _rewrites(job: Job, stock: Stock) -> list[Rewrite]:
    """Choose the files that are rewritten: those with edits, and small ones, several as one."""
    work = job.work
    merged = too_small(job.place, stock.features)
    alone = stock.edited.intersection(stock.features).difference(*merged)
    return [
        Rewrite(tuple(files), f"{work.rewritten}/part-{work.run}-r{number:05d}.parquet")
        for number, files in enumerate([*merged, *([file] for file in sorted(alone))])
    ]
