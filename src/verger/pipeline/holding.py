"""Holding: whether the projection that STORE has does for the photos that there are now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from verger.errors import StoreError
from verger.gallery.files import HEADER
from verger.gallery.projector import Projector, open_projector
from verger.pipeline.context import Job
from verger.projections.change import Change, change_of
from verger.projections.discriminant import ROOT_UNIT, Discriminant, separation_kept
from verger.projections.feature_moments import FeatureMoments
from verger.projections.pca import PCA, load_pca
from verger.settings import parse_components
from verger.store.kept_moments import Reading, Rewrites, readings
from verger.store.layout import GALLERY, MATRIX, PROJECTION
from verger.store.manifest import altered, listed_in

# Measured in decision 44. Photos that are like those there are cost some 0.00004 of the variance a
# percent, and 0.001 of the separation; photos from elsewhere, twenty times as much.
MOST_LOST = 0.001  # of the variance, by components of old instead of as many fitted anew
LEAST_SEPARATED = 0.98  # of the separation of labels that directions fitted anew would reach


@dataclass(frozen=True, slots=True)
class Held:
    """The projection that STORE has, which stays, and what has changed since its matrix.

    matrix:   the files of that matrix, in order
    readings: what to read of the features to know all rows that are not as they were
    """

    pca: PCA
    discriminant: Discriminant | None
    projector: Projector
    matrix: list[str]
    readings: list[Reading]


class Compared(NamedTuple):
    """What comparing came to: the projection that is held, if it is, and the figures."""

    held: Held | None
    figures: dict[str, float]


def compared(
    job: Job,
    before: Mapping[str, Any],
    moments: FeatureMoments,
    fitted: PCA,
    files: Mapping[str, int],
    rewrites: Rewrites,
) -> Compared | None:
    """Compare the projection of the run before with one fitted to the photos that there are now.

    moments, fitted: of these photos
    files, rewrites: of their features; see `readings`
    None where there is nothing to compare: other settings, other labels, another number of
    components, or something of that run is missing or damaged, which is told in a line.
    """
    settings = job.settings
    as_before = ("components", "standardize", "shrinkage")
    if any(before["settings"].get(name) != getattr(settings, name) for name in as_before):
        return None
    try:
        there = _opened(job, before, moments, files, rewrites)
    except (StoreError, KeyError, TypeError, ValueError) as error:
        what = error.what.rstrip(".") if isinstance(error, StoreError) else repr(error)
        job.store.warn(f"the projection is refitted, as the earlier one cannot be used ({what}).")
        return None
    change = change_of(there.pca, moments.raw, fitted) if there else None
    if there is None or change is None:
        return None
    separated = 1.0
    if there.discriminant is not None:
        separated = separation_kept(there.discriminant, moments.unit)
    does = (
        change.lost <= MOST_LOST
        and separated >= LEAST_SEPARATED
        and _suffices(there.pca.k, change, fitted.k, settings.components)
    )
    figures = {
        "angle": change.angle,
        "variance_kept": change.kept,
        "variance_best": change.best,
        "separation_kept": separated,
    }
    return Compared(there if does else None, {n: round(x, 9) for n, x in figures.items()})


def _suffices(k: int, change: Change, fitted: int, components: str) -> bool:
    """Say whether k components are what was asked for: that number, or nearly that share."""
    wanted = parse_components(components)
    return k == fitted if isinstance(wanted, int) else change.kept >= wanted - MOST_LOST


def _opened(
    job: Job,
    before: Mapping[str, Any],
    moments: FeatureMoments,
    files: Mapping[str, int],
    rewrites: Rewrites,
) -> Held | None:
    """Open what the run before left, every byte of which is compared with its checksum."""
    place, folder = job.place, job.work.scratch / "before"
    listed = listed_in(before)
    mine = [p for p in sorted(listed) if p.split("/")[0] in (MATRIX, PROJECTION, GALLERY)]
    if not mine or any(listed[path].sha256 is None for path in mine):
        return None  # an older Verger's, without checksums
    with ThreadPoolExecutor(place.reads_at_once) as threads:
        found = threads.map(lambda path: altered(place, path, listed[path]), mine)
        if damaged := next(filter(None, found), None):
            raise damaged.error(str(place))
    folder.mkdir()
    for path in mine:
        if path.startswith(f"{PROJECTION}/"):
            (folder / path.rpartition("/")[2]).write_bytes(place.read(path))
    pca, projector = load_pca(folder), open_projector(folder)
    model = projector.model if isinstance(projector.model, Discriminant) else None
    header = json.loads(place.read(f"{GALLERY}/{HEADER}"))
    tables = {str(one["file"]): int(one["rows"]) for one in header["tables"]}
    wanted = readings(tables, files, rewrites)
    is_of_these = (
        len(pca.mean) == projector.width == moments.raw.features
        and header["projection"] == projector.record()
        and tuple(header["labels"]) == moments.unit.labels
        and (model is None or model.input == ROOT_UNIT)
    )
    if wanted is None or not is_of_these:
        return None
    matrix = [path for path in mine if path.startswith(f"{MATRIX}/")]
    return Held(pca, model, projector, matrix, wanted)
