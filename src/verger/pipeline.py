"""The order of a run: list the photos, embed what is new, fit, project, write.

`run` does all of it and ends with a report; `reduce` begins at the features of a STORE.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from verger import _moved
from verger.embed import Backbone, open_backbone
from verger.embed.features import Embedder
from verger.errors import CountError, PhotosError, TooManyRejects, UsageError, VergerError
from verger.gallery import build_gallery
from verger.machine.folders import scratch_folder
from verger.photos.labels import Labeller, labeller_from
from verger.progress import Reporter, Silent
from verger.projections.discriminant import Discriminant, fit_discriminant, save_discriminant
from verger.projections.pca import PCA, fit_pca, save_pca
from verger.settings import RunSettings, parse_components
from verger.spark.spans import cut
from verger.storage.place import Source, source_of
from verger.store.inventory import Tally, edits_of, sizes_of
from verger.store.layout import (
    FEATURES,
    GALLERY,
    MATRIX,
    MATRIX_CSV,
    PAGE,
    PROJECTION,
    REJECTS,
    REPORT,
)
from verger.store.matrix import groups_of, ranges
from verger.store.parts import all_denied, empty_table, merge_rejects, too_small
from verger.store.publication import Publication
from verger.store.record import (
    Clock,
    backbone_record,
    discriminant_notes,
    discriminant_record,
    pca_notes,
    projection_record,
    versions,
)
from verger.store.stock import Stock, label_notes, take_stock
from verger.store.store import Store, fingerprint, now
from verger.store.tables import Table, rows_of, write_csv
from verger.store.work import Work

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
else:
    __getattr__ = _moved.names_of(__name__)  # `prepare`, which is in verger.demo

_SHORT_RUN = 10_000  # photos; below, Java starts for a short session
# The settings that decide what is made of the features.
_OF_PROJECTION = ("components", "standardize", "shrinkage", "csv")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command did.

    record:  what `run.json` holds
    report:  where the report is, if one was made
    warning: why none was made, where one was asked for; one line
    """

    record: dict[str, Any]
    report: str | None = None
    warning: str = ""


def run(
    photos: str | Path,
    store_root: str | Path,
    settings: RunSettings | None = None,
    reporter: Reporter | None = None,
) -> Outcome:
    """Bring a STORE up to date with the photos: embed what is new or changed, drop what is gone.

    Raises a `VergerError` of the fitting kind; whatever is raised, nothing half-made is published,
    and what was finished is taken up by the next run.
    """
    settings = settings or RunSettings()
    reporter = reporter if reporter is not None else Silent()
    clock, started = Clock(), now()
    source, store = source_of(photos), Store(store_root)
    labeller = labeller_from(settings.label_from, source.name)
    backbone = open_backbone(settings.backbone, settings.image_size)
    described = backbone_record(backbone)
    _refuse_nesting(source, store)
    is_new = store.claim(backbone=described, overwrite=settings.overwrite)
    made_by = fingerprint(described, max_pixels=settings.max_pixels, anew=settings.overwrite)
    try:
        with store.working(made_by) as work:
            with clock.time("list"):
                stock = _take_stock(store, work, source, labeller, settings, reporter)
            is_new = False  # there are photos: what is done from here on is kept
            tally, before = stock.tally, None if settings.overwrite else store.record()
            unpublished = work.finished(FEATURES)  # by a run that was stopped
            if before and not unpublished and _is_up_to_date(before, tally, settings):
                record, publication = _unchanged(before), Publication()
            else:
                chain = _Chain(store, work, settings, clock, reporter)
                record, publication = chain.run(source, stock, backbone)
            record |= {
                "started": started,
                "finished": now(),
                "photos": str(source),
                "settings": settings.as_record(),
                "changes": tally.as_record(),
                "labels": len(tally.labels),
                "backbone": described,
                "photos_per_second": _rate(tally.to_embed, clock),
                "seconds": clock.seconds,
                "notes": [
                    *backbone.notes,
                    *label_notes(settings.label_from, tally, labeller),
                ],
            }
            if price := settings.priced:
                record |= {"cost": price.record(clock.elapsed())}
            store.publish(work, record, publication)
            told = _report(store, settings, reporter, anew=bool(publication.folders))
    except (PhotosError, UsageError):
        if is_new:
            store.abandon()
        raise
    return Outcome(record, **told)


def plan(
    photos: str | Path,
    store_root: str | Path,
    settings: RunSettings | None = None,
    reporter: Reporter | None = None,
) -> Tally:
    """Say what `run` would do, in photos; nothing is written and no photo is opened."""
    settings = settings or RunSettings()
    reporter = reporter if reporter is not None else Silent()
    source, store = source_of(photos), Store(store_root)
    labeller = labeller_from(settings.label_from, source.name)
    described = backbone_record(open_backbone(settings.backbone, settings.image_size))
    _refuse_nesting(source, store)
    store.check(backbone=described, overwrite=settings.overwrite)
    made_by = fingerprint(described, max_pixels=settings.max_pixels, anew=settings.overwrite)
    with scratch_folder() as scratch:
        work = Work(store.place, "", made_by, scratch)
        orders = scratch / "refs.parquet", scratch / "edits.parquet"
        return take_stock(
            store, work, source, labeller, reporter, orders,
            anew=settings.overwrite, retry_rejects=settings.retry_rejects, hidden=settings.hidden,
        ).tally  # fmt: skip


def reduce(
    store_root: str | Path,
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
    store.whole_run()  # before the lock, which a folder that is no STORE has no place for
    with store.working() as work:
        record = store.whole_run()
        chain = _Chain(store, work, settings, clock, reporter)
        made, publication = chain.reduce(record)
        kept = {name: getattr(settings, name) for name in _OF_PROJECTION}
        engine = made.pop("versions")
        record |= {
            "settings": record["settings"] | kept,
            **made,
            "reduced": {"finished": now(), "versions": engine, "seconds": clock.seconds},
        }
        store.publish(work, record, publication)
        told = _report(store, settings, reporter, anew=True)
    return Outcome(record, **told)


def _report(
    store: Store, settings: RunSettings, reporter: Reporter, *, anew: bool
) -> dict[str, str]:
    """Look at what was published, where that is asked for; a run is whole without a report.

    What is there already is made again where `anew` says that something has changed.
    """
    if not settings.report:
        return {}
    page = f"{store.place}/{REPORT}/{PAGE}"
    if not anew and store.place.exists(f"{REPORT}/{PAGE}"):
        return {"report": page}
    try:
        from verger.report import write_report  # which a run without one need not load

        with reporter.stage("Report", 1, "page") as stage:
            write_report(store.root)
            stage.update(1)
    except Exception as error:  # noqa: BLE001 - whatever it was, the run is done
        what = error.what if isinstance(error, VergerError) else f"{type(error).__name__}: {error}"
        line = (what.splitlines() or [""])[0]
        return {"warning": f"The run is done, but there is no report of it. {line}"}
    return {"report": page}


class _Reduced(NamedTuple):
    """What was made of the features: the models, of how many labels, and the files of both."""

    pca: PCA
    discriminant: Discriminant | None
    labels: int
    projection: list[str]
    matrix: list[str]


@dataclass(frozen=True, slots=True)
class _Chain:
    """The steps that need Spark, and what they all share."""

    store: Store
    work: Work
    settings: RunSettings
    clock: Clock
    reporter: Reporter

    def run(
        self, photos: Source, stock: Stock, backbone: Backbone
    ) -> tuple[dict[str, Any], Publication]:
        """Embed, fit, project; return this part of the record, and the files to publish."""
        from verger.spark import executors

        with ExitStack() as stack:
            spark, engine = self._start(stack, stock.tally.to_embed)
            with self.clock.time("start"):
                cores = executors.cores(spark, self.reporter)
            features = self._embed(spark, photos, stock, backbone, cores)
            counts = self._count(photos, stock, features)
            reduced = self._reduce(spark, features, backbone.card.features, counts["embedded"])
        made, publication = self._finish(features, reduced)
        publication.folders[FEATURES] = features
        publication.folders[REJECTS] = [self._rejects]
        return {"counts": counts, "cores": cores, "versions": engine, **made}, publication

    def reduce(self, record: dict[str, Any]) -> tuple[dict[str, Any], Publication]:
        """Fit and project again what the STORE holds."""
        features, embedded = self.store.table(FEATURES), record["counts"]["embedded"]
        with ExitStack() as stack:
            spark, engine = self._start(stack, embedded)
            reduced = self._reduce(spark, features, record["backbone"]["features"], embedded)
        made, publication = self._finish(features, reduced)
        return {"versions": engine, **made}, publication

    @property
    def _rejects(self) -> str:
        return self.work.built(f"{REJECTS}/part-{self.work.run}.parquet")

    def _start(self, stack: ExitStack, photos: int) -> tuple[SparkSession, dict[str, str]]:
        """Start Spark for as long as the stack is open."""
        from verger.spark import session

        with self.clock.time("start"):
            short = photos < _SHORT_RUN
            spark = stack.enter_context(session.session(self.settings, short=short))
            found = versions(session.versions(spark))
        return spark, found

    def _embed(
        self,
        spark: SparkSession,
        photos: Source,
        stock: Stock,
        backbone: Backbone,
        cores: int,
    ) -> list[str]:
        """Embed what is to be embedded; return all files of features that there are then."""
        from verger.spark.embedding import Rewrite, embed_photos

        work, tally = self.work, stock.tally
        embedder = Embedder(
            backbone,
            self.settings.batch_size,
            self.settings.max_pixels,
            self.settings.max_bytes,
        )
        with self.clock.time("embed"):
            sizes = sizes_of(work.place, work.refs)
            spans = cut(sizes, tally.to_embed, tally.bytes_to_read, cores)
            merged = too_small(work.place, stock.features)
            alone = stock.edited.intersection(stock.features).difference(*merged)
            rewritten = alone.union(*merged)
            rewrites = [
                Rewrite(tuple(files), f"{work.rewritten}/part-{work.run}-r{number:05d}.parquet")
                for number, files in enumerate([*merged, *([file] for file in sorted(alone))])
            ]
            with self.reporter.stage("Embedding", tally.to_embed, "photos") as stage:
                made = embed_photos(spark, work, photos, spans, rewrites, embedder, stage.update)
        kept = [file for file in stock.features if file not in rewritten]
        return [*kept, *made] or [empty_table(work.place, work.built(f"{FEATURES}/empty.parquet"))]

    def _count(self, photos: Source, stock: Stock, features: list[str]) -> dict[str, Any]:
        """Count what is there, check that nothing is missing or double, and write the rejects."""
        place, work = self.work.place, self.work
        mine = (path for path in work.finished(REJECTS) if work.run in path)
        published = {*stock.rejects, *mine}
        by_reason = merge_rejects(
            place,
            sorted(published),
            self._rejects,
            lambda file: edits_of(place, work.edits, file),
        )
        embedded, rejected = rows_of(place, features), sum(by_reason.values())
        listed = stock.tally.listed
        if listed != embedded + rejected:
            place.delete(work.parts)  # nobody shall take up what is wrong
            raise CountError.of(listed, embedded, rejected)
        counts = {
            "listed": listed,
            "embedded": embedded,
            "rejected": rejected,
            "rejected_by_reason": by_reason,
        }
        self._check_rejects(counts, str(photos))
        return counts

    def _check_rejects(self, counts: dict[str, Any], photos: str) -> None:
        share = counts["rejected"] / counts["listed"]
        if share <= self.settings.max_rejects:
            return
        if not counts["embedded"] and all_denied(self.work.place, self._rejects):
            self.work.place.delete(self.work.parts)  # once they may be read, all are new
            raise PhotosError(
                f"None of the {counts['listed']} photos of {photos} may be read: access denied.",
                hint="Reading needs another permission than listing (on S3: s3:GetObject).",
            )
        where = self.store.keep_rejects(self._rejects)
        reasons = ", ".join(f"{n} {reason}" for reason, n in counts["rejected_by_reason"].items())
        raise TooManyRejects(
            f"{counts['rejected']} of {counts['listed']} photos were rejected ({reasons}), "
            f"more than --max-rejects {self.settings.max_rejects:g} allows; no matrix was made.",
            hint=f"See {where}.",
        )

    def _reduce(
        self, spark: SparkSession, features: list[str], width: int, embedded: int
    ) -> _Reduced:
        """Fit the projections, and write the matrix."""
        from verger.spark import reduction

        settings, clock = self.settings, self.clock
        table = Table(self.work.place, features)
        with clock.time("fit"):
            moments = reduction.feature_moments(spark, table, width)
            if moments.raw.n != embedded:
                raise CountError.of(embedded, moments.raw.n, 0)
            wanted = parse_components(settings.components)
            pca = fit_pca(moments.raw, wanted, standardize=settings.standardize)
            discriminant: Discriminant | None = None
            if len(moments.unit.labels) > 1:
                discriminant = fit_discriminant(moments.unit, settings.shrinkage)
            projection = self._save(pca, discriminant)
        with clock.time("project"):
            spans = ranges(groups_of(table), pca.k, spark.sparkContext.defaultParallelism)
            matrix = reduction.write_matrix(spark, self.work, table, spans, pca)
            if (written := sum(matrix.values())) != pca.rows:
                raise CountError.of(pca.rows, written, 0)
        return _Reduced(pca, discriminant, len(moments.unit.labels), projection, [*matrix])

    def _finish(self, features: list[str], reduced: _Reduced) -> tuple[dict[str, Any], Publication]:
        """Build the gallery and write the CSV: without Spark, whose memory is free by then."""
        clock, work, place = self.clock, self.work, self.work.place
        pca, discriminant, labels, projection, matrix = reduced
        with clock.time("gallery"):
            gallery = build_gallery(
                Table(place, features), work.scratch / PROJECTION, work.scratch / GALLERY
            )
            shown = self._send(GALLERY)
        csv = work.built(MATRIX_CSV) if self.settings.csv else None
        if csv is not None:
            with (
                clock.time("csv"),
                self.reporter.stage("CSV", pca.rows, "rows") as stage,
                place.incoming(csv) as file,
            ):
                write_csv(place, matrix, file, pca.k, stage.update)
        notes = [*pca_notes(pca, self.settings), *discriminant_notes(labels)]
        notes += gallery.pop("notes")
        made = {
            "projection": projection_record(pca) | {"notes": notes},
            "discriminant": discriminant_record(discriminant),
            "gallery": gallery,
        }
        folders = {MATRIX: matrix, PROJECTION: projection, GALLERY: shown}
        return made, Publication(folders, {MATRIX_CSV: csv})

    def _save(self, pca: PCA, discriminant: Discriminant | None) -> list[str]:
        """Write the models to the work folder; return their files."""
        folder = self.work.scratch / PROJECTION
        save_pca(pca, folder)
        if discriminant is not None:
            save_discriminant(discriminant, folder)
        return self._send(PROJECTION)

    def _send(self, name: str) -> list[str]:
        """Copy a folder from the scratch to the work folder; return the files there."""
        files = []
        for file in sorted((self.work.scratch / name).iterdir()):
            files.append(self.work.built(f"{name}/{file.name}"))
            with self.work.place.incoming(files[-1]) as sent:
                shutil.copyfile(file, sent)
        return files


def _take_stock(
    store: Store,
    work: Work,
    photos: Source,
    labeller: Labeller,
    settings: RunSettings,
    reporter: Reporter,
) -> Stock:
    with work.place.incoming(work.refs) as refs, work.place.incoming(work.edits) as edits:
        return take_stock(
            store, work, photos, labeller, reporter, (refs, edits),
            anew=settings.overwrite, retry_rejects=settings.retry_rejects, hidden=settings.hidden,
        )  # fmt: skip


def _is_up_to_date(record: dict[str, Any], tally: Tally, settings: RunSettings) -> bool:
    """Say whether a run would make what the STORE holds already."""
    made = record["settings"]
    share = record["counts"]["rejected"] / record["counts"]["listed"]
    return (
        tally.is_same
        and share <= settings.max_rejects
        and all(made[name] == getattr(settings, name) for name in _OF_PROJECTION)
    )


def _unchanged(record: dict[str, Any]) -> dict[str, Any]:
    names = ("counts", "cores", "versions", "projection", "discriminant", "gallery", "reduced")
    return {name: record[name] for name in names if name in record}


def _refuse_nesting(photos: Source, store: Store) -> None:
    """Photos inside a STORE would be lost when it is replaced."""
    if store.place.holds(photos) and store.is_marked():
        raise PhotosError(
            f"PHOTOS ({photos}) lies inside STORE ({store.root}).", hint="Name another STORE."
        )


def _rate(photos: int, clock: Clock) -> float:
    return round(photos / max(clock.seconds.get("embed", 0.0), 1e-3), 2) if photos else 0.0
