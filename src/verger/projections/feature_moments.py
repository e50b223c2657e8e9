"""What both projections are fitted to: two sets of moments, which go hand in hand. No Spark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from verger.projections.moments import Moments, root_unit


class FeatureMoments(NamedTuple):
    """The moments of rows of features.

    raw:   of all rows as they are
    unit:  of the labelled rows, prepared by `root_unit`, with counts and means by label
    """

    raw: Moments
    unit: Moments

    @classmethod
    def zero(cls, features: int) -> Self:
        """Return the moments of no row at all."""
        return cls(Moments.zero(features), Moments.zero(features))

    @classmethod
    def of(cls, rows: npt.NDArray[np.floating], labels: Sequence[str | None]) -> Self:
        """Return the moments of a block of rows (n, d). Raises as `Moments.of` does."""
        labelled = [row for row, label in enumerate(labels) if label is not None]
        mine = root_unit(rows[labelled]), [labels[row] for row in labelled]
        return cls(Moments.of(rows), Moments.of(*mine))

    def merge(self, other: Self) -> Self:
        """Return the moments of both sets of rows together."""
        return type(self)(self.raw.merge(other.raw), self.unit.merge(other.unit))

    def without(self, other: Self) -> Self:
        """Return the moments of these rows but those of `other`, which are among them."""
        return type(self)(self.raw.without(other.raw), self.unit.without(other.unit))

    def shrinks_by(self, left: Self) -> float:
        """Say how much less is `left` of these rows; see `Moments`."""
        return max(one.shrinks_by(other) for one, other in zip(self, left, strict=True))

    def weight_of_rounding(self, left: Self) -> float:
        """Say how much rounding counts for in what is `left`; see `Moments`."""
        return max(one.weight_of_rounding(other) for one, other in zip(self, left, strict=True))
