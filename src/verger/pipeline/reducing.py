"""Reducing: the projections are fitted in one pass over the features, and used in another."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from verger.errors import CountError
from verger.gallery.build import Rehearsal, Vectors
from verger.gallery.calibration import Calibration
from verger.gallery.projector import Projector, open_projector
from verger.pipeline.job import Job
from verger.projections.discriminant import Discriminant, fit_discriminant, save_discriminant
from verger.projections.moments import Matrix
from verger.projections.pca import PCA, fit_pca, save_pca
from verger.settings import parse_components
from verger.store.gathering import Gathered, Gathering, Taker
from verger.store.labels import LabelNotes, Labels
from verger.store.layout import PROJECTION
from verger.store.matrix import Group, groups_of, ranges, rows_of_files
from verger.store.tables import Table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from verger.spark.reduction import FeatureMoments


_REHEARSAL_THREADS = 2  # a run has nothing else to do meanwhile, but each takes memory


class Features:
    """The files of features that a STORE is to have, in the order it will have, and their rows."""

    def __init__(self, job: Job, files: list[str]) -> None:
        self.table = Table(job.place, sorted(files, key=lambda file: file.rpartition("/")[2]))
        self.groups: list[Group] = groups_of(self.table)
        counts = rows_of_files(self.groups, len(files))
        self.rows = dict(zip(self.table.files, counts, strict=True))

    def __len__(self) -> int:
        return sum(self.rows.values())

    @property
    def starts(self) -> list[int]:
        """The number of the first row of each file."""
        return [0, *np.cumsum(list(self.rows.values())).tolist()][:-1]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The models, and what they were fitted to: labels, and the mean features of each."""

    pca: PCA
    discriminant: Discriminant | None
    projector: Projector
    labels: Labels
    label_means: Matrix
    files: list[str]


@dataclass(frozen=True, slots=True)
class Projected:
    """The files of the matrix, and what was gathered as they were written."""

    matrix: list[str]
    gathered: Gathered
    rehearsed: bool
    calibration: Calibration | None


def fit(job: Job, spark: SparkSession, features: Features, width: int) -> Fitted:
    """Fit both projections to the moments of the features, and save them."""
    from verger.spark.reduction import feature_moments

    with job.clock.time("fit"):
        notes = LabelNotes(job.place, job.work.built("labels"), features.starts)
        moments = feature_moments(spark, features.table, len(features), width, notes)
        labels = notes.read()
        if not len(features) == moments.raw.n == len(labels.codes):
            found = moments.raw.n if moments.raw.n != len(features) else len(labels.codes)
            raise CountError.of_rows(len(features), "features listed", found, "features read")
        return _fitted(job, moments, labels)


def _fitted(job: Job, moments: FeatureMoments, labels: Labels) -> Fitted:
    settings, folder = job.settings, job.work.scratch / PROJECTION
    wanted = parse_components(settings.components)
    pca = fit_pca(moments.raw, wanted, standardize=settings.standardize)
    save_pca(pca, folder)
    discriminant: Discriminant | None = None
    if len(labels.names) > 1:
        discriminant = fit_discriminant(moments.unit, settings.shrinkage)
        save_discriminant(discriminant, folder)
    projector, means = open_projector(folder), moments.unit.label_means
    return Fitted(pca, discriminant, projector, labels, means, job.send(PROJECTION))


def project(
    job: Job, spark: SparkSession, features: Features, fitted: Fitted, finished: str | None
) -> Projected:
    """Write the matrix, gather what gallery and report need, and rehearse.

    `finished` is when the run that the report is of ended, if it has.
    """
    from verger.spark.reduction import on_a_worker, write_matrix

    rehearsal = Rehearsal.of(fitted.labels, fitted.projector)
    with job.clock.time("project"):
        gathering = _gathering(job, fitted, rehearsal, finished)
        cores = spark.sparkContext.defaultParallelism
        spans = ranges(features.groups, fitted.pca.k, cores)
        written = write_matrix(spark, job.work, features.table, spans, fitted.pca, gathering)
        if (rows := sum(files.rows for files in written)) != len(features):
            raise CountError.of_rows(len(features), "rows of features", rows, "the matrix")
    matrix, light, heavy, _ = (list(files) for files in zip(*written, strict=True))
    gathered = Gathered(job.place, len(features), light, heavy)
    calibration = None
    if rehearsal is not None:
        with job.clock.time("gallery"):
            threads = min(cores, _REHEARSAL_THREADS)
            said = on_a_worker(spark, lambda: _rehearsed(rehearsal, gathered, threads))
            record = json.loads(said)
            calibration = Calibration.parse(record) if record else None
    return Projected(matrix, gathered, rehearsal is not None, calibration)


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


def _rehearsed(rehearsal: Rehearsal, gathered: Gathered, threads: int) -> str:
    """Rehearse, in a worker: no feature goes to the driver, only what was fitted to them."""
    calibration = rehearsal.calibration(gathered, threads)
    return json.dumps(calibration and calibration.as_record())
