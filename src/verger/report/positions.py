"""Where the points of the map lie: principal components, label directions, or neighbours."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from verger.projections.discriminant import Discriminant
from verger.report.reading import Floats, Ints
from verger.report.table_files import UNREADABLE, read_table
from verger.report.tsne import lay_out, settle
from verger.storage.place import Place

PCA_MAP, LABEL_MAP, NEIGHBOUR_MAP = "pca", "labels", "neighbours"
MAPS = (PCA_MAP, NEIGHBOUR_MAP)
MAP = "map.parquet"
# Which neighbours of a photo pull it, by rank: the nearest, and some that hold groups together.
_NEARBY, _BEYOND = 15, (22, 33, 49, 67, 89)
LOOKED_AT = _BEYOND[-1] + 1
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
    two = replace(model, components=model.components[:2])
    return Positions(LABEL_MAP, _two(two.transform(features)))


def by_neighbours(near: Ints, projected: Floats) -> Positions:
    """Lay photos out so that neighbours stay neighbours, by t-SNE from the first two components.

    near: int64 (p, k), of each photo the nearest others on the map, nearest first; -1 for others
    The nearest 15 and a few beyond, of at most a third of the photos, pull each; fewer than 10
    photos keep their components. Distances between groups mean nothing here.
    """
    if len(near) < _FEWEST:
        return Positions(NEIGHBOUR_MAP, _two(projected))
    return Positions(NEIGHBOUR_MAP, lay_out(_pulling(near), _two(projected)))


def by_earlier_neighbours(near: Ints, projected: Floats, earlier: Floats) -> Positions:
    """Leave photos where an earlier map by neighbours had them, and place the others among them.

    earlier: float32 (p, 2); NaN for a photo that it did not have
    Such a photo begins at the median of those nearest to it, and finds its place from there while
    the others stay: P. G. Poličar, M. Stražar and B. Zupan, "Embedding to reference t-SNE space
    addresses batch effects in single-cell classification", Machine Learning 112, 2023.
    """
    known = np.isfinite(earlier).all(axis=1)
    points = earlier.copy()
    rows = projected[:, :_COMPONENTS].astype(np.float64)
    there, laid = rows[known], earlier[known]
    squares, k = (there**2).sum(axis=1), min(_NEAREST, len(there))
    for at in np.flatnonzero(~known).tolist():
        nearest = np.argpartition(squares - 2 * there @ rows[at], k - 1)[:k]
        points[at] = np.median(laid[nearest], axis=0)
    new = np.asarray(~known)
    if new.any() and len(near) >= _FEWEST:
        points = settle(_pulling(near), points, new)
    return Positions(NEIGHBOUR_MAP, points)


def _pulling(near: Ints) -> Ints:
    """Take the neighbours that pull each of at least 10 photos."""
    most = min(near.shape[1], len(near) // 3)
    return near[:, [rank for rank in (*range(_NEARBY), *_BEYOND) if rank < most]]


def earlier_neighbours(place: Place, folder: str) -> dict[int, tuple[float, float]] | None:
    """Read where the map of the report that is there has each content by its neighbours.

    Nothing where no report is there or can be read; None where its map has no such layout.
    """
    columns = ["content", f"{NEIGHBOUR_MAP}_x", f"{NEIGHBOUR_MAP}_y"]
    try:
        table = read_table(place, f"{folder}/{MAP}")
        if not {*columns} <= {*table.column_names}:
            return None
        contents, x, y = (one.to_pylist() for one in table.select(columns).columns)
        return {int(one): (float(a), float(b)) for one, a, b in zip(contents, x, y, strict=True)}
    except UNREADABLE:
        return {}


def _two(rows: Floats) -> Floats:
    """Take two columns; where there are fewer, the rest is 0."""
    out = np.zeros((len(rows), 2), np.float32)
    out[:, : min(2, rows.shape[1])] = rows[:, :2]
    return out
