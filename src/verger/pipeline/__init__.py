"""The order of a run: list the photos, embed what is new, fit, project, write.

`run` does all of it and ends with a report; `reduce` begins at the features of a STORE. What a step
decides is in a module of its own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from verger import _moved
from verger.embed import Backbone
from verger.errors import CountError, PhotosError, UsageError
from verger.machine.folders import scratch_folder
from verger.photos.labels import Labeller, labeller_from
from verger.pipeline.choosing import chosen_backbone, chosen_language
from verger.pipeline.context import Job
from verger.pipeline.count_check import count
from verger.pipeline.embedding import embed
from verger.pipeline.engines import opened
from verger.pipeline.finishing import finish
from verger.pipeline.listing import (
    as_made,
    followed_listing,
    is_fitted,
    is_up_to_date,
    listed,
    refuse_nesting,
)
from verger.pipeline.reducing import Features, fit, project
from verger.pipeline.relabelling import Relabelling, corrected
from verger.pipeline.reporting import report
from verger.progress import Reporter, Silent
from verger.projections.pca import PCA
from verger.settings import OF_PROJECTION, RunSettings
from verger.storage.folder import LocalPlace
from verger.storage.place import Source, source_of
from verger.store.gathering import Gathered
from verger.store.inventory import Tally, sizes_of
from verger.store.layout import CORRECTIONS, FEATURES, GIVEN, MATRIX_CSV, REDUCED, REJECTS
from verger.store.publication import Publication
from verger.store.record import Clock, backbone_record, versions
from verger.store.reuse import alike, write_known
from verger.store.stock import Stock, label_notes, take_stock
from verger.store.store import Store, fingerprint, now
from verger.store.work import Work
from verger.tasks.engine import Engine

if not TYPE_CHECKING:
    __getattr__ = _moved.names_of(__name__)  # `prepare`, which is in verger.demo

_EVERY_SETTING = [setting.name for setting in fields(RunSettings)]

__all__ = ["Outcome", "plan", "reduce", "relabel", "run"]


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


class _Made(NamedTuple):
    """A part of the record, the files to publish, and what saves the report work.

    gathered: of the photos, as the matrix was written
    full_pca: the projection onto all components of the photos
    """

    record: dict[str, Any]
    publication: Publication
    gathered: Gathered | None = None
    full_pca: PCA | None = None


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
    refuse_nesting(source, store)
    backbone, settings = chosen_backbone(store, settings, reporter)
    settings, is_turned = chosen_language(store, settings)
    described = backbone_record(backbone)
    is_new = store.claim(backbone=described, overwrite=settings.overwrite)
    made_by = fingerprint(described, max_pixels=settings.max_pixels, anew=settings.overwrite)
    try:
        with store.working(made_by) as work:
            job = Job(store, work, settings, clock, reporter)
            stock, moved = followed_listing(job, source, labeller)
            is_new = False  # there are photos: what is done from here on is kept
            made = _made(job, source, stock, backbone)
            if moved is not None:
                made.publication.files[CORRECTIONS] = moved.write(work)
            record = made.record | {
                "started": started,
                "finished": now(),
                "photos": str(source),
                "settings": settings.as_record(),
                "changes": stock.tally.as_record(),
                "labels": len(stock.tally.labels),
                "backbone": described,
                "photos_per_second": _rate(stock.tally.to_embed - stock.tally.reused, clock),
                "seconds": clock.seconds,
                "notes": [
                    *backbone.notes,
                    *label_notes(settings.label_from, stock.tally, labeller),
                ],
            }
            if price := settings.priced:
                record |= {"cost": price.record(clock.elapsed())}
            record = store.publish(work, record, made.publication)
            work.keep_moments()
            anew = bool(made.publication.folders) or is_turned
            told = report(store, settings, reporter, made.gathered, made.full_pca, anew=anew)
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
    refuse_nesting(source, store)
    backbone, settings = chosen_backbone(store, settings, reporter)
    described = backbone_record(backbone)
    store.check(backbone=described, overwrite=settings.overwrite)
    made_by = fingerprint(described, max_pixels=settings.max_pixels, anew=settings.overwrite)
    with scratch_folder() as scratch:
        work = Work(store.place, "", made_by, scratch)
        orders = scratch / "refs.parquet", scratch / "edits.parquet"
        stock = take_stock(
            store, work, source, labeller, reporter, orders,
            anew=settings.overwrite, retry_rejects=settings.retry_rejects, hidden=settings.hidden,
        )  # fmt: skip
        if not settings.overwrite:
            stock.tally.alike = _alike(store, stock, LocalPlace(scratch))
        return stock.tally


def _alike(store: Store, stock: Stock, scratch: LocalPlace) -> int:
    """Count the photos to embed that are as large as one whose content the STORE knows."""
    refs, known = "refs.parquet", "known.parquet"
    write_known(store.place, stock.features, sizes_of(scratch, refs), scratch.root / known)
    return alike(scratch, known, sizes_of(scratch, refs))


def reduce(
    store_root: str | Path,
    settings: RunSettings | None = None,
    reporter: Reporter | None = None,
    *,
    left_out: Collection[str] = (),
) -> Outcome:
    """Fit to the stored features, and write projection, matrix and CSV anew; no photo is opened.

    left_out: the settings the user did not give (without `settings`, all): of components,
              standardize, shrinkage, csv and refit, STORE's own are used
    Raises `StoreError` where STORE has no finished run.
    """
    left_out = left_out if settings else _EVERY_SETTING
    settings = settings or RunSettings()
    reporter = reporter if reporter is not None else Silent()
    store = Store(store_root)
    store.whole_run(GIVEN)  # before locking: a folder that is no STORE has nowhere to put a lock
    with store.working() as work:
        record: dict[str, Any] = store.whole_run(GIVEN)
        settings, _ = chosen_language(store, as_made(record, settings, left_out))
        job = Job(store, work, settings, Clock(), reporter)
        made = _reduced(job, record)
        kept = {
            name: getattr(settings, name) for name in (*OF_PROJECTION, "refit", "language", "keep")
        }
        engine = {name: made.record.pop(name) for name in ("engine", "versions")}
        record |= {
            "settings": record["settings"] | kept,
            **made.record,
            "reduced": {"finished": now(), **engine, "seconds": job.clock.seconds},
        }
        published = store.publish(work, record, made.publication)
        work.keep_moments()
        told = report(store, settings, reporter, made.gathered, made.full_pca, anew=True)
    return Outcome(published, **told)


def relabel(
    store_root: str | Path,
    sheet: str | Path | None,
    reporter: Reporter | None = None,
    *,
    new_labels: bool = False,
) -> tuple[Relabelling, Outcome | None]:
    """Apply people's corrections of single labels to a STORE, or take the last ones back.

    sheet:      CSV with the columns path, label and perhaps decision (label, leave out, fine);
                None takes back what the last sheet did
    new_labels: allow labels that no photo of STORE has yet

    No photo is opened. What is made of labels is made anew, and later runs keep the corrections.
    Returns what was done, and no outcome where there was nothing to do. Raises `UsageError` for a
    sheet that does not fit, `StoreError` where STORE has no finished run or nothing to take back.
    """
    reporter = reporter if reporter is not None else Silent()
    clock, started, store = Clock(), now(), Store(store_root)
    store.whole_run(GIVEN)
    with store.working() as work:
        record: dict[str, Any] = store.whole_run(GIVEN)
        made = corrected(store, sheet, new_labels=new_labels)
        if made.is_nothing:
            return made, None
        settings = as_made(record, RunSettings(), _EVERY_SETTING)
        backbone, settings = chosen_backbone(store, settings, reporter)
        job = Job(store, work, settings, clock, reporter)
        photos = made.photos(store)
        stock = listed(job, photos, Labeller(lambda _path: None), made.corrections)
        anew = _made(job, photos, stock, backbone)
        anew.publication.files[CORRECTIONS] = made.corrections.write(work)
        record |= anew.record | {
            "started": started,
            "finished": now(),
            "changes": stock.tally.as_record(),
            "labels": len(stock.tally.labels),
            "seconds": clock.seconds,
        }
        record = store.publish(work, record, anew.publication)
        work.keep_moments()
        told = report(store, settings, reporter, anew.gathered, anew.full_pca, anew=True)
    return made, Outcome(record, **told)


def _made(job: Job, photos: Source, stock: Stock, backbone: Backbone) -> _Made:
    """Make what there is to make, if anything is."""
    before = None if job.settings.overwrite else job.store.record()
    damage = job.store.damage(before, REDUCED) if before else []
    unpublished = job.work.finished(FEATURES)  # by a run that was stopped
    is_whole = before and not damage and not unpublished
    if before and is_whole and is_up_to_date(before, stock.tally, job.settings):
        return _Made(_unchanged(before), Publication())
    for where, what, _ in damage[:1]:
        job.store.warn(f"{where} {what}: what is derived from the features is rebuilt.")
    if any(where != MATRIX_CSV for where, *_ in damage):
        before = None
    return _embedded_and_reduced(job, photos, stock, backbone, before, is_whole=not damage)


def _embedded_and_reduced(
    job: Job,
    photos: Source,
    stock: Stock,
    backbone: Backbone,
    before: dict[str, Any] | None,
    *,
    is_whole: bool,
) -> _Made:
    """Embed, count, fit, project.

    before:   the record of the run of which something may be kept
    is_whole: all that was made of the features is there
    """
    rejects = job.work.built(f"{REJECTS}/part-{job.work.run}.parquet")
    with opened(job, stock.tally.to_embed) as engine:
        features = embed(job, engine, photos, stock, backbone)
        counts = count(job, str(photos), stock, len(features), rejects)
        if (
            before and is_whole and is_fitted(before, job, features.table.files)
        ):  # rejects tried again in vain
            return _Made(_unchanged(before) | {"counts": counts}, Publication({REJECTS: [rejects]}))
        fitted = fit(job, engine, features, backbone.card.features, before)
        projected = project(job, engine, features, fitted, before)
    made, publication = finish(job, features, fitted, projected)
    publication.folders[FEATURES] = features.table.files
    publication.folders[REJECTS] = [rejects]
    how = {"cores": engine.cores, "device": job.settings.device}
    record = {"counts": counts, **how, **_engine(engine), **made}
    return _Made(record, publication, projected.for_report, fitted.full_pca)


def _reduced(job: Job, record: dict[str, Any]) -> _Made:
    """Fit and project again what the STORE holds."""
    features = Features(job, job.store.table(FEATURES))
    if (embedded := record["counts"]["embedded"]) != len(features):
        raise CountError.of_rows(embedded, "photos embedded", len(features), "features")
    with opened(job, 0, embedded) as engine:
        fitted = fit(job, engine, features, record["backbone"]["features"], record)
        projected = project(job, engine, features, fitted, None, str(record["finished"]))
    made, publication = finish(job, features, fitted, projected)
    return _Made({**_engine(engine), **made}, publication, projected.for_report, fitted.full_pca)


def _engine(engine: Engine) -> dict[str, Any]:
    return {"engine": engine.name, "versions": versions(engine.versions)}


def _unchanged(record: dict[str, Any]) -> dict[str, Any]:
    names = (
        "counts", "cores", "device", "engine", "versions", "projection", "discriminant", "gallery",
        "moments", "reduced",
    )  # fmt: skip
    return {name: record[name] for name in names if name in record}


def _rate(photos: int, clock: Clock) -> float:
    return round(photos / max(clock.seconds.get("embed", 0.0), 1e-3), 2) if photos else 0.0
