"""How much variance the components keep, and how many it takes to keep a given share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verger.machine.blas import on_one_thread
from verger.projections.pca import PCA
from verger.report.reading import Floats

TARGETS = (0.80, 0.90, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Shares of variance.

    ratios:  float64 (r,), of each component, decreasing; the first `k` are those that were kept
    k:       components that were kept
    needed:  for each of `TARGETS`, how many components reach it; None where that is not known
    rows:    how many rows the shares after the first k were computed from; 0 where there are none
    """

    ratios: npt.NDArray[np.float64]
    k: int
    needed: tuple[tuple[float, int | None], ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Components:
    """All principal components of some photos.

    ratios:  float64 (min(m, d),), the share of variance of each, decreasing
    rows:    float32 (m, q), the photos along the first q of them
    """

    ratios: npt.NDArray[np.float64]
    rows: Floats


@on_one_thread
def components_of(features: Floats, scale: npt.NDArray[np.float64], most: int) -> Components:
    """Return all components of rows (m, d), each feature divided by its `scale` (d,) first.

    The eigenvectors are those of the smaller of the two products: m × m for few photos, d × d for
    many. `most` bounds q.
    """
    centred = (
        features - features.mean(axis=0, dtype=np.float64) if len(features) else features
    ) / scale
    few = len(features) < features.shape[1]
    values, vectors = np.linalg.eigh(centred @ centred.T if few else centred.T @ centred)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1][:, :most]
    total = values.sum()
    if not total:
        return Components(np.zeros(0), np.zeros((len(features), 0), np.float32))
    rows = vectors * np.sqrt(values[:most]) if few else centred @ vectors
    return Components(values / total, rows.astype(np.float32))


def components_from(full_pca: PCA, features: Floats, most: int) -> Components:
    """Return what `components_of` does, of photos that all components were fitted to."""
    ratios = np.zeros(min(features.shape))
    ratios[: full_pca.k] = full_pca.explained_variance_ratio
    return Components(ratios, full_pca.first(most).transform(features))


def spectrum(pca: PCA, whole: Components) -> Spectrum:
    """Complete the stored shares with those of the components that were not kept.

    These are of `whole`, the photos that the report looks at. The stored ones stay as they are,
    and those after them are scaled to what is left.
    """
    stored = pca.explained_variance_ratio
    ratios, rows = stored, 0
    left = 1.0 - float(stored.sum())
    tail = whole.ratios[pca.k : pca.rank]
    if pca.k and left > 0 and tail.sum() > 0:
        ratios, rows = np.concatenate([stored, tail * (left / tail.sum())]), len(whole.rows)
    reached = np.cumsum(ratios)
    needed = []
    for target in TARGETS:
        at = int(np.searchsorted(reached, target * (1 - 1e-12)))
        needed.append((target, at + 1 if at < len(reached) else None))
    return Spectrum(ratios, pca.k, tuple(needed), rows)
