"""The discriminant projection: shrinkage LDA in closed form, from moments. No Spark.

Of each value the square root is taken, and rows are scaled to unit length. With the between-label
covariance B and the within-label covariance W, shrunk towards a multiple of the identity,

    S = (1 − a) W + a (tr W / d) I

the directions v maximise vᵀBv / vᵀSv. B has the rank of the label means, so the directions come
from one Cholesky factor of S and one SVD of the label means in the space that it whitens. See
R. A. Fisher, "The use of multiple measurements in taxonomic problems", 1936, and J. H. Friedman,
"Regularized discriminant analysis", 1989.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from verger.errors import StoreError, UsageError
from verger.machine.blas import on_one_thread
from verger.projections.model_files import count_of, load_model, number_of, save_model
from verger.projections.moments import Matrix, Moments, Vector, root_unit, unit_length
from verger.projections.pca import check_columns, fixed_signs

KIND = "discriminant"
DEFAULT_SHRINKAGE = 0.3
# How rows are prepared before they are projected, as it stands in a saved model: now, and in
# format 1.
ROOT_UNIT, UNIT = "square root, unit length", "unit length"
# What a saved model holds: fields, and arrays with their dimensions.
_FIELDS = ("k", "shrinkage", "rows", "labels", "input")
_SHAPES = {"mean": ("d",), "components": ("k", "d"), "separation": ("k",)}
_PREPARE = {ROOT_UNIT: root_unit, UNIT: unit_length}
_NO_DIRECTION = 1e-10  # share of the largest singular value below which there is no direction

# The variance that rounding to float32 gives rows of length 1, with room to spare; and the share of
# the spread within labels below which that between them is rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Discriminant:
    """A fitted projection onto k discriminant directions of d features.

    mean:        float64 (d,), of the prepared rows
    components:  float64 (k, d); the within-label covariance of projected rows is the identity
    separation:  float64 (k,), between-label over within-label variance of each, decreasing
    shrinkage:   from 0 (none) to 1 (the identity alone)
    rows:        how many labelled rows it was fitted on
    labels:      how many labels
    input:       how rows are prepared: `ROOT_UNIT`; `UNIT` for models of format 1
    """

    mean: Vector
    components: Matrix
    separation: Vector
    shrinkage: float
    rows: int
    labels: int
    input: str = ROOT_UNIT

    @property
    def k(self) -> int:
        """The number of directions."""
        return len(self.components)

    def transform(self, rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Prepare rows (n, d), centre and project them: float32 (n, k).

        A row with NaN gives NaN. Raises `ValueError` for rows of another width.
        """
        check_columns(rows, len(self.mean))
        return ((_PREPARE[self.input](rows) - self.mean) @ self.components.T).astype(np.float32)


@on_one_thread
def fit_discriminant(moments: Moments, shrinkage: float = DEFAULT_SHRINKAGE) -> Discriminant:
    """Fit the discriminant projection to the moments of labelled rows, prepared by `root_unit`.

    At most labels − 1 directions are given. A label with a single row adds nothing to the spread
    within labels, and counts between them. Raises `UsageError` for fewer than two labels, for a
    shrinkage outside 0 to 1, and where no row differs from its label's mean and nothing is shrunk.
    """
    if not 0 <= shrinkage <= 1:
        raise UsageError(f"A shrinkage of {shrinkage} is not between 0 and 1.")
    if len(moments.labels) < 2:
        raise UsageError(
            f"A discriminant projection needs two labels or more; there is {len(moments.labels)}."
        )
    if moments.label_counts.sum() != moments.n:
        raise ValueError("moments with rows that have no label")
    offsets, root = _between_and_within(moments, shrinkage)
    directions, singular, _ = np.linalg.svd(np.linalg.solve(root, offsets.T), full_matrices=False)
    separated = (singular > singular[0] * _NO_DIRECTION) & (singular**2 > _ROUNDING)
    k = min(int(separated.sum()), len(moments.labels) - 1)
    components = np.linalg.solve(root.T, directions[:, :k]).T
    return Discriminant(
        mean=moments.mean,
        components=fixed_signs(components),
        separation=singular[:k] ** 2,
        shrinkage=float(shrinkage),
        rows=moments.n,
        labels=len(moments.labels),
    )


@on_one_thread
def separation_kept(model: Discriminant, moments: Moments) -> float:
    """Return how well directions separate the labels of rows, as a share of the best there is.

    Of the spread between labels over that within them, summed up over all directions; 1 for the
    directions that are fitted to these moments.
    """
    offsets, root = _between_and_within(moments, model.shrinkage)
    best = (np.linalg.solve(root, offsets.T) ** 2).sum()
    spread = model.components @ root
    apart = np.linalg.solve(_cholesky(spread @ spread.T), model.components @ offsets.T)
    return float((apart**2).sum() / best) if best > _ROUNDING else 1.0


def save_discriminant(model: Discriminant, folder: Path) -> None:
    """Write the projection as `discriminant.json` and its arrays."""
    fields = {name: getattr(model, name) for name in _FIELDS}
    save_model(folder, KIND, fields, {name: getattr(model, name) for name in _SHAPES})


def load_discriminant(folder: Path) -> Discriminant:
    """Read what `save_discriminant` wrote. Raises `StoreError` where it is not whole."""
    header, arrays = load_model(folder, KIND, _SHAPES)
    try:
        if count_of(header, "k") != len(arrays["components"]):
            raise ValueError("k is not the number of components")
        if header["input"] not in tuple(_PREPARE) or number_of(header, "shrinkage") > 1:
            raise ValueError("made for other features, or with another shrinkage")
        return Discriminant(
            **arrays,
            shrinkage=number_of(header, "shrinkage"),
            rows=count_of(header, "rows"),
            labels=count_of(header, "labels"),
            input=header["input"],
        )
    except (KeyError, ValueError) as error:
        raise StoreError(f"{folder}/{KIND}.json is not a saved {KIND} model ({error!r}).") from None


def _between_and_within(moments: Moments, shrinkage: float) -> tuple[Matrix, Matrix]:
    """Return the weighted, centred label means (L, d), and a factor of S (d, d)."""
    weights = np.sqrt(moments.label_counts / moments.n)
    offsets = (moments.label_means - moments.mean) * weights[:, None]
    within = moments.scatter / moments.n - offsets.T @ offsets
    return offsets, _cholesky(_shrunk(within, shrinkage))


def _shrunk(within: Matrix, shrinkage: float) -> Matrix:
    d = len(within)
    ridge = shrinkage * np.trace(within) / d
    return np.asarray((1 - shrinkage) * within + ridge * np.eye(d))


def _cholesky(covariance: Matrix) -> Matrix:
    """Factor a covariance; one without any spread but rounding counts as the identity."""
    if not np.trace(covariance) > _ROUNDING:
        return np.eye(len(covariance))
    try:
        return np.asarray(np.linalg.cholesky(covariance))
    except np.linalg.LinAlgError:
        raise UsageError(
            "The features do not spread in every direction within labels; without shrinkage there "
            "is no discriminant projection.",
            hint="Give a shrinkage above 0, such as 0.3.",
        ) from None
