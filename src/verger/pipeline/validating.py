"""Validating: how far answers are to be trusted, learnt anew once enough photos have changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from verger.gallery.build import Validation, groups_of_labels
from verger.gallery.calibration import Calibration
from verger.gallery.files import HEADER
from verger.machine.cores import cores
from verger.pipeline.context import Job
from verger.store.gathering import Gathered
from verger.store.label_codes import Labels
from verger.store.layout import GALLERY
from verger.store.troubles import troubles_told

# Of all photos: what that costs is in decision 46.
MOST_CHANGED = 0.05
_THREADS = 2  # a run has nothing else to do meanwhile, but each takes memory


class Validated(NamedTuple):
    """What a validation gave, None where there was none, and how many photos changed since."""

    calibration: Calibration | None
    changed: int


def last_validation(
    job: Job, before: Mapping[str, Any] | None, labels: Labels, changed: int
) -> Validated | None:
    """Return what the last validation gave, as long as it holds.

    before:  the record of the last run
    changed: how many photos came, went or got another label since
    """
    if before is None or "gallery" not in before:  # the first STOREs had none
        return None
    if before["settings"].get("shrinkage") != job.settings.shrinkage:
        return None
    changed += before["gallery"].get("changed", 0)
    if changed > MOST_CHANGED * len(labels.codes):
        return None
    try:
        header = json.loads(job.place.read(f"{GALLERY}/{HEADER}"))
        if header["labels"] != list(labels.names) or header["groups"] != groups_of_labels(labels):
            return None
        calibration = Calibration.parse(header["calibration"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return Validated(calibration, changed) if calibration.photos else None


def validated(
    job: Job, validation: Validation | None, gathered: Gathered, paths: pa.ChunkedArray
) -> Validated:
    """Validate anew, where there is anything to validate on; `paths` are those of all photos."""
    if validation is None:
        return Validated(None, 0)
    threads = min(job.settings.cores or cores(), _THREADS)
    with troubles_told(str(job.place)):
        return Validated(validation.calibration(gathered, paths, threads), 0)
