"""Where the points of the map lie: principal components, label directions, or neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from verger.errors import UsageError, to_add
from verger.projections.discriminant import Discriminant
from verger.report.reading import Floats

PCA_MAP, LABEL_MAP, NEIGHBOUR_MAP = "pca", "labels", "neighbours"
MAPS = (PCA_MAP, NEIGHBOUR_MAP)
_FEWEST = 10
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


def need_neighbour_map() -> None:
    """Raise `UsageError` where the library of the neighbour map is not installed."""
    try:
        import openTSNE  # noqa: F401
    except ImportError:
        raise UsageError(
            "--map neighbours needs the library openTSNE, which is not installed.",
            hint=to_add("map"),
        ) from None


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


def _two(rows: Floats) -> Floats:
    """Take two columns; where there are fewer, the rest is 0."""
    out = np.zeros((len(rows), 2), np.float32)
    out[:, : min(2, rows.shape[1])] = rows[:, :2]
    return out
