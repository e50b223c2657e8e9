"""Principal components from moments: fit, transform, save and load. No Spark.

The components are the eigenvectors of the covariance matrix (of the correlation matrix where
features are standardised), in the order of the variance that they explain; see I. T. Jolliffe,
"Principal Component Analysis", 2nd edition, 2002, chapters 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from verger.errors import StoreError
from verger.machine.blas import on_one_thread
from verger.projections.model_files import count_of, flag_of, load_model, number_of, save_model
from verger.projections.moments import Matrix, Moments, Vector

_FLOAT32_EPS = float(np.finfo(np.float32).eps)
_FLOAT64_EPS = float(np.finfo(np.float64).eps)
# What a saved model holds: fields, and arrays with their dimensions.
_FIELDS = ("k", "total_variance", "rank", "rows", "standardized")
_SHAPES = {"mean": ("d",), "scale": ("d",), "components": ("k", "d"), "explained_variance": ("k",)}


@dataclass(frozen=True, slots=True)
class PCA:
    """A fitted projection onto k principal components of d features.

    mean:                float64 (d,), subtracted before projecting
    scale:               float64 (d,), divides after that; ones unless standardised
    components:          float64 (k, d), orthonormal rows; in each, the entry that is largest in
                         absolute value is positive
    explained_variance:  float64 (k,), in decreasing order
    total_variance:      the variance of all d features, of which each component explains a ratio
    rank:                how many components the data could give
    rows:                how many rows it was fitted on
    """

    mean: Vector
    scale: Vector
    components: Matrix
    explained_variance: Vector
    total_variance: float
    rank: int
    rows: int
    standardized: bool

    @property
    def k(self) -> int:
        """The number of components."""
        return len(self.components)

    @property
    def explained_variance_ratio(self) -> Vector:
        """Share of the total variance that each component explains, float64 (k,)."""
        if not self.total_variance:
            return np.zeros(self.k)
        return self.explained_variance / self.total_variance

    @property
    def cumulative_ratio(self) -> Vector:
        """Share of the total variance that the first components explain together, (k,)."""
        return np.cumsum(self.explained_variance_ratio)

    def first(self, components: int | float) -> PCA:
        """Return the projection onto the first components: so many, or those with such a share.

        `components` is a number, or a share of variance between 0 and 1: the smallest k that
        reaches it. Never more are given than there are.
        """
        k = min(self.k, _wanted(components, self.cumulative_ratio))
        variances = self.explained_variance[:k].copy()
        return replace(self, components=self.components[:k].copy(), explained_variance=variances)

    def transform(
        self, rows: npt.NDArray[np.floating], *, whiten: bool = False
    ) -> npt.NDArray[np.float32]:
        """Project rows (n, d), centred, onto the components: float32 (n, k).

        `whiten` divides each component by its spread, so that all have variance 1. A row with NaN
        gives NaN. Raises `ValueError` for rows of another width.
        """
        projected = self._centred(rows) @ self.components.T
        if whiten:
            projected /= np.sqrt(self.explained_variance)
        return projected.astype(np.float32)

    def inverse_transform(
        self, projected: npt.NDArray[np.floating], *, whiten: bool = False
    ) -> npt.NDArray[np.float32]:
        """Bring projected rows (n, k) back to features (n, d), as near as k components allow.

        `whiten` says that they were whitened. Raises `ValueError` for rows of another width.
        """
        check_columns(projected, self.k)
        spread = np.sqrt(self.explained_variance) if whiten else 1.0
        back = (np.asarray(projected, dtype=np.float64) * spread) @ self.components
        return (back * self.scale + self.mean).astype(np.float32)

    def reconstruction_error(self, rows: npt.NDArray[np.floating]) -> float:
        """Return the mean squared distance of rows (n, d) to what their projection gives back.

        It is taken in standardised units where the projection is standardised.
        """
        centred = self._centred(rows)
        lost = centred - (centred @ self.components.T) @ self.components
        return float((lost**2).sum(axis=1).mean()) if len(lost) else 0.0

    def _centred(self, rows: npt.NDArray[np.floating]) -> Matrix:
        check_columns(rows, len(self.mean))
        centred: Matrix = np.subtract(rows, self.mean, dtype=np.float64)
        if self.standardized:
            centred /= self.scale
        return centred


def fit_pca(moments: Moments, components: int | float, *, standardize: bool = False) -> PCA:
    """Fit principal components to moments.

    `components`: see `PCA.first`. Never more are given than the rank of the data, which is 0 for a
    single row or for rows that are all the same.
    """
    return fit_full_pca(moments, standardize=standardize).first(components)


@on_one_thread
def fit_full_pca(moments: Moments, *, standardize: bool = False) -> PCA:
    """Fit all principal components that moments have; `PCA.first` takes some of them."""
    covariance = moments.covariance()
    variances = np.diagonal(covariance).copy()
    noise = _float32_noise(moments.mean)
    scale = np.ones(moments.features)
    if standardize:
        varies = variances > noise
        scale[varies] = np.sqrt(variances[varies])
        covariance = np.where(np.outer(varies, varies), covariance / np.outer(scale, scale), 0.0)
    elif variances.sum() <= noise.sum():
        covariance = np.zeros_like(covariance)
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1], vectors[:, ::-1]
    total = float(np.trace(covariance))
    rank = _rank(values, moments)
    return PCA(
        mean=moments.mean,
        scale=scale,
        components=fixed_signs(vectors[:, :rank].T),
        explained_variance=values[:rank].copy(),
        total_variance=total,
        rank=rank,
        rows=moments.n,
        standardized=standardize,
    )


def check_columns(rows: npt.NDArray[np.floating], columns: int) -> None:
    """Refuse rows that a projection of so many columns does not fit. Raises `ValueError`."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"rows of shape {rows.shape} for a projection of {columns} columns")


def save_pca(pca: PCA, folder: Path) -> None:
    """Write a projection as `pca.json` and its arrays."""
    fields = {name: getattr(pca, name) for name in _FIELDS}
    save_model(folder, "pca", fields, {name: getattr(pca, name) for name in _SHAPES})


def load_pca(folder: Path) -> PCA:
    """Read a projection that `save_pca` wrote. Raises `StoreError` where it is not whole."""
    header, arrays = load_model(folder, "pca", _SHAPES)
    try:
        if count_of(header, "k") != len(arrays["components"]):
            raise ValueError("k is not the number of components")
        for name in ("scale", "explained_variance"):
            if not (arrays[name] > 0).all():
                raise ValueError(f"{name} is not above 0")
        return PCA(
            **arrays,
            total_variance=number_of(header, "total_variance"),
            rank=count_of(header, "rank"),
            rows=count_of(header, "rows"),
            standardized=flag_of(header, "standardized"),
        )
    except (KeyError, ValueError) as error:
        raise StoreError(f"{folder / 'pca.json'} is not a saved pca model ({error!r}).") from None


def _float32_noise(mean: Vector) -> Vector:
    """Return the variance that rounding to float32 alone can give each feature, (d,).

    Each feature has its own unit, so that the size of another says nothing of it.
    """
    return np.asarray((8 * _FLOAT32_EPS * mean) ** 2)


def _rank(values: Vector, moments: Moments) -> int:
    """Count the eigenvalues that stand out of rounding; n rows span n − 1 dimensions at most."""
    largest = float(values[0]) if len(values) else 0.0
    threshold = largest * max(moments.n, moments.features) * _FLOAT64_EPS
    return min(int((values > threshold).sum()), max(moments.n - 1, 0))


def _wanted(components: int | float, reached: Vector) -> int:
    if isinstance(components, int):
        return components
    return int(np.searchsorted(reached, components * (1 - 1e-12))) + 1


def fixed_signs(components: Matrix) -> Matrix:
    """Make the entry that is largest in absolute value positive, in each row."""
    if not len(components):
        return components.copy()
    largest = np.argmax(np.abs(components), axis=1)
    signs = np.sign(components[np.arange(len(components)), largest])
    return np.ascontiguousarray(components * signs[:, None])
