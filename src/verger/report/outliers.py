"""Photos that are far from everything else.

The score is the mean distance (1 − cosine) to the nearest neighbours, as in S. Ramaswamy,
R. Rastogi and K. Shim, "Efficient algorithms for mining outliers from large data sets", 2000, taken
relative to what is usual for photos of the same label: its logarithm in robust spreads (1.4826 ×
the median absolute deviation) from the label's median.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verger.report.neighbours import Neighbours
from verger.report.reading import Ints

SPREADS = 4.0
_FEWEST = 10  # photos of a label that make it its own measure
_NO_DISTANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Outliers:
    """Rows that are far from everything, the furthest first; distance 0 to 2, and in spreads."""

    rows: Ints
    distance: npt.NDArray[np.float64]
    spreads: npt.NDArray[np.float64]


def find_outliers(neighbours: Neighbours, codes: Ints, spreads: float = SPREADS) -> Outliers:
    """Return the rows whose neighbours are unusually far for their label."""
    if len(codes) < _FEWEST or not neighbours.index.shape[1]:
        none = np.zeros(0)
        return Outliers(np.zeros(0, np.int64), none, none)
    distance = 1.0 - neighbours.similarity.mean(axis=1, dtype=np.float64)
    logs = np.log(np.maximum(distance, _NO_DISTANCE))
    middle, spread = _robust(logs)
    centre, width = np.full(len(logs), middle), np.full(len(logs), spread)
    for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
        if count >= _FEWEST:
            mine = codes == code
            centre[mine], own = _robust(logs[mine])
            # A label of photos that are all alike would call every other one far.
            width[mine] = max(own, spread / 2)
    score = (logs - centre) / width
    rows = np.flatnonzero(score > spreads)
    rows = rows[np.argsort(-score[rows], kind="stable")]
    return Outliers(rows, distance[rows], score[rows])


def _robust(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    middle = float(np.median(values))
    return middle, max(1.4826 * float(np.median(np.abs(values - middle))), 0.05)
