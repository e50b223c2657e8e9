"""Sufficient statistics that merge: count, mean and centred scatter of rows of features. No Spark.

`Moments.zero(d)` is a true identity, and merging is associative and commutative up to rounding, so
any grouping of rows over tasks gives the same result. Formulas: T. F. Chan, G. H. Golub and
R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Self

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and scatter of `n` rows of `d` features.

    n:        number of rows
    mean:     float64 (d,)
    scatter:  float64 (d, d), the sum over rows of (x − mean)(x − mean)ᵀ
    """

    n: int
    mean: Vector
    scatter: Matrix

    @classmethod
    def zero(cls, features: int) -> Self:
        """Return the moments of no row at all: the identity of `merge`."""
        return cls(0, np.zeros(features), np.zeros((features, features)))

    @classmethod
    def of(cls, rows: npt.NDArray[np.floating]) -> Self:
        """Return the moments of a block of rows (n, d).

        The block is centred in float64 before the product is formed, so that a large common offset
        costs no precision. Raises ValueError if a value is NaN or infinite.
        """
        block = np.asarray(rows, dtype=np.float64)
        if not len(block):
            return cls.zero(block.shape[1])
        mean = block.mean(axis=0)
        if not np.isfinite(mean).all():
            raise ValueError("features that are NaN or infinite")
        centred = block - mean
        return cls(len(block), mean, centred.T @ centred)

    def merge(self, other: Self) -> Self:
        """Return the moments of both sets of rows together. Raises ValueError if `d` differs."""
        if self.features != other.features:
            raise ValueError(f"moments of {self.features} and of {other.features} features")
        if not other.n:
            return self
        if not self.n:
            return other
        n = self.n + other.n
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.n / n)
        between = np.outer(delta, delta * (self.n * other.n / n))
        return type(self)(n, mean, self.scatter + other.scatter + between)

    @property
    def features(self) -> int:
        """The number of features, d."""
        return len(self.mean)

    def covariance(self) -> Matrix:
        """Return the sample covariance (d, d), divided by n − 1; zeros for fewer than two rows."""
        return self.scatter / max(self.n - 1, 1)


def merge_all(parts: Iterable[Moments], features: int) -> Moments:
    """Merge any number of moments, none included."""
    return reduce(Moments.merge, parts, Moments.zero(features))
