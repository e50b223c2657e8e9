"""What speaks for each label: the nearest photos, and the mean of the label. For many queries.

Every label c of a gallery gets a score from two cosines in the projected space,

    s_c = v · (similarity of its nearest photo) + w · (similarity of its mean),

and the confidences are softmax(s): a conditional logit (D. McFadden, "Conditional logit analysis
of qualitative choice behavior", 1974) whose two weights, v and w, are fitted to held-out photos.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from verger.projections.moments import unit_length

NEIGHBOURS = 64  # that have a say: a label with none among them counts as near as the last
_ROWS_AT_ONCE = 4096
_A_BLOCK = 512  # rows at most, and less where that makes too few blocks to choose from
_BLOCKS = 4  # for each of those sought
ABSENT = -2.0  # the similarity of a label that is not there; cosines are −1 to 1

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.integer]


class Evidence(NamedTuple):
    """What is known of m queries.

    nearest:   float32 (m, L), similarity of the nearest photo of each label
    means:     float32 (m, L), similarity to the mean of each label
    likeness:  float32 (m,), similarity to the nearest label mean in the space of all features
    """

    nearest: Floats
    means: Floats
    likeness: Floats


def label_means(rows: Floats, label_ids: Ids, labels: int) -> Floats:
    """Return the mean direction of the rows (n, d) of each label: float32 (L, d), unit length.

    Rows whose label id is negative are left out; a label without rows gets zeros.
    """
    sums = np.zeros((labels, rows.shape[1]))
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        span = slice(start, start + _ROWS_AT_ONCE)
        add_by_label(sums, rows[span], label_ids[span])
    return unit_length(sums).astype(np.float32)


def add_by_label(
    sums: npt.NDArray[np.float64], rows: npt.NDArray[np.floating], label_ids: Ids
) -> None:
    """Add each row (n, d) to the sum (L, d) of its label, in place; negative ids have none."""
    order = np.argsort(label_ids, kind="stable")
    order = order[label_ids[order] >= 0]
    if len(order):
        met, starts = np.unique(label_ids[order], return_index=True)
        sums[met] += np.add.reduceat(rows[order], starts, axis=0, dtype=np.float64)


def nearest_by_label(similarities: Floats, label_ids: Ids, labels: int) -> Floats:
    """Return the similarity of the nearest photo of each label: float32 (m, L).

    similarities:  float32 (m, n) of the n nearest photos of m queries
    label_ids:     (m, n), the labels of these photos; negative for none
    A label that none of them has counts as near as the last of them.
    """
    out = np.repeat(similarities.min(axis=1, keepdims=True), labels, axis=1)
    rows, columns = np.nonzero(label_ids >= 0)
    np.maximum.at(out, (rows, label_ids[rows, columns]), similarities[rows, columns])
    return np.asarray(out, dtype=np.float32)


def nearest_rows(queries: Floats, rows: Floats, count: int) -> tuple[Ids, Floats]:
    """Return the `count` rows (n, k) nearest to each query (m, k), nearest first, exactly.

    Rows and queries have unit length. Equal similarities are in the order of the rows.
    """
    count = min(count, len(rows))
    photos = np.zeros((len(queries), count), dtype=np.int64)
    similarities = np.zeros((len(queries), count), dtype=np.float32)
    if count:
        for number, query in enumerate(queries):
            photos[number], similarities[number] = _nearest(rows @ query, count)
    return photos, similarities


def _nearest(similarities: Floats, count: int) -> tuple[Ids, Floats]:
    """Select the largest `count` values, largest first.

    The count-th largest of the maxima of blocks is a bound that at least `count` values reach and
    few others do: it takes one pass, where sorting or partitioning a million takes ten times more.
    """
    block = min(_A_BLOCK, max(1, len(similarities) // (_BLOCKS * count)))
    maxima = np.maximum.reduceat(similarities, np.arange(0, len(similarities), block))
    bound = np.float32(-np.inf)
    if len(maxima) > count:
        bound = np.partition(maxima, len(maxima) - count)[len(maxima) - count]
    best = np.flatnonzero(similarities >= bound)
    best = best[np.argsort(-similarities[best], kind="stable")[:count]]
    return best, similarities[best]
