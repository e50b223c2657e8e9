"""Sufficient statistics that merge: count, mean and centred scatter of rows of features. No Spark.

`Moments.zero(d)` is a true identity, and merging is associative and commutative up to rounding, so
any grouping of rows over tasks gives the same result. Formulas: T. F. Chan, G. H. Golub and
R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Self

import numpy as np
import numpy.typing as npt

from verger.errors import UsageError
from verger.machine.memory import memory_given

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

# Scatters raw and of unit length: kept, more, fewer, merged, what is left; and one on its way.
_MATRICES_AT_ONCE = 11

_LARGEST = 1e150  # the square of a mean below it, times any number of rows, is still a float64


class NotFinite(ValueError):
    """A row holds NaN, an infinite value or one too large to square; `row` is its index."""

    def __init__(self, row: int) -> None:
        self.row = row
        super().__init__(f"row {row} holds features that are NaN, infinite or too large to square")


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and scatter of `n` rows of `d` features, and counts and means by label.

    n:             number of rows
    mean:          float64 (d,)
    scatter:       float64 (d, d), the sum over rows of (x − mean)(x − mean)ᵀ
    labels:        the L labels met, sorted; rows without a label count in the totals alone
    label_counts:  int64 (L,)
    label_means:   float64 (L, d)
    """

    n: int
    mean: Vector
    scatter: Matrix
    labels: tuple[str, ...]
    label_counts: Counts
    label_means: Matrix

    @classmethod
    def zero(cls, features: int) -> Self:
        """Return the moments of no row at all: the identity of `merge`."""
        return cls(
            n=0,
            mean=np.zeros(features),
            scatter=np.zeros((features, features)),
            labels=(),
            label_counts=np.zeros(0, dtype=np.int64),
            label_means=np.zeros((0, features)),
        )

    @classmethod
    def of(
        cls,
        rows: npt.NDArray[np.floating],
        labels: Sequence[str | None] | None = None,
    ) -> Self:
        """Return the moments of a block of rows (n, d), with labels or without.

        The block is centred in float64 before the product is formed, so that a large common offset
        costs no precision. Raises `NotFinite` if a value is NaN, infinite or too large to square.
        """
        n, features = rows.shape
        if not n:
            return cls.zero(features)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = rows.mean(axis=0, dtype=np.float64)
            centred = np.subtract(rows, mean, dtype=np.float64)
            scatter = centred.T @ centred
        if not (np.isfinite(np.trace(scatter)) and np.abs(mean).max(initial=0) < _LARGEST):
            raise NotFinite(_first_odd(rows))
        names, counts, means = _by_label(centred, labels or ())
        return cls(n, mean, scatter, names, counts, means + mean)

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
        scatter = np.outer(delta, delta * (self.n * other.n / n))
        scatter += self.scatter
        scatter += other.scatter
        labels, counts, means = _merged_labels(self, other)
        return type(self)(n, mean, scatter, labels, counts, means)

    def without(self, other: Self) -> Self:
        """Return the moments of these rows but those of `other`, which are among them.

        The inverse of `merge`, but for rounding, which `weight_of_rounding` bounds. Raises
        ValueError where `other` cannot be among them: more rows, of all or of a label.
        """
        if self.features != other.features:
            raise ValueError(f"moments of {self.features} and of {other.features} features")
        if not other.n:
            return self
        n = self.n - other.n
        labels, counts, means = _labels_left(self, other)
        if n < 0:
            raise ValueError(f"{other.n} rows cannot be among {self.n}")
        if not n:
            return self.zero(self.features)
        mean = self.mean + (self.mean - other.mean) * (other.n / n)
        delta = other.mean - mean
        scatter = self.scatter - np.outer(delta, delta * (n * other.n / self.n))
        scatter -= other.scatter
        return type(self)(n, mean, scatter, labels, counts, means)

    def shrinks_by(self, left: Self) -> float:
        """Return by how much subtracting magnifies rounding errors: the largest ratio to `left`.

        Of scatters by feature, of counts, and of counts by label; at least 1, and infinite where a
        feature of `left` has no spread.
        """
        if not left.n:
            return 1.0
        before = dict(zip(self.labels, self.label_counts.tolist(), strict=True))
        after = zip(left.labels, left.label_counts.tolist(), strict=True)
        counts = [before.get(label, 0) / count for label, count in after]
        return float(max(1.0, self.n / left.n, *counts, self._ratios(left).max(initial=1)))

    def weight_of_rounding(self, left: Self) -> float:
        """Say how much rounding counts for in what is `left` of these rows, in units of float64's.

        What was added and is taken away again leaves its rounding behind: a scatter of 1, left of
        one of 1,000, is a thousand times less exact. A mean far from 0 counts as `merge` rounds it.
        """
        spread = np.diagonal(self.scatter) > 0
        offset = np.abs(self.mean[spread]) / np.sqrt(np.diagonal(self.scatter)[spread] / self.n)
        ratios = self._ratios(left) * (1 + offset)
        return max(self.shrinks_by(left), float(ratios.max(initial=1)))

    def _ratios(self, left: Self) -> Vector:
        """Return the scatter of each feature that spreads here beside its own in `left`."""
        before, after = np.diagonal(self.scatter), np.diagonal(left.scatter)
        spread = before > 0
        with np.errstate(divide="ignore"):
            return np.where(after[spread] > 0, before[spread] / after[spread], np.inf)

    @property
    def features(self) -> int:
        """The number of features, d."""
        return len(self.mean)

    def covariance(self) -> Matrix:
        """Return the sample covariance (d, d), divided by n − 1; zeros for fewer than two rows."""
        return self.scatter / max(self.n - 1, 1)


def check_width(features: int) -> None:
    """Refuse a width whose matrices (features × features, float64) this process cannot hold.

    Raises `UsageError` with the figures, before anything is allocated.
    """
    matrix = 8 * features * features
    memory = memory_given()
    if _MATRICES_AT_ONCE * matrix > memory:
        raise UsageError(
            f"{features} features need {matrix / 2**30:.1f} GiB for each {features} × {features} "
            f"matrix, of which {_MATRICES_AT_ONCE} are held at once; there is "
            f"{memory / 2**30:.1f} GiB."
        )


def merge_all(parts: Iterable[Moments], features: int) -> Moments:
    """Merge any number of moments, none included."""
    return reduce(Moments.merge, parts, Moments.zero(features))


def unit_length(rows: npt.NDArray[np.floating]) -> Matrix:
    """Scale each row (n, d) to length 1 in float64; a row of zeros stays as it is."""
    return _scaled(np.array(rows, dtype=np.float64))


def root_unit(rows: npt.NDArray[np.floating]) -> Matrix:
    """Take the signed square root of each value, then scale each row (n, d) to length 1.

    Of rows without negative values, distances are then Hellinger's: a few strong features no
    longer drown the many weak ones. See R. Arandjelović and A. Zisserman, "Three things everyone
    should know to improve object retrieval", 2012.
    """
    block = np.array(rows, dtype=np.float64)
    negative = block < 0
    # In place: a block of 4,096 rows of 1,280 features is 40 MiB, and so would each step be.
    np.sqrt(np.abs(block, out=block), out=block)
    return _scaled(np.negative(block, out=block, where=negative))


def _scaled(block: Matrix) -> Matrix:
    """Scale each row to length 1, in place; a row of zeros stays as it is."""
    lengths = _lengths(block)
    if not np.isfinite(lengths).all():  # squares that overflow, or NaN, which stays NaN
        block /= np.maximum(np.abs(block).max(axis=1, keepdims=True), 1.0)
        lengths = _lengths(block)
    block /= np.where(lengths > 0, lengths, 1.0)
    return block


def _lengths(block: Matrix) -> Matrix:
    with np.errstate(over="ignore"):
        squares: Matrix = np.einsum("ij,ij->i", block, block)[:, None]
        return np.sqrt(squares)


def _first_odd(rows: npt.NDArray[np.floating]) -> int:
    """Return the first row that is not finite, or else the one with the largest value."""
    finite = np.isfinite(rows).all(axis=1)
    return int(np.abs(rows).max(axis=1).argmax() if finite.all() else finite.argmin())


def _by_label(
    block: Matrix, labels: Sequence[str | None]
) -> tuple[tuple[str, ...], Counts, Matrix]:
    """Return the labels, and the count and the mean of the rows of each."""
    labelled = [row for row, label in enumerate(labels) if label is not None]
    if not labelled:
        return (), np.zeros(0, dtype=np.int64), np.zeros((0, block.shape[1]))
    names = np.array([labels[row] for row in labelled], dtype=object)
    order = np.argsort(names, kind="stable")
    found, starts, counts = np.unique(names[order], return_index=True, return_counts=True)
    sums = np.add.reduceat(block[np.array(labelled)[order]], starts, axis=0)
    return tuple(found.tolist()), counts.astype(np.int64), sums / counts[:, None]


def _merged_labels(one: Moments, two: Moments) -> tuple[tuple[str, ...], Counts, Matrix]:
    if not one.labels or not two.labels:
        full = one if one.labels else two
        return full.labels, full.label_counts, full.label_means
    labels = tuple(sorted({*one.labels, *two.labels}))
    at = {label: row for row, label in enumerate(labels)}
    counts = np.zeros(len(labels), dtype=np.int64)
    means = np.zeros((len(labels), one.features))
    for part in (one, two):
        rows = np.array([at[label] for label in part.labels])
        counts[rows] += part.label_counts
        share = part.label_counts / counts[rows]
        means[rows] += (part.label_means - means[rows]) * share[:, None]
    return labels, counts, means


def _labels_left(one: Moments, two: Moments) -> tuple[tuple[str, ...], Counts, Matrix]:
    at = {label: row for row, label in enumerate(one.labels)}
    if not at.keys() >= set(two.labels):
        raise ValueError(f"no row of label {min(set(two.labels) - at.keys())!r}")
    rows = np.array([at[label] for label in two.labels], dtype=np.int64)
    counts, means = one.label_counts.copy(), one.label_means.copy()
    counts[rows] -= two.label_counts
    if (counts < 0).any():
        raise ValueError("more rows of a label than there are")
    left = rows[counts[rows] > 0]
    gone = two.label_counts[counts[rows] > 0]
    shares = gone / counts[left]
    means[left] += (means[left] - two.label_means[counts[rows] > 0]) * shares[:, None]
    kept = np.flatnonzero(counts)
    return tuple(one.labels[row] for row in kept), counts[kept], means[kept]
