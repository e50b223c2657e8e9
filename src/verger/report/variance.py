"""How much variance the components keep, and how many it takes to keep a given share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verger.projection import PCA

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


def spectrum(pca: PCA, whole: PCA) -> Spectrum:
    """Complete the stored shares with those of the components that were not kept.

    These are of `whole`, all components of the photos that the report looks at. The stored ones
    stay as they are, and those after them are scaled to what is left.
    """
    stored = pca.explained_variance_ratio
    ratios, rows = stored, 0
    left = 1.0 - float(stored.sum())
    tail = whole.explained_variance_ratio[pca.k :]
    if pca.k and left > 0 and tail.sum() > 0:
        ratios, rows = np.concatenate([stored, tail * (left / tail.sum())]), whole.rows
    reached = np.cumsum(ratios)
    needed = []
    for target in TARGETS:
        at = int(np.searchsorted(reached, target * (1 - 1e-12)))
        needed.append((target, at + 1 if at < len(reached) else None))
    return Spectrum(ratios, pca.k, tuple(needed), rows)
