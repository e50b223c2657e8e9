"""What must hold of a STORE, looked at again for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from verger.projections.pca import PCA
from verger.report.reading import Photos
from verger.store.layout import FEATURES, MATRIX, REJECTS
from verger.store.store import Store
from verger.store.tables import batches, rows_of

_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold, whether it does, and the figures: a message and its values."""

    what: str
    passed: bool
    figures: str
    values: Mapping[str, int | float]


def check_store(store: Store, record: Mapping[str, Any], pca: PCA, photos: Photos) -> list[Check]:
    """Check counts, paths, and that the matrix is what the projection promises."""
    rows, off_centre, off_variance = _matrix_moments(store, pca)
    checks = [*_of_counts(store, record["counts"], rows), _of_paths(photos)]
    if pca.k and rows > 1:
        mine = _of_matrix(pca, off_centre, off_variance)
        # One that is held was fitted to other photos, and promises neither centre nor variances.
        checks += mine[:1] if record["projection"].get("held") else mine
    return checks


def _of_counts(store: Store, counts: Mapping[str, Any], rows: int) -> list[Check]:
    listed, embedded, rejected = (int(counts[n]) for n in ("listed", "embedded", "rejected"))
    features, rejects = (rows_of(store.place, store.table(name)) for name in (FEATURES, REJECTS))
    return [
        Check(
            "Every listed photo is embedded or rejected",
            listed == embedded + rejected,
            "listed %(listed)s = embedded %(embedded)s + rejected %(rejected)s",
            {"listed": listed, "embedded": embedded, "rejected": rejected},
        ),
        Check(
            "The tables hold what was counted",
            (features, rejects, rows) == (embedded, rejected, embedded),
            "rows: features %(features)s, rejects %(rejects)s, matrix %(matrix)s",
            {"features": features, "rejects": rejects, "matrix": rows},
        ),
    ]


def _of_paths(photos: Photos) -> Check:
    different = len(np.unique(photos.keys))
    return Check(
        "No photo is there twice under one path",
        different == len(photos),
        "different paths: %(different)s of %(photos)s",
        {"different": different, "photos": len(photos)},
    )


def _of_matrix(pca: PCA, off_centre: float, off_variance: float) -> list[Check]:
    product = pca.components @ pca.components.T
    skew = float(np.abs(product - np.eye(pca.k)).max())
    return [
        Check(
            "The components are orthonormal",
            skew < _TOLERANCE,
            "largest deviation %(most)s",
            {"most": skew},
        ),
        Check(
            "The matrix is centred",
            off_centre < _TOLERANCE,
            "largest mean of a column: %(most)s spreads",
            {"most": off_centre},
        ),
        Check(
            "The columns of the matrix have the variance that the projection says",
            off_variance < _TOLERANCE,
            "largest relative difference %(most)s",
            {"most": off_variance},
        ),
    ]


def _matrix_moments(store: Store, pca: PCA) -> tuple[int, float, float]:
    """Return rows, the largest |mean| in spreads, and the largest relative error of a variance."""
    total, squares, rows = np.zeros(pca.k), np.zeros(pca.k), 0
    for file in store.table(MATRIX):
        for batch in batches(store.place, file, ["components"]):
            block = _block(batch.column(0), pca.k)
            total += block.sum(axis=0)
            squares += (block**2).sum(axis=0)
            rows += len(batch)
    if not pca.k or rows < 2:
        return rows, 0.0, 0.0
    mean = total / rows
    variance = (squares - rows * mean**2) / (rows - 1)
    spread = np.sqrt(pca.explained_variance)
    return (
        rows,
        float((np.abs(mean) / spread).max()),
        float((np.abs(variance - pca.explained_variance) / pca.explained_variance).max()),
    )


def _block(column: pa.Array, k: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = np.asarray(column.flatten(), dtype=np.float64)
    return values.reshape(len(column), k)
