"""Finishing: rehearsal, gallery and CSV, without Spark, whose memory is free by then."""

from __future__ import annotations

from typing import Any

from verger.gallery.build import NOT_REHEARSED, write_gallery
from verger.pipeline.job import Job
from verger.pipeline.reducing import Features, Fitted, Projected
from verger.pipeline.rehearsing import rehearsed
from verger.store.layout import GALLERY, MATRIX, MATRIX_CSV, PROJECTION
from verger.store.publication import Publication
from verger.store.record import (
    discriminant_notes,
    discriminant_record,
    moments_record,
    pca_notes,
    projection_record,
)
from verger.store.tables import write_csv


def finish(
    job: Job, features: Features, fitted: Fitted, projected: Projected
) -> tuple[dict[str, Any], Publication]:
    """Make what is left to make; return this part of the record, and the files to publish."""
    with job.clock.time("gallery"):
        calibration, changed = projected.kept or rehearsed(
            job, projected.rehearsal, projected.gathered
        )
        gallery = write_gallery(
            job.work.scratch / GALLERY,
            projected.gathered,
            features.rows,
            fitted.labels,
            fitted.label_means,
            fitted.projector,
            calibration,
        )
        shown = job.send(GALLERY)
    csv = _csv(job, projected.matrix, fitted.pca.k, len(features)) if job.settings.csv else None
    notes = [*pca_notes(fitted.pca, job.settings), *discriminant_notes(len(fitted.labels.names))]
    if projected.rehearsal and calibration is None:
        notes.append(NOT_REHEARSED)
    made = {
        "projection": projection_record(fitted.pca) | {"notes": notes},
        "discriminant": discriminant_record(fitted.discriminant),
        "gallery": dict(gallery, changed=changed),
        "moments": moments_record(len(features), fitted.read),
    }
    folders = {MATRIX: projected.matrix, PROJECTION: fitted.files, GALLERY: shown}
    return made, Publication(folders, {MATRIX_CSV: csv})


def _csv(job: Job, matrix: list[str], k: int, rows: int) -> str:
    built = job.work.built(MATRIX_CSV)
    with (
        job.clock.time("csv"),
        job.reporter.stage("CSV", rows, "rows") as stage,
        job.place.incoming(built) as file,
    ):
        write_csv(job.place, matrix, file, k, stage.update)
    return built
