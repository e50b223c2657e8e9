"""Finishing: validation, gallery and CSV, without Spark, whose memory is free by then."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from verger.gallery.build import (
    NOT_VALIDATED,
    Vectored,
    carried_vectors,
    gathered_vectors,
    write_gallery,
)
from verger.pipeline.context import Job
from verger.pipeline.reducing import Features, Fitted, Projected
from verger.pipeline.validating import validated
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
    with job.clock.time("gallery"), job.reporter.step("Gallery"):
        gathered, is_carried = projected.gathered, projected.carried is not None
        paths = features.table.column("path") if is_carried else gathered.in_order("path")
        kept, validation = projected.kept, projected.validation
        calibration, changed = kept or validated(job, validation, gathered, paths)
        gallery = write_gallery(
            job.work.scratch / GALLERY,
            paths,
            _vectors(job, fitted, projected, paths),
            features.rows,
            fitted.labels,
            fitted.label_means,
            fitted.projector,
            calibration,
        )
        shown = job.send(GALLERY)
    csv = _csv(job, projected.matrix, fitted.pca.k, len(features)) if job.settings.csv else None
    notes = [*pca_notes(fitted.pca, job.settings), *discriminant_notes(len(fitted.labels.names))]
    if projected.validation and calibration is None:
        notes.append(NOT_VALIDATED)
    made = {
        "projection": projection_record(fitted.pca) | _held(fitted) | {"notes": notes},
        "discriminant": discriminant_record(fitted.discriminant),
        "gallery": dict(gallery, changed=changed),
        "moments": moments_record(len(features), fitted.read),
    }
    folders = {MATRIX: projected.matrix, GALLERY: shown}
    if fitted.held is None:
        folders[PROJECTION] = fitted.files
    return made, Publication(folders, {MATRIX_CSV: csv})


def _held(fitted: Fitted) -> dict[str, Any]:
    """Say whether the projection is held, and how it compares with one fitted anew."""
    figures = fitted.compared.figures if fitted.compared else None
    return {"held": fitted.held is not None, "compared": figures}


def _vectors(
    job: Job, fitted: Fitted, projected: Projected, paths: pa.ChunkedArray
) -> Iterator[Vectored]:
    """Return the vectors of all photos, whose paths these are."""
    if projected.carried is None:
        return gathered_vectors(projected.gathered, fitted.projector)
    return carried_vectors(job.place, fitted.projector, paths, projected.carried)


def _csv(job: Job, matrix: list[str], k: int, rows: int) -> str:
    built = job.work.built(MATRIX_CSV)
    with (
        job.clock.time("csv"),
        job.reporter.stage("CSV", rows, "rows") as stage,
        job.place.incoming(built) as file,
    ):
        write_csv(job.place, matrix, file, k, stage.update)
    return built
