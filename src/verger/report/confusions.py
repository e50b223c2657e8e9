"""Confusions: which labels photos were given by a discriminant that had not seen them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verger.report.mislabels import Judged
from verger.report.neighbours import unit
from verger.report.reading import Floats, Ints


@dataclass(frozen=True, slots=True)
class Confusion:
    """Photos of one label that were named by another.

    label, named: codes of both
    photos:       how many of the label's photos were named so
    share:        of those of the label that were judged
    examples:     rows, each (one that was named so, the photo nearest to it of the other label)
    """

    label: int
    named: int
    photos: int
    share: float
    examples: tuple[tuple[int, int], ...]


def confusions(
    judged: Judged, codes: Ints, features: Floats, most: int, examples: int
) -> list[Confusion]:
    """Return all pairs of a label and a wrong name, those of most photos first.

    codes:    (m,), the labels of the rows that were judged; features: (m, d)
    most:     how many of them get examples
    examples: how many to give of each of these
    """
    known = np.flatnonzero(judged.named >= 0)
    wrong = known[judged.named[known] != codes[known]]
    if not len(wrong):
        return []
    of_label = np.bincount(codes[known])
    pairs, inverse, counts = np.unique(
        np.stack([codes[wrong], judged.named[wrong]], axis=1),
        axis=0, return_inverse=True, return_counts=True,
    )  # fmt: skip
    shares = counts / of_label[pairs[:, 0]]
    out = []
    for place, at in enumerate(np.lexsort((-shares, -counts))):
        label, named = (int(code) for code in pairs[at])
        shown: tuple[tuple[int, int], ...] = ()
        if place < most:
            mine = wrong[inverse.ravel() == at]
            mine = mine[np.argsort(-judged.margin[mine], kind="stable")][:examples]
            shown = _beside(mine.tolist(), np.flatnonzero(codes == named), features)
        out.append(Confusion(label, named, int(counts[at]), float(shares[at]), shown))
    return out


def _beside(rows: Sequence[int], others: Ints, features: Floats) -> tuple[tuple[int, int], ...]:
    """Put beside each row the one of the others that is nearest to it, by cosine."""
    there = unit(features[others])
    return tuple((row, int(others[(there @ features[row]).argmax()])) for row in rows)
