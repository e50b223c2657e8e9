"""Embedding photos: one pass, in tasks that write their own parts and give nothing but counts.

No photo and no feature passes through the engine (decision 15).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import NamedTuple

from verger.embed import Backbone, Network
from verger.embed.features import Embedder, Progress, Recall, embed
from verger.storage.place import Source
from verger.store.inventory import edits_of, refs_of
from verger.store.layout import FEATURES
from verger.store.parts import Done, rewrite_part, write_part
from verger.store.reuse import Contents
from verger.store.troubles import troubles_told
from verger.store.work import Work
from verger.tasks.engine import Engine, Gpus, Row, Tell
from verger.tasks.splits import Split

_LOADING = threading.Lock()
_SCHEMA = "task long, embedded long, rejected long, reused long"


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Files of features that become one, with their edits: rows dropped, and labels changed."""

    files: tuple[str, ...]
    to: str


class Parts(NamedTuple):
    """The files of features that hold rows, and how many of these are reused."""

    files: list[str]
    reused: int


def embed_photos(
    engine: Engine,
    work: Work,
    photos: Source,
    splits: list[Split],
    rewrites: list[Rewrite],
    embedder: Embedder,
    hear: Progress,
    *,
    reuse: bool,
) -> Parts:
    """Embed the photos of `work.refs`, one task a split, and carry out the rewrites.

    `reuse` takes what STORE has of the contents of `work.known`. `hear` is told (done, rejected)
    while it goes on. GPUs, where the engine has any, compute the
    network; where it does not give them out, one task does it all. Raises `EngineError`, or the
    error of the room that failed.
    """
    tasks: list[Split | Rewrite] = [*splits, *rewrites]
    if not tasks:
        return Parts([], 0)
    photos, gpus = photos.absolute(), engine.gpus
    with engine.telling(hear) as tell:

        def run(number: int) -> Row:
            with troubles_told(str(work.place)):
                done = _carry_out(work, photos, number, tasks[number], embedder, gpus, tell, reuse)
            return {"task": number, **done._asdict()}

        at_once = gpus.at_once(len(tasks)) if gpus else None
        done = engine.rows(len(tasks), run, _SCHEMA, at_once)
    written = sorted(row["task"] for row in done if row["embedded"])
    files = [_features_of(work, number, tasks[number]) for number in written]
    return Parts(files, sum(row["reused"] for row in done))


def _carry_out(
    work: Work,
    photos: Source,
    number: int,
    task: Split | Rewrite,
    embedder: Embedder,
    gpus: Gpus | None,
    tell: Tell,
    reuse: bool,
) -> Done:
    """Carry out one task."""
    if isinstance(task, Rewrite):
        edits = partial(edits_of, work.place, work.edits)
        return rewrite_part(work.place, task.files, task.to, edits)
    refs = refs_of(work.place, work.refs, *task)
    gpu = None
    if gpus is not None:
        gpu, embedder = gpus.index(), replace(embedder, decoders=gpus.decoders_here())
    with tell(number) as report:
        made = embed(
            refs, embedder, photos.read, network(embedder.backbone, gpu), report,
            reads_at_once=photos.reads_at_once, recall=_recall(work, task, embedder, reuse),
        )  # fmt: skip
        return write_part(work.place, work.parts, _name(work, number), made)


def _recall(work: Work, split: Split, embedder: Embedder, reuse: bool) -> Recall:
    """Return what knows what was made of the contents of a task's photos before."""
    if not reuse:
        return lambda _sha256: None
    sizes = (ref.bytes for ref in refs_of(work.place, work.refs, *split))
    return Contents(work.place, work.known, sizes, embedder.max_pixels).recall


def _features_of(work: Work, number: int, task: Split | Rewrite) -> str:
    return (
        task.to if isinstance(task, Rewrite) else f"{work.parts}/{FEATURES}/{_name(work, number)}"
    )


def _name(work: Work, number: int) -> str:
    return f"part-{work.run}-{number:05d}.parquet"


def network(backbone: Backbone, gpu: int | None = None) -> Network:
    """Load the model once a process, whose threads share it."""
    with _LOADING:
        return _loaded(backbone, gpu)


def let_go() -> None:
    """Free the models that this process has loaded: what comes after embedding needs the memory."""
    _loaded.cache_clear()


@cache
def _loaded(backbone: Backbone, gpu: int | None) -> Network:
    return backbone.network(gpu)
