"""How far a projection is from one that is fitted to the rows there are now. No Spark."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from verger.machine.blas import on_one_thread
from verger.projections.moments import Matrix, Moments
from verger.projections.pca import PCA, fit_pca


class Change(NamedTuple):
    """What as many components, fitted anew, would change.

    angle: the largest principal angle between both subspaces, in degrees
    kept:  the share of the rows' variance that the components there are keep
    best:  the largest share that as many can keep
    """

    angle: float
    kept: float
    best: float

    @property
    def lost(self) -> float:
        """The share of variance that is lost by not fitting anew."""
        return max(self.best - self.kept, 0.0)


@on_one_thread
def change_of(pca: PCA, moments: Moments, fitted: PCA | None = None) -> Change | None:
    """Compare principal components with those of the rows that these moments are of.

    `fitted` are those, where they are known. All is taken in the units of that fit. Rows are given
    back from their components about the mean of old, so that of a mean that has moved, what lies
    outside of the subspace counts as lost. None where the rows do not give as many components.
    """
    if fitted is None or fitted.k != pca.k:
        fitted = fit_pca(moments, pca.k, standardize=pca.standardized)
    if not pca.k or fitted.k != pca.k or fitted.standardized != pca.standardized:
        return None
    axes = np.linalg.qr((pca.components * (fitted.scale / pca.scale)).T)[0].T
    covariance = moments.covariance() / np.outer(fitted.scale, fitted.scale)
    moved = (fitted.mean - pca.mean) / fitted.scale
    within = axes @ moved
    kept = np.vdot(axes @ covariance, axes) - (moved @ moved - within @ within)
    total = fitted.total_variance
    best = float(fitted.explained_variance.sum() / total)
    return Change(largest_angle(axes, fitted.components), float(kept / total), best)


def largest_angle(one: Matrix, other: Matrix) -> float:
    """Return the largest principal angle between two subspaces, in degrees.

    one, other: float64 (k, d), orthonormal rows that span them
    By its cosine where it is large, else by its sine, as a cosine says nothing of small angles:
    A. V. Knyazev and M. E. Argentati, "Principal angles between subspaces in an A-based scalar
    product", 2002.
    """
    products = other @ one.T
    cosine = np.linalg.svd(products, compute_uv=False)[-1]
    if 2 * cosine**2 < 1:
        return float(np.degrees(np.arccos(cosine)))
    sine = float(np.linalg.norm(other - products @ one, 2))
    return float(np.degrees(np.arcsin(min(sine, 1.0))))
