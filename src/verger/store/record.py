"""The run record, and the notes for a person: made from what the rooms above found out."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import verger
from verger.embed import Backbone
from verger.projections.discriminant import Discriminant
from verger.projections.pca import PCA
from verger.settings import RunSettings, parse_components

LEAST_TIMED = 30  # photos of a run that say how fast it was


class Clock:
    """Seconds a stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.perf_counter()

    def elapsed(self) -> float:
        """Return the seconds since this clock was made."""
        return time.perf_counter() - self._began

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Time a stage, or a part of it; one that fails has no time."""
        start = time.perf_counter()
        yield
        before = self.seconds.get(stage, 0.0)
        self.seconds[stage] = round(before + time.perf_counter() - start, 3)


def as_option(name: str, value: object) -> str:
    """Write a setting of a record as the option that sets it: --no-csv."""
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name} {value}"


def rate_of(record: Mapping[str, Any]) -> float:
    """Return the photos that a run embedded a second; 0 where they were too few to tell."""
    changes = record.get("changes", {})
    opened = sum(int(changes.get(name, 0)) for name in ("new", "changed", "retried"))
    enough = not changes or opened - int(changes.get("reused", 0)) >= LEAST_TIMED
    return float(record["photos_per_second"]) if enough else 0.0


def versions(engine: Mapping[str, str]) -> dict[str, str]:
    """Return the versions of everything that has a say in the result."""
    return {"verger": verger.__version__, "python": platform.python_version(), **engine}


def backbone_record(backbone: Backbone) -> dict[str, Any]:
    """Describe a backbone."""
    card = backbone.card
    return {
        "name": card.name,
        "sha256": card.sha256,
        "features": card.features,
        "image_size": card.input.size,
        "views": list(card.input.views),
        "license": card.license,
    }


def projection_record(pca: PCA) -> dict[str, Any]:
    """Describe principal components."""
    ratios = pca.explained_variance_ratio
    return {
        "kind": "pca",
        "k": pca.k,
        "rank": pca.rank,
        "standardized": pca.standardized,
        "explained_variance": float(ratios.sum()),
        "explained_variance_ratio": [float(ratio) for ratio in ratios],
    }


def discriminant_record(model: Discriminant | None) -> dict[str, Any] | None:
    """Describe a discriminant projection; None where there was nothing to fit it to."""
    if model is None:
        return None
    return {"k": model.k, "shrinkage": model.shrinkage, "rows": model.rows, "labels": model.labels}


def moments_record(photos: int, read: int) -> dict[str, Any]:
    """Describe what was fitted to: so many photos, of which so many features were read for it."""
    return {"photos": photos, "read": read}


def pca_notes(pca: PCA, settings: RunSettings) -> list[str]:
    """Say where the data gave fewer components than a person may expect."""
    if not pca.rank:
        if not pca.rows:
            what = "No photo was embedded: there is"
        else:
            what = "One photo has" if pca.rows == 1 else f"All {pca.rows} photos are alike and have"
        return [f"{what} no variance to explain, so the matrix has no component."]
    wanted = parse_components(settings.components)
    if isinstance(wanted, int) and wanted > pca.k:
        return [
            f"{wanted} components were asked for; {pca.rows} photos give {pca.k}, all there are."
        ]
    return []


def discriminant_notes(labels: int) -> list[str]:
    """Say why there is no discriminant projection, where a person may expect one."""
    if labels == 1:
        return ["One label only: there is no discriminant projection."]
    return []
