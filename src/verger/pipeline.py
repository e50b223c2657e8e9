"""`run`: list the photos, embed them, fit, project, write."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import verger
from verger.backbones import Backbone, open_backbone
from verger.errors import CountError, PhotosError, TooManyRejects
from verger.features import Embedder
from verger.photos.source import CsvLabels, Labeller, labeller_from, list_photos
from verger.progress import Reporter, Silent
from verger.projection import PCA, fit_pca, save_pca
from verger.settings import RunSettings, parse_components
from verger.spark.spans import cut
from verger.store import (
    FEATURES,
    MATRIX,
    MATRIX_CSV,
    PROJECTION,
    REJECTS,
    Store,
    Work,
    now,
    refs_schema,
)
from verger.tables import count_by, rows_of, write_csv

_REFS_A_GROUP = 1024
_SHORT_RUN = 10_000  # photos; below, Java starts for a short session


@dataclass
class Outcome:
    """What a run did. `record` is what `run.json` holds."""

    record: dict[str, Any]
    notes: list[str] = field(default_factory=list)  # what the user should know, a line each


@dataclass
class _Listing:
    photos: int = 0
    bytes: int = 0
    unlabelled: int = 0
    labels: set[str] = field(default_factory=set)


class _Clock:
    """Seconds a stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 3)


def run(
    photos: Path,
    store_root: Path,
    settings: RunSettings | None = None,
    reporter: Reporter | None = None,
) -> Outcome:
    """Turn a folder of photos into a STORE.

    Raises a `VergerError` of the fitting kind; whatever is raised, nothing half-made is published.
    """
    settings = settings or RunSettings()
    reporter = reporter if reporter is not None else Silent()
    started, clock = now(), _Clock()
    labeller = labeller_from(settings.label_from, photos)
    backbone = open_backbone(settings.backbone, settings.image_size)
    _refuse_nesting(photos, store_root)
    store = Store(store_root)
    fresh = not store_root.exists()
    store.claim(backbone_sha256=backbone.card.sha256, overwrite=settings.overwrite)
    try:
        with store.working() as work:
            with clock.time("list"):
                listing = _list(photos, work, labeller, reporter)
            outcome = _chain(photos, store, work, listing, settings, backbone, clock, reporter)
            outcome.notes[:0] = [*backbone.notes, *_label_notes(settings, listing, labeller)]
            outcome.record = {"started": started, "finished": now(), **outcome.record}
            outcome.record["notes"] = outcome.notes
            store.publish(work, outcome.record)
    except PhotosError:
        if fresh:
            store.abandon()
        raise
    return outcome


def prepare(folder: Path, reporter: Reporter) -> None:
    """Make Spark start faster on this machine from now on.

    Runs the chain once on a few photos rendered into `folder`, and has Java keep the classes that
    it loaded.
    """
    from verger.photos.render import render_orchard
    from verger.spark import session

    render_orchard(folder / "photos", varieties=2, views=2, test_views=1)
    settings = RunSettings()
    reporter.say(
        "Java is keeping the classes that Spark loads; this takes about half a minute, once."
    )
    with session.session(settings, archive=True):
        run(folder / "photos", folder / "store", settings)


def _chain(
    photos: Path,
    store: Store,
    work: Work,
    listing: _Listing,
    settings: RunSettings,
    backbone: Backbone,
    clock: _Clock,
    reporter: Reporter,
) -> Outcome:
    """Everything that needs Spark."""
    from verger.spark import jobs, session

    embedder = Embedder(backbone, settings.batch_size, settings.max_pixels)
    short = listing.photos < _SHORT_RUN
    with ExitStack() as stack:
        with clock.time("start"):
            spark = stack.enter_context(session.session(settings, short=short))
            versions = session.versions(spark)
        with clock.time("embed"):
            cores = session.cores(spark)
            spans = cut(_sizes(work), listing.photos, listing.bytes, cores)
            with reporter.stage("Embedding", listing.photos, "photos") as stage:
                jobs.embed_photos(spark, work, photos.resolve(), spans, embedder, stage.update)
        with clock.time("settle"):
            jobs.settle_outcomes(spark, work)
            counts = _counts(work, listing.photos)
        _check_rejects(counts, settings, store, work)
        with clock.time("fit"):
            moments = jobs.moments_of(spark, work.published(FEATURES), backbone.card.features)
            wanted = parse_components(settings.components)
            pca = fit_pca(moments, wanted, standardize=settings.standardize)
            save_pca(pca, work.published(PROJECTION))
        with clock.time("project"):
            jobs.write_matrix(spark, work, pca, counts["embedded"])
            written = rows_of(work.published(MATRIX))
            if written != counts["embedded"]:
                raise CountError.of(counts["embedded"], written, 0)
        if settings.csv:
            with (
                clock.time("csv"),
                reporter.stage("CSV", counts["embedded"], "rows") as stage,
            ):
                write_csv(work.published(MATRIX), work.published(MATRIX_CSV), pca.k, stage.update)
    record = {
        "verger": verger.__version__,
        "photos": str(photos),
        "settings": settings.as_record(),
        "counts": counts,
        "labels": len(listing.labels),
        "backbone": _backbone_record(backbone),
        "projection": _projection_record(pca),
        "seconds": clock.seconds,
        "photos_per_second": round(counts["listed"] / max(clock.seconds["embed"], 1e-3), 2),
        "versions": {**versions, "python": platform.python_version()},
        "cores": cores,
    }
    return Outcome(record, _pca_notes(pca, settings))


def _refuse_nesting(photos: Path, store_root: Path) -> None:
    """Photos inside a STORE would be lost when it is replaced."""
    inner, outer = photos.resolve(), store_root.resolve()
    if (inner == outer or outer in inner.parents) and (outer / ".verger").exists():
        raise PhotosError(
            f"PHOTOS ({photos}) lies inside STORE ({store_root}).", hint="Name another STORE."
        )


def _list(photos: Path, work: Work, labeller: Labeller, reporter: Reporter) -> _Listing:
    """Write the references to a Parquet file, a group at a time."""
    listing = _Listing()
    refs = list_photos(photos, labeller)
    schema = refs_schema()
    with (
        reporter.stage("Listing", None, "photos") as stage,
        pq.ParquetWriter(work.refs, schema) as out,
    ):
        while group := list(islice(refs, _REFS_A_GROUP)):
            columns = [list(column) for column in zip(*group, strict=True)]
            arrays = [
                pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)
            ]
            out.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            for ref in group:
                listing.bytes += ref.bytes
                if ref.label is None:
                    listing.unlabelled += 1
                else:
                    listing.labels.add(ref.label)
            listing.photos += len(group)
            stage.update(listing.photos)
    if not listing.photos:
        raise PhotosError(
            f"No photo in {photos}.",
            hint="Looked for .jpg .jpeg .png .webp .bmp .tif .tiff .gif .heic .avif in any depth.",
        )
    return listing


def _sizes(work: Work) -> Iterator[int]:
    with pq.ParquetFile(work.refs) as refs:
        for batch in refs.iter_batches(columns=["bytes"]):
            yield from batch.column(0).to_pylist()


def _counts(work: Work, listed: int) -> dict[str, Any]:
    """Count what was written, and check that nothing is missing or double."""
    embedded = rows_of(work.published(FEATURES))
    by_reason = count_by(work.published(REJECTS), "reason")
    rejected = sum(by_reason.values())
    if listed != embedded + rejected:
        raise CountError.of(listed, embedded, rejected)
    return {
        "listed": listed,
        "embedded": embedded,
        "rejected": rejected,
        "rejected_by_reason": by_reason,
    }


def _check_rejects(counts: dict[str, Any], settings: RunSettings, store: Store, work: Work) -> None:
    share = counts["rejected"] / counts["listed"]
    if share <= settings.max_rejects:
        return
    where = store.keep_rejects(work)
    reasons = ", ".join(f"{n} {reason}" for reason, n in counts["rejected_by_reason"].items())
    raise TooManyRejects(
        f"{counts['rejected']} of {counts['listed']} photos were rejected ({reasons}), "
        f"more than --max-rejects {settings.max_rejects:g} allows; no matrix was made.",
        hint=f"See {where}.",
    )


def _backbone_record(backbone: Backbone) -> dict[str, Any]:
    card = backbone.card
    return {
        "name": card.name,
        "sha256": card.sha256,
        "features": card.features,
        "image_size": card.input.size,
        "resize_shorter_side": card.input.resize_shorter_side,
        "license": card.license,
    }


def _projection_record(pca: PCA) -> dict[str, Any]:
    ratios = pca.explained_variance_ratio
    return {
        "kind": "pca",
        "k": pca.k,
        "rank": pca.rank,
        "standardized": pca.standardized,
        "explained_variance": float(ratios.sum()),
        "explained_variance_ratio": [float(ratio) for ratio in ratios],
    }


def _label_notes(settings: RunSettings, listing: _Listing, labeller: Labeller) -> list[str]:
    notes = []
    if settings.label_from != "none" and listing.unlabelled:
        notes.append(f"{listing.unlabelled} of {listing.photos} photos have no label.")
    if isinstance(labeller, CsvLabels) and labeller.unused:
        notes.append(
            f"{labeller.unused} rows of {settings.label_from} name no photo that was found."
        )
    return notes


def _pca_notes(pca: PCA, settings: RunSettings) -> list[str]:
    if not pca.rank:
        what = "One photo has" if pca.rows == 1 else f"All {pca.rows} photos are alike and have"
        if not pca.rows:
            what = "No photo was embedded: there is"
        return [f"{what} no variance to explain, so the matrix has no component."]
    wanted = parse_components(settings.components)
    if isinstance(wanted, int) and wanted > pca.k:
        return [
            f"{wanted} components were asked for; {pca.rows} photos give {pca.k}, all "
            "that there are."
        ]
    return []
