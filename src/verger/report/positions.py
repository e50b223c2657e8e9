"""Where the points of the map lie: principal components, label directions, or neighbours."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from verger.projections.discriminant import Discriminant
from verger.report.reading import Floats
from verger.storage.place import Place

PCA_MAP, LABEL_MAP, NEIGHBOUR_MAP = "pca", "labels", "neighbours"
MAPS = (PCA_MAP, NEIGHBOUR_MAP)
MAP = "map.parquet"
_FEWEST = _NEAREST = 10
_COMPONENTS = 50


@dataclass(frozen=True, slots=True)
class Positions:
    """One way to lay the photos of the map out; float32 (p, 2)."""

    kind: str
    points: Floats


def by_components(projected: Floats) -> Positions:
    """Lay photos out by their first two components, of `projected` (p, q)."""
    return Positions(PCA_MAP, _two(projected))


def by_labels(model: Discriminant, features: Floats) -> Positions:
    """Lay photos out by the first two directions of the discriminant projection."""
    return Positions(LABEL_MAP, _two(model.transform(features)))


def by_neighbours(projected: Floats, seed: int = 0) -> Positions:
    """Lay photos out so that neighbours stay neighbours, by t-SNE on the first components.

    See L. van der Maaten and G. Hinton, "Visualizing data using t-SNE", JMLR 9, 2008; openTSNE is
    P. G. Poličar, M. Stražar and B. Zupan, JSS 109, 2024. Fewer than 10 photos keep their
    components. Distances between groups mean nothing here.
    """
    from openTSNE import TSNE

    if len(projected) < _FEWEST:
        return Positions(NEIGHBOUR_MAP, _two(projected))
    perplexity = min(30.0, (len(projected) - 1) / 3)
    model = TSNE(
        perplexity=perplexity, metric="euclidean", n_jobs=-1, random_state=seed, verbose=False
    )
    points = np.asarray(model.fit(projected[:, :_COMPONENTS].astype(np.float64)))
    return Positions(NEIGHBOUR_MAP, points.astype(np.float32))


def by_earlier_neighbours(projected: Floats, earlier: Floats) -> Positions:
    """Leave photos where an earlier map by neighbours had them, and place the others among them.

    earlier: float32 (p, 2); NaN for a photo that it did not have
    Such a photo lies at the median of those nearest to it, as openTSNE begins to place points on a
    map that is there: P. G. Poličar, M. Stražar and B. Zupan, "Embedding to reference t-SNE space
    addresses batch effects in single-cell classification", Machine Learning 112, 2023.
    """
    known = np.isfinite(earlier).all(axis=1)
    points = earlier.copy()
    rows = projected[:, :_COMPONENTS].astype(np.float64)
    there, laid = rows[known], earlier[known]
    squares, k = (there**2).sum(axis=1), min(_NEAREST, len(there))
    for at in np.flatnonzero(~known):
        nearest = np.argpartition(squares - 2 * there @ rows[at], k - 1)[:k]
        points[at] = np.median(laid[nearest], axis=0)
    return Positions(NEIGHBOUR_MAP, points)


def earlier_neighbours(place: Place, folder: str) -> dict[int, tuple[float, float]]:
    """Read where a report's map by neighbours has each content; nothing where it has none."""
    columns = ["content", f"{NEIGHBOUR_MAP}_x", f"{NEIGHBOUR_MAP}_y"]
    try:
        table = pq.read_table(io.BytesIO(place.read(f"{folder}/{MAP}")), columns=columns)
        contents, x, y = (table[name].to_pylist() for name in columns)
        return {int(one): (float(a), float(b)) for one, a, b in zip(contents, x, y, strict=True)}
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return {}


def _two(rows: Floats) -> Floats:
    """Take two columns; where there are fewer, the rest is 0."""
    out = np.zeros((len(rows), 2), np.float32)
    out[:, : min(2, rows.shape[1])] = rows[:, :2]
    return out
