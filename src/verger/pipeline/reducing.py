"""Reducing: the projections are fitted in one pass over the features, and used in another."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from verger.errors import CountError
from verger.gallery.build import Validation, Vectors
from verger.gallery.projector import Projector, open_projector
from verger.machine.blas import on_one_thread
from verger.pipeline.context import Job
from verger.pipeline.holding import Compared, Held, compared
from verger.pipeline.reporting import getting_ready
from verger.pipeline.validating import Validated, last_validation
from verger.projections.discriminant import Discriminant, fit_discriminant, save_discriminant
from verger.projections.feature_moments import FeatureMoments
from verger.projections.moments import Matrix, check_width
from verger.projections.pca import PCA, fit_full_pca, save_pca
from verger.settings import WHEN_IT_MATTERS, parse_components
from verger.store.gathering import Gathered, Gathering, Taker
from verger.store.inventory import edits_of
from verger.store.kept_moments import KeptMoments, Rewrites, readings
from verger.store.label_codes import Labels, labels_of
from verger.store.layout import PROJECTION
from verger.store.matrix import Group, groups_of, ranges, rows_of_files
from verger.store.sampling import Keys, keys_of
from verger.store.tables import Table, rows_of
from verger.tasks.engine import Engine
from verger.tasks.reduction import carry_matrix, feature_moments, gather, write_matrix


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

    @cache  # noqa: B019 - there is one of these a run
    def keys(self) -> Keys:
        """Return numbers by which samples of the rows are drawn, (n,); reads all paths."""
        return keys_of(self.table.column("path"))


@dataclass(frozen=True, slots=True)
class Fitted:
    """The models, and what they were fitted to: the labels, and the mean features of each label.

    full_pca: the projection onto all components that the photos have
    files:    the model files to publish; none where STORE's projection is held
    read:     how many rows of features were read for it
    changed:  how many photos came, or went, since the last fit, whichever is more; a changed or
              relabelled photo did both. All photos, if that is not known
    compared: the comparison with the projection of the run before, if there was one
    """

    pca: PCA
    discriminant: Discriminant | None
    projector: Projector
    labels: Labels
    label_means: Matrix
    full_pca: PCA
    files: list[str]
    read: int
    changed: int
    compared: Compared | None = None

    @property
    def held(self) -> Held | None:
        """STORE's projection, where it is held."""
        return self.compared.held if self.compared else None


@dataclass(frozen=True, slots=True)
class Projected:
    """The files of the matrix, and what was gathered as they were written.

    validation, kept: the photos to validate on; or what the last time gave, where that still holds
    carried:         where the projection is held, the files of the rows that are not as they were:
                     of all others, nothing but the photos to validate on was gathered
    """

    matrix: list[str]
    gathered: Gathered
    validation: Validation | None
    kept: Validated | None
    carried: list[str] | None = None

    @property
    def for_report(self) -> Gathered | None:
        """What was gathered, where it is what a report needs."""
        return self.gathered if self.carried is None else None


def fit(
    job: Job, engine: Engine, features: Features, width: int, before: Mapping[str, Any] | None
) -> Fitted:
    """Fit both projections to the moments of the features, and save them; or hold those of before.

    `before` is the record of the run whose projection may be held; None where none may be.
    """
    with job.clock.time("fit"), job.reporter.step("Fitting"):
        labels = labels_of(features.table)
        moments, read, changed = _moments(job, engine, features, labels, width)
        return _fitted(job, features, moments, labels, (read, changed), before)


def _moments(
    job: Job, engine: Engine, features: Features, labels: Labels, width: int
) -> tuple[FeatureMoments, int, int]:
    """Bring the moments that are kept up to date, or sum up all features where that cannot be.

    Returns how many rows were read for them, and how many photos had changed, too.
    """
    check_width(width)
    place, edits, read, found = job.place, job.work.edits, 0, 0
    changed: int | None = None
    tries = [KeptMoments.none(width)]
    # Of an edited row what it was is summed up as well: where most are edited, all is less work.
    if not features.rewrites or 2 * rows_of(place, [edits]) < len(features):
        tries = [kept for kept in (KeptMoments.read(place, width),) if kept] + tries
    for kept in tries:
        wanted = readings(kept.files, features.rows, features.rewrites)
        if wanted is None:
            continue
        of_file = partial(edits_of, place, edits)
        more, fewer = feature_moments(engine, place, wanted, width, of_file)
        read, found = read + more.raw.n + fewer.raw.n, more.raw.n
        if changed is None:  # what has another label has both come and gone
            changed = max(more.raw.n, fewer.raw.n)
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


@on_one_thread  # in each of its two threads
def _fitted(
    job: Job,
    features: Features,
    moments: FeatureMoments,
    labels: Labels,
    counts: tuple[int, int],
    before: Mapping[str, Any] | None,
) -> Fitted:
    settings, folder = job.settings, job.work.scratch / PROJECTION
    wanted, means = parse_components(settings.components), moments.unit.label_means
    with ThreadPoolExecutor(1) as beside:
        named = beside.submit(_discriminant, moments, settings.shrinkage)
        full_pca = fit_full_pca(moments.raw, standardize=settings.standardize)
    pca = full_pca.first(wanted)
    change = None
    if before is not None and settings.refit == WHEN_IT_MATTERS:
        change = compared(job, before, moments, pca, features.rows, features.rewrites)
    if change is not None and (held := change.held) is not None:
        models = held.pca, held.discriminant, held.projector
        return Fitted(*models, labels, means, full_pca, [], *counts, change)
    save_pca(pca, folder)
    if (discriminant := named.result()) is not None:
        save_discriminant(discriminant, folder)
    projector, files = open_projector(folder), job.send(PROJECTION)
    return Fitted(pca, discriminant, projector, labels, means, full_pca, files, *counts, change)


def _discriminant(moments: FeatureMoments, shrinkage: float) -> Discriminant | None:
    """Fit the discriminant projection, where there are labels to tell apart."""
    return fit_discriminant(moments.unit, shrinkage) if len(moments.unit.labels) > 1 else None


def project(
    job: Job,
    engine: Engine,
    features: Features,
    fitted: Fitted,
    before: dict[str, Any] | None,
    finished: str | None = None,
) -> Projected:
    """Write the matrix, and gather what gallery and report need.

    before:   the record of the run whose validation may be kept
    finished: when the run that the report is of ended, if it has
    """
    kept = last_validation(job, before, fitted.labels, fitted.changed)
    validation = None if kept else Validation.of(fitted.labels, fitted.projector, features.keys)
    with job.clock.time("project"), job.reporter.step("Matrix"):
        if fitted.held is not None:
            return _carried_on(job, engine, features, fitted.held, validation, kept)
        gathering = _gathering(job, features, fitted, validation, finished)
        spans = ranges(features.groups, fitted.pca.k, engine.cores)
        with getting_ready(job.settings, engine):
            written = write_matrix(engine, job.work, features.table, spans, fitted.pca, gathering)
        if (rows := sum(files.rows for files in written)) != len(features):
            raise CountError.of_rows(len(features), "rows of features", rows, "the matrix")
    matrix, light, heavy, _ = (list(files) for files in zip(*written, strict=True))
    gathered = Gathered(job.place, len(features), light, heavy)
    return Projected(matrix, gathered, validation, kept)


def _carried_on(
    job: Job,
    engine: Engine,
    features: Features,
    held: Held,
    validation: Validation | None,
    kept: Validated | None,
) -> Projected:
    """Carry the matrix on with the projection that is held, and read the photos to validate on."""
    place, of_file = job.place, partial(edits_of, job.place, job.work.edits)
    written, changed = carry_matrix(
        engine, job.work, held.matrix, held.readings, of_file, held.pca, Vectors(held.projector)
    )
    if (rows := sum(rows for _, rows in written)) != len(features):
        raise CountError.of_rows(len(features), "rows of features", rows, "the matrix")
    heavy = []
    if validation is not None:
        gathering = Gathering(place, (), validation.rows, ("features",))
        heavy = gather(engine, job.work, features.table, features.groups, gathering)
    gathered = Gathered(place, len(features), [], heavy)
    return Projected([file for file, _ in written], gathered, validation, kept, changed)


def _gathering(
    job: Job,
    features: Features,
    fitted: Fitted,
    validation: Validation | None,
    finished: str | None,
) -> Gathering:
    takers: list[Taker] = [Vectors(fitted.projector)]
    rows, heavy = np.zeros(0, np.int64), ["features"]
    if validation is not None:
        rows = validation.rows
    if job.settings.report:
        from verger.report.data import light, looked_at

        takers.append(light(job.store, fitted.pca, finished))
        rows = np.union1d(rows, looked_at(fitted.labels.codes, features.keys))
        heavy.append("thumbnail")
    return Gathering(job.place, tuple(takers), rows, tuple(heavy))
