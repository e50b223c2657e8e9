"""`run`: list the photos, embed them, fit, project, write. `reduce`: the same from the features."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verger import listing as photo_list
from verger.backbones import Backbone, open_backbone
from verger.discriminant import Discriminant, fit_discriminant, save_discriminant
from verger.errors import CountError, PhotosError, StoreError, TooManyRejects
from verger.features import Embedder
from verger.listing import Listing
from verger.photos.source import labeller_from
from verger.progress import Reporter, Silent
from verger.projection import PCA, fit_pca, save_pca
from verger.record import (
    Clock,
    backbone_record,
    discriminant_notes,
    discriminant_record,
    pca_notes,
    projection_record,
    versions,
)
from verger.settings import RunSettings, parse_components
from verger.spark.spans import cut
from verger.store import (
    ALL_PARTS,
    FEATURES,
    MATRIX,
    MATRIX_CSV,
    PROJECTION,
    REDUCED_PARTS,
    REJECTS,
    Store,
    Work,
    now,
)
from verger.tables import count_by, rows_of, write_csv

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SHORT_RUN = 10_000  # photos; below, Java starts for a short session


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command did: `record` is what `run.json` holds."""

    record: dict[str, Any]


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
    clock, started = Clock(), now()
    labeller = labeller_from(settings.label_from, photos)
    backbone = open_backbone(settings.backbone, settings.image_size)
    _refuse_nesting(photos, store_root)
    store = Store(store_root)
    is_new = store.claim(backbone_sha256=backbone.card.sha256, overwrite=settings.overwrite)
    try:
        with store.working() as work:
            with clock.time("list"):
                listing = photo_list.list_into(work, photos, labeller, reporter)
            made = _chain(photos, store, work, listing, settings, backbone, clock, reporter)
            label_notes = photo_list.label_notes(settings.label_from, listing, labeller)
            record = {
                "started": started,
                "finished": now(),
                "photos": str(photos),
                "settings": settings.as_record(),
                **made,
                "labels": len(listing.labels),
                "backbone": backbone_record(backbone),
                "photos_per_second": _rate(listing.photos, clock),
                "seconds": clock.seconds,
                "notes": [*backbone.notes, *label_notes],
            }
            store.publish(work, record, ALL_PARTS)
    except PhotosError:
        if is_new:
            store.abandon()
        raise
    return Outcome(record)


def reduce(
    store_root: Path,
    settings: RunSettings | None = None,
    reporter: Reporter | None = None,
) -> Outcome:
    """Fit again to the stored features, and rewrite projection, matrix and CSV; no photo is opened.

    Raises `StoreError` where STORE holds no whole run.
    """
    settings = settings or RunSettings()
    reporter = reporter if reporter is not None else Silent()
    clock = Clock()
    store = Store(store_root)
    _whole_run(store)  # before the lock, which a folder that is no STORE has no place for
    with store.working() as work:
        record = _whole_run(store)
        with ExitStack() as stack:
            spark, engine = _start(stack, settings, record["counts"]["embedded"], clock)
            made = _reduce(
                spark,
                store.path(FEATURES),
                record["backbone"]["features"],
                record["counts"]["embedded"],
                work,
                settings,
                clock,
                reporter,
            )
        chosen = ("components", "standardize", "shrinkage", "csv")
        kept = {name: getattr(settings, name) for name in chosen}
        record |= {
            "settings": record["settings"] | kept,
            **made,
            "reduced": {"finished": now(), "versions": engine, "seconds": clock.seconds},
        }
        store.publish(work, record, REDUCED_PARTS)
    return Outcome(record)


def prepare(folder: Path, reporter: Reporter) -> None:
    """Make Spark start faster on this machine from now on.

    Runs the chain once on a few photos rendered into `folder`, and has Java keep the classes that
    it loaded.
    """
    from verger.photos.render import render_orchard
    from verger.spark import session

    render_orchard(folder / "photos", varieties=2, views=2, test_views=1)
    settings = RunSettings()
    reporter.say("Java keeps the classes that Spark loads; this takes about half a minute, once.")
    with session.session(settings, archive=True):
        run(folder / "photos", folder / "store", settings)


def _chain(
    photos: Path,
    store: Store,
    work: Work,
    listing: Listing,
    settings: RunSettings,
    backbone: Backbone,
    clock: Clock,
    reporter: Reporter,
) -> dict[str, Any]:
    """Everything that needs Spark; return its part of the record."""
    from verger.spark import embedding, session

    embedder = Embedder(backbone, settings.batch_size, settings.max_pixels)
    with ExitStack() as stack:
        spark, engine = _start(stack, settings, listing.photos, clock)
        cores = session.cores(spark)
        with clock.time("embed"):
            spans = cut(photo_list.sizes(work), listing.photos, listing.bytes, cores)
            with reporter.stage("Embedding", listing.photos, "photos") as stage:
                embedding.embed_photos(spark, work, photos.resolve(), spans, embedder, stage.update)
        with clock.time("settle"):
            embedding.settle_outcomes(spark, work)
            counts = _counts(work, listing.photos)
        _check_rejects(counts, settings, store, work)
        features, width = work.published(FEATURES), backbone.card.features
        reduced = _reduce(
            spark, features, width, counts["embedded"], work, settings, clock, reporter
        )
    return {"counts": counts, "cores": cores, "versions": engine, **reduced}


def _start(
    stack: ExitStack, settings: RunSettings, photos: int, clock: Clock
) -> tuple[SparkSession, dict[str, str]]:
    """Start Spark for as long as the stack is open."""
    from verger.spark import session

    with clock.time("start"):
        short = photos < _SHORT_RUN
        spark = stack.enter_context(session.session(settings, short=short))
        return spark, versions(session.versions(spark))


def _reduce(
    spark: SparkSession,
    features: Path,
    width: int,
    embedded: int,
    work: Work,
    settings: RunSettings,
    clock: Clock,
    reporter: Reporter,
) -> dict[str, Any]:
    """Fit the projections, write the matrix and the CSV; return their part of the record."""
    from verger.spark import reduction

    with clock.time("fit"):
        moments = reduction.feature_moments(spark, features, width)
        if moments.raw.n != embedded:
            raise CountError.of(embedded, moments.raw.n, 0)
        wanted = parse_components(settings.components)
        pca = fit_pca(moments.raw, wanted, standardize=settings.standardize)
        discriminant: Discriminant | None = None
        if len(moments.unit.labels) > 1:
            discriminant = fit_discriminant(moments.unit, settings.shrinkage)
        _save(pca, discriminant, work.published(PROJECTION))
    with clock.time("project"):
        reduction.write_matrix(spark, features, work, pca, pca.rows)
        written = rows_of(work.published(MATRIX))
        if written != pca.rows:
            raise CountError.of(pca.rows, written, 0)
    if settings.csv:
        with clock.time("csv"), reporter.stage("CSV", pca.rows, "rows") as stage:
            write_csv(work.published(MATRIX), work.published(MATRIX_CSV), pca.k, stage.update)
    notes = [*pca_notes(pca, settings), *discriminant_notes(len(moments.unit.labels))]
    return {
        "projection": projection_record(pca) | {"notes": notes},
        "discriminant": discriminant_record(discriminant),
    }


def _whole_run(store: Store) -> dict[str, Any]:
    record = store.record()
    if record is None:
        raise StoreError(
            f"{store.root} holds no whole run.", hint="`verger run PHOTOS STORE` makes one."
        )
    return record


def _save(pca: PCA, discriminant: Discriminant | None, folder: Path) -> None:
    save_pca(pca, folder)
    if discriminant is not None:
        save_discriminant(discriminant, folder)


def _refuse_nesting(photos: Path, store_root: Path) -> None:
    """Photos inside a STORE would be lost when it is replaced."""
    inner, outer = photos.resolve(), store_root.resolve()
    if (inner == outer or outer in inner.parents) and Store(outer).mark.exists():
        raise PhotosError(
            f"PHOTOS ({photos}) lies inside STORE ({store_root}).", hint="Name another STORE."
        )


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


def _rate(photos: int, clock: Clock) -> float:
    return round(photos / max(clock.seconds["embed"], 1e-3), 2)
