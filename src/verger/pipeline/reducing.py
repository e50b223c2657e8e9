"""Reducing: the projections are fitted in one pass over the features, and used in another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from verger.errors import CountError
from verger.gallery.build import Rehearsal, Vectors
from verger.gallery.projector import Projector, open_projector
from verger.pipeline.job import Job
from verger.pipeline.rehearsing import Rehearsed, last_rehearsal
from verger.projections.discriminant import Discriminant, fit_discriminant, save_discriminant
from verger.projections.feature_moments import FeatureMoments
from verger.projections.moments import Matrix, check_width
from verger.projections.pca import PCA, fit_pca, save_pca
from verger.settings import parse_components
from verger.store.gathering import Gathered, Gathering, Taker
from verger.store.inventory import edits_of
from verger.store.kept_moments import KeptMoments, Rewrites, readings
from verger.store.labels import Labels, labels_of
from verger.store.layout import PROJECTION
from verger.store.matrix import Group, groups_of, ranges, rows_of_files
from verger.store.tables import Table, rows_of
from verger.tasks.engine import Engine
from verger.tasks.reduction import feature_moments, write_matrix


class Features:
    """The files of features that a STORE is to have, in the order it will have, and their rows.

    rewrites: those that this run made of others, which it is to have no longer
    """

    def __init__(self, job: Job, files: list[str], rewrites: Rewrites | None = None) -> None:
        self.rewrites = rewrites or {}
        self.table = Table(job.place, sorted(files, key=lambda file: file.rpartition("/")[2]))
        self.groups: list[Group] = groups_of(self.table)
        counts = rows_of_files(self.groups, len(files))
        self.rows = dict(zip(self.table.files, counts, strict=True))

    def __len__(self) -> int:
        return sum(self.rows.values())


@dataclass(frozen=True, slots=True)
class Fitted:
    """The models, and what they were fitted to: labels, and the mean features of each.

    read:    how many rows of features were read for it
    changed: how many rows had come, gone or got another label since the last fit; all, if unknown
    """

    pca: PCA
    discriminant: Discriminant | None
    projector: Projector
    labels: Labels
    label_means: Matrix
    files: list[str]
    read: int
    changed: int


@dataclass(frozen=True, slots=True)
class Projected:
    """The files of the matrix, and what was gathered as they were written.

    rehearsal, kept: what to rehearse on; or what came of the last time, where that still holds
    """

    matrix: list[str]
    gathered: Gathered
    rehearsal: Rehearsal | None
    kept: Rehearsed | None


def fit(job: Job, engine: Engine, features: Features, width: int) -> Fitted:
    """Fit both projections to the moments of the features, and save them."""
    with job.clock.time("fit"):
        labels = labels_of(features.table)
        moments, read, changed = _moments(job, engine, features, labels, width)
        return _fitted(job, moments, labels, read, changed)


def _moments(
    job: Job, engine: Engine, features: Features, labels: Labels, width: int
) -> tuple[FeatureMoments, int, int]:
    """Bring the moments that are kept up to date, or sum up all features where that cannot be.

    Returns how many rows were read for them, and how many of those because they had changed, too.
    """
    check_width(width)
    place, edits, read, found = job.place, job.work.edits, 0, 0
    changed: int | None = None
    tries = [KeptMoments.none(width)]
    # Of an edited row what it was is summed up as well: where most are edited, all is less work.
    if not features.rewrites or 2 * rows_of(place, [edits]) < len(features):
        tries = [kept for kept in (KeptMoments.read(place, width),) if kept] + tries
    for kept in tries:
        wanted = readings(kept, features.rows, features.rewrites)
        if wanted is None:
            continue
        of_file = partial(edits_of, place, edits)
        more, fewer = feature_moments(engine, place, wanted, width, of_file)
        read, found = read + more.raw.n + fewer.raw.n, more.raw.n
        changed = read if changed is None else changed
        made = kept.updated(more, fewer, features.rows)
        if made is not None and _are_of(made.moments, labels):
            if wanted:
                made.write(place, job.work.moments)
            return made.moments, read, changed
    raise CountError.of_rows(len(labels.codes), "features listed", found, "features read")


def _are_of(moments: FeatureMoments, labels: Labels) -> bool:
    """Say whether moments are of as many photos as there are, and of as many of each label."""
    unit, counts = moments.unit, np.bincount(labels.codes[labels.codes >= 0])
    as_many = moments.raw.n == len(labels.codes) and unit.n == counts.sum()
    return as_many and unit.labels == labels.names and np.array_equal(unit.label_counts, counts)


def _fitted(job: Job, moments: FeatureMoments, labels: Labels, read: int, changed: int) -> Fitted:
    settings, folder = job.settings, job.work.scratch / PROJECTION
    wanted = parse_components(settings.components)
    pca = fit_pca(moments.raw, wanted, standardize=settings.standardize)
    save_pca(pca, folder)
    discriminant: Discriminant | None = None
    if len(labels.names) > 1:
        discriminant = fit_discriminant(moments.unit, settings.shrinkage)
        save_discriminant(discriminant, folder)
    projector, means = open_projector(folder), moments.unit.label_means
    files = job.send(PROJECTION)
    return Fitted(pca, discriminant, projector, labels, means, files, read, changed)


def project(
    job: Job,
    engine: Engine,
    features: Features,
    fitted: Fitted,
    before: dict[str, Any] | None,
    finished: str | None = None,
) -> Projected:
    """Write the matrix, and gather what gallery and report need.

    before:   the record of the run whose rehearsal may be kept
    finished: when the run that the report is of ended, if it has
    """
    kept = last_rehearsal(job, before, fitted.labels, fitted.changed)
    rehearsal = None if kept else Rehearsal.of(fitted.labels, fitted.projector)
    with job.clock.time("project"):
        gathering = _gathering(job, fitted, rehearsal, finished)
        spans = ranges(features.groups, fitted.pca.k, engine.cores)
        written = write_matrix(engine, job.work, features.table, spans, fitted.pca, gathering)
        if (rows := sum(files.rows for files in written)) != len(features):
            raise CountError.of_rows(len(features), "rows of features", rows, "the matrix")
    matrix, light, heavy, _ = (list(files) for files in zip(*written, strict=True))
    gathered = Gathered(job.place, len(features), light, heavy)
    return Projected(matrix, gathered, rehearsal, kept)


def _gathering(
    job: Job, fitted: Fitted, rehearsal: Rehearsal | None, finished: str | None
) -> Gathering:
    takers: list[Taker] = [Vectors(fitted.projector)]
    rows, heavy = np.zeros(0, np.int64), ["features"]
    if rehearsal is not None:
        rows = rehearsal.rows
    if job.settings.report:
        from verger.report.data import light, looked_at

        takers.append(light(job.store, fitted.pca, finished))
        rows = np.union1d(rows, looked_at(fitted.labels.codes))
        heavy.append("thumbnail")
    return Gathering(job.place, tuple(takers), rows, tuple(heavy))
